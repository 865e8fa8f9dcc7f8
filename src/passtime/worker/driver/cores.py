"""How many threads every framework gets."""

from __future__ import annotations

import os
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.worker import cgroup

THREADS_VARIABLE = "PASSTIME_THREADS"


def physical_cores(root: Path = Path("/")) -> int:
    """The number of physical cores that this process may run on; of CPUs, where the kernel does not say.

    `root` is where `proc` and `sys` are.
    """
    cpus = os.sched_getaffinity(0)
    topology = root / "sys/devices/system/cpu"
    try:
        return len({(topology / f"cpu{cpu}/topology/thread_siblings_list").read_text("ascii") for cpu in cpus})
    except OSError:
        return len(cpus)


def threads(root: Path = Path("/")) -> int:
    """The number of threads for every framework: PASSTIME_THREADS, or all physical cores that the CPU quota pays for.

    A quota of 1.5 CPUs pays for one thread: a second one would be stopped for half of its time, and the first one
    would wait for it. There is always one thread. `root` is where `proc` and `sys` are.

    Raises PasstimeError when PASSTIME_THREADS is not a whole number of at least one.
    """
    chosen = os.environ.get(THREADS_VARIABLE, "").strip()
    if not chosen:
        quota = cgroup.quota(str(root))
        return physical_cores(root) if quota is None else max(1, min(physical_cores(root), int(quota)))
    if not chosen.isdigit() or int(chosen) < 1:
        raise PasstimeError(f"{THREADS_VARIABLE} is {chosen!r}: set it to a whole number of threads, or unset it")
    return int(chosen)
