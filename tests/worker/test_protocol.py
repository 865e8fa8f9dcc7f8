"""What may pass the wire, what the one page about it says, and where the worker's side can run."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

from passtime import worker
from passtime.worker import protocol

from .conftest import request_of

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
ROOM = Path(worker.__path__[0])
# What runs in the runtimes of torch, whose oldest Python is 3.6.
RUNTIME_SIDE = (
    "protocol",
    "cgroup",
    *(f"inside.{path.stem}" for path in sorted((ROOM / "inside").glob("*.py"))),
    "adapters.torch",
)
# Beside the standard library: what torch needs.
STRANGERS = {"adapters.torch": {"torch", "torchvision", "torchvision.models"}, "inside.adapter": {"numpy"}}


def test_a_message_is_one_line_and_comes_back():
    """Every kind of value survives the wire, in one line."""
    message = {"text": "two\nlines", "whole": 3, "real": 0.1, "yes": True, "nothing": None, "many": [1.5, 2.5], "é": []}
    line = protocol.encode(message)
    assert line.count(b"\n") == 1
    assert protocol.decode(line) == message


def test_a_number_that_json_lacks_is_not_sent():
    """NaN is refused by the sender, since strict readers of JSON would choke on it."""
    with pytest.raises(ValueError, match="JSON"):
        protocol.encode({"elapsed_seconds": [float("nan")]})


@pytest.mark.parametrize("line", [b"hello", b"[1]", b'{"a": {"b": 1}}', b'{"a": [[1]]}', b"\xff", b""])
def test_anything_but_a_flat_object_is_refused(line):
    """A line that is no flat JSON object is a protocol error that names what was sent."""
    with pytest.raises(protocol.Failure, match="this line is no") as raised:
        protocol.decode(line)
    assert raised.value.reply()["kind"] == "protocol"


def test_an_error_is_one_line():
    """A message of several lines becomes one."""
    assert protocol.Failure("failed", "one\n  two\n").reply() == {
        "reply": "error",
        "kind": "failed",
        "message": "one two",
    }


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"protocol": 1}, "protocol", "this worker speaks protocol 2, the request protocol 1"),
        ({"request": "dance"}, "bad_request", "no such request: dance"),
        ({"workload": None}, "bad_request", "workload cannot be None"),
        ({"threads": True}, "bad_request", "threads cannot be True"),
        ({"pass": "sideways"}, "bad_request", "the pass of sample is one of"),
        ({"request": "open", "pass": "forward"}, "bad_request", "the pass of open is one of total, inference"),
        ({"request": "step"}, "bad_request", "the step request lacks samples"),
        ({"request": "step", "samples": 0, "untimed_passes": 0}, "bad_request", "a step takes at least one sample"),
        ({"request": "step", "samples": 1.5, "untimed_passes": 0}, "bad_request", "samples cannot be 1.5"),
        ({"request": "memory", "pass": "forward"}, "bad_request", "the pass of memory is one of total, inference"),
    ],
)
def test_a_request_that_cannot_be_taken_is_told_why(change, kind, message):
    """Each wrong request is an error of its kind, with a line that says what is wrong."""
    with pytest.raises(protocol.Failure, match=message) as raised:
        protocol.check({**request_of("sample", "forward"), **change})
    assert raised.value.kind == kind


def test_the_benchmarks_requests_are_complete():
    """Every field that a request must have is sent, and one left out is named."""
    request = request_of("sample", "total")
    protocol.check(request)
    for field in request.keys() - {"request", "protocol"}:
        with pytest.raises(protocol.Failure, match=f"lacks {field}"):
            protocol.check({name: value for name, value in request.items() if name != field})


def test_the_page_shows_messages_that_are_right():
    """Every example on the page about the protocol is a message, and every request among them can be taken."""
    lines = re.findall(r"^\{.*\}$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    messages = [protocol.decode(line.encode()) for line in lines]
    assert {message.get("request", message.get("reply")) for message in messages} == {
        *("hello", "sample", "samples", "memory", "parity", "error"),
        *("open", "opened", "step", "stepped", "close", "closed"),
    }
    for message in messages:
        if "request" in message:
            protocol.check(message)


def test_the_page_names_every_field_and_error():
    """A stranger finds every field of a request and every kind of error on the page."""
    page = PAGE.read_text(encoding="utf-8")
    names = {*request_of("sample", "total"), *protocol.ERROR_KINDS}
    assert {name for name in names if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("name", RUNTIME_SIDE)
def test_the_workers_side_runs_on_old_pythons(name):
    """What runs in a runtime is valid for Python 3.6 and imports the standard library and what torch needs alone."""
    source = Path(ROOM, *name.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= (
                {node.module}
                if not node.module.startswith("passtime.worker")
                or node.module.removeprefix("passtime.worker.") in RUNTIME_SIDE
                else {f"{node.module}.{alias.name}" for alias in node.names}
            )
    own = {f"passtime.worker.{module}" for module in RUNTIME_SIDE}
    strangers = {module for module in imported - own if module.partition(".")[0] not in sys.stdlib_module_names}
    assert strangers == STRANGERS.get(name, set())
    assert "__future__" not in imported
    # Subscripted in annotations, as types of arguments are, they need Python 3.9.
    assert "collections.abc" not in imported


def test_requests_are_flat():
    """A whole request is one flat JSON object."""
    request = request_of("sample", "forward")
    assert protocol.decode(json.dumps(request).encode()) == request
