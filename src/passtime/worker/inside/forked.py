"""Sessions in forked children: for a framework that a process can hold imported, and fork, before it is first used."""
# ruff: noqa: UP035

import functools
import gc
from typing import Callable

from passtime.worker import protocol
from passtime.worker.inside import session
from passtime.worker.inside.adapter import Adapter
from passtime.worker.inside.child import Child


class Forked:
    """Sessions of an adapter, each in a child of its own; see `server.serve` for what they are."""

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
        return Child(functools.partial(session.run, self._adapter, request, self._adapter.clock()), close_inherited)

    def close(self) -> None:
        """Nothing runs between sessions."""
