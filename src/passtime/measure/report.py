"""Two releases on one machine: what can be compared, what cannot and why, and what stands beside a change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from passtime.catalog import workloads
from passtime.catalog.place import PASSES, Place
from passtime.results.parity import DIFFERS, UNCHECKED, Record
from passtime.results.sessions import PAIR, STARTED_AT, TURN
from passtime.results.stored import ONE_WORKER, Measured, Stored
from passtime.stats import judge, uncertainty
from passtime.stats.judge import Change
from passtime.stats.uncertainty import Prior

NO_SAMPLES = "no samples are stored"

NOT_THE_SAME_WORK = {
    DIFFERS: "they do not do the same work, `passtime parity` found",
    UNCHECKED: "never shown to do the same work: `passtime parity` checks it",
}

# What differs from session to session, is a doubt of its own, or says which release it is: no setting that could
# explain a change. Of a name with a dot, such as event_seconds.total, it is the part before it.
_NO_SETTINGS = frozenset(
    {
        *("framework", "framework_version", "git_version", "load", "busy_cpus", "others_cpus", "warmup_passes"),
        *("page_faults_per_pass", "collection_seconds_per_pass", "allocated_bytes_per_pass", "parameters"),
        *("input_shape", "output_shape", "build_seconds", "warmup_seconds", "sampling_seconds", "session_seconds"),
        *("event_seconds", "event_over_wall", "gpu_before", "gpu_after", "gpu_throttled"),
        *("observed_seconds", "preemptions", "waits", "steal_seconds", "others_cpu_seconds"),
        *("throttled_periods", "throttled_seconds", "suspended_seconds"),
    }
)
_PROVENANCE = "provenance."
_NOT_RECORDED, _NOT_SET = "not recorded", "not set"
# An environment variable that is not set has no field. Whoever recorded variables recorded this, too.
_VARIABLE, _WITH_VARIABLES = "env.", "provenance.allocator"

_MANY_PAGE_FAULTS = 100

_NOT_WORSE = frozenset({judge.FASTER, judge.SAME})


@dataclass(frozen=True)
class Row:
    """A workload's pass in both releases: `doubts` are reasons to believe it less.

    `pairs` has the medians, in seconds, of the sessions that were measured in turn, by the pair's name. `change` is of
    those where there are two or more; else of the typical times, which are not the stored medians.
    """

    place: Place
    base: Measured
    other: Measured
    change: Change
    verdict: str
    doubts: tuple[str, ...]
    pairs: Mapping[str, tuple[float, float]]

    @property
    def is_model(self) -> bool:
        return self.place.workload in workloads.MODELS

    @property
    def seconds_apart(self) -> float:
        """From the last session of the one release to the first of the other, by when they began.

        0 where the two were measured in turn, or it was not recorded when.
        """
        one, two = self.base.began, self.other.began
        if one is None or two is None:
            return 0.0
        return max((two[0] - one[1]).total_seconds(), (one[0] - two[1]).total_seconds(), 0.0)


@dataclass(frozen=True)
class Refused:
    """What both have and yet cannot be compared."""

    place: Place
    reason: str


@dataclass(frozen=True)
class Difference:
    """A setting or a library that was not the same in both, as recorded; on how many of the compared passes."""

    setting: str
    base: str
    other: str
    rows: int


@dataclass(frozen=True)
class Explanation:
    """A model's pass that changed, beside the changes of the layers that it is made of.

    `least` and `most` bound the share of the change that these account for: the model's time is a sum over layers, so
    if they were all there is, its ratio would lie between the smallest and the largest of theirs.
    """

    row: Row
    layers: tuple[Row, ...]
    is_within: bool

    @property
    def least(self) -> float:
        return min(self._shares())

    @property
    def most(self) -> float:
        return max(self._shares())

    def _shares(self) -> list[float]:
        whole = math.log(self.row.change.ratio)
        return [min(max(math.log(layer.change.ratio) / whole, 0.0), 1.0) for layer in self.layers]


@dataclass(frozen=True)
class Report:
    """`means` has the geometric mean of the models' and of the layers' changes by pass, and its verdict."""

    machine: str
    base: str
    other: str
    margin: float
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]
    differences: tuple[Difference, ...]
    means: Mapping[tuple[str, str, str], tuple[Change, str, int]]
    explanations: tuple[Explanation, ...]

    @property
    def outcome(self) -> str:
        """`worse` with a slower row; `not worse` where each is faster, the same, or surely not slower by the margin.

        The last is the upper half of what *same* asks for, by the same test.
        """
        if any(row.verdict == judge.SLOWER for row in self.rows):
            return "worse"
        if self.rows and all(row.verdict in _NOT_WORSE or row.change.lies_below(self.margin) for row in self.rows):
            return "not worse"
        return judge.CANNOT_TELL


def make(
    machine: str,
    stored: Sequence[Stored],
    base: Stored,
    other: Stored,
    record: Record,
    *,
    margin: float,
    is_wanted: Callable[[Place, Measured], bool] = lambda place, time: True,
) -> Report:
    """Judges all passes that both releases have on the machine; `stored` is all that is known of it."""
    usual = uncertainty.usual(one.times for one in stored)
    compared: list[tuple[Place, Measured, Measured, Change]] = []
    refused = []
    for place in sorted((Place(*place) for place in base.times.keys() & other.times.keys()), key=_order):
        one, two = base.times[place], other.times[place]
        if not (one.is_available and two.is_available and is_wanted(place, one)):
            continue
        reason = _reason(base, other, place, record)
        if reason:
            refused.append(Refused(place, reason))
        else:
            compared.append((place, one, two, _change(one, two, place, usual)))
    found = judge.verdicts([change for *_, change in compared], margin)
    rows = []
    for (place, one, two, change), verdict in zip(compared, found, strict=True):
        doubts = list(_doubts(base.release.name, one, other.release.name, two))
        if place.device == "cpu" and verdict in (judge.FASTER, judge.SLOWER):
            doubts += filter(None, [_memory_doubt(one, two)])
        rows.append(Row(place, one, two, change, verdict, tuple(doubts), pairs_of(one, two)))
    return Report(
        machine,
        base.release.name,
        other.release.name,
        margin,
        tuple(rows),
        tuple(refused),
        tuple(_differences(rows)),
        _means(rows, margin),
        tuple(_explanations(rows)),
    )


def _order(place: Place) -> tuple[int, int, int]:
    names = (*workloads.MODELS, *workloads.LAYERS)
    return (
        _position(workloads.DEVICES, place.device),
        _position(names, place.workload),
        PASSES.index(place.measured_pass),
    )


def _position(names: Sequence[str], name: str) -> int:
    """Where a name stands; what a project's own benchmarks have beside them comes last."""
    return names.index(name) if name in names else len(names)


def _reason(base: Stored, other: Stored, place: Place, record: Record) -> str:
    """Why the two numbers cannot be compared, or nothing."""
    workload, device, _ = place
    state = record.between(base.release, other.release, workload, device)
    if state in NOT_THE_SAME_WORK:
        return NOT_THE_SAME_WORK[state]
    versions = [{line.get("version") for line in one.times[place].provenance} or {None} for one in (base, other)]
    if versions[0] != versions[1]:
        return "measured by different versions of the benchmark: measure both again"
    return ""


def _change(one: Measured, two: Measured, place: Place, usual: Mapping[tuple[str, bool], Prior | None]) -> Change:
    """From the sessions that were measured in turn, where there are such; else from how sessions differ here."""
    pairs = pairs_of(one, two)
    if len(pairs) > 1:
        return judge.change_of_pairs([*pairs.values()])
    errors = (_error(time, place, usual) for time in (one, two))
    return judge.change(typical_seconds(one), typical_seconds(two), *errors)


def typical_seconds(time: Measured) -> float:
    """The time whose error is known; the stored median, where no samples are stored."""
    return uncertainty.typical_seconds(time.sessions) if time.sessions else time.seconds


def pairs_of(one: Measured, two: Measured) -> dict[str, tuple[float, float]]:
    """The medians, in seconds, of the sessions that two releases were measured in in turn, in the order taken."""
    ours, theirs = one.pairs, two.pairs
    return {pair: (median(ours[pair]), median(theirs[pair])) for pair in ours if pair in theirs}


def first_of_pairs(one: Measured, two: Measured) -> list[int]:
    """Which of the two releases, 0 or 1, each pair's first session was of, in the order taken.

    Without the pairs of which that cannot be told: they began in the same second, and their place was not recorded.
    """
    ours, theirs = ({line[PAIR]: line for line in time.provenance if PAIR in line} for time in (one, two))
    found = (_first(ours[pair], theirs[pair]) for pair in ours if pair in theirs)
    return [first for first in found if first is not None]


def _first(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> int | None:
    if TURN in ours:
        return int(ours[TURN] != 0)
    times = [datetime.fromisoformat(line[STARTED_AT]) for line in (ours, theirs) if STARTED_AT in line]
    return None if len({*times}) < 2 else int(times[1] < times[0])


def _error(time: Measured, place: Place, usual: Mapping[tuple[str, bool], Prior | None]) -> uncertainty.LogError | None:
    prior = usual.get(uncertainty.kind(place))
    return uncertainty.log_error(time.sessions, prior) if time.sessions and prior is not None else None


def _doubts(base: str, one: Measured, other: str, two: Measured) -> Iterator[str]:
    for name, time in ((base, one), (other, two)):
        yield from (f"{name}: {doubt}" for doubt in time.doubts)
        if time.has_one_worker:
            yield f"{name}: {ONE_WORKER}"
        if not time.sessions:
            yield f"{name}: {NO_SAMPLES}"
        elif len(time.sessions) == 1:
            yield f"{name}: one session alone"
    if one.computers and two.computers and one.computers != two.computers and len(pairs_of(one, two)) < 2:
        yield "they were not measured on the same computer"


def _memory_doubt(one: Measured, two: Measured) -> str | None:
    """What the kernel gives and takes back differs from process to process: docs/decisions/0013."""
    if one.page_faults is None or two.page_faults is None:
        return "page faults were not recorded in both: memory that is taken anew may explain it"
    fewer, more = sorted((one.page_faults, two.page_faults))
    if more > max(_MANY_PAGE_FAULTS, 2 * fewer):
        return "more than twice the page faults in one of them: memory that is taken anew may explain it"
    return None


def _differences(rows: Sequence[Row]) -> Iterator[Difference]:
    found: dict[tuple[str, str, str], int] = {}
    for row in rows:
        ours, theirs = (_settings(time) for time in (row.base, row.other))
        for setting in sorted(ours.keys() | theirs.keys()):
            one, two = (
                known.get(setting, _missing(setting, time)) for known, time in ((ours, row.base), (theirs, row.other))
            )
            if one != two:
                found[setting, one, two] = found.get((setting, one, two), 0) + 1
    for (setting, one, two), count in found.items():
        yield Difference(setting, one, two, count)


def _settings(time: Measured) -> dict[str, str]:
    """What a time was measured under; of several values, if sessions differ, all."""
    values: dict[str, set[str]] = {}
    for line in time.provenance:
        for key, value in line.items():
            setting = key.removeprefix(_PROVENANCE)
            if key.startswith(_PROVENANCE) and setting.partition(".")[0] not in _NO_SETTINGS:
                values.setdefault(setting, set()).add(str(value))
    for setting, found in values.items():
        # A variable that some sessions had, and others had not.
        if setting.startswith(_VARIABLE) and any(
            _WITH_VARIABLES in line and _PROVENANCE + setting not in line for line in time.provenance
        ):
            found.add(_NOT_SET)
    return {setting: " or ".join(sorted(found)) for setting, found in values.items()}


def _missing(setting: str, time: Measured) -> str:
    """What is said of a setting that no session of a time has."""
    is_known = setting.startswith(_VARIABLE) and any(_WITH_VARIABLES in line for line in time.provenance)
    return _NOT_SET if is_known else _NOT_RECORDED


def _means(rows: Sequence[Row], margin: float) -> dict[tuple[str, str, str], tuple[Change, str, int]]:
    """By kind, device and pass; each a verdict of its own."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        kind = "models" if row.is_model else "layers"
        groups.setdefault((kind, row.place.device, row.place.measured_pass), []).append(row)
    means = {key: mean([(row.change, row.pairs) for row in group]) for key, group in groups.items()}
    found = judge.verdicts(list(means.values()), margin)
    return {key: (means[key], verdict, len(groups[key])) for key, verdict in zip(means, found, strict=True)}


def mean(rows: Sequence[tuple[Change, Mapping[str, tuple[float, float]]]]) -> Change:
    """The geometric mean of rows' changes, each with its pairs: by rounds, where all were measured in turn."""
    if all(len(pairs) > 1 for _, pairs in rows):
        return judge.mean_of_pairs([pairs for _, pairs in rows])
    return judge.mean([change for change, _ in rows])


def _explanations(rows: Sequence[Row]) -> Iterator[Explanation]:
    """For each model's pass that changed: its layers, and whether their changes span the model's.

    A model's time is a sum over its layers, so its ratio is a mean of theirs. Outside what its layers did, as far as
    their intervals reach, the change comes from what no layer here stands for.
    """
    by_place = {row.place: row for row in rows}
    for row in rows:
        if row.is_model and row.verdict in (judge.FASTER, judge.SLOWER):
            places = (row.place._replace(workload=name) for name in _layers_of(row.place.workload))
            layers = tuple(by_place[place] for place in places if place in by_place)
            if layers:
                low, high = min(one.change.low for one in layers), max(one.change.high for one in layers)
                yield Explanation(row, layers, low <= row.change.ratio <= high)


def _layers_of(model: str) -> list[str]:
    """The layers that a model has, at the sizes that passtime times alone."""
    if model in workloads.VGG_MODELS:
        normalizations = list(workloads.NORMALIZATIONS) if model.endswith("_bn") else []
        return ["conv3x3/1", *normalizations, "maxpool", "dense"]
    return ["conv3x3/1", "conv3x3/2", *workloads.NORMALIZATIONS, "maxpool", "dense"]
