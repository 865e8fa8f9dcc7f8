"""The worker's wire: one flat JSON object a line over a Unix-domain socket; docs/protocol.md says it in full.

Both sides use this module, so it is valid for Python 3.6 and imports the standard library alone.
"""
# ruff: noqa: UP006, UP035

import json
from typing import Any, Dict

VERSION = 2

# The passes that a session measures: a training session all three from the same steps.
SESSIONS = {"training": ("forward", "backward", "total"), "inference": ("inference",)}

# Error kinds: what a release or a machine lacks is `unavailable`, asv's n/a; all others are failures.
UNAVAILABLE = "unavailable"
OUT_OF_MEMORY = "out_of_memory"
FAILED = "failed"
BAD_REQUEST = "bad_request"
PROTOCOL = "protocol"
ERROR_KINDS = (UNAVAILABLE, OUT_OF_MEMORY, FAILED, BAD_REQUEST, PROTOCOL)

# What a worker prints before the line that says why it ends.
LAST_WORDS = "passtime: "
# The exit status of a worker whose framework cannot be loaded.
NOT_LOADED = 3

# No message is nearly as long; a line that does not end is no message.
LONGEST_LINE_BYTES = 1 << 20

# What disturbed a session's samples: its field `marks` names each.
SUSPENDED = "suspended"  # the session or the machine stood still
THROTTLED = "throttled"  # the CPU quota was used up
STOLEN = "stolen"  # the hypervisor ran others on its cores
OTHERS = "others on its cores"  # other programs ran there
MARKS = (SUSPENDED, THROTTLED, STOLEN, OTHERS)

_NUMBER = (int, float)

# The requests that a session is made for, and the passes that each may name.
_ANSWERS = {
    "sample": ("forward", "backward", "total", "inference"),
    "memory": ("total", "inference"),
    "parity": ("total",),
    "open": ("total", "inference"),
}

# The requests to a session that `open` made, and their fields.
STEP, CLOSE = "step", "close"
_HELD_FIELDS: Dict[str, Dict[str, Any]] = {STEP: {"samples": int, "untimed_passes": int}, CLOSE: {}}

# Who of two workers brings the weights and the input, and who takes them over.
REFERENCE, FOLLOWER = "reference", "follower"

# The fields of these requests, beside `request`, and what each must be.
_FIELDS: Dict[str, Any] = {
    "pass": str,
    "workload": str,
    "device": str,
    "kind": str,
    "input_shape": list,
    "output_channels": int,
    "kernel": int,
    "stride": int,
    "padding": int,
    "threads": int,
    "batch_seconds": _NUMBER,
    "minimum_samples": int,
    "minimum_long_samples": int,
    "long_pass_seconds": _NUMBER,
    "target_precision": _NUMBER,
    "maximum_samples": int,
    "maximum_seconds": _NUMBER,
    "warmup_tolerance": _NUMBER,
    "warmup_seconds": _NUMBER,
}

# Of a parity request, beside those.
_PARITY_FIELDS: Dict[str, Any] = {"folder": str, "role": str}


class Failure(Exception):
    """An error that is told to the client as a value: a kind and one line."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
        self.kind = kind

    def reply(self) -> dict:
        return {"reply": "error", "kind": self.kind, "message": str(self)}


def encode(message: dict) -> bytes:
    """A message's line. Raises ValueError for a number that JSON does not have, such as NaN."""
    return json.dumps(message, allow_nan=False).encode("utf-8") + b"\n"


def decode(line: bytes) -> dict:
    """The message of a line. Raises Failure (`protocol`) for anything but a flat JSON object."""
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Failure(PROTOCOL, f"this line is no JSON: {line[:80]!r}") from None
    if not isinstance(message, dict) or not all(_is_flat(value) for value in message.values()):
        raise Failure(PROTOCOL, f"this line is no flat JSON object: {line[:80]!r}")
    return message


def _is_flat(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, (str, int, float)) for item in value)
    return not isinstance(value, dict)


def check(request: dict) -> None:
    """Raises Failure (`protocol`, `bad_request`) for a request that a worker cannot take."""
    version = request.get("protocol")
    if version != VERSION:
        raise Failure(PROTOCOL, f"this worker speaks protocol {VERSION}, the request protocol {version}")
    kind = request.get("request")
    if kind == "hello":
        return
    if kind in _HELD_FIELDS:
        _check_fields(request, _HELD_FIELDS[kind])
        if kind == STEP and (request["samples"] < 1 or request["untimed_passes"] < 0):
            raise Failure(BAD_REQUEST, "a step takes at least one sample, and no negative number of untimed passes")
        return
    if kind not in _ANSWERS:
        raise Failure(BAD_REQUEST, f"no such request: {kind}")
    _check_fields(request, {**_FIELDS, **_PARITY_FIELDS} if kind == "parity" else _FIELDS)
    if request["pass"] not in _ANSWERS[kind]:
        raise Failure(BAD_REQUEST, f"the pass of {kind} is one of {', '.join(_ANSWERS[kind])}")
    if kind == "parity" and request["role"] not in (REFERENCE, FOLLOWER):
        raise Failure(BAD_REQUEST, f"a parity request's role is {REFERENCE} or {FOLLOWER}, not {request['role']!r}")


def _check_fields(request: dict, fields: Dict[str, Any]) -> None:
    for field, types in fields.items():
        if field not in request:
            raise Failure(BAD_REQUEST, f"the {request['request']} request lacks {field}")
        if not isinstance(request[field], types) or isinstance(request[field], bool):
            raise Failure(BAD_REQUEST, f"{field} cannot be {request[field]!r}")


def session_of(request: dict) -> str:
    """Which kind of session answers a request: `training` or `inference`."""
    return "inference" if request["pass"] == "inference" else "training"
