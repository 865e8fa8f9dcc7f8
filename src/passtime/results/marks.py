"""What disturbed the samples of stored sessions, as doubts in one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from passtime.worker import protocol

# Key of a session's line: what disturbed its samples, by the protocol's names. The worker says from where on.
MARKS = "marks"

# More than this of a CPU went to other programs: what is doubtful in sessions from before there were marks.
_BUSY_CPUS = 0.1

Lines = Sequence[Mapping[str, Any]]


def doubts(lines: Lines) -> Iterator[str]:
    """What sessions' lines say of disturbances, a sentence for each kind."""
    if periods := sum(_number(line, "throttled_periods") for line in _marked(lines, protocol.THROTTLED)):
        yield f"while it was measured, its CPU quota was used up in {periods:.0f} period{'s' if periods > 1 else ''}"
    if stolen := max((_cpus(line, "steal_seconds") for line in _marked(lines, protocol.STOLEN)), default=0.0):
        yield f"while it was measured, the hypervisor took {stolen:.2g} CPUs"
    taken = [_cpus(line, "others_cpu_seconds") for line in _marked(lines, protocol.OTHERS)]
    unmarked = [cpus for line in lines if MARKS not in line and (cpus := _number(line, "others_cpus")) > _BUSY_CPUS]
    if busiest := max([*taken, *unmarked], default=0.0):
        yield f"while it was measured, other programs took {busiest:.2g} CPUs"
    if seconds := sum(_number(line, "suspended_seconds") for line in _marked(lines, protocol.SUSPENDED)):
        yield f"while it was measured, it was suspended for {seconds:.2g} s"


def _marked(lines: Lines, mark: str) -> Iterator[Mapping[str, Any]]:
    return (line for line in lines if mark in line.get(MARKS, ()))


def _cpus(line: Mapping[str, Any], name: str) -> float:
    """CPU seconds over the seconds from the first sample to the last."""
    return _number(line, name) / max(_number(line, "observed_seconds"), 1e-9)


def _number(line: Mapping[str, Any], name: str) -> float:
    found = line.get(f"provenance.{name}")
    return float(found) if isinstance(found, int | float) else 0.0
