"""What Linux tells of a session from outside: the memory that it took, and who else used the machine meanwhile."""
# ruff: noqa: UP006, UP035

import ctypes
import os
import resource
import signal
import time
from typing import Any, Dict, Iterable, List

# Of /proc/stat the first lines are wanted; those of a thousand CPUs are shorter than this.
_LONGEST_READING = 1 << 17


# By when this process was told to go on after a stop.
_continuations: List[float] = []


class Watch:
    """Watches this process from its making on. `load` is the machine's load average at the start."""

    def __init__(self) -> None:
        # The parent hears of a stop, too, unless this process has ended by then.
        signal.signal(signal.SIGCONT, lambda number, frame: _continuations.append(time.monotonic()))
        self.load = os.getloadavg()[0]
        self._start = time.perf_counter()
        self._others_cpu_seconds = _others_cpu_seconds()
        self._data_bytes = memory_bytes()["RssAnon"]

    def others_cpus(self) -> float:
        """How many CPUs other processes kept busy on average: what the load at the start cannot tell."""
        spent_seconds = time.perf_counter() - self._start
        return max(0.0, _others_cpu_seconds() - self._others_cpu_seconds) / spent_seconds

    def page_faults(self) -> int:
        """How often this process touched memory that it had to be given first, again where it had given it back."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def peak_bytes(self) -> int:
        """The most data that this process held, beyond what it held at the start.

        The framework's own code is no data, but Linux counts its pages as they are first run: 20 MB in torch 2.15,
        more than a small layer's data. After the passes all of it is there, so the peak holds it once.
        """
        memory = memory_bytes()
        return max(0, memory["VmHWM"] - memory["RssFile"] - memory["RssShmem"] - self._data_bytes)


def reading(files: Iterable[str]) -> Dict[str, Any]:
    """The state of this process and the text of some files, now: for `conditions.py`."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "monotonic_seconds": time.monotonic(),
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "preemptions": used.ru_nivcsw,
        "waits": used.ru_nvcsw,
        "continuations": len(_continuations),
        "files": [_text(path) for path in files],
    }


def malloc_file() -> str:
    """The name of the file that has the `malloc` which this process calls: a library in front of the C library's."""
    address = ctypes.cast(ctypes.CDLL(None).malloc, ctypes.c_void_p).value or 0
    for fields in map(str.split, _text("/proc/self/maps", None).splitlines()):
        first, last = (int(end, 16) for end in fields[0].split("-"))
        if first <= address < last and len(fields) > 5:
            return os.path.basename(fields[5])
    return ""


def _text(path: str, longest: Any = _LONGEST_READING) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(longest)
    except OSError:
        return ""


def memory_bytes() -> Dict[str, int]:
    """This process's memory by Linux's names: VmHWM the peak of all, RssAnon data, RssFile mapped files."""
    with open("/proc/self/status") as status:
        lines = [line.split() for line in status]
    return {fields[0][:-1]: int(fields[1]) * 1024 for fields in lines if fields[-1] == "kB"}


def _others_cpu_seconds() -> float:
    """The CPU time of all processes but this one since the machine started."""
    with open("/proc/stat") as status:
        user, nice, system, _, _, interrupts, soft_interrupts = status.readline().split()[1:8]
    ticks = sum(int(part) for part in (user, nice, system, interrupts, soft_interrupts))
    own = os.times()
    return ticks / os.sysconf("SC_CLK_TCK") - own.user - own.system
