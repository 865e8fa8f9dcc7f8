"""What a session was measured under, and what disturbed its samples: one place for all frameworks and languages.

A session's process takes a reading before its first sample and one after its last (`watch.py`, `watch.jl`): its own
counters, and the text of the files that the request's field `observe` names. The worker's parent makes provenance and
marks of them here, and adds what holds for the whole worker. docs/provenance.md says what each field means.
"""
# ruff: noqa: UP006, UP035, UP045

import os
import re
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from passtime.worker import cgroup, protocol
from passtime.worker.inside import variables
from passtime.worker.inside.stops import SHORTEST_STOP_SECONDS, Stops

# A mark needs this share of a CPU during the samples, and these seconds in all: the kernel counts others' time in ticks
# of 1/100 s on each CPU, so a shorter time may be none.
DISTURBING_CPUS = 0.1
DISTURBING_SECONDS = 0.1

# The clock that goes on while the machine sleeps is read to 1/100 s.
_ASLEEP_SECONDS = 0.1

# Places in a line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
_BUSY, _STEAL = (0, 1, 2, 5, 6), 7


class Conditions:
    """Watches the sessions of the worker whose parent this process is; `root` is where `proc` and `sys` are."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._cpus = sorted(os.sched_getaffinity(0))
        self._groups = [os.path.join(folder, "cpu.stat") for folder in cgroup.folders(root)]
        self._stops = Stops()

    def asked(self, request: dict) -> dict:
        """The request as a session gets it: with the files to read before its first sample and after its last."""
        return {**request, "observe": [self._path("proc/stat"), self._path("proc/uptime"), *self._groups]}

    def tell(self, document: dict, request: dict) -> None:
        """Adds a session's conditions to its replies of samples and memory, and takes its readings out."""
        observed = document.pop("observed", None) or {}
        fields = _as_provenance(self._standing(request["threads"], observed))
        readings = observed.get("readings", ())
        if len(readings) >= 2:
            during = self._during(*readings[-2:])
            fields.update(_as_provenance(during.items()))
            fields["marks"] = list(marks(during))
        for reply in document["replies"].values():
            if reply["reply"] in ("samples", "memory"):
                reply.update(fields)

    def tell_step(self, document: dict, so_far: Dict[str, Any]) -> None:
        """Adds what disturbed a step's samples to its reply, and what happened during them to that of earlier steps."""
        readings = (document.pop("observed", None) or {}).get("readings", ())
        if len(readings) >= 2:
            during = self._during(*readings[-2:])
            document["reply"]["marks"] = list(marks(during))
            for name, amount in during.items():
                so_far[name] = round(so_far.get(name, 0) + amount, 6)

    def tell_end(self, document: dict, request: dict, so_far: Dict[str, Any]) -> None:
        """Adds the conditions of a session that was held to its last reply; `request` is the one that opened it."""
        observed = document.pop("observed", None) or {}
        document["reply"].update(_as_provenance(self._standing(request["threads"], observed)))
        document["reply"].update(_as_provenance(so_far.items()))

    def _standing(self, threads: int, observed: dict) -> Iterator[Tuple[str, Any]]:
        """What does not change between sessions, unless someone changes it."""
        quota = cgroup.quota(self._root)
        yield "cpu_quota", "none" if quota is None else round(quota, 4)
        yield "affinity_cpus", len(self._cpus)
        yield "allocator", allocator(observed.get("malloc") or "")
        # What passtime's driver decided (worker/driver/memory.py), and by which variables it did.
        memory = os.environ.get("PASSTIME_MEMORY", "system")
        yield "memory", memory
        found = re.search(r"\[(\w+)\]", self._read("sys/kernel/mm/transparent_hugepage/enabled"))
        if found:
            yield "transparent_huge_pages", found.group(1)
        governors = {self._read(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor") for cpu in self._cpus}
        if governors - {""}:
            yield "governor", " and ".join(sorted(governors - {""}))
        turbo = self._turbo()
        if turbo is not None:
            yield "turbo", "on" if turbo else "off"
        for name, value in variables.recorded(threads).items():
            if memory != "kept" or not name.startswith("MALLOC_"):
                yield "env." + name, value

    def _turbo(self) -> Optional[bool]:
        """Whether the processor may clock higher than its nominal frequency; None where the kernel does not show it."""
        intel, others = (
            self._read("sys/devices/system/cpu/" + name) for name in ("intel_pstate/no_turbo", "cpufreq/boost")
        )
        if intel:
            return intel == "0"
        return others == "1" if others else None

    def _during(self, first: dict, last: dict) -> Dict[str, Any]:
        """What happened between two readings of the session's process."""
        seconds = last["monotonic_seconds"] - first["monotonic_seconds"]
        stat, uptime, *groups = zip(first["files"], last["files"])  # noqa: B905  `strict` is of Python 3.10
        found: Dict[str, Any] = {
            "observed_seconds": round(seconds, 4),
            "preemptions": last["preemptions"] - first["preemptions"],
            "waits": last["waits"] - first["waits"],
        }
        before, after = (_cpu_seconds(text, self._cpus) for text in stat)
        if before and after:
            own_seconds = last["cpu_seconds"] - first["cpu_seconds"]
            found["steal_seconds"] = round(max(0.0, after[1] - before[1]), 2)
            found["others_cpu_seconds"] = round(max(0.0, after[0] - before[0] - own_seconds), 2)
        if groups:
            throttled = [(_throttled(one), _throttled(two)) for one, two in groups]
            for place, name in enumerate(("throttled_periods", "throttled_seconds")):
                found[name] = round(max(0, *(two[place] - one[place] for one, two in throttled)), 4)
        asleep = _first_number(uptime[1]) - _first_number(uptime[0]) - seconds
        stopped = self._stops.between(first["monotonic_seconds"], last["monotonic_seconds"])
        if last.get("continuations", 0) > first.get("continuations", 0):
            stopped = max(stopped, SHORTEST_STOP_SECONDS)
        found["suspended_seconds"] = round(stopped + (asleep if asleep > _ASLEEP_SECONDS else 0.0), 6)
        return found

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _read(self, name: str) -> str:
        try:
            with open(self._path(name), encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""


def _as_provenance(told: Iterable[Tuple[str, Any]]) -> Dict[str, Any]:
    return {"provenance." + name: value for name, value in told}


def marks(during: Dict[str, Any]) -> Iterator[str]:
    """What disturbed a session's samples, by the protocol's names, from what happened `during` them."""
    enough_seconds = max(DISTURBING_SECONDS, DISTURBING_CPUS * during["observed_seconds"])
    if during["suspended_seconds"] > 0:
        yield protocol.SUSPENDED
    if during.get("throttled_periods", 0) > 0:
        yield protocol.THROTTLED
    if during.get("steal_seconds", 0) > enough_seconds:
        yield protocol.STOLEN
    if during.get("others_cpu_seconds", 0) > enough_seconds:
        yield protocol.OTHERS


def allocator(file: str) -> str:
    """Whose `malloc` a process calls, by the file that has it: `glibc 2.31`, or that file: `libjemalloc.so.2`."""
    if not file:
        return "unknown"
    if "musl" not in file and re.match(r"libc[-.]|ld-", file):
        try:
            return os.confstr("CS_GNU_LIBC_VERSION") or file
        except (ValueError, OSError):
            return file
    return file


def _cpu_seconds(text: str, cpus: List[int]) -> Optional[Tuple[float, float]]:
    """The seconds, over some CPUs since the machine started, in which they worked and in which they were stolen."""
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    lines = (line.split() for line in text.splitlines() if line.startswith("cpu"))
    rows = {name: [int(part) for part in parts] for name, *parts in lines}
    wanted = [rows[name] for name in (f"cpu{cpu}" for cpu in cpus) if name in rows]
    if not wanted or min(map(len, wanted)) <= _STEAL:
        return None
    busy = sum(row[place] for row in wanted for place in _BUSY)
    return busy / ticks_per_second, sum(row[_STEAL] for row in wanted) / ticks_per_second


def _throttled(text: str) -> Tuple[int, float]:
    """In how many periods a control group used up its quota, and for how many seconds it was held, in all its life."""
    rows = dict(line.split(None, 1) for line in text.splitlines() if " " in line)
    if "throttled_usec" in rows:
        seconds = int(rows["throttled_usec"]) / 1e6
    else:
        seconds = int(rows.get("throttled_time", 0)) / 1e9
    return int(rows.get("nr_throttled", 0)), seconds


def _first_number(text: str) -> float:
    return float(text.split()[0]) if text.split() else 0.0
