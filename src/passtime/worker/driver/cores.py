"""How many threads every framework gets."""

from __future__ import annotations

import os
from pathlib import Path

from passtime.errors import PasstimeError

THREADS_VARIABLE = "PASSTIME_THREADS"


def physical_cores() -> int:
    """The number of physical cores that this process may run on; of CPUs, where the kernel does not say."""
    cpus = os.sched_getaffinity(0)
    topology = Path("/sys/devices/system/cpu")
    try:
        return len({(topology / f"cpu{cpu}/topology/thread_siblings_list").read_text("ascii") for cpu in cpus})
    except OSError:
        return len(cpus)


def threads() -> int:
    """The number of threads for every framework: PASSTIME_THREADS, or all physical cores.

    Raises PasstimeError when PASSTIME_THREADS is not a whole number of at least one.
    """
    chosen = os.environ.get(THREADS_VARIABLE, "").strip()
    if not chosen:
        return physical_cores()
    if not chosen.isdigit() or int(chosen) < 1:
        raise PasstimeError(f"{THREADS_VARIABLE} is {chosen!r}: set it to a whole number of threads, or unset it")
    return int(chosen)
