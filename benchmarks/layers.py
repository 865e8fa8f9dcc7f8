"""Single layers, with the shapes of the original tables."""

from passtime.asv import benchmark
from passtime.catalog import workloads


class Convolution(benchmark.PassBenchmark):
    """3x3 and 5x5 convolutions of a 224x224 image, with stride 1 and 2."""

    version = "2"
    params = (tuple(workloads.CONVOLUTIONS), workloads.DEVICES)
    param_names = ("layer", "device")


class Dense(benchmark.PassBenchmark):
    """A fully connected layer, 1024 to 512."""

    version = "2"
    params = (tuple(workloads.DENSE_LAYERS), workloads.DEVICES)
    param_names = ("layer", "device")


class Normalization(benchmark.PassBenchmark):
    """Batch normalization of a 224x224 image."""

    version = "2"
    params = (tuple(workloads.NORMALIZATIONS), workloads.DEVICES)
    param_names = ("layer", "device")


class Pooling(benchmark.PassBenchmark):
    """3x3 max and mean pooling of a 224x224 image, with stride 2."""

    version = "2"
    params = (tuple(workloads.POOLINGS), workloads.DEVICES)
    param_names = ("layer", "device")
