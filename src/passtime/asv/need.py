"""Where one more session is needed most: where the 95 % interval of a median is the widest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from passtime import places
from passtime.catalog import requests
from passtime.catalog.place import Place
from passtime.results import stored
from passtime.results.sessions import Cell
from passtime.results.stored import Measured

if TYPE_CHECKING:  # SciPy takes longer to load than all else that `asv run` loads; few runs ask where more is needed
    from passtime.stats.uncertainty import Prior

# Half of an interval, as a fraction of the median, below which no more is needed. `passtime verdict` asks for changes
# of 2 %: the ratio of two medians that are known to within 1 % is known to within 1.4 %.
TARGET = 0.01

# Workload, device, and training or inference: what one session of the worker answers.
Session = tuple[str, str, str]

Usual = Mapping[tuple[str, bool], "Prior | None"]


def session_of(cell: Cell) -> Session:
    """The session that answers a cell, which a worker does."""
    workload, device = cell.params
    return workload, device, requests.session_of(requests.method_of(cell.benchmark))


def timed(cells: Iterable[Cell]) -> dict[Session, list[Cell]]:
    """The cells that time a pass, by session. A peak of memory has no interval."""
    found: dict[Session, list[Cell]] = {}
    for cell in cells:
        if requests.method_of(cell.benchmark).startswith("time_"):
            found.setdefault(session_of(cell), []).append(cell)
    return found


def greatest(
    sessions: Mapping[Session, Sequence[Cell]], times: Mapping[Place, Measured], usual: Usual
) -> tuple[Session, float] | None:
    """The session of whose passes one has the widest interval, and half of that; None where all are below TARGET.

    A session is left out where one of its passes has no samples: it failed, or is not available.
    """
    widths = {}
    for session, cells in sessions.items():
        passes = [times.get(_place(cell)) for cell in cells]
        if all(time is not None and time.is_available and time.sessions for time in passes):
            widths[session] = max(_half_width(_place(cell), times, usual) for cell in cells)
    wide = {session: width for session, width in widths.items() if width > TARGET}
    return max(wide.items(), key=lambda item: item[1]) if wide else None


def of_others(machine: str, release: str) -> list[Mapping[Place, Measured]]:
    """What is stored of all other releases on the machine: they tell what is usual. Raises PasstimeError if damaged."""
    return [one.times for one in stored.read(places.root(), machine) if one.release.name != release]


def _half_width(place: Place, times: Mapping[Place, Measured], usual: Usual) -> float:
    """Infinite where nothing is usual yet: then too few passes have a second session."""
    from passtime.stats import uncertainty

    prior = usual.get(uncertainty.kind(place))
    if prior is None:
        return math.inf
    return uncertainty.half_width(uncertainty.log_error(times[place].sessions, prior))


def _place(cell: Cell) -> Place:
    workload, device = cell.params
    return Place(workload, device, requests.method_of(cell.benchmark).removeprefix("time_"))
