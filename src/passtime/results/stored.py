"""WHAT was measured: a machine's stored results, by release, workload, device and pass."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passtime import places
from passtime.catalog import requests
from passtime.catalog.place import PASSES, Item, Place
from passtime.errors import PasstimeError
from passtime.results import machine as machine_of_results
from passtime.results import marks, store
from passtime.results.content import Content
from passtime.results.sessions import COMPUTER, DOUBTS, IMPORTED, Cell, split
from passtime.timeline import manifest, repository
from passtime.timeline.manifest import Release

_TIME = "time_"
_MEMORY = "track_"
_PAGE_FAULTS = "provenance.page_faults_per_pass"
_GPU_THROTTLED = "provenance.gpu_throttled"
_BUILD = ("provenance.framework_version", "provenance.git_version")


@dataclass(frozen=True)
class Measured:
    """A stored time: median seconds of a pass, its samples' quartiles and the samples, and what is doubtful in it.

    `seconds` is NaN where the release or the machine cannot have it; without stored samples, as in tables of others,
    `quartiles` is None and `sessions` empty. `sessions` has each session's samples, in seconds. `source` is the file
    that an imported number is from, `provenance` what each session was measured under.
    """

    seconds: float
    quartiles: tuple[float, float] | None = None
    sessions: tuple[tuple[float, ...], ...] = ()
    doubts: tuple[str, ...] = ()
    source: str = ""
    provenance: tuple[Mapping[str, Any], ...] = ()
    benchmark: str = ""

    @property
    def is_available(self) -> bool:
        return not math.isnan(self.seconds)

    @property
    def page_faults(self) -> float | None:
        """In a pass, the median over sessions; None where not all have recorded it."""
        found = [line[_PAGE_FAULTS] for line in self.provenance if _PAGE_FAULTS in line]
        return statistics.median(found) if found and len(found) == len(self.provenance) else None

    @property
    def spread_seconds(self) -> float | None:
        """Half the interquartile range of the samples."""
        return None if self.quartiles is None else (self.quartiles[1] - self.quartiles[0]) / 2


@dataclass(frozen=True)
class Stored:
    """What one release has on the machine. A place that was never measured is not in `times`.

    `peaks` has the most bytes that a session of an item held.
    """

    release: Release
    times: Mapping[Place, Measured] = field(default_factory=dict)
    peaks: Mapping[Item, float] = field(default_factory=dict)

    @property
    def devices(self) -> set[str]:
        """The devices on which something was timed."""
        return {device for (_, device, _), measured in self.times.items() if measured.is_available}


def machines(root: Path) -> list[str]:
    """The machines that have results."""
    return sorted(path.parent.name for path in (root / "results").glob(f"*/{machine_of_results.FILE}"))


def read(root: Path, machine: str, needed: Collection[str] = ()) -> list[Stored]:
    """What each release has on a machine, by date.

    A damaged file is left out, as are results of what is no release any more, such as an own build whose entry was
    removed; both are named on stderr. Raises PasstimeError where the machine has nothing, and where a file is damaged
    of one of the `needed` releases.
    """
    if machine not in machines(root):
        there = ", ".join(machines(root)) or "none yet"
        raise PasstimeError(f"no results of machine {machine}: there are {there}; `--machine` names one")
    known = manifest.load(root)
    timeline = places.timeline_repository(root)
    repository.build(known, timeline)
    names = {commit: name for name, commit in repository.tags(timeline).items()}
    by_file = {f"{commit[: store.COMMIT_DIGITS]}-{store.ENVIRONMENT}.json": name for commit, name in names.items()}
    found = []
    for path in sorted((root / "results" / machine).glob("*.json")):
        if path.name == machine_of_results.FILE:
            continue
        try:
            content = store.read(path)
        except PasstimeError as error:
            if by_file.get(path.name) in needed:
                raise
            print(f"{error}; {by_file.get(path.name, 'its release')} is left out", file=sys.stderr)
            continue
        commit = content.header["commit_hash"]
        try:
            release = known.get(names.get(commit) or repository.release_name(timeline, commit))
        except PasstimeError:
            print(f"{path} is left out: it has results of a release that is not listed any more", file=sys.stderr)
            continue
        found.append(Stored(release, times(content), peaks(content)))
    return sorted(found, key=lambda stored: stored.release.date)


def times(content: Content) -> dict[Place, Measured]:
    """The times of a release's results, each with its sessions and what they were measured under."""
    found = {}
    for name, entry in content.entries.items():
        measured_pass = requests.method_of(name).removeprefix(_TIME)
        if measured_pass not in PASSES:
            continue
        for params, value in entry.values.items():
            item = requests.item_of(name, params)
            if value.value is None or item is None:
                continue
            lines = content.sessions.of(Cell(name, 0, params))
            stats = value.stats or {}
            found[Place(item.workload, item.device, measured_pass)] = Measured(
                value.value,
                (stats["q_25"], stats["q_75"]) if stats.get("q_25") is not None else None,
                _by_session(value.samples or (), lines),
                (*doubts_of(lines), *_mixture(lines)),
                next((line[IMPORTED] for line in lines if IMPORTED in line), ""),
                tuple(lines),
                name,
            )
    return found


def peaks(content: Content) -> dict[Item, float]:
    """The peak memory of each item's session, in bytes."""
    found = {}
    for name, entry in content.entries.items():
        if requests.method_of(name).startswith(_MEMORY):
            for params, value in entry.values.items():
                item = requests.item_of(name, params)
                if item is not None and value.is_number:
                    found[item] = float(value.value or 0)
    return found


def _by_session(samples: Sequence[float], lines: Sequence[dict]) -> tuple[tuple[float, ...], ...]:
    """Each session's samples; all as one session's where no sessions were recorded."""
    return tuple(session for session in split(samples, lines or [{}]) if session)


def _mixture(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What makes a time doubtful, and no change: heats are of one computer each."""
    computers = len({line.get(COMPUTER) for line in lines})
    if computers > 1:
        yield f"its sessions are of {computers} computers, which may not be equally fast"


def doubts_of(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is doubtful in the samples of sessions with these lines, a sentence each."""
    for line in lines:
        yield from line.get(DOUBTS, ())
    builds = dict.fromkeys(
        " ".join(str(line[key]) for key in _BUILD if line.get(key)) for line in lines if _BUILD[0] in line
    )
    if len(builds) > 1:
        yield f"its sessions are of different builds, {' and '.join(builds)}: a build needs a name of its own"
    yield from marks.doubts(lines)
    reasons = dict.fromkeys(reason for line in lines for reason in line.get(_GPU_THROTTLED, ()))
    if reasons:
        yield f"while it was measured, the GPU was throttled: {', '.join(reasons)}"
