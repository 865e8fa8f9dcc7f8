"""WHAT is timed: every workload, the only place where sizes are written.

A workload is a model or a layer with its input shape, named the same in every framework. `request_fields` turns one
into the flat fields that a worker receives, so that no worker, in any language, writes a size of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

IMAGE_SHAPE = (3, 224, 224)
CLASSES = 1000
DEVICES = ("cpu", "gpu")
MODEL_BATCH = 8

# The tables that passtime grew from used the smaller batch for these two on the GPU.
GPU_MODEL_BATCH = MappingProxyType({"resnet101": 4, "resnet152": 4})

VGG_MODELS = ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn")
RESNET_MODELS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)
MODELS = VGG_MODELS + RESNET_MODELS


@dataclass(frozen=True)
class Layer:
    """A layer and the shape of its input.

    `kind` is one of `conv`, `dense`, `batchnorm`, `maxpool`, `meanpool`; `input_shape` is batch first, as in the
    tables that passtime grew from. Fields that a kind does not use stay 0.
    """

    kind: str
    input_shape: tuple[int, ...]
    output_channels: int = 0
    kernel: int = 0
    stride: int = 0
    padding: int = 0


_IMAGE = (1, *IMAGE_SHAPE)

CONVOLUTIONS = MappingProxyType(
    {
        "conv3x3/1": Layer("conv", _IMAGE, output_channels=64, kernel=3, stride=1, padding=1),
        "conv5x5/1": Layer("conv", _IMAGE, output_channels=64, kernel=5, stride=1, padding=2),
        "conv3x3/2": Layer("conv", _IMAGE, output_channels=64, kernel=3, stride=2, padding=1),
        "conv5x5/2": Layer("conv", _IMAGE, output_channels=64, kernel=5, stride=2, padding=2),
    }
)
DENSE_LAYERS = MappingProxyType({"dense": Layer("dense", (1, 1024), output_channels=512)})
NORMALIZATIONS = MappingProxyType({"batchnorm": Layer("batchnorm", _IMAGE, output_channels=IMAGE_SHAPE[0])})
POOLINGS = MappingProxyType(
    {
        "maxpool": Layer("maxpool", _IMAGE, kernel=3, stride=2, padding=1),
        "meanpool": Layer("meanpool", _IMAGE, kernel=3, stride=2, padding=1),
    }
)
LAYERS = MappingProxyType({**CONVOLUTIONS, **DENSE_LAYERS, **NORMALIZATIONS, **POOLINGS})


def request_fields(workload: str, device: str) -> dict[str, object]:
    """The flat fields that tell a worker what to build for `workload` on `device`.

    Raises KeyError for a workload that is neither a model nor a layer.
    """
    if workload in MODELS:
        batch = GPU_MODEL_BATCH.get(workload, MODEL_BATCH) if device == "gpu" else MODEL_BATCH
        return {
            "workload": workload,
            "device": device,
            "kind": "model",
            "input_shape": [batch, *IMAGE_SHAPE],
            "output_channels": CLASSES,
            "kernel": 0,
            "stride": 0,
            "padding": 0,
        }
    layer = LAYERS[workload]
    return {
        "workload": workload,
        "device": device,
        "kind": layer.kind,
        "input_shape": list(layer.input_shape),
        "output_channels": layer.output_channels,
        "kernel": layer.kernel,
        "stride": layer.stride,
        "padding": layer.padding,
    }
