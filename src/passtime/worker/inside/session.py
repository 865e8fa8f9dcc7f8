"""One session: what the forked child does, from the request to the replies. It knows no framework, only an adapter.

`adapter.py` says what that is, and what it may raise.
"""
# ruff: noqa: UP006, UP035

import functools
import gc
import os
import platform
import traceback
from typing import Any, Callable, Dict, Iterator, List, Tuple

from passtime.worker import protocol
from passtime.worker.inside import sampler, watch
from passtime.worker.inside.adapter import Adapter


def run(adapter: Adapter, request: dict, arrival: float) -> dict:
    """The session's document: `{"replies": {"sample forward": reply, ..., "memory total": reply}}` or `{"error": ...}`.

    A training session answers forward, backward and total from the same steps, and the memory of those steps. `arrival`
    is when the request was taken up, by the adapter's clock. Beside replies of samples, `observed` has what
    `conditions.py` makes the session's conditions of.
    """
    return _errors_as_values(adapter, lambda: _run(adapter, request, arrival))


def hold(adapter: Adapter, request: dict, arrival: float, requests: Iterator[dict]) -> Iterator[dict]:
    """The documents of a session that is held: of the `open` request, then of each `step`, and of `close`, the last.

    Each is `{"reply": ..., "observed": ...}` or `{"error": ...}`; an error is the last, too.
    """
    held: List[_Held] = []

    def opened() -> dict:
        held.append(_Held(adapter, request, arrival))
        return held[0].opened()

    document = _errors_as_values(adapter, opened)
    yield document
    while "error" not in document:
        asked = next(requests, None)
        if asked is None:  # the worker has ended
            return
        answer = held[0].closed if asked["request"] == protocol.CLOSE else functools.partial(held[0].step, asked)
        document = _errors_as_values(adapter, answer)
        yield document
        if asked["request"] == protocol.CLOSE:
            return


def _errors_as_values(adapter: Adapter, work: Callable[[], dict]) -> dict:
    try:
        return work()
    except protocol.Failure as failure:
        return {"error": failure.reply()}
    except MemoryError:
        return {"error": protocol.Failure(protocol.OUT_OF_MEMORY, "out of memory").reply()}
    except Exception as error:
        traceback.print_exc()  # into the worker's log
        message = f"{type(error).__name__}: {_first_line(error)}"
        return {"error": protocol.Failure(adapter.error_kind(error), message).reply()}


def _run(adapter: Adapter, request: dict, arrival: float) -> Dict[str, Any]:
    if request["request"] == "parity":
        return {"replies": _exchange(adapter, request)}
    built = _Built(adapter, request, arrival)
    readings: List[dict] = []
    samples = sampler.sample(built.workload, built.session, request, adapter.clock, built.observer(readings))
    peak_bytes, provenance = built.end(samples)
    observed = {"malloc": watch.malloc_file(), "readings": readings}
    return {"replies": _replies(request, samples, peak_bytes, provenance), "observed": observed}


class _Built:
    """A session whose workload is built, and what its process had spent by then."""

    def __init__(self, adapter: Adapter, request: dict, arrival: float) -> None:
        self._adapter, self._request, self._arrival = adapter, request, arrival
        self._watched = watch.Watch()
        self.session = protocol.session_of(request)
        start = adapter.clock()
        self.workload = adapter.build(request, self.session)
        # A collection in the middle of a pass would be measured with it.
        gc.collect()
        gc.disable()
        self._build_seconds = adapter.clock() - start
        self._faults = self._watched.page_faults()

    def observer(self, readings: List[dict]) -> Callable[[], None]:
        """What takes a reading of this process and of the files that the request names."""
        return lambda: readings.append(watch.reading(self._request.get("observe", ())))

    def end(self, samples: sampler.Samples) -> Tuple[int, Dict[str, Any]]:
        """The most bytes that the workload held, and what explains the samples."""
        adapter, workload, watched = self._adapter, self.workload, self._watched
        page_faults = watched.page_faults() - self._faults
        peak_bytes = workload.peak_bytes()
        provenance = {
            "framework": adapter.FRAMEWORK,
            "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
            "load": round(watched.load, 2),
            "others_cpus": round(watched.others_cpus(), 2),
            "warmup_passes": samples.warmup_passes,
            "page_faults_per_pass": page_faults // max(1, samples.passes),
        }
        if peak_bytes is None:
            peak_bytes = watched.peak_bytes()
        provenance.update(adapter.provenance(workload))
        for name, seconds in sampler.device_clock_seconds(workload, samples).items():
            provenance["event_seconds." + name] = round(seconds, 9)
            if samples.elapsed_seconds[name]:
                over_wall = seconds / sampler.median(samples.elapsed_seconds[name])
                provenance["event_over_wall." + name] = round(over_wall, 4)
        # Where the session's time went; the rest is the fork, finding out the above, and waiting for its turn.
        spent_seconds = {
            "build_seconds": self._build_seconds,
            "warmup_seconds": samples.warmup_seconds,
            "sampling_seconds": samples.sampling_seconds,
            "session_seconds": adapter.clock() - self._arrival,
        }
        provenance.update({name: round(seconds, 4) for name, seconds in spent_seconds.items()})
        return peak_bytes, provenance


class _Held:
    """A session that is held."""

    def __init__(self, adapter: Adapter, request: dict, arrival: float) -> None:
        self._built = _Built(adapter, request, arrival)
        self._held = sampler.Held(self._built.workload, self._built.session, request, adapter.clock)
        self._named = {name: request[name] for name in ("workload", "device")}

    def opened(self) -> dict:
        told = {
            "passes_per_sample": self._held.samples.passes_per_sample,
            "step_seconds": self._held.step_seconds,
            "process_id": os.getpid(),
        }
        return {"reply": {"reply": "opened", **self._named, **told}}

    def step(self, request: dict) -> dict:
        readings: List[dict] = []
        taken = self._held.step(request["samples"], request["untimed_passes"], self._built.observer(readings))
        elapsed_seconds = {"elapsed_seconds." + name: seconds for name, seconds in taken.items()}
        return {"reply": {"reply": "stepped", **elapsed_seconds}, "observed": {"readings": readings}}

    def closed(self) -> dict:
        self._built.workload.observe()
        peak_bytes, provenance = self._built.end(self._held.samples)
        told = {"provenance." + name: value for name, value in provenance.items()}
        reply = {"reply": "closed", "peak_bytes": peak_bytes, **self._named, **told}
        return {"reply": reply, "observed": {"malloc": watch.malloc_file()}}


def _exchange(adapter: Adapter, request: dict) -> Dict[str, dict]:
    workload = adapter.build(request, "training")
    said = adapter.exchange(workload, request["folder"], request["role"])
    named = {name: request[name] for name in ("pass", "workload", "device")}
    return {"parity total": {"reply": "parity", **named, **said}}


def _replies(request: dict, samples: sampler.Samples, peak_bytes: int, provenance: dict) -> Dict[str, dict]:
    """A reply for each request that the session answers, by "sample forward" and the like."""
    replies = {}
    for name, seconds in samples.elapsed_seconds.items():
        replies["sample " + name] = {
            "reply": "samples",
            "pass": name,
            "elapsed_seconds": seconds,
            "passes_per_sample": samples.passes_per_sample,
        }
    whole = protocol.SESSIONS[protocol.session_of(request)][-1]
    replies["memory " + whole] = {"reply": "memory", "pass": whole, "peak_bytes": peak_bytes}
    shared = {"provenance." + name: value for name, value in provenance.items()}
    for reply in replies.values():
        reply.update(workload=request["workload"], device=request["device"], **shared)
    return replies


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""


def probe(adapter: Adapter) -> dict:
    """Which framework this is and the devices that it sees; only the CPU where looking for others fails."""
    try:
        devices = adapter.devices()
    except Exception:
        traceback.print_exc()
        devices = ["cpu"]
    return identity(adapter, devices)


def identity(adapter: Adapter, devices: List[str]) -> dict:
    """What a worker says of itself."""
    return {"framework": adapter.FRAMEWORK, "version": adapter.VERSION, "devices": devices}
