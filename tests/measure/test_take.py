"""One session, and all that the worker answers of it."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from passtime.measure import take
from passtime.worker import protocol
from passtime.worker.driver import client

ITEM = take.Item("dense", "gpu", "training")


def answering(monkeypatch, memory_kind):
    """A worker that times every pass, and has an error of that kind for memory."""

    def ask(address, fields):
        if fields["request"] == "memory":
            raise client.WorkerError(memory_kind, "no")
        return {"pass": fields["pass"], "elapsed_seconds": [1.0]}

    monkeypatch.setattr(client, "ask", ask)
    return SimpleNamespace(address="nowhere")


def test_times_are_kept_where_memory_cannot_be_told(monkeypatch):
    """A device that does not tell its memory is measured all the same."""
    taken = take.take(answering(monkeypatch, protocol.UNAVAILABLE), ITEM, {})
    assert set(taken.elapsed_seconds) == {"forward", "backward", "total"}
    assert not any(method.startswith("track") for method in taken.replies)


def test_memory_that_fails_fails_the_session(monkeypatch):
    """What goes wrong is told, not left out."""
    with pytest.raises(client.WorkerError):
        take.take(answering(monkeypatch, protocol.FAILED), ITEM, {})


def test_a_worker_that_does_not_answer_is_waited_for_so_long(tmp_path):
    """A pass that hangs ends the wait with one line that says which it was."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        fields = {"request": "sample", "pass": "total", "workload": "dense", "device": "cpu"}
        with pytest.raises(client.WorkerError, match=r"sample total of dense on cpu did not end within 0\.01 s"):
            client.ask(tmp_path / "s", fields, timeout_seconds=0.01)
