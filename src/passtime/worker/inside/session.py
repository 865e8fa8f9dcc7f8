"""One session: what the forked child does, from the request to the replies. It knows no framework, only an adapter.

`adapter.py` says what that is, and what it may raise.
"""
# ruff: noqa: UP006, UP035

import gc
import platform
import traceback
from typing import Any, Dict, List

from passtime.worker import protocol
from passtime.worker.inside import sampler, watch
from passtime.worker.inside.adapter import Adapter


def run(adapter: Adapter, request: dict, arrival: float) -> dict:
    """The session's document: `{"replies": {"sample forward": reply, ..., "memory total": reply}}` or `{"error": ...}`.

    A training session answers forward, backward and total from the same steps, and the memory of those steps. `arrival`
    is when the request was taken up, by the adapter's clock. Beside replies of samples, `observed` has what
    `conditions.py` makes the session's conditions of.
    """
    try:
        if request["request"] == "parity":
            return {"replies": _exchange(adapter, request)}
        return _measure(adapter, request, arrival)
    except protocol.Failure as failure:
        return {"error": failure.reply()}
    except MemoryError:
        return {"error": protocol.Failure(protocol.OUT_OF_MEMORY, "out of memory").reply()}
    except Exception as error:
        traceback.print_exc()  # into the worker's log
        message = f"{type(error).__name__}: {_first_line(error)}"
        return {"error": protocol.Failure(adapter.error_kind(error), message).reply()}


def _measure(adapter: Adapter, request: dict, arrival: float) -> Dict[str, Any]:
    watched = watch.Watch()
    readings: List[dict] = []
    session = protocol.session_of(request)
    build_start = adapter.clock()
    workload = adapter.build(request, session)
    # A collection in the middle of a pass would be measured with it.
    gc.collect()
    gc.disable()
    build_seconds = adapter.clock() - build_start
    faults_before = watched.page_faults()

    def observe() -> None:
        readings.append(watch.reading(request.get("observe", ())))

    samples = sampler.sample(workload, session, request, adapter.clock, observe)
    page_faults = watched.page_faults() - faults_before
    peak_bytes = workload.peak_bytes()
    provenance = {
        "framework": adapter.FRAMEWORK,
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "load": round(watched.load, 2),
        "others_cpus": round(watched.others_cpus(), 2),
        "warmup_passes": samples.warmup_passes,
        "page_faults_per_pass": page_faults // samples.passes,
    }
    if peak_bytes is None:
        peak_bytes = watched.peak_bytes()
    provenance.update(adapter.provenance(workload))
    for name, seconds in sampler.device_clock_seconds(workload, samples).items():
        provenance["event_seconds." + name] = round(seconds, 9)
        provenance["event_over_wall." + name] = round(seconds / sampler.median(samples.elapsed_seconds[name]), 4)
    # Where the session's time went; the rest is the fork, and finding out the above.
    spent_seconds = {
        "build_seconds": build_seconds,
        "warmup_seconds": samples.warmup_seconds,
        "sampling_seconds": samples.sampling_seconds,
        "session_seconds": adapter.clock() - arrival,
    }
    provenance.update({name: round(seconds, 4) for name, seconds in spent_seconds.items()})
    observed = {"malloc": watch.malloc_file(), "readings": readings}
    return {"replies": _replies(request, samples, peak_bytes, provenance), "observed": observed}


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
