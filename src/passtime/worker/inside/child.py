"""A forked process that does one piece of work and writes JSON documents, one a line, into a pipe."""
# ruff: noqa: UP035

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from typing import Callable, Iterator

from passtime.worker.protocol import FAILED, Failure

PR_SET_PDEATHSIG = 1


class Child:
    """A running child that writes one document and ends; a selector takes it as the reading end of its pipe.

    `close_inherited` runs in the child and closes what only the parent may hold open.
    """

    def __init__(self, work: Callable[[], dict], close_inherited: Callable[[], None]) -> None:
        self._read_end, write_end = os.pipe()
        self._written = b""
        self._pid = _fork(lambda: iter([work()]), close_inherited, write_end)

    def fileno(self) -> int:
        return self._read_end

    def read(self) -> bool:
        """Takes what is there; False at the pipe's end, which only the child's end brings."""
        chunk = os.read(self._read_end, 1 << 16)
        self._written += chunk
        return bool(chunk)

    def document(self) -> dict:
        """What the child wrote, once `read` said False. Raises Failure when it died before it had written all."""
        os.close(self._read_end)
        status = os.waitpid(self._pid, 0)[1]
        try:
            return json.loads(self._written.decode("utf-8"))
        except ValueError:
            raise Failure(FAILED, cause_of_death(status)) from None

    def kill(self) -> None:
        """Ends the child, in whatever it is; returns when it is gone."""
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._read_end)
        os.waitpid(self._pid, 0)


class Talking:
    """A running child that answers each request with a document; a selector takes it as the pipe of its documents.

    `work` gets the requests, one after another, and gives their documents; its end is the child's.
    """

    def __init__(self, work: Callable[[Iterator[dict]], Iterator[dict]], close_inherited: Callable[[], None]) -> None:
        self._read_end, write_end = os.pipe()
        requests, self._requests = os.pipe()
        self._written = b""

        def close_all() -> None:
            # Its own end of it would keep the pipe of requests open after the parent's death.
            os.close(self._requests)
            close_inherited()

        try:
            self._pid = _fork(lambda: work(_messages(requests)), close_all, write_end)
        finally:
            os.close(requests)
        self._status = -1  # while it runs

    def ask(self, request: dict) -> None:
        """Sends a request. Where the child has just died, the end of its documents tells."""
        self._written = b""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._requests, json.dumps(request).encode("utf-8") + b"\n")

    def fileno(self) -> int:
        return self._read_end

    def read(self) -> bool:
        """Takes what is there; False once the document is, or when the child has ended."""
        chunk = os.read(self._read_end, 1 << 16)
        self._written += chunk
        return bool(chunk) and not self._written.endswith(b"\n")

    def document(self) -> dict:
        """What the child wrote, once `read` said False. Raises Failure when it died before it had written all."""
        if not self._written.endswith(b"\n"):
            self._status = os.waitpid(self._pid, 0)[1]
            raise Failure(FAILED, cause_of_death(self._status))
        return json.loads(self._written.decode("utf-8"))

    def kill(self) -> None:
        """Ends the child, in whatever it is; returns when it is gone."""
        if self._status < 0:
            os.kill(self._pid, signal.SIGKILL)
            self._status = os.waitpid(self._pid, 0)[1]
        os.close(self._read_end)
        os.close(self._requests)


def _messages(descriptor: int) -> Iterator[dict]:
    with os.fdopen(descriptor, "rb") as pipe:
        for line in pipe:
            yield json.loads(line.decode("utf-8"))


def _fork(documents: Callable[[], Iterator[dict]], close_inherited: Callable[[], None], write_end: int) -> int:
    """The number of a new process that writes the documents, a line each, to a descriptor that is closed here."""
    parent = os.getpid()
    number = os.fork()
    if number == 0:
        _be_child(parent, documents, close_inherited, write_end)
    os.close(write_end)
    return number


def _be_child(
    parent: int, documents: Callable[[], Iterator[dict]], close_inherited: Callable[[], None], write_end: int
) -> None:
    """Does the work and ends the process, whatever happens: a child must never return into the parent's loop."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # The kernel kills the child when the parent dies, whatever the cause.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died before that
        close_inherited()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

        with os.fdopen(write_end, "wb") as pipe:
            for document in documents():
                pipe.write(json.dumps(document, allow_nan=False).encode("utf-8") + b"\n")
                pipe.flush()
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    # Not sys.exit: what the parent, or the framework in it, wants done at its end is not the child's to do.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def cause_of_death(status: int) -> str:
    """One line for a status as `os.waitpid` gives it."""
    if not os.WIFSIGNALED(status):
        return f"the worker's session ended with exit status {os.WEXITSTATUS(status)}; the worker's log says why"
    name = signal.Signals(os.WTERMSIG(status)).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"the worker's session died of {name}{hint}"
