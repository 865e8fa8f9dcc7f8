"""When a session was stopped: the kernel tells a process when a child of its is stopped and when it goes on.

A session is a child of the worker's parent, forked or resident, so nothing in it has to be watched. Not seen are a
container that is paused, which holds the parent, too, and a virtual machine that its host pauses.
"""
# ruff: noqa: UP006, UP035

import os
import signal
import time
from typing import Dict, List, Tuple

# What a stop counts at the least: of some only their end is known.
SHORTEST_STOP_SECONDS = 1e-6

_CLD_STOPPED = 5  # `os` has the name from Python 3.9 on


class Stops:
    """Takes note of stops of this process's children from its making on; their ends are not taken."""

    def __init__(self) -> None:
        # By process: no stop before the first of these times, and the second when it was heard of.
        self._since: Dict[int, Tuple[float, float]] = {}
        # The same of stops that are over, and when that was heard of.
        self._past: List[Tuple[float, float, float]] = []
        self._taken = time.monotonic()
        signal.signal(signal.SIGCHLD, lambda number, frame: self._take())

    def between(self, start: float, end: float) -> float:
        """The seconds between two times, by the monotonic clock, during which a child was stopped.

        At least a microsecond for any stop: on a busy computer, or where this process was stopped, too, a stop is heard
        of when it is over.
        """
        self._take()
        stops = [(since, until) for earliest, since, until in self._past if earliest < end and until > start]
        return sum(max(min(until, end) - max(since, start), SHORTEST_STOP_SECONDS) for since, until in stops)

    def _take(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
            except ChildProcessError:
                self._taken = time.monotonic()
                return
            now = time.monotonic()
            if found is None:
                self._taken = now
                return
            if found.si_code == _CLD_STOPPED:
                self._since[found.si_pid] = self._taken, now
            else:
                self._past.append((*self._since.pop(found.si_pid, (self._taken, now)), now))
