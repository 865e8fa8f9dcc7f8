"""Holds sessions on one CPU for as long as they take turns: a GPU's kernels are launched at the speed of that CPU."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def on_one_cpu(process_ids: Sequence[int], number: int) -> Iterator[int | None]:
    """Inside, all threads of these processes run on one of the CPUs that this process may use; gives which.

    It is another one with each `number`. Threads that they start meanwhile run there, too. At the end all may run
    wherever their process might before. Gives None, and holds nothing, where the system refuses.
    """
    before: dict[int, set[int]] = {}
    try:
        cpus = sorted(os.sched_getaffinity(0))
        cpu = cpus[number % len(cpus)]
        for process_id in process_ids:
            before[process_id] = os.sched_getaffinity(process_id)
            _allow(process_id, {cpu})
    except OSError:
        _allow_all(before)
        yield None
        return
    try:
        yield cpu
    finally:
        _allow_all(before)


def _allow_all(before: dict[int, set[int]]) -> None:
    for process_id, cpus in before.items():
        with contextlib.suppress(OSError):  # it has ended
            _allow(process_id, cpus)


def _allow(process_id: int, cpus: set[int]) -> None:
    """Where all threads of a process may run from now on. Raises OSError where it is gone, or the system refuses."""
    for thread in os.listdir(Path("/proc", str(process_id), "task")):
        with contextlib.suppress(ProcessLookupError):  # the thread has ended
            os.sched_setaffinity(int(thread), cpus)
