"""What the front page reads: an index, and each number once by release and once by workload, in files of their own.

    data/index.json                          machines, releases, workloads, passes
    data/MACHINE/releases/RELEASE.json       all that a release has there, for tables and upgrades
    data/MACHINE/workloads/WORKLOAD.json     all releases of a workload there, for its history

So a page loads a file for each release or workload that it shows, however many others there are. docs/json.md has all
fields.
"""

from __future__ import annotations

import functools
import json
import math
import signal
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from passtime import places
from passtime.catalog.place import PASSES, Place
from passtime.measure import report
from passtime.measure.analysis import Analysis
from passtime.measure.compare import MARGIN
from passtime.measure.report import Report
from passtime.results import machine as machine_of_results
from passtime.results import stored
from passtime.results.parity import Record
from passtime.results.sessions import HEAT
from passtime.results.store import COMMIT_DIGITS
from passtime.results.stored import Measured, Stored
from passtime.results.tables import LAYERS, MODELS
from passtime.stats.judge import Change
from passtime.timeline import repository
from passtime.timeline.manifest import Release

FOLDER = "data"

# Of all these files: raised where a field goes, or means something else. A new field raises nothing.
SCHEMA = 2

_Key = TypeVar("_Key", bound=tuple[str, ...])

# A workload's place in a file's name: conv3x3/1 is conv3x3-1.json.
_SLASH = "-"


def write(root: Path, html: Path) -> None:
    """Writes the files of all machines that have results. Raises PasstimeError for a damaged result file."""
    # A machine's files are of no other's making, and reading them is what publishing many results takes longest for.
    # An interrupt is the parent's to answer: each of them would show a trace-back of its own.
    with ProcessPoolExecutor(initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        written = list(pool.map(functools.partial(_write_machine, root, html), stored.machines(root)))
    machines = [machine for machine, _ in written if machine["devices"]]
    releases = {release.name: release for _, measured in written for release in measured}
    commits = repository.tags(places.timeline_repository(root))
    ordered = sorted(releases.values(), key=lambda release: (release.date, release.name))
    index = {
        "machines": sorted(machines, key=_by_interest),
        "releases": [_release(one, commits[one.name]) for one in ordered],
        "models": MODELS,
        "layers": LAYERS,
        "passes": PASSES,
        "margin": MARGIN,
    }
    _write(html / FOLDER / "index.json", index)


def _release(release: Release, commit: str) -> dict[str, Any]:
    """What the index says of a release: `commit` is its name on asv's pages, `page` the framework's own commit's."""
    found = {"name": release.name, "framework": release.framework, "branch": release.branch,
             "date": release.date.isoformat(), "commit": commit[:COMMIT_DIGITS]}  # fmt: skip
    return {**found, "page": release.page} if release.page else found


def _write_machine(root: Path, html: Path, name: str) -> tuple[dict[str, Any], list[Release]]:
    """Writes a machine's files; gives what the index says of it, and the releases that it has."""
    record = Record(root / "results")
    everything = stored.read(root, name)
    measured = [one for one in everything if one.devices]
    folder = html / FOLDER / name
    analysis = Analysis.of(everything)
    rows = {one.release.name: {place: _row(time) for place, time in one.times.items()} for one in measured}
    for place, one in enumerate(measured):
        release = one.release.name
        against = {
            base.release.name: made
            for base in measured[:place]
            if (made := _against(report.make(name, analysis, base, one, record, margin=MARGIN)))
        }
        content = {"release": release, "times": _nested(rows[release]), "parity": _nested(record.of(release))}
        _write(folder / "releases" / f"{release}.json", {**content, "against": against})
    for workload, history in _histories(rows):
        _write(folder / "workloads" / f"{workload.replace('/', _SLASH)}.json", {"times": history})
    return _machine(root, name, measured), [one.release for one in measured]


def _row(time: Measured) -> dict[str, Any]:
    """A time as the page reads it. Empty for n/a."""
    if not time.is_available:
        return {}
    row: dict[str, Any] = {"seconds": time.seconds}
    if time.quartiles is not None:
        row["quartiles"] = [_short(value) for value in time.quartiles]
    if time.sessions:
        row["samples"], row["sessions"] = sum(map(len, time.sessions)), len(time.sessions)
    if time.page_faults is not None:
        row["page_faults"] = _short(time.page_faults)
    if time.doubts:
        row["doubts"] = list(time.doubts)
    return row


def _against(made: Report) -> dict[str, Any]:
    """What `passtime verdict` says of the two releases: each change, and the means. Empty where none is compared."""
    if not made.compared:
        return {}
    changes = {}
    for row in made.rows:
        if row.change is not None:
            found = {**_change(row.change, row.verdict), "heats": row.heats}
            if row.doubts:
                found["doubts"] = list(row.doubts)
            changes[row.place] = found
    means = {
        (device, kind, measured_pass): {**_change(change, verdict), "rows": rows}
        for (kind, device, measured_pass), (change, verdict, rows) in made.means.items()
    }
    return {"changes": _nested(changes), "means": _nested(means)}


def _change(change: Change, verdict: str) -> dict[str, Any]:
    """A ratio with its interval, and the verdict; without what no heat tells, or what is too noisy."""
    found: dict[str, Any] = {"ratio": _short(change.ratio), "verdict": verdict}
    if change.is_too_wide:
        return {**found, "is_too_noisy": True}
    return found if math.isinf(change.error) else {**found, "low": _short(change.low), "high": _short(change.high)}


def _histories(rows: Mapping[str, Mapping[Place, dict]]) -> Iterator[tuple[str, dict]]:
    """Each workload, and by device and pass its releases' rows without what only a comparison needs."""
    found: dict[str, dict] = defaultdict(dict)
    for release, by_place in rows.items():
        for (workload, device, measured_pass), row in by_place.items():
            if row:
                kept = {key: row[key] for key in ("seconds", "quartiles", "doubts") if key in row}
                by_release = found[workload].setdefault(device, {}).setdefault(measured_pass, {})
                by_release[release] = kept
    yield from found.items()


def _machine(root: Path, name: str, measured: Sequence[Stored]) -> dict[str, Any]:
    facts = machine_of_results.described(root / "results", name)
    devices = {}
    for device in sorted({device for one in measured for device in one.devices}):
        timed = {workload for one in measured for (workload, place, _), time in one.times.items()
                 if place == device and time.is_available}  # fmt: skip
        devices[device] = {
            "title": machine_of_results.title(device, facts),
            "releases": [one.release.name for one in measured if device in one.devices],
            "workloads": [name for name in (*MODELS, *LAYERS) if name in timed],
        }
    sources = {time.source for one in measured for time in one.times.values()}
    heats = [line[HEAT] for one in measured for time in one.times.values() for line in time.provenance if HEAT in line]
    counts = {"heats": len({*heats}), "sessions_in_heats": len(heats)}
    return {"name": name, "imported": "" not in sources, **counts, "devices": devices}


def _by_interest(machine: Mapping[str, Any]) -> tuple[bool, int, int]:
    """The page opens with the first: one that was measured here, with the most sessions in heats.

    A heat of six releases tells of more than one of two. Without heats, it is the one with the longest history.
    """
    longest = max(len(device["releases"]) for device in machine["devices"].values())
    return machine["imported"], -machine["sessions_in_heats"], -longest


def _nested(rows: Mapping[_Key, Any]) -> dict:
    """By each part of the keys in turn: {("a", "b"): 1} is {"a": {"b": 1}}."""
    nested: dict = {}
    for (*parts, last), row in rows.items():
        place = nested
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = row
    return nested


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schema": SCHEMA, **content}, separators=(",", ":"), allow_nan=False), "utf-8")
