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
import signal
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from passtime import places
from passtime.catalog.place import PASSES, Place
from passtime.measure import report
from passtime.results import machine as machine_of_results
from passtime.results import stored
from passtime.results.parity import Record
from passtime.results.store import COMMIT_DIGITS
from passtime.results.stored import Measured, Stored
from passtime.results.tables import LAYERS, MODELS
from passtime.stats import judge, uncertainty
from passtime.stats.judge import Change
from passtime.stats.uncertainty import Prior
from passtime.timeline import repository
from passtime.timeline.manifest import Release

FOLDER = "data"

# Of all these files: raised where a field goes, or means something else. A new field raises nothing.
SCHEMA = 1

# So many steps in the reciprocal of the degrees of freedom; between them the page takes a straight line.
_QUANTILES = 200

_Key = TypeVar("_Key", bound=tuple[str, ...])

# A workload's place in a file's name: conv3x3/1 is conv3x3-1.json.
_SLASH = "-"


def write(root: Path, html: Path) -> None:
    """Writes the files of all machines that have results. Raises PasstimeError for a damaged result file."""
    # A machine's files are of no other's making, and reading them is what publishing many results takes longest for.
    # An interrupt is the parent's to answer: each of them would show a trace-back of its own.
    with ProcessPoolExecutor(initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        written = list(pool.map(functools.partial(_write_machine, root, html), stored.machines(root)))
    machines = [machine for machine, *_ in written if machine["devices"]]
    releases = {release.name: release for _, measured, _ in written for release in measured}
    looks = sorted({look for *_, looks in written for look in looks})
    commits = repository.tags(places.timeline_repository(root))
    ordered = sorted(releases.values(), key=lambda release: (release.date, release.name))
    index = {
        "machines": sorted(machines, key=_by_interest),
        "releases": [_release(one, commits[one.name]) for one in ordered],
        "models": MODELS,
        "layers": LAYERS,
        "passes": PASSES,
        "quantiles": quantiles(judge.LEVEL),
        "looks": {look: quantiles(judge.level_of_look(look)) for look in looks},
        "inner": {
            "quantiles": quantiles(judge.INNER_LEVEL),
            "looks": {look: quantiles(judge.level_of_look(look, judge.INNER_LEVEL)) for look in looks},
        },
    }
    _write(html / FOLDER / "index.json", index)


def quantiles(level: float) -> list[float]:
    """Student's, of two-sided intervals at that level: the table that the page reads."""
    return [_short(value) for value in uncertainty.quantiles(_QUANTILES, level)]


def _release(release: Release, commit: str) -> dict[str, Any]:
    """What the index says of a release: `commit` is its name on asv's pages, `page` the framework's own commit's."""
    found = {"name": release.name, "framework": release.framework, "branch": release.branch,
             "date": release.date.isoformat(), "commit": commit[:COMMIT_DIGITS]}  # fmt: skip
    return {**found, "page": release.page} if release.page else found


def _write_machine(root: Path, html: Path, name: str) -> tuple[dict[str, Any], list[Release], set[int]]:
    """Writes a machine's files; gives what the index says of it, the releases that it has, and the looks of changes."""
    record = Record(root / "results")
    measured = [one for one in stored.read(root, name) if one.devices]
    folder = html / FOLDER / name
    usual = uncertainty.usual(one.times for one in measured)
    rows = {one.release.name: {place: _row(place, time, usual) for place, time in one.times.items()}
            for one in measured}  # fmt: skip
    in_turn = {release: dict(_in_turn(release, measured)) for release in rows}
    means = {release: dict(_means_in_turn(release, measured, record)) for release in rows}
    for release in rows:
        content = {"release": release, "times": _nested(rows[release]), "parity": _nested(record.of(release))}
        if in_turn[release]:
            content["in_turn"] = _nested(in_turn[release])
            content["means_in_turn"] = _nested(means[release])
        _write(folder / "releases" / f"{release}.json", content)
    for workload, history in _histories(rows):
        _write(folder / "workloads" / f"{workload.replace('/', _SLASH)}.json", {"times": history})
    looks = {row["look"] for changes in in_turn.values() for row in changes.values()}
    return _machine(root, name, measured), [one.release for one in measured], looks


def _row(place: Place, time: Measured, usual: Mapping[tuple[str, bool], Prior | None]) -> dict[str, Any]:
    """A time as the page reads it. Empty for n/a.

    `error` and `freedom` are those of the logarithm of `typical_seconds`, of which changes are.
    """
    if not time.is_available:
        return {}
    row: dict[str, Any] = {"seconds": time.seconds}
    if time.quartiles is not None:
        row["quartiles"] = [_short(value) for value in time.quartiles]
    if time.sessions:
        row["samples"], row["sessions"] = sum(map(len, time.sessions)), len(time.sessions)
        prior = usual[uncertainty.kind(place)]
        if prior is not None:
            error = uncertainty.log_error(time.sessions, prior)
            row["typical_seconds"] = float(f"{uncertainty.typical_seconds(time.sessions):.7g}")
            row["error"], row["freedom"] = _short(error.error), _short(min(error.freedom, 1e6))
    if time.page_faults is not None:
        row["page_faults"] = _short(time.page_faults)
    if time.doubts:
        row["doubts"] = list(time.doubts)
    if time.has_one_worker:
        row["change_doubts"] = [stored.ONE_WORKER]
    return row


def _in_turn(name: str, measured: Iterable[Stored]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The changes to a release from each that it was measured in turn with, by that release's name and the place.

    They are `passtime verdict`'s, with `low` and `high` of the interval and the `margin` above which the change is the
    same. For a mean with others, `error` and `freedom` are those of the ratio's logarithm; `look` says which quantiles
    it has.
    """
    for base, place, pairs in _pairs(name, measured):
        change = judge.change_of_pairs([*pairs.values()])
        found = {"error": _short(change.error), "freedom": change.freedom, "look": min(len(pairs), judge.FULL_LOOK)}
        yield (base.release.name, *place), {**_ends(change), **found}


def _means_in_turn(
    name: str, measured: Iterable[Stored], record: Record
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The means over the changes of `_in_turn` that are of the same work, by release, device, kind and pass.

    They are `passtime verdict`'s where all rows of the kind were measured in turn; `rows` says over how many.
    """
    release = next(one.release for one in measured if one.release.name == name)
    groups: dict[tuple[str, ...], list[Mapping[str, tuple[float, float]]]] = defaultdict(list)
    for base, place, pairs in _pairs(name, measured):
        if record.between(base.release, release, place.workload, place.device) not in report.NOT_THE_SAME_WORK:
            kind = "models" if place.workload in MODELS else "layers"
            groups[base.release.name, place.device, kind, place.measured_pass].append(pairs)
    for key, rows in groups.items():
        yield key, {**_ends(judge.mean_of_pairs(rows)), "rows": len(rows)}


def _pairs(name: str, measured: Iterable[Stored]) -> Iterator[tuple[Stored, Place, Mapping[str, tuple[float, float]]]]:
    """The pairs of a release with each that it was measured in turn with, twice or more, by place."""
    others = {one.release.name: one for one in measured}
    ours = {Place(*place): time for place, time in others.pop(name).times.items() if time.pairs}
    for base in others.values() if ours else ():
        for place in [place for place in ours if place in base.times]:
            pairs = report.pairs_of(base.times[place], ours[place])
            if len(pairs) > 1:
                yield base, place, pairs


def _ends(change: Change) -> dict[str, float]:
    values = {"ratio": change.ratio, "low": change.low, "high": change.high, "margin": change.least_margin}
    return {key: _short(value) for key, value in values.items()}


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
    return {"name": name, "imported": "" not in sources, "devices": devices}


def _by_interest(machine: Mapping[str, Any]) -> tuple[bool, int]:
    """The page opens with the first: one that was measured here, with the longest history."""
    return machine["imported"], -max(len(device["releases"]) for device in machine["devices"].values())


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
