"""A process that stays and does one session after another: for a language whose compiled code dies with its process.

The worker's parent, `server.py`, owns the socket and the queue; the resident process knows the framework. They talk
over two pipes. The resident's standard input brings requests, one a line, as docs/protocol.md has them; its end is the
resident's. Its last argument is the number of a descriptor, to which it writes one JSON object a line: first, once the
framework is loaded, `{"framework": ..., "version": ..., "devices": [...]}`; then, for each request, the session's
document, as `session.py` has it. The document's `observed`, with readings as `watch.py` takes them, may be left out.
What the process prints is the worker's log.

A session that is held is asked more than once: `open`, then `step` as often as it takes, then `close`. The document of
each has one `reply`. An error in one of them ends the session. Between them the process takes no other request, and
uses no CPU: others have their turns.

A session cannot be stopped inside the process, so one that is not wanted any more costs the process: it is killed, and
the next session starts another.
"""
# ruff: noqa: UP006, UP035, UP045

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from typing import Any, Callable, List, Optional, Tuple

from passtime.worker import protocol
from passtime.worker.inside.child import PR_SET_PDEATHSIG, cause_of_death


class Resident:
    """Sessions of the process that `command` starts; see `server.serve` for what they are."""

    # One session at a time can be held: there is one process.
    holds_one = True

    def __init__(self, command: List[str]) -> None:
        self._command = command
        self._process: Optional[_Process] = None

    def probe(self, close_inherited: Callable[[], None]) -> "Turn":
        try:
            return self._turn([])
        except protocol.Failure as failure:
            sys.exit(protocol.LAST_WORDS + str(failure))

    def unprobed(self, failure: protocol.Failure) -> dict:
        """Ends the worker: without its process it can do nothing. Where that exited, it has said why itself."""
        assert self._process is not None
        status = self._process.exit_status()
        sys.exit(protocol.LAST_WORDS + str(failure) if status is None else status)

    def session(self, request: dict, close_inherited: Callable[[], None]) -> "Turn":
        return self._turn([protocol.encode(request)])

    def hold(self, request: dict, close_inherited: Callable[[], None]) -> "Held":
        process, introductions = self._running_process()
        return Held(process, request, introductions)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _turn(self, requests: List[bytes]) -> "Turn":
        process, introductions = self._running_process()
        return Turn(process, requests, introductions + len(requests))

    def _running_process(self) -> Tuple["_Process", int]:
        """The process, and how many lines it writes before it answers: a new one says first what it has loaded."""
        if self._process is not None and not self._process.is_gone():
            return self._process, 0
        self._process = _Process(self._command)
        return self._process, 1


class Turn:
    """What the resident process is asked once; a selector takes it as the pipe that the process writes to."""

    def __init__(self, process: "_Process", requests: List[bytes], lines: int) -> None:
        self._process = process
        self._awaited = lines
        self._written = b""
        for request in requests:
            process.ask(request)

    def fileno(self) -> int:
        return self._process.replies

    def read(self) -> bool:
        """Takes what is there; False once the document is, or when the process has ended."""
        chunk = os.read(self._process.replies, 1 << 16)
        self._written += chunk
        return bool(chunk) and self._written.count(b"\n") < self._awaited

    def document(self) -> dict:
        """What the process wrote, once `read` said False. Raises Failure when it died, or wrote something else."""
        lines = self._written.split(b"\n")
        if len(lines) <= self._awaited:
            raise protocol.Failure(protocol.FAILED, cause_of_death(self._process.end()))
        try:
            document = json.loads(lines[self._awaited - 1].decode("utf-8"))
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self._process.kill()
            raise protocol.Failure(protocol.FAILED, "the worker's session wrote no document; the worker's log says why")
        return document

    def kill(self) -> None:
        self._process.kill()


class Held(Turn):
    """A session that the resident process holds; made with the request that opens it, then asked for more.

    After each request, `read` says when the document is there. An error ends the session as `close` does.
    """

    def __init__(self, process: "_Process", request: dict, introductions: int) -> None:
        super().__init__(process, [protocol.encode(request)], introductions + 1)
        self._asked = request["request"]
        self._is_over = False

    def ask(self, request: dict) -> None:
        """Writes a request, once the document of the one before it was taken."""
        self._awaited, self._written = 1, b""
        self._asked = request["request"]
        self._process.ask(protocol.encode(request))

    def document(self) -> dict:
        document = super().document()
        self._is_over = self._asked in (("open", "step", "close") if "error" in document else ("close",))
        return document

    def kill(self) -> None:
        """Ends the process if the session is still open; later it may be in another session."""
        if not self._is_over:
            super().kill()


class _Process:
    """The running process and the reading end of its replies."""

    def __init__(self, command: List[str]) -> None:
        self.replies, write_end = os.pipe()
        parent = os.getpid()
        try:
            self._running = subprocess.Popen(
                [*command, str(write_end)],
                stdin=subprocess.PIPE,
                pass_fds=[write_end],
                preexec_fn=lambda: _die_with(parent),
            )
        except OSError as error:
            os.close(self.replies)
            raise protocol.Failure(protocol.FAILED, f"{command[0]} cannot be started: {error.strerror}") from None
        finally:
            os.close(write_end)

    def is_gone(self) -> bool:
        return self._running.poll() is not None

    def exit_status(self) -> Optional[int]:
        """With what it ended by itself; None where it runs, or a signal ended it."""
        status = self._running.poll()
        return status if status is not None and status >= 0 else None

    def ask(self, request: bytes) -> None:
        # Where it has just died, the end of its replies tells.
        with contextlib.suppress(OSError):
            self._stdin.write(request)
            self._stdin.flush()

    def end(self) -> int:
        """Waits for a process that has closed its replies; gives its status as `os.waitpid` does."""
        status = self._running.wait()
        self._close()
        return -status if status < 0 else status << 8

    def kill(self) -> None:
        """Ends the process, in whatever it is, and all that it started; returns when it is gone."""
        if not self.is_gone():
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        self._close()

    @property
    def _stdin(self) -> Any:
        return self._running.stdin

    def _close(self) -> None:
        if self.replies >= 0:
            os.close(self.replies)
            self.replies = -1
        with contextlib.suppress(OSError):
            self._stdin.close()


def _die_with(parent: int) -> None:
    """A process group of its own, so that all it starts can be ended; the kernel ends it when the parent dies."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before that
