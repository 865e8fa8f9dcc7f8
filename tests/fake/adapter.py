"""A worker's adapter without any framework: passes only move a clock, so nothing is waited for and every time is known.

Its accelerator returns before its work is done: a pass costs the clock its launch, and the rest of it when something
synchronises. A sampler that leaves out a synchronisation so gets wrong times. It has an L2 cache: a layer's pass that
finds there what the pass before it left takes less.

What goes wrong is scripted by the environment (`MISHAPS`), and what runs is told there too (`PASSES`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from typing import Any

from passtime.worker import protocol
from passtime.worker.inside import adapter as base

# JSON, a mishap for each workload it names, in all releases or in one: {"resnet50": "crash", "dense in fake-2.0":
# "error"}. See `Workload._suffer`.
MISHAPS = "PASSTIME_FAKE_MISHAPS"
# A file with the name of a workload, whose every other session of a kind is half as slow again; it keeps count of them.
UNSTEADY = "PASSTIME_FAKE_UNSTEADY"
# A file or FIFO that takes one line for each session as its first pass begins: workload, device, session, process id.
PASSES = "PASSTIME_FAKE_PASSES"
# The release that the worker is; a release's passes take a tenth longer for each major version after the first.
RELEASE = "PASSTIME_RELEASE"

# Why the accelerator is slow in the mishap of that name.
THROTTLED = "hardware thermal slowdown"

VERSION = os.environ.get(RELEASE, "fake-1.0").partition("-")[2]

LAUNCH_SECONDS = 1e-5
# The work of `prepare`, which no sample may hold.
PREPARE_SECONDS = 0.003
# The work of writing more than the L2 cache holds, and what a layer's pass takes where its data are still there.
FLUSH_SECONDS = 0.002
WARM = 0.5
# What a first pass costs more than the others: 4 times the pass, then 2 times, then 1.5 times.
FIRST_PASSES = (4.0, 2.0, 1.5)
PARAMETERS = 1000


class Clock:
    """Stands still but for what the workload adds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


clock = Clock()


class Device:
    """A device that takes work; an asynchronous one does it while the clock stands at the launch."""

    def __init__(self, clock: Clock, asynchronous: bool) -> None:
        self._clock = clock
        self._asynchronous = asynchronous
        self._busy_until = 0.0
        self._is_cache_warm = False
        self.flushes = 0

    def take(self, seconds: float) -> None:
        self._clock.now += LAUNCH_SECONDS if self._asynchronous else 0.0
        self._busy_until = max(self._busy_until, self._clock.now) + seconds
        if not self._asynchronous:
            self.synchronize()

    def compute(self, seconds: float, fits_cache: bool) -> None:
        """A pass of so many seconds, where nothing of its data is in the cache."""
        self.take(seconds * (WARM if fits_cache and self._is_cache_warm else 1.0))
        self._is_cache_warm = self._asynchronous

    def flush(self) -> None:
        self.take(FLUSH_SECONDS)
        self._is_cache_warm = False
        self.flushes += 1

    def synchronize(self) -> None:
        self._clock.now = max(self._clock.now, self._busy_until)

    def mark(self) -> float | None:
        return max(self._clock.now, self._busy_until) if self._asynchronous else None


def pass_seconds(workload: str) -> dict[str, float]:
    """How long each pass of a workload takes in release 1.0, once it is warm."""
    unit = 0.5 if workload.startswith("vgg") else 0.05 if workload.startswith(("res", "wide")) else 0.001
    return {"forward": 2 * unit, "backward": 4 * unit, "inference": 1.5 * unit}


class Workload(base.Workload):
    """Passes of known length; `noise` is the standard deviation of their length over it.

    `observed` has the number of passes, a training step counting once, that were done at each observation.
    """

    def __init__(
        self,
        seconds: dict[str, float],
        device: Device,
        noise: float = 0.01,
        mishap: str | None = None,
        report: str = "",
        is_layer: bool = False,
    ) -> None:
        self._seconds = seconds
        self._device = device
        self._noise = noise
        self.mishap = mishap
        self._report = report
        self.is_layer = is_layer
        self.observed: list[int] = []
        self._random = random.Random(0)
        self._passes = dict.fromkeys(seconds, 0)
        self.synchronize = device.synchronize
        self.mark = device.mark

    def prepare(self) -> None:
        self._device.take(PREPARE_SECONDS)
        if self.is_layer and self.is_on_accelerator:
            self._device.flush()

    def observe(self) -> None:
        self.observed.append(max(self._passes.values()))

    def forward(self) -> str:
        return self._run("forward")

    def backward(self, output: str) -> None:
        assert output == "output of forward"
        self._run("backward")

    def infer(self) -> str:
        return self._run("inference")

    def seconds_between(self, start: float, end: float) -> float:
        return end - start

    @property
    def is_on_accelerator(self) -> bool:
        return self._device.mark() is not None

    def peak_bytes(self) -> int | None:
        return 123_000_000 if self.is_on_accelerator else None

    def _run(self, name: str) -> str:
        done = self._passes[name]
        self._passes[name] += 1
        if self._report:
            _tell(self._report)
            self._report = ""
        if done == 1 and self.mishap:
            self._suffer(self.mishap)
        if self.mishap == "stop" and self.observed:
            self.mishap = None
            _stop()
        slowness = FIRST_PASSES[done] if done < len(FIRST_PASSES) else 1.0
        seconds = self._seconds[name] * slowness * max(0.5, self._random.gauss(1.0, self._noise))
        self._device.compute(seconds, fits_cache=self.is_layer)
        return f"output of {name}"

    def _suffer(self, mishap: str) -> None:
        """In the middle of a session's second pass."""
        if mishap == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif mishap == "exit":
            os._exit(3)
        elif mishap == "hang":
            signal.pause()
        elif mishap == "out_of_memory":
            raise MemoryError
        elif mishap == "error":
            raise RuntimeError("the fake framework broke\nand says so at length")


def _stop() -> None:
    """Stops this process, until another one, which waits for that, has it go on."""
    state, number = f"/proc/{os.getpid()}/status", os.getpid()
    wait = f"until grep -q '^State:.T' {state}; do :; done; kill -CONT {number}"
    with subprocess.Popen(["sh", "-c", wait]):
        os.kill(number, signal.SIGSTOP)


def _tell(line: str) -> None:
    path = os.environ.get(PASSES)
    while path:
        try:
            with open(path, "a") as passes:
                passes.write(f"{line} {os.getpid()}\n")
            break
        except BrokenPipeError:
            continue  # a FIFO's reader was about to leave: opened again, it waits for the next


def _unsteadiness(workload: str, session: str) -> float:
    path = os.environ.get(UNSTEADY, "")
    if os.path.basename(path) != workload:
        return 1.0
    with open(path, "a+") as sessions:
        sessions.write(f"{session}\n")
        sessions.seek(0)
        return 1.5 if sessions.read().split().count(session) % 2 else 1.0


class Fake(base.Adapter):
    FRAMEWORK = "fake"
    VERSION = VERSION

    clock = clock  # type: ignore[assignment]

    def devices(self) -> list[str]:
        return ["cpu", "gpu"]

    def build(self, request: dict, session: str) -> Workload:
        workload, device = request["workload"], request["device"]
        if device not in self.devices():
            raise protocol.Failure(protocol.UNAVAILABLE, f"fake {VERSION} sees no {device} here")
        mishaps = json.loads(os.environ.get(MISHAPS, "{}"))
        mishap = mishaps.get(f"{workload} in fake-{VERSION}", mishaps.get(workload))
        if mishap == "unavailable":
            raise protocol.Failure(protocol.UNAVAILABLE, f"fake {VERSION} has no {workload}")
        slowness = 1 + 0.1 * (int(VERSION.partition(".")[0]) - 1)
        slowness *= _unsteadiness(workload, session)
        seconds = {name: value * slowness for name, value in pass_seconds(workload).items()}
        report = f"{workload} {device} {session}"
        accelerator = Device(clock, asynchronous=device == "gpu")
        return Workload(seconds, accelerator, mishap=mishap, report=report, is_layer=request["kind"] != "model")

    def exchange(self, workload: Any, folder: str, role: str) -> dict[str, object]:
        """A step whose output is the input, whose gradients are twice that, and nearly nothing; mishaps change it."""
        import numpy  # not above: its threads would be forked

        for _ in range(2):
            workload.forward()  # the second is where a mishap befalls it
        if role == protocol.REFERENCE:
            numpy.save(f"{folder}/input.npy", numpy.linspace(-1, 1, 101, dtype=numpy.float32))
        values = numpy.load(f"{folder}/input.npy")
        rounding = 1e-9 if role == protocol.REFERENCE else -1e-9
        output = {"shifted": values * 1.1, "not_a_number": values * numpy.nan}.get(workload.mishap, values)
        slope = 3 if workload.mishap == "steeper" else 2
        for name, array in (("output", output), ("gradient-0", slope * values), ("gradient-1", rounding * values)):
            numpy.save(f"{folder}/{role}-{name}.npy", array)
        parameters = PARAMETERS + 1 if workload.mishap == "larger" else PARAMETERS
        return {"parameters": parameters, "gradients": 2, "output_shape": [101]}

    def provenance(self, workload: Any) -> dict[str, object]:
        fields: dict[str, object] = {"framework_version": VERSION, "threads": 2, "parameters": PARAMETERS}
        if workload.is_on_accelerator:
            fields["l2_flushed"] = workload.is_layer
            fields["gpu_throttled"] = [THROTTLED] if workload.mishap == "throttled" else []
        return fields


ADAPTER = Fake()
