"""The adapter for torch: builds torchvision's models and single layers, and runs their passes.

Valid for torch 0.4 to today's, on Python 3.6 and later. Importing it runs no operator and touches no GPU.
"""
# ruff: noqa: UP006, UP035, UP045

import functools
import re
from typing import Any, Dict, List, Optional

import torch  # type: ignore[import-not-found, unused-ignore]

from passtime.worker import protocol
from passtime.worker.inside import adapter, nvml

try:
    import torchvision  # type: ignore[import-not-found, unused-ignore]
    import torchvision.models  # type: ignore[import-not-found, unused-ignore]
except ModuleNotFoundError as error:
    if error.name != "torchvision":  # it is there and broken: its models are not what the release lacks
        raise
    torchvision = None  # someone's own build of torch may have none; layers need none

# Written before each pass of a layer on the GPU, to leave nothing of the layer in its L2 cache; as much as Triton's
# do_bench writes, in all releases. More where a release tells of a cache that needs it.
_FLUSH_BYTES = 256 << 20

# The release was built before this GPU.
_GPU_TOO_NEW = "no kernel image is available"


class Workload(adapter.Workload):
    """A module, its input and its output gradient; on the CPU, where an operation returns when it is done."""

    def __init__(self, module: Any, batch: Any, session: str) -> None:
        self.module = module
        self.parameters = list(module.parameters())
        self.batch = batch
        self._output_gradient: Any = None
        module.train(session == "training")
        if session == "inference":
            # Entered for the whole session, which is this process's only one, so that no pass pays for it.
            self._no_graph = getattr(torch, "inference_mode", torch.no_grad)()
            self._no_graph.__enter__()
        elif not self.parameters:
            # A pooling layer's backward pass is its input's gradient; the others' is their parameters'.
            batch.requires_grad_()
        # Not methods: a partial adds the least to a pass of a few microseconds.
        self.forward = self.infer = functools.partial(module, batch)  # type: ignore[method-assign]

    def prepare(self) -> None:
        """Clears the gradients, so that a backward pass writes them and does not add to them."""
        for parameter in self.parameters:
            parameter.grad = None
        self.batch.grad = None

    def backward(self, output: Any) -> None:
        if self._output_gradient is None:  # in the first step, which is never timed
            self._output_gradient = torch.ones_like(output)
            self.output_shape = list(output.shape)
        output.backward(self._output_gradient)

    def drop_nothing(self) -> None:
        for module in self.module.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()

    def numpy_of(self, array: Any) -> Any:
        return array.detach().cpu().contiguous().numpy()

    def assign(self, array: Any, values: Any) -> None:
        array.data.copy_(torch.from_numpy(values))

    def take_normal_gradient(self, output: Any) -> Any:
        shape = list(output.shape)
        self._output_gradient = _repeated(torch.tensor(adapter.normal_tile()), shape).to(output.device)
        return self._output_gradient

    def gradients(self) -> List[Any]:
        return [leaf.grad for leaf in self.parameters or [self.batch]]


class GpuWorkload(Workload):
    """The same on the current CUDA device, where an operation returns before it is done.

    `flush_bytes` are written before each pass; `watched` is the GPU as its driver knows it.
    """

    flush_bytes = 0

    def __init__(self, module: Any, batch: Any, session: str) -> None:
        super().__init__(module, batch, session)
        self.synchronize = torch.cuda.synchronize  # type: ignore[method-assign]
        self.watched = nvml.Gpu()
        self.observe = self.watched.observe  # type: ignore[method-assign]

    def mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds_between(self, start: Any, end: Any) -> float:
        return start.elapsed_time(end) / 1000

    def peak_bytes(self) -> Optional[int]:
        return torch.cuda.max_memory_allocated()


class GpuLayer(GpuWorkload):
    """A single layer there: each pass, or training step, finds nothing of it in the L2 cache (docs/decisions/0019)."""

    def __init__(self, module: Any, batch: Any, session: str) -> None:
        super().__init__(module, batch, session)
        self.flush_bytes = max(_FLUSH_BYTES, 2 * _l2_bytes())
        held_bytes = torch.cuda.memory_allocated()
        self._flushed = torch.empty(self.flush_bytes // 4, dtype=torch.int32, device=batch.device)
        self._buffer_bytes = torch.cuda.memory_allocated() - held_bytes

    def prepare(self) -> None:
        super().prepare()
        self._flushed.zero_()

    def peak_bytes(self) -> Optional[int]:
        # The buffer is made when the weights and the input are there and lives as long as they: it is in every peak.
        return torch.cuda.max_memory_allocated() - self._buffer_bytes


class Torch(adapter.Adapter):
    FRAMEWORK = "torch"
    VERSION = str(torch.__version__).partition("+")[0]

    def devices(self) -> List[str]:
        return ["cpu", "gpu"] if torch.cuda.is_available() else ["cpu"]

    def build(self, request: Dict[str, Any], session: str) -> "Workload":
        torch.set_num_threads(request["threads"])
        if request["device"] == "cpu":
            device = torch.device("cpu")
        elif request["device"] == "gpu" and torch.cuda.is_available():
            device = torch.device("cuda")
        else:
            raise protocol.Failure(protocol.UNAVAILABLE, f"torch {self.VERSION} sees no {request['device']} here")
        _leave_weights_uninitialised()
        model = _model(request)
        tile = torch.tensor(adapter.normal_tile())
        _fill(model, tile)
        gpu_type = GpuWorkload if request["kind"] == "model" else GpuLayer
        workload_type = gpu_type if device.type == "cuda" else Workload
        workload = workload_type(model.to(device), _repeated(tile, request["input_shape"]).to(device), session)
        if request.get("request") == "parity":
            workload.drop_nothing()
        return workload

    def error_kind(self, error: Exception) -> str:
        return protocol.UNAVAILABLE if _GPU_TOO_NEW in str(error) else super().error_kind(error)

    def settings(self, workload: Any) -> Dict[str, Any]:
        settings = {
            "framework_version": str(torch.__version__),
            "git_version": _asked("version.git_version"),
            "torchvision_version": getattr(torchvision, "__version__", None),
            "threads": torch.get_num_threads(),
            "interop_threads": _asked("get_num_interop_threads"),
            "dtype": str(workload.batch.dtype).rpartition(".")[2],
            "memory_format": "contiguous" if workload.batch.is_contiguous() else "strided",
            "matmul_precision": _asked("get_float32_matmul_precision"),
            "cuda_version": _asked("version.cuda"),
            "cpu_capability": _asked("backends.cpu.get_cpu_capability"),
        }
        settings.update(_libraries(str(_asked("__config__.show"))))
        if isinstance(workload, GpuWorkload):
            settings.update(
                l2_flushed=workload.flush_bytes > 0,
                l2_flush_bytes=workload.flush_bytes or None,
                matmul_allow_tf32=_asked("backends.cuda.matmul.allow_tf32"),
                cudnn_allow_tf32=_asked("backends.cudnn.allow_tf32"),
                cudnn_benchmark=_asked("backends.cudnn.benchmark"),
                cudnn_version=_asked("backends.cudnn.version"),
                gpu=torch.cuda.get_device_name(0),
                gpu_capability=".".join(str(part) for part in torch.cuda.get_device_capability(0)),
                gpu_driver=_gpu_driver(),
            )
            settings.update(workload.watched.provenance())
        return settings


ADAPTER = Torch()


def _l2_bytes() -> int:
    try:
        return torch.cuda.get_device_properties(0).L2_cache_size
    except AttributeError:  # this release does not say
        return 0


def _leave_weights_uninitialised() -> None:
    """Makes torch's initialisers do nothing: they take 1.6 s for VGG16, and `_fill` follows.

    Nothing is put back: this process builds one workload and ends.
    """
    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


def _model(request: dict) -> Any:
    kind, shape = request["kind"], request["input_shape"]
    window = {name: request[key] for name, key in (("kernel_size", "kernel"), ("stride",) * 2, ("padding",) * 2)}
    if kind == "model":
        constructor = getattr(getattr(torchvision, "models", None), request["workload"], None)
        if not callable(constructor):
            having = f"with torchvision {torchvision.__version__}" if torchvision else "without torchvision"
            message = f"torch {ADAPTER.VERSION} {having} has no {request['workload']}"
            raise protocol.Failure(protocol.UNAVAILABLE, message)
        return constructor()
    if kind == "conv":
        return torch.nn.Conv2d(shape[1], request["output_channels"], **window)
    if kind == "dense":
        return torch.nn.Linear(shape[1], request["output_channels"])
    if kind == "batchnorm":
        return torch.nn.BatchNorm2d(shape[1])
    if kind == "maxpool":
        return torch.nn.MaxPool2d(**window)
    if kind == "meanpool":
        return torch.nn.AvgPool2d(**window)
    raise protocol.Failure(protocol.UNAVAILABLE, f"this worker has no layer of kind {kind}")


def _fill(model: Any, tile: Any) -> None:
    """Weights that keep activations at their size (He et al. 2015): normal, with variance 2 / fan-in; biases 0.

    Normalisations get weight 1 and bias 0, as at their default.
    """
    for name, parameter in model.named_parameters():
        values = parameter.detach()
        if values.dim() < 2:
            values.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            _tile_into(values.view(-1), tile * adapter.weight_scale(values.shape))


def _repeated(tile: Any, shape: List[int]) -> Any:
    values = torch.empty(shape)
    _tile_into(values.view(-1), tile)
    return values


def _tile_into(values: Any, tile: Any) -> None:
    """Repeats the tile over flat values in place: a copy made first would count as the workload's memory."""
    whole = values.numel() // adapter.TILE_LENGTH * adapter.TILE_LENGTH
    values[:whole].view(-1, adapter.TILE_LENGTH).copy_(tile.expand(whole // adapter.TILE_LENGTH, adapter.TILE_LENGTH))
    values[whole:].copy_(tile[: values.numel() - whole])


def _asked(path: str) -> Any:
    """The value at a dotted path inside torch, called if it is a function; None where this release has no such."""
    value = torch
    try:
        for name in path.split("."):
            value = getattr(value, name)
        return value() if callable(value) else value
    except (AttributeError, RuntimeError):
        return None


def _libraries(configuration: str) -> Dict[str, str]:
    """The versions in torch's description of its build."""
    patterns = {
        "mkl_version": r"Math Kernel Library Version (\S+)",
        "onednn_version": r"MKL-DNN v(\S+)",
        "build_cpu_capability": r"CPU capability usage: (\S+)",
        "blas": r"BLAS(?:_INFO)?=(\w+)",
        "openmp_version": r"OpenMP (\d+)",
    }
    found = {name: re.search(pattern, configuration) for name, pattern in patterns.items()}
    return {name: match.group(1) for name, match in found.items() if match}


def _gpu_driver() -> Optional[str]:
    try:
        with open("/proc/driver/nvidia/version") as version:
            found = re.search(r"(\d+\.\d+[.\d]*)", version.readline())
    except OSError:
        return None
    return found.group(1) if found else None
