"""What NVIDIA's driver says of a GPU, with libraries of C functions that are written here: their arguments are real."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from passtime.worker.inside import nvml

# A pointer that 32 bits do not hold.
DEVICE = 0x7F12_3456_7890
ADDRESS = b"0000:3b:00.0"
IDLE, POWER_CAP, HARDWARE_THERMAL = 0x01, 0x04, 0x40
HANDLE, NUMBER, LONG_NUMBER = ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint), ctypes.POINTER(ctypes.c_ulonglong)
EVENT_REASONS, THROTTLE_REASONS = "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"


def c_function(function, *types):
    """A C function of these arguments that returns what the Python function returns."""
    return ctypes.CFUNCTYPE(ctypes.c_int, *types)(function)


class Driver:
    """Both libraries of a machine whose CUDA works on the GPU at ADDRESS. `clocks_mhz` are by NVML's clock type."""

    def __init__(self, *without):
        self.clocks_mhz, self.celsius, self.milliwatts, self.reasons = {1: 1410, 2: 1215}, 64, 251_300, IDLE
        self.failing = set()
        functions = {
            "libcuda.so.1": {
                "cuCtxGetDevice": c_function(self._write_device, ctypes.POINTER(ctypes.c_int)),
                "cuDeviceGetPCIBusId": c_function(self._write_address, HANDLE, ctypes.c_int, ctypes.c_int),
            },
            "libnvidia-ml.so.1": {
                "nvmlInit_v2": c_function(lambda: self._status("nvmlInit_v2")),
                "nvmlDeviceGetHandleByPciBusId_v2": c_function(
                    self._write_handle, ctypes.c_char_p, ctypes.POINTER(HANDLE)
                ),
                "nvmlDeviceGetClockInfo": c_function(self._write_clock, HANDLE, ctypes.c_int, NUMBER),
                "nvmlDeviceGetTemperature": c_function(self._write_temperature, HANDLE, ctypes.c_int, NUMBER),
                "nvmlDeviceGetPowerUsage": c_function(self._write_power, HANDLE, NUMBER),
                EVENT_REASONS: c_function(self._write_reasons, HANDLE, LONG_NUMBER),
                THROTTLE_REASONS: c_function(self._write_reasons, HANDLE, LONG_NUMBER),
            },
        }
        self._libraries = {
            library: SimpleNamespace(**{name: one for name, one in members.items() if name not in without})
            for library, members in functions.items()
            if library not in without
        }

    def load(self, name):
        if name not in self._libraries:
            raise OSError(f"{name}: cannot open shared object file")
        return self._libraries[name]

    def _status(self, name, is_right=True):
        return 0 if is_right and name not in self.failing else 3

    def _write(self, name, pointer, value, is_right=True):
        status = self._status(name, is_right)
        if status == 0:
            pointer[0] = value
        return status

    def _write_device(self, pointer):
        return self._write("cuCtxGetDevice", pointer, 1)

    def _write_address(self, pointer, size, device):
        if device == 1 and size > len(ADDRESS):
            ctypes.memmove(pointer, ADDRESS + b"\0", len(ADDRESS) + 1)
        return self._status("cuDeviceGetPCIBusId", device == 1)

    def _write_handle(self, address, pointer):
        return self._write("nvmlDeviceGetHandleByPciBusId_v2", pointer, DEVICE, address == ADDRESS)

    def _write_clock(self, device, kind, pointer):
        return self._write("nvmlDeviceGetClockInfo", pointer, self.clocks_mhz[kind], device == DEVICE)

    def _write_temperature(self, device, sensor, pointer):
        return self._write("nvmlDeviceGetTemperature", pointer, self.celsius, (device, sensor) == (DEVICE, 0))

    def _write_power(self, device, pointer):
        return self._write("nvmlDeviceGetPowerUsage", pointer, self.milliwatts, device == DEVICE)

    def _write_reasons(self, device, pointer):
        return self._write("reasons", pointer, self.reasons, device == DEVICE)


def test_the_gpu_is_told_before_and_after():
    """Clocks, temperature and power of the GPU that CUDA works on, at each end, and no reason where none matters."""
    driver = Driver()
    gpu = nvml.Gpu(driver.load)
    gpu.observe()
    driver.clocks_mhz, driver.celsius, driver.milliwatts = {1: 1980, 2: 2619}, 71, 480_000
    gpu.observe()
    assert gpu.provenance() == {
        "gpu_before.sm_clock_mhz": 1410,
        "gpu_before.memory_clock_mhz": 1215,
        "gpu_before.temperature_celsius": 64,
        "gpu_before.power_watts": 251.3,
        "gpu_before.throttle_reasons": IDLE,
        "gpu_after.sm_clock_mhz": 1980,
        "gpu_after.memory_clock_mhz": 2619,
        "gpu_after.temperature_celsius": 71,
        "gpu_after.power_watts": 480.0,
        "gpu_after.throttle_reasons": IDLE,
        "gpu_throttled": [],
    }


def test_what_slows_the_gpu_down_is_told_by_name():
    """The reasons of either end, without those that an idle GPU, or one whose clocks are set, always has."""
    driver = Driver()
    gpu = nvml.Gpu(driver.load)
    for driver.reasons in (POWER_CAP | IDLE, HARDWARE_THERMAL | 0x08 | 0x02 | 1 << 40):
        gpu.observe()
    provenance = gpu.provenance()
    assert provenance["gpu_throttled"] == ["software power cap", "hardware slowdown", "hardware thermal slowdown"]
    assert provenance["gpu_after.throttle_reasons"] == HARDWARE_THERMAL | 0x08 | 0x02 | 1 << 40


def test_an_older_drivers_name_of_a_function_is_known():
    """Drivers before 535 have the reasons under another name."""
    gpu = nvml.Gpu(Driver(EVENT_REASONS).load)
    gpu.observe()
    assert gpu.provenance()["gpu_throttled"] == []


@pytest.mark.parametrize(
    ("lacking", "failing", "left_out"),
    [
        ("nvmlDeviceGetPowerUsage", None, "power_watts"),
        (None, "nvmlDeviceGetTemperature", "temperature_celsius"),
        (None, "reasons", "throttle_reasons"),
    ],
)
def test_what_the_driver_does_not_say_is_left_out(lacking, failing, left_out):
    """A function that is not there, or fails on this GPU, leaves out its field and no other."""
    driver = Driver(lacking)
    driver.failing = {failing}
    gpu = nvml.Gpu(driver.load)
    gpu.observe()
    provenance = gpu.provenance()
    assert len([name for name in provenance if name.startswith("gpu_before.")]) == 4
    assert f"gpu_before.{left_out}" not in provenance
    assert ("gpu_throttled" in provenance) == (failing != "reasons")


LIBRARIES = ["libnvidia-ml.so.1", "libcuda.so.1"]
NEEDED = ["cuCtxGetDevice", "cuDeviceGetPCIBusId", "nvmlInit_v2", "nvmlDeviceGetHandleByPciBusId_v2"]


@pytest.mark.parametrize("missing", [*LIBRARIES, *NEEDED])
def test_without_a_library_nothing_is_told(missing):
    """A machine or driver without NVML gives no fields, and nothing fails."""
    gpu = nvml.Gpu(Driver(missing).load)
    gpu.observe()
    assert gpu.provenance() == {}


@pytest.mark.parametrize("failing", NEEDED)
def test_a_gpu_that_is_not_found_tells_nothing(failing):
    """Where CUDA has no context, or NVML does not know its GPU, there are no fields."""
    driver = Driver()
    driver.failing = {failing}
    gpu = nvml.Gpu(driver.load)
    gpu.observe()
    assert gpu.provenance() == {}


def test_without_an_observation_nothing_is_told():
    """A workload that was built and not sampled has no fields."""
    assert nvml.Gpu(Driver().load).provenance() == {}
