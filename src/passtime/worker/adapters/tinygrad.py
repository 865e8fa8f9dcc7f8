"""The adapter for tinygrad: builds the models and single layers with its tensors, and runs their passes on the CPU.

tinygrad is lazy, so a pass is two things: the tensors that it asks for are realized inside the clock, by kernels that
TinyJit captured before (docs/decisions/0023). For tinygrad from 0.10.1 on, on Python 3.8 and later. Importing this runs
no operator and opens no device.
"""
# ruff: noqa: UP006, UP035, UP045

import os
import shutil
import subprocess
import time
from importlib import metadata
from typing import Any, Callable, Dict, List, Optional, Tuple

# The CPU by the names that releases have had for it; captured functions; compilation here and in no pool of others.
os.environ.update(CLANG="1", CPU="1", DEV="CPU", JIT="1", PARALLEL="0")

import tinygrad  # type: ignore[import-not-found, unused-ignore]

from passtime.worker import protocol
from passtime.worker.inside import adapter, models
from passtime.worker.inside.watch import memory_bytes

Tensor: Any = getattr(tinygrad, "Tensor", None)

# A captured function runs as it stands the first time, is captured the second time, and is replayed from then on.
_CAPTURE_STEPS = 3

_EPSILON, _MOMENTUM = 1e-5, 0.1  # of batch normalisation, torch's and tinygrad's own


class Tinygrad(adapter.Adapter):
    FRAMEWORK = "tinygrad"
    VERSION = metadata.version("tinygrad")

    def build(self, request: Dict[str, Any], session: str) -> "Workload":
        """As `Adapter.build`; its kernels are captured, too."""
        held_bytes = _data_bytes()
        if request["device"] != "cpu":
            message = f"tinygrad is timed on the CPU only, not on {request['device']}"
            raise protocol.Failure(protocol.UNAVAILABLE, message)
        having = f"tinygrad {self.VERSION}"
        if not hasattr(Tensor, "gradient"):
            message = f"{having} has no Tensor.gradient, which a step is split with: 0.10.1 is the first to run"
            raise protocol.Failure(protocol.UNAVAILABLE, message)
        if shutil.which(_compiler()) is None:
            message = f"{having} compiles its kernels with {_compiler()}, which is not here: install clang"
            raise protocol.Failure(protocol.UNAVAILABLE, message)
        if _threads() not in (None, request["threads"]):
            message = f"tinygrad was started with {_threads()} threads, the request wants {request['threads']}"
            raise protocol.Failure(protocol.BAD_REQUEST, message)
        model = Model(models.of_request(request), session == "training", drops=request["request"] != "parity")
        return Workload(model, model.filler.normal(tuple(request["input_shape"])), held_bytes)

    def settings(self, workload: Any) -> Dict[str, Any]:
        return {
            "threads": _threads() or 1,
            "busy_cpus": round(workload.busy_cpus, 2),
            "dtype": "float32",
            "memory_format": "contiguous",
            "beam": tinygrad.helpers.BEAM.value,
            "compiler": _compiler_version(),
        }


ADAPTER = Tinygrad()


def _compiler() -> str:
    return os.environ.get("CC", "clang")


def _threads() -> Optional[int]:
    """Into how many parts kernels are cut, settled at the import: by the one variable from 0.14 on, the other before.

    None before 0.12, where kernels are whole and there is one thread.
    """
    variables = (getattr(tinygrad.helpers, name, None) for name in ("NUM_CPU_THREADS", "CPU_COUNT"))
    return next((variable.value for variable in variables if variable is not None), None)


class Filler:
    """Makes buffers of values that are read from memory: constants would be folded into the kernels that use them."""

    def __init__(self) -> None:
        self._tile = Tensor(adapter.normal_tile()).realize()

    def normal(self, shape: Tuple[int, ...], scale: float = 1.0) -> Any:
        values, length = adapter.count(shape), adapter.TILE_LENGTH
        tiles = -(-values // length)
        repeated = self._tile.reshape(1, length).expand(tiles, length).reshape(tiles * length)
        return (repeated.shrink(((0, values),)).reshape(shape) * scale).contiguous().realize()

    def constant(self, shape: Tuple[int, ...], value: float) -> Any:
        return Tensor([value]).realize().reshape((1,) * len(shape)).expand(shape).contiguous().realize()


class Model:
    """Layers and their `parameters`, in torch's order. A call gives the output, not realized.

    In training the call leaves in `saved` what a backward pass must not compute again, the result of every reduction
    and of every activation, and in `updates` the running statistics.
    """

    def __init__(self, layers: List[models.Layer], is_training: bool, drops: bool) -> None:
        self.filler = Filler()
        self.is_training = is_training
        self.parameters: List[Any] = []
        self.saved: List[Any] = []
        self.updates: List[Any] = []
        self._drops = drops
        self._run = self._sequence(layers)

    def __call__(self, batch: Any) -> Any:
        self.saved, self.updates = [], []
        return self._run(batch)

    def _keep(self, values: Any) -> Any:
        if self.is_training:
            self.saved.append(values)
        return values

    def _sequence(self, layers: Any) -> Callable[[Any], Any]:
        steps = [getattr(self, "_" + layer.kind)(layer) for layer in layers]

        def run(values: Any) -> Any:
            for step in steps:
                values = step(values)
            return values

        return run

    def _parameters(self, layer: models.Layer) -> List[Any]:
        """A layer's weight and bias, filled; None for what it does not have."""
        made = []
        for shape in models.parameter_shapes(layer):
            if len(shape) > 1:
                made.append(self.filler.normal(shape, adapter.weight_scale(shape)))
            else:
                made.append(self.filler.constant(shape, 1.0 if layer.kind == models.BATCHNORM and not made else 0.0))
        self.parameters += made
        return [*made, None][:2]

    def _conv(self, layer: models.Layer) -> Callable[[Any], Any]:
        weight, bias = self._parameters(layer)
        window = {name: getattr(layer, name) for name in ("groups", "stride", "padding")}
        return lambda values: self._keep(values.conv2d(weight, bias, **window))

    def _dense(self, layer: models.Layer) -> Callable[[Any], Any]:
        weight, bias = self._parameters(layer)
        return lambda values: self._keep(values.linear(weight.transpose(), bias))

    def _batchnorm(self, layer: models.Layer) -> Callable[[Any], Any]:
        weight, bias = self._parameters(layer)
        running_mean, running_variance = (self.filler.constant((layer.outputs,), value) for value in (0.0, 1.0))

        def normalise(values: Any) -> Any:
            if not self.is_training:
                return values.batchnorm(weight, bias, running_mean, (running_variance + _EPSILON).rsqrt())
            mean = self._keep(values.mean(axis=(0, 2, 3)))
            # The variance's derivative by the mean is 0.
            centred = values - mean.detach().reshape(1, -1, 1, 1)
            variance = self._keep((centred * centred).mean(axis=(0, 2, 3)))
            count = values.numel() // layer.outputs
            measured = ((running_mean, mean, 1.0), (running_variance, variance, count / (count - 1)))
            for running, found, factor in measured:
                self.updates.append(running.assign(running * (1 - _MOMENTUM) + found.detach() * (_MOMENTUM * factor)))
            return values.batchnorm(weight, bias, mean, (variance + _EPSILON).rsqrt())

        return normalise

    def _maxpool(self, layer: models.Layer) -> Callable[[Any], Any]:
        return self._pool(layer, "max_pool2d")

    def _meanpool(self, layer: models.Layer) -> Callable[[Any], Any]:
        return self._pool(layer, "avg_pool2d")

    def _pool(self, layer: models.Layer, operation: str) -> Callable[[Any], Any]:
        window = {"kernel_size": (layer.kernel,) * 2, "stride": layer.stride, "padding": layer.padding}
        return lambda values: self._keep(getattr(values, operation)(**window))

    def _average(self, layer: models.Layer) -> Callable[[Any], Any]:
        return lambda values: self._keep(values.mean(axis=(2, 3)))

    def _relu(self, layer: models.Layer) -> Callable[[Any], Any]:
        return lambda values: self._keep(values.relu())

    def _dropout(self, layer: models.Layer) -> Callable[[Any], Any]:
        def drop(values: Any) -> Any:
            if not (self.is_training and self._drops):
                return values
            mask = self._keep(Tensor.rand(*values.shape) >= 0.5)
            return mask.where(values, 0.0) * 2.0

        return drop

    def _flatten(self, layer: models.Layer) -> Callable[[Any], Any]:
        return lambda values: values.reshape(values.shape[0], -1)

    def _residual(self, layer: models.Layer) -> Callable[[Any], Any]:
        block, shortcut = self._sequence(layer.block), self._sequence(layer.shortcut)
        return lambda values: block(values) + shortcut(values)


class Workload(adapter.Workload):
    """A model, its input and its output gradient, with the passes as captured functions.

    `forward`, `backward` and `infer` replay the kernels that they ran when they were captured, in the same buffers:
    what the forward pass saves is what the backward pass reads, and gradients are written where they were.

    `busy_cpus` is how many CPUs a replay kept busy.
    """

    def __init__(self, model: Model, batch: Any, held_bytes: int) -> None:
        self.model = model
        self.parameters = model.parameters
        self.batch = batch
        self.output: Any = None
        self.output_gradient: Any = None
        self._gradients: List[Any] = []
        self._held_bytes = held_bytes
        self.synchronize = tinygrad.Device[tinygrad.Device.DEFAULT].synchronize  # type: ignore[method-assign]
        self.forward = tinygrad.TinyJit(self._record)  # type: ignore[method-assign]
        self.infer = tinygrad.TinyJit(self._infer)  # type: ignore[method-assign]
        self._realize_gradients = tinygrad.TinyJit(self._realized_gradients)
        for _ in range(_CAPTURE_STEPS):
            start, start_cpu = ADAPTER.clock(), time.process_time()
            if model.is_training:
                self.backward(self.forward())
            else:
                self.infer()
            self.synchronize()
            self.busy_cpus = (time.process_time() - start_cpu) / (ADAPTER.clock() - start)

    def _record(self) -> List[Any]:
        """The output and what the backward pass reads, realized; the gradients as a graph of these, not realized."""
        self.output = self.model(self.batch)
        if self.output_gradient is None:
            self.output_gradient = self.model.filler.constant(self.output.shape, 1.0)
            self.output_shape = list(self.output.shape)
        self._gradients = self.output.gradient(*(self.parameters or [self.batch]), gradient=self.output_gradient)
        saved = [values for values in self.model.saved if values is not self.output]
        recorded = [self.output, *saved, *self.model.updates]
        Tensor.realize(*recorded)
        return recorded

    def backward(self, output: Any) -> None:
        self._realize_gradients()

    def _realized_gradients(self) -> List[Any]:
        Tensor.realize(*self._gradients)
        return self._gradients

    def _infer(self) -> Any:
        self.output = self.model(self.batch).realize()
        self.output_shape = list(self.output.shape)
        return self.output

    def peak_bytes(self) -> Optional[int]:
        """Counted here: from 0.11 on buffers are shared memory, which is no data of a process by Linux's names."""
        memory = memory_bytes()
        return max(0, memory["VmHWM"] - memory["RssFile"] - self._held_bytes)

    def numpy_of(self, array: Any) -> Any:
        return array.numpy()

    def assign(self, array: Any, values: Any) -> None:
        array.assign(Tensor(values)).realize()

    def take_normal_gradient(self, output: Any) -> Any:
        self.output_gradient.assign(self.model.filler.normal(self.output.shape)).realize()
        return self.output_gradient

    def result(self, output: Any) -> Any:
        return self.output

    def gradients(self) -> List[Any]:
        return self._gradients


def _data_bytes() -> int:
    memory = memory_bytes()
    return memory["RssAnon"] + memory["RssShmem"]


def _compiler_version() -> Optional[str]:
    try:
        said = subprocess.run([_compiler(), "--version"], stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return said.decode("utf-8", "replace").partition("\n")[0]
