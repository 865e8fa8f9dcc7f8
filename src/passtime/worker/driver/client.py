"""The driver's side of a session: one connection, one request, one reply."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from os import PathLike

from passtime.worker import protocol


class WorkerError(Exception):
    """What went wrong at the worker: its text is one line, `kind` one of the protocol's error kinds."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def ask(address: str | PathLike[str], fields: Mapping[str, object], timeout_seconds: float | None = None) -> dict:
    """The worker's reply to a request; waits as long as it takes, or so long.

    The connection's end is the session's: a caller that is killed while it waits stops the worker's passes.
    Raises WorkerError for an error reply, and (`failed`) where no worker listens, or it does not reply (in time).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.connect(str(address))
            connection.sendall(protocol.encode({**fields, "protocol": protocol.VERSION}))
            line = connection.makefile("rb").readline()
        except FileNotFoundError:
            raise WorkerError(protocol.FAILED, "no worker listens at the socket: it has ended") from None
        except TimeoutError:
            said = f"{_describe(fields)} did not end within {timeout_seconds:.0f} s"
            raise WorkerError(protocol.FAILED, said) from None
        except OSError as error:
            raise WorkerError(protocol.FAILED, f"the worker cannot be reached: {error.strerror}") from None
    if not line.endswith(b"\n"):
        raise WorkerError(protocol.FAILED, f"the worker ended in the middle of {_describe(fields)}")
    try:
        reply = protocol.decode(line)
    except protocol.Failure as failure:
        raise WorkerError(failure.kind, str(failure)) from None
    if reply.get("reply") == "error":
        raise WorkerError(str(reply.get("kind")), str(reply.get("message")))
    return reply


def _describe(fields: Mapping[str, object]) -> str:
    if "workload" not in fields:
        return f"its {fields['request']}"
    return f"{fields['request']} {fields['pass']} of {fields['workload']} on {fields['device']}"
