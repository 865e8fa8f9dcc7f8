"""Which request of a worker each method of a benchmark stands for, and what is kept of the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passtime import __version__
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
