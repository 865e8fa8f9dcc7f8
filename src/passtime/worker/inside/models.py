"""torchvision's models as plain layers, for an adapter whose framework brings none. No framework, only sizes.

Sources: Simonyan and Zisserman 2014 (VGG); He et al. 2015, Xie et al. 2016, Zagoruyko and Komodakis 2016 (ResNet and
its grouped and wide variants); torchvision's vgg.py and resnet.py for what these leave open.
"""
# ruff: noqa: B905, UP006, UP035

from typing import Any, Dict, List, NamedTuple, Tuple

from passtime.worker import protocol

CONV, DENSE, BATCHNORM, MAXPOOL, MEANPOOL = "conv", "dense", "batchnorm", "maxpool", "meanpool"
RELU, DROPOUT, FLATTEN, AVERAGE, RESIDUAL = "relu", "dropout", "flatten", "average", "residual"


class Layer(NamedTuple):
    """A layer of one of the kinds above; what its kind does not use stays at its default.

    `average` leaves the mean of each channel. A residual layer adds what `block` and what `shortcut` make of its input;
    without a shortcut, the input itself.
    """

    kind: str
    inputs: int = 0
    outputs: int = 0
    kernel: int = 0
    stride: int = 1
    padding: int = 0
    groups: int = 1
    has_bias: bool = True
    block: Tuple[Any, ...] = ()
    shortcut: Tuple[Any, ...] = ()


# How many convolutions stand before each of the five poolings.
VGG_DEPTHS: Dict[str, Tuple[int, ...]] = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
VGG_CHANNELS = (64, 128, 256, 512, 512)


class ResNet(NamedTuple):
    """How many blocks each stage has; a bottleneck's groups, and its channels for each group and 64 of the stage's."""

    depths: Tuple[int, ...]
    is_bottleneck: bool
    groups: int = 1
    width: int = 64


RESNETS: Dict[str, ResNet] = {
    "resnet18": ResNet((2, 2, 2, 2), False),
    "resnet34": ResNet((3, 4, 6, 3), False),
    "resnet50": ResNet((3, 4, 6, 3), True),
    "resnet101": ResNet((3, 4, 23, 3), True),
    "resnet152": ResNet((3, 8, 36, 3), True),
    "resnext50_32x4d": ResNet((3, 4, 6, 3), True, groups=32, width=4),
    "resnext101_32x8d": ResNet((3, 4, 23, 3), True, groups=32, width=8),
    "resnext101_64x4d": ResNet((3, 4, 23, 3), True, groups=64, width=4),
    "wide_resnet50_2": ResNet((3, 4, 6, 3), True, width=128),
    "wide_resnet101_2": ResNet((3, 4, 23, 3), True, width=128),
}
STAGE_CHANNELS = (64, 128, 256, 512)


def of_request(request: dict) -> List[Layer]:
    """The layers of a request's workload. Raises Failure for one that is not here."""
    kind, inputs = request["kind"], request["input_shape"][1]
    if kind == "model":
        return model(request["workload"], request["output_channels"])
    if kind not in (CONV, DENSE, BATCHNORM, MAXPOOL, MEANPOOL):
        raise protocol.Failure(protocol.UNAVAILABLE, f"this worker has no layer of kind {kind}")
    outputs = inputs if kind == BATCHNORM else request["output_channels"]
    return [Layer(kind, inputs, outputs, *(request[name] for name in ("kernel", "stride", "padding")))]


def model(name: str, classes: int) -> List[Layer]:
    """The layers of torchvision's model of that name, which end without a softmax. Raises Failure for another name."""
    plain_name = name.replace("_bn", "")
    if plain_name in VGG_DEPTHS:
        return _vgg(VGG_DEPTHS[plain_name], name != plain_name, classes)
    if name in RESNETS:
        return _resnet(RESNETS[name], classes)
    raise protocol.Failure(protocol.UNAVAILABLE, f"this worker has no model {name}")


def _vgg(depths: Tuple[int, ...], is_normalised: bool, classes: int) -> List[Layer]:
    layers, inputs = [], 3
    for depth, channels in zip(depths, VGG_CHANNELS):
        for _ in range(depth):
            layers.append(Layer(CONV, inputs, channels, 3, padding=1))
            if is_normalised:
                layers.append(Layer(BATCHNORM, channels, channels))
            layers.append(Layer(RELU))
            inputs = channels
        layers.append(Layer(MAXPOOL, kernel=2, stride=2))
    # torchvision's pooling to 7 by 7 that follows leaves 7 by 7 as it is.
    hidden = 4096
    return [
        *layers,
        Layer(FLATTEN),
        *(Layer(DENSE, 7 * 7 * inputs, hidden), Layer(RELU), Layer(DROPOUT)),
        *(Layer(DENSE, hidden, hidden), Layer(RELU), Layer(DROPOUT)),
        Layer(DENSE, hidden, classes),
    ]


def _resnet(resnet: ResNet, classes: int) -> List[Layer]:
    layers = [*_normalised(3, 64, 7, stride=2), Layer(RELU), Layer(MAXPOOL, kernel=3, stride=2, padding=1)]
    inputs = 64
    for stage, (depth, channels) in enumerate(zip(resnet.depths, STAGE_CHANNELS)):
        outputs = channels * (4 if resnet.is_bottleneck else 1)
        for number in range(depth):
            stride = 2 if stage > 0 and number == 0 else 1
            block = _bottleneck if resnet.is_bottleneck else _basic
            is_projected = inputs != outputs or stride != 1
            shortcut = _normalised(inputs, outputs, 1, stride) if is_projected else ()
            layers += [
                Layer(RESIDUAL, block=block(resnet, inputs, channels, outputs, stride), shortcut=shortcut),
                Layer(RELU),
            ]
            inputs = outputs
    return [*layers, Layer(AVERAGE), Layer(DENSE, inputs, classes)]


def _normalised(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> Tuple[Layer, ...]:
    """A convolution that keeps the image's size but for its stride, without a bias, and a normalisation."""
    convolution = Layer(CONV, inputs, outputs, kernel, stride, kernel // 2, groups, has_bias=False)
    return convolution, Layer(BATCHNORM, outputs, outputs)


def _basic(resnet: ResNet, inputs: int, channels: int, outputs: int, stride: int) -> Tuple[Layer, ...]:
    return (*_normalised(inputs, outputs, 3, stride), Layer(RELU), *_normalised(outputs, outputs, 3))


def _bottleneck(resnet: ResNet, inputs: int, channels: int, outputs: int, stride: int) -> Tuple[Layer, ...]:
    """The stride is the middle convolution's, as torchvision has it, not the first one's as He et al. do."""
    width = channels * resnet.width // 64 * resnet.groups
    return (
        *(*_normalised(inputs, width, 1), Layer(RELU)),
        *(*_normalised(width, width, 3, stride, resnet.groups), Layer(RELU)),
        *_normalised(width, outputs, 1),
    )


def parameter_shapes(layer: Layer) -> List[Tuple[int, ...]]:
    """The shapes of a layer's parameters, in torch's order and layout."""
    if layer.kind == CONV:
        shapes: List[Tuple[int, ...]] = [(layer.outputs, layer.inputs // layer.groups, layer.kernel, layer.kernel)]
    elif layer.kind == DENSE:
        shapes = [(layer.outputs, layer.inputs)]
    elif layer.kind == BATCHNORM:
        shapes = [(layer.outputs,)]
    else:
        return [shape for inner in (*layer.block, *layer.shortcut) for shape in parameter_shapes(inner)]
    return [*shapes, (layer.outputs,)] if layer.has_bias else shapes
