"""Which request of a worker each method of a benchmark stands for, and what is kept of the reply.

A project may have ordinary asv benchmarks beside these: asv times them itself, in its own Python, without a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from passtime import __version__
from passtime.catalog import workloads
from passtime.catalog.place import Item
from passtime.catalog.sampling import POLICY
from passtime.worker import protocol

# By method: the request, and the pass that it names.
REQUESTS = {
    "time_forward": ("sample", "forward"),
    "time_backward": ("sample", "backward"),
    "time_total": ("sample", "total"),
    "time_inference": ("sample", "inference"),
    "track_training_memory": ("memory", "total"),
    "track_inference_memory": ("memory", "inference"),
}


def are_asked(benchmark: Mapping[str, Any]) -> bool:
    """Whether a worker answers the cells of a benchmark, given as asv lists it: with its parameters' names."""
    return method_of(benchmark["name"]) in REQUESTS and list(benchmark["param_names"][1:]) == ["device"]


def item_of(benchmark: str, params: Sequence[str]) -> Item | None:
    """What a stored cell is of: results have no names of parameters. None for those of ordinary benchmarks."""
    method = method_of(benchmark)
    if method not in REQUESTS or len(params) != 2 or params[1] not in workloads.DEVICES:
        return None
    return Item(params[0], params[1], session_of(method))


def method_of(benchmark: str) -> str:
    """The method of a benchmark, by its name: `time_total` of `models.ResNet.time_total`."""
    return benchmark.rpartition(".")[2]


def session_of(method: str) -> str:
    """The kind of session, `training` or `inference`, that answers a benchmark's method."""
    request, measured_pass = REQUESTS[method]
    return protocol.session_of({"request": request, "pass": measured_pass})


def said_of_driver(policy: Mapping[str, float] | None = None) -> dict[str, Any]:
    """What a session's line says of the side that asked: passtime's version, and in what the policy was not the usual.

    `passtime`, and a field such as `policy.minimum_samples` for each number of `policy` that differs from `POLICY`.
    """
    changed = {} if policy is None else {name: policy[name] for name in POLICY if policy[name] != POLICY[name]}
    return {"passtime": __version__, **{f"policy.{name}": value for name, value in changed.items()}}


def said_of_session(reply: Mapping[str, Any]) -> dict[str, Any]:
    """What a reply says beside its samples, and how many these are: what the provenance keeps of it."""
    line = {key: value for key, value in reply.items() if key not in ("reply", "elapsed_seconds")}
    if "elapsed_seconds" in reply:
        line["samples"] = len(reply["elapsed_seconds"])
    return line
