"""The models of the original tables and their variants, as torchvision builds them."""

from passtime.asv import benchmark
from passtime.catalog import workloads


class VGG(benchmark.PassBenchmark):
    """VGG 11 to 19, with and without batch normalization."""

    version = "2"
    params = (workloads.VGG_MODELS, workloads.DEVICES)
    param_names = ("model", "device")


class ResNet(benchmark.PassBenchmark):
    """ResNet 18 to 152, and the variants that torchvision builds from the same class."""

    version = "2"
    params = (workloads.RESNET_MODELS, workloads.DEVICES)
    param_names = ("model", "device")
