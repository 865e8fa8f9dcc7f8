"""Holds sessions on one CPU for as long as they take turns: a GPU's kernels are launched at the speed of that CPU."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence


@contextlib.contextmanager
def on_one_cpu(process_ids: Sequence[int], number: int) -> Iterator[int | None]:
    """Inside, all threads of these processes run on one of the CPUs that this process may use; gives which.

    The next `number` has the next CPU. Threads that they start meanwhile run there, too. At the end each thread may run
    where it might before, a new one where its process's first might. Gives None, and holds nothing, where the system
    refuses.
    """
    with contextlib.ExitStack() as stack:
        cpu: int | None = None
        with contextlib.suppress(OSError), contextlib.ExitStack() as so_far:
            cpus = sorted(os.sched_getaffinity(0))
            chosen = cpus[number % len(cpus)]
            for process_id in process_ids:
                so_far.callback(_let_go, process_id, _masks(process_id))
                _hold(process_id, chosen)
            stack.enter_context(so_far.pop_all())
            cpu = chosen
        yield cpu


def _masks(process_id: int) -> dict[int, set[int]]:
    """By thread, on which CPUs it may run. Raises OSError where the process is gone."""
    found = {process_id: os.sched_getaffinity(process_id)}
    for thread in _threads(process_id):
        with contextlib.suppress(ProcessLookupError):  # the thread has ended
            found[thread] = os.sched_getaffinity(thread)
    return found


def _hold(process_id: int, cpu: int) -> None:
    """Raises OSError where the process is gone, or the system refuses."""
    held: set[int] = set()
    # Again until there is no new one: a thread can be started by one that is not held yet.
    while new := _threads(process_id) - held:
        for thread in new:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, {cpu})
        held |= new


def _let_go(process_id: int, masks: Mapping[int, set[int]]) -> None:
    with contextlib.suppress(OSError):  # it has ended
        for thread in _threads(process_id):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, masks.get(thread, masks[process_id]))


def _threads(process_id: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{process_id}/task")}
