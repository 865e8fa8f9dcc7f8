"""Sessions in forked children: for a framework that a process can hold imported, and fork, before it is first used."""
# ruff: noqa: UP035

import functools
import gc
import os
import sys
import time
from typing import Callable

from passtime.worker import protocol
from passtime.worker.inside import session
from passtime.worker.inside.adapter import Adapter
from passtime.worker.inside.child import Child, Talking

# A thread that was told to end, or waited for, is still there for a moment.
_PATIENCE_SECONDS = 0.2
_POLL_SECONDS = 0.01


class Forked:
    """Sessions of an adapter, each in a child of its own; see `server.serve` for what they are."""

    holds_one = False

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        # A collection in a child would look through all of the framework, and so copy the pages that it is on.
        if hasattr(gc, "freeze"):  # from Python 3.7 on
            gc.freeze()

    def probe(self, close_inherited: Callable[[], None]) -> Child:
        return Child(functools.partial(session.probe, self._adapter), close_inherited)

    def unprobed(self, failure: protocol.Failure) -> dict:
        """The CPU is there, whatever a driver did to the child that looked for more."""
        return session.identity(self._adapter, ["cpu"])

    def session(self, request: dict, close_inherited: Callable[[], None]) -> Child:
        check_threads("before a session", "its framework, or a library under it,")
        return Child(functools.partial(session.run, self._adapter, request, self._adapter.clock()), close_inherited)

    def hold(self, request: dict, close_inherited: Callable[[], None]) -> Talking:
        check_threads("before a session", "its framework, or a library under it,")
        arrival = self._adapter.clock()
        return Talking(functools.partial(session.hold, self._adapter, request, arrival), close_inherited)

    def close(self) -> None:
        """Nothing runs between sessions."""


def check_threads(when: str, who: str) -> None:
    """Raises Failure where this process has more threads than the one that calls; `when` and `who` explain them.

    A fork copies only the thread that forks. What the others hold, as a lock or their part of a pool's work, is never
    given back in the child.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _threads() > 1:
        if time.monotonic() > deadline:
            message = (
                f"the worker's process has {_threads()} threads {when}, and sessions forked from it would hang: {who} "
                "started them; remove what does, or have it start none (of NumPy: OPENBLAS_NUM_THREADS=1)"
            )
            raise protocol.Failure(protocol.FAILED, message)
        time.sleep(_POLL_SECONDS)


def check_threads_at_start() -> None:
    """The same before anything of the worker is imported: then what Python imports by itself started them."""
    modules = (sys.modules.get(name) for name in ("sitecustomize", "usercustomize"))
    places = [place for place in (getattr(module, "__file__", None) for module in modules) if place]
    suspect = " or ".join(places or ["a sitecustomize.py or a .pth file"])
    check_threads("before it imports its framework", f"something that Python imports at its start, such as {suspect},")


def _threads() -> int:
    """The threads of this process, whatever language started them."""
    return len(os.listdir("/proc/self/task"))
