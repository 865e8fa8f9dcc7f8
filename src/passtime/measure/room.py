"""How many sessions may be alive at once: as many as memory holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from passtime.catalog import workloads
from passtime.catalog.place import Item
from passtime.results.stored import Stored

# More releases in one heat make a turn so long that its first and its last sample are no neighbours any more.
MOST_TOGETHER = 6

# What a session holds beside its workload, and what is left to the rest of the computer.
_PROCESS_BYTES = 400_000_000
_SPARED_SHARE = 0.2

# Of what was never measured.
_UNKNOWN_MODEL_BYTES, _UNKNOWN_LAYER_BYTES = 4_000_000_000, 300_000_000


def peaks(everything: Iterable[Stored]) -> dict[Item, float]:
    """The most bytes that a session of each item was seen to hold, in any release."""
    found: dict[Item, float] = {}
    for stored in everything:
        for item, peak_bytes in stored.peaks.items():
            found[item] = max(found.get(item, 0.0), peak_bytes)
    return found


def most_together(item: Item, peak_bytes: float | None, available_bytes: float) -> int:
    """How many sessions of an item fit into memory together: at least two, which is a heat's least."""
    if peak_bytes is None:
        peak_bytes = _UNKNOWN_MODEL_BYTES if item.workload in workloads.MODELS else _UNKNOWN_LAYER_BYTES
    # A GPU's memory is not the computer's, but a session there holds about as much of both.
    fitting = int(available_bytes * (1 - _SPARED_SHARE) // (peak_bytes + _PROCESS_BYTES))
    return max(2, min(MOST_TOGETHER, fitting))


def available_bytes(root: Path = Path("/")) -> float:
    """The memory that new processes can have: what the computer has left, or its control group, if that is less."""
    found = []
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            found.append(float(line.split()[1]) * 1024)
    limit, used = (_read(root / f"sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        found.append(float(limit) - float(used))
    return min(found, default=float("inf"))


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError:
        return ""
