"""As much of torch and torchvision as their adapter uses, on the fake accelerator: passes only take time and memory."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fake import adapter as fake
from passtime.worker import adapters

FORWARD_SECONDS, BACKWARD_SECONDS = 0.03, 0.05
# What a pass holds only while it runs.
WORKING_BYTES = 7_000_000


class Gpu:
    """The accelerator, its clock and its allocator. `l2_bytes` is the L2's size, which a release may not tell."""

    def __init__(self, l2_bytes: int, is_l2_told: bool) -> None:
        self.l2_bytes = l2_bytes
        self.clock = fake.Clock()
        self.device = fake.Device(self.clock, asynchronous=True)
        self.properties = SimpleNamespace(**({"L2_cache_size": l2_bytes} if is_l2_told else {}))
        self.held_bytes = self.peak_bytes = 0

    def hold(self, more_bytes: int) -> None:
        self.held_bytes += more_bytes
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def compute(self, seconds: float, fits_cache: bool) -> None:
        self.hold(WORKING_BYTES)
        self.device.compute(seconds, fits_cache)
        self.hold(-WORKING_BYTES)


class Tensor:
    """An array of 4-byte numbers, whose numbers do not matter."""

    dtype = "torch.float32"

    def __init__(self, gpu: Gpu, shape: list[int], fits_cache: bool = True) -> None:
        self._gpu, self.shape, self._fits_cache = gpu, shape, fits_cache
        self.device = "cpu"

    def numel(self) -> int:
        return math.prod(self.shape)

    def to(self, device: object) -> Tensor:
        self.device = str(device)
        self._gpu.hold(4 * self.numel())
        return self

    def zero_(self) -> None:
        if 4 * self.numel() > self._gpu.l2_bytes:
            self._gpu.device.flush()
        else:
            self._gpu.device.take(fake.FLUSH_SECONDS)

    def backward(self, _gradient: Tensor) -> None:
        self._gpu.compute(BACKWARD_SECONDS, self._fits_cache)

    def is_contiguous(self) -> bool:
        return True

    def _itself(self, *_: object) -> Tensor:
        return self

    view = expand = copy_ = requires_grad_ = __getitem__ = _itself

    def __setitem__(self, *_: object) -> None:
        pass


class Module:
    """A layer, or a model, whose data are more than any cache holds."""

    def __init__(self, gpu: Gpu, fits_cache: bool) -> None:
        self._gpu, self._fits_cache = gpu, fits_cache

    def to(self, _device: object) -> Module:
        self._gpu.hold(4_000_000)
        return self

    def parameters(self) -> list[Tensor]:
        return []

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        return []

    def train(self, is_training: bool) -> None:
        pass

    def __call__(self, _batch: Tensor) -> Tensor:
        self._gpu.compute(FORWARD_SECONDS, self._fits_cache)
        return Tensor(self._gpu, [1, 10], self._fits_cache)


class Event:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.at: float = math.nan

    def record(self) -> None:
        self.at = self._gpu.device.mark() or math.nan

    def elapsed_time(self, end: Event) -> float:
        return 1000 * (end.at - self.at)


def adapter_on(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The adapter for torch, loaded anew on this GPU."""

    def empty(shape: int | list[int], dtype: object = None, device: str | None = None) -> Tensor:
        tensor = Tensor(gpu, shape if isinstance(shape, list) else [shape])
        return tensor.to(device) if device else tensor

    def module(name: str, **members: object) -> types.ModuleType:
        made = types.ModuleType(name)
        vars(made).update(members)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    module(
        "torch",
        __version__="9.9.9",
        cuda=SimpleNamespace(
            is_available=lambda: True,
            synchronize=gpu.device.synchronize,
            Event=lambda enable_timing: Event(gpu),
            memory_allocated=lambda: gpu.held_bytes,
            max_memory_allocated=lambda: gpu.peak_bytes,
            get_device_properties=lambda device: gpu.properties,
            get_device_name=lambda device: "NVIDIA Fake 100",
            get_device_capability=lambda device: (9, 0),
        ),
        nn=SimpleNamespace(init=SimpleNamespace(), Linear=lambda inputs, outputs: Module(gpu, fits_cache=True)),
        device=lambda name: SimpleNamespace(type=name),
        empty=empty,
        tensor=lambda values: Tensor(gpu, [len(values)]),
        ones_like=lambda tensor: tensor,
        int32="torch.int32",
        no_grad=contextlib.nullcontext,
        set_num_threads=lambda threads: None,
        get_num_threads=lambda: 2,
    )
    models = module("torchvision.models", resnet18=lambda: Module(gpu, fits_cache=False))
    module("torchvision", __version__="9.9", models=models)
    spec = importlib.util.spec_from_file_location("torch_on_gpu_adapter", Path(adapters.__file__).with_name("torch.py"))
    assert spec is not None
    assert spec.loader is not None
    adapter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(adapter)
    return adapter
