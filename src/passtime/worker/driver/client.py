"""The driver's side of a session: one connection, one request, one reply."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from os import PathLike

from passtime.worker import protocol
from passtime.worker.driver import limits


class WorkerError(Exception):
    """What went wrong at the worker: its text is one line, `kind` one of the protocol's error kinds."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class TooLate(WorkerError):
    """The worker did not reply in time (`failed`)."""


def ask(address: str | PathLike[str], fields: Mapping[str, object], timeout_seconds: float | None = None) -> dict:
    """The worker's reply to a request; waits so long for the whole of it, or as long as a session may take.

    The connection's end is the session's: a caller that is killed while it waits stops the worker's passes.
    Raises WorkerError for an error reply, and (`failed`) where no worker listens, or it does not reply (in time).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        return _ask(connection, address, fields, _describe(fields), timeout_seconds)


class Session:
    """A session that a worker holds, so that others can take turns with it; a context manager, whose end ends it.

    `opened`, `step` and `close` give the worker's replies (docs/protocol.md). Each raises as `ask`; after an error the
    session is over.
    """

    def __init__(self, address: str | PathLike[str], fields: Mapping[str, object]) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._what = _describe({**fields, "request": "a session of"})
        try:
            self.opened = _ask(self._connection, address, {"request": "open", **fields}, self._what)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def step(self, samples: int, untimed_passes: int) -> dict:
        """Takes so many samples, after passes that are not timed."""
        asked = {"request": protocol.STEP, "samples": samples, "untimed_passes": untimed_passes}
        return _ask(self._connection, None, asked, self._what)

    def close(self) -> dict:
        """Ends the session; its reply says what it was measured under."""
        return _ask(self._connection, None, {"request": protocol.CLOSE}, self._what)


def _ask(
    connection: socket.socket,
    address: str | PathLike[str] | None,
    fields: Mapping[str, object],
    what: str,
    timeout_seconds: float | None = None,
) -> dict:
    """The reply to a request on a connection, which is made first where an address is given."""
    limit_seconds = limits.session_seconds() if timeout_seconds is None else timeout_seconds
    deadline = time.monotonic() + limit_seconds
    connection.settimeout(limit_seconds)
    try:
        if address is not None:
            connection.connect(str(address))
        connection.sendall(protocol.encode({**fields, "protocol": protocol.VERSION}))
        line = _read_line(connection, deadline)
    except FileNotFoundError:
        raise WorkerError(protocol.FAILED, "no worker listens at the socket: it has ended") from None
    except TimeoutError:
        raise TooLate(protocol.FAILED, f"{what} did not end within {limit_seconds:g} s") from None
    except OSError as error:
        raise WorkerError(protocol.FAILED, f"the worker cannot be reached: {error.strerror or error}") from None
    if not line.endswith(b"\n"):
        raise WorkerError(protocol.FAILED, f"the worker ended in the middle of {what}")
    try:
        reply = protocol.decode(line)
    except protocol.Failure as failure:
        raise WorkerError(failure.kind, str(failure)) from None
    if reply.get("reply") == "error":
        raise WorkerError(str(reply.get("kind")), str(reply.get("message")))
    return reply


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    """The reply's line; less than a line where the worker hangs up before its end. Raises TimeoutError."""
    line = bytearray()
    while not line.endswith(b"\n"):
        left_seconds = deadline - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError
        connection.settimeout(left_seconds)
        chunk = connection.recv(1 << 16)
        if not chunk:
            break
        line += chunk
    return bytes(line)


def _describe(fields: Mapping[str, object]) -> str:
    if "workload" not in fields:
        return f"its {fields['request']}"
    return f"{fields['request']} {fields['pass']} of {fields['workload']} on {fields['device']}"
