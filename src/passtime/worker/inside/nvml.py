"""What its driver says of the GPU that this process computes on: clocks, temperature, power, and what slows it down.

By NVML, which comes with NVIDIA's driver; nothing is installed for it. Where it is missing or a function of it fails,
what it would have said is left out, and never is a session lost by it. A session's child alone may use this module.

Which GPU that is the CUDA driver says, by its address on the PCI bus: NVML numbers GPUs in another order than CUDA, and
knows nothing of CUDA_VISIBLE_DEVICES. Of a part of a GPU (MIG) it is the whole GPU that is watched.
"""
# ruff: noqa: UP006, UP035, UP045

import ctypes
from typing import Any, Callable, Dict, List, Optional

# Numbers of nvml.h: nvmlClockType_t, nvmlTemperatureSensors_t.
_SM_CLOCK, _MEMORY_CLOCK = 1, 2
_GPU_SENSOR = 0

# Those bits of nvmlClocksEventReasons, nvmlClocksThrottleReasons before driver 535, that make the GPU slower than it
# would be elsewhere. An idle GPU, and clocks that somebody set, are none.
REASONS = {
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}

# "0000:3b:00.0" and room to spare.
_ADDRESS_BYTES = 32


class Gpu:
    """The GPU of the CUDA context that is current in this thread, and what it said each time that it was observed."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._nvml: Any = None
        self._device: Any = None
        self._states: List[Dict[str, Any]] = []
        try:
            self._nvml = load("libnvidia-ml.so.1")
            self._device = _device(self._nvml, load("libcuda.so.1"))
        except (OSError, AttributeError):
            return  # no such library, or an old one that lacks a function

    def observe(self) -> None:
        """Keeps the GPU's present state: a few milliseconds."""
        if self._device is not None:
            self._states.append(self._state())

    def provenance(self) -> Dict[str, Any]:
        """Flat fields: the first state, the last, and why the GPU was throttled in any; empty where it said nothing."""
        if not self._states:
            return {}
        fields: Dict[str, Any] = {}
        for when, state in (("gpu_before", self._states[0]), ("gpu_after", self._states[-1])):
            fields.update((when + "." + name, value) for name, value in state.items())
        masks = [state["throttle_reasons"] for state in self._states if "throttle_reasons" in state]
        if masks:
            fields["gpu_throttled"] = [reason for bit, reason in REASONS.items() if any(mask & bit for mask in masks)]
        return fields

    def _state(self) -> Dict[str, Any]:
        milliwatts = self._number("nvmlDeviceGetPowerUsage")
        # The one function by its name of driver 535 and later, or by its name before.
        reasons = self._number("nvmlDeviceGetCurrentClocksEventReasons", of=ctypes.c_ulonglong)
        if reasons is None:
            reasons = self._number("nvmlDeviceGetCurrentClocksThrottleReasons", of=ctypes.c_ulonglong)
        state = {
            "sm_clock_mhz": self._number("nvmlDeviceGetClockInfo", _SM_CLOCK),
            "memory_clock_mhz": self._number("nvmlDeviceGetClockInfo", _MEMORY_CLOCK),
            "temperature_celsius": self._number("nvmlDeviceGetTemperature", _GPU_SENSOR),
            "power_watts": None if milliwatts is None else milliwatts / 1000,
            "throttle_reasons": reasons,
        }
        return {name: value for name, value in state.items() if value is not None}

    def _number(self, name: str, *arguments: int, of: Any = ctypes.c_uint) -> Optional[int]:
        """What a function of NVML writes behind its last argument; None where there is no such, or it fails."""
        function, number = getattr(self._nvml, name, None), of()
        if function is None or function(self._device, *arguments, ctypes.byref(number)) != 0:
            return None
        return number.value


def _device(nvml: Any, cuda: Any) -> Optional[ctypes.c_void_p]:
    """NVML's handle of the GPU that this thread's CUDA context is on; None where either library refuses."""
    number, address, device = ctypes.c_int(), ctypes.create_string_buffer(_ADDRESS_BYTES), ctypes.c_void_p()
    if (
        cuda.cuCtxGetDevice(ctypes.byref(number)) == 0
        and cuda.cuDeviceGetPCIBusId(address, _ADDRESS_BYTES, number) == 0
        and nvml.nvmlInit_v2() == 0
        and nvml.nvmlDeviceGetHandleByPciBusId_v2(address, ctypes.byref(device)) == 0
    ):
        return device
    return None
