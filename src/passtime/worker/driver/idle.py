"""Whether a session that waits for its turn leaves the processor alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

# Threads of OpenMP and OpenBLAS spin for some milliseconds after their work, in case more comes.
PATIENCE_SECONDS = 0.5
_POLL_SECONDS = 0.003

# What a process may use in a poll and count as idle: the kernel's own accounting of a thread that sleeps.
_IDLE_SECONDS = 0.0003


class Meter:
    """The CPU time of a process and of all its threads; `root` is where `proc` is."""

    def __init__(self, process_id: int, root: Path = Path("/")) -> None:
        self._tasks = root / "proc" / str(process_id) / "task"

    def seconds(self) -> float:
        """What its threads have used so far, to the nanosecond; what threads that ended have used is not in it."""
        used = 0
        try:
            for task in self._tasks.iterdir():
                used += _nanoseconds(task / "schedstat")
        except OSError:  # it has ended
            pass
        return used / 1e9

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Returns when the process uses no CPU time any more; False where it still does after half a second."""
        before = self.seconds()
        for _ in range(round(PATIENCE_SECONDS / _POLL_SECONDS)):
            sleep(_POLL_SECONDS)
            now = self.seconds()
            if now - before <= _IDLE_SECONDS:
                return True
            before = now
        return False


def _nanoseconds(path: Path) -> int:
    try:
        return int(path.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):  # the thread has ended, or the kernel does not tell
        return 0
