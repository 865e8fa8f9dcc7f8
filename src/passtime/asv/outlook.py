"""What a sweep has to do, and about what it will cost: said before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from passtime.amounts import duration, gigabytes
from passtime.asv.survey import Survey
from passtime.errors import PasstimeError
from passtime.results.pace import Estimate
from passtime.results.sessions import Cell
from passtime.runtimes import room, store
from passtime.timeline.manifest import Release


@dataclass(frozen=True)
class Outlook:
    """`waiting` releases are to be measured, those first that are installed; `left` has their cells, by name.

    `measured` ones are complete; those of them that are installed take `more` sessions where there is a budget.
    `refused` cannot be had here, each for a reason.
    """

    waiting: Sequence[Release]
    to_install: Sequence[Release]
    left: Mapping[str, Sequence[Cell]]
    measured: Sequence[Release]
    more: Sequence[Release]
    refused: Mapping[str, str]
    taken_bytes: int

    @property
    def most_bytes(self) -> int:
        """What runtimes would take on disk if nothing were removed."""
        return self.taken_bytes + len(self.to_install) * store.NEEDED_BYTES


def make(survey: Survey, releases: Sequence[Release], has_budget: bool) -> Outlook:
    """Looks at what is stored and installed; measures and installs nothing."""
    left: dict[str, Sequence[Cell]] = {}
    refused: dict[str, str] = {}
    waiting, measured = [], []
    for release in releases:
        try:
            cells = survey.left(release).cells
        except PasstimeError as error:
            refused[release.name] = str(error)
            continue
        reason = store.runnable(release)
        if not cells:
            measured.append(release)
        elif reason is not None:
            refused[release.name] = reason
        else:
            waiting.append(release)
            left[release.name] = cells
    there = {release.name for release in releases if room.is_there(release)}
    # What is installed already needs no room, and makes some once it is measured.
    waiting.sort(key=lambda release: release.name not in there)
    to_install = [release for release in waiting if release.name not in there]
    # For more sessions alone nothing is installed.
    more = [release for release in measured if has_budget and release.name in there]
    return Outlook(waiting, to_install, left, measured, more, refused, room.taken_bytes())


def lines(outlook: Outlook, estimate: Estimate, budget_seconds: float | None, disk_bytes: int) -> Iterator[str]:
    """The outlook for a reader."""
    if outlook.waiting:
        cells: dict[str, list[Cell]] = {}
        for release in outlook.waiting:
            cells.setdefault(release.framework, []).extend(outlook.left[release.name])
        seconds = estimate.seconds_before(cells)
        long = "how long is unknown" if seconds is None else f"about {duration(seconds)}, as long as they took before"
        distinct = sum(len(set(left)) for left in outlook.left.values())
        yield f"To measure: {distinct} cell{'s' * (distinct != 1)} of {_names(outlook.waiting)}: {long}"
    if outlook.measured:
        yield f"Measured already: {_names(outlook.measured)}"
    if budget_seconds is not None:
        what = f", what is left of it into more sessions of {_names(outlook.more)}" if outlook.more else ""
        yield f"The budget: {duration(budget_seconds)} of measuring{what}"
    if outlook.to_install:
        peak = min(outlook.most_bytes, max(disk_bytes, store.NEEDED_BYTES))
        yield (
            f"To install: {_names(outlook.to_install)}: up to {gigabytes(store.NEEDED_BYTES)} each, on disk at most "
            f"{gigabytes(max(peak, outlook.taken_bytes))} at a time, {gigabytes(outlook.taken_bytes)} of it now"
        )
    if outlook.most_bytes > disk_bytes and outlook.to_install:
        yield f"Runtimes that this sweep does not need are removed where they leave no room in {gigabytes(disk_bytes)}"
    for name, reason in outlook.refused.items():
        yield room.told(name, reason)


def _names(releases: Sequence[Release]) -> str:
    names = ", ".join(release.name for release in releases)
    return f"{len(releases)} releases ({names})" if len(releases) > 1 else names
