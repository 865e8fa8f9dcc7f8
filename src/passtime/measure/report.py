"""Two releases on one machine: what can be compared, what cannot and why, and what stands beside a change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passtime.amounts import percent
from passtime.catalog import workloads
from passtime.catalog.place import PASSES, Place
from passtime.measure.analysis import Analysis
from passtime.results import stored
from passtime.results.parity import DIFFERS, UNCHECKED, Record
from passtime.results.sessions import HEAT
from passtime.results.stored import Measured, Stored
from passtime.stats import judge
from passtime.stats.judge import Change

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

    `change` is from heats alone, so it may not be the times' ratio. It is None, and the verdict *not compared*, where
    no chain of heats connects the releases. `heats` is in how many both were together.
    """

    place: Place
    base: Measured
    other: Measured
    change: Change | None
    verdict: str
    doubts: tuple[str, ...] = ()
    heats: int = 0

    @property
    def is_model(self) -> bool:
        return self.place.workload in workloads.MODELS

    @property
    def ratio(self) -> float:
        """The change's ratio. Raises ValueError where there is no change."""
        if self.change is None:
            raise ValueError(f"{self.place} is not compared")
        return self.change.ratio


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
        whole = math.log(self.row.ratio)
        return [min(max(math.log(layer.ratio) / whole, 0.0), 1.0) for layer in self.layers]


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
    def compared(self) -> list[Row]:
        """The rows that have a change."""
        return [row for row in self.rows if row.change is not None]

    @property
    def outcome(self) -> str:
        """Of the rows that are compared: `worse` with a slower one; `not worse` where none can be slower by the margin.

        That is where each is faster, the same, or surely not slower by the margin: the upper half of what *same* asks
        for, by the same test. `not compared` where none is.
        """
        if not self.compared:
            return judge.NOT_COMPARED
        if any(row.verdict == judge.SLOWER for row in self.compared):
            return "worse"
        if all(row.verdict in _NOT_WORSE or _lies_below(row.change, self.margin) for row in self.compared):
            return "not worse"
        return judge.CANNOT_TELL


def _lies_below(change: Change | None, margin: float) -> bool:
    return change is not None and change.lies_below(margin)


def make(
    machine: str,
    analysis: Analysis,
    base: Stored,
    other: Stored,
    record: Record,
    *,
    margin: float,
    is_wanted: Callable[[Place, Measured], bool] = lambda place, time: True,
) -> Report:
    """Judges all passes that both releases have on the machine, by the analysis of its heats."""
    names = base.release.name, other.release.name
    found: list[tuple[Place, Measured, Measured, Change | None]] = []
    refused = []
    for place in sorted((Place(*place) for place in base.times.keys() & other.times.keys()), key=_order):
        one, two = base.times[place], other.times[place]
        if not (one.is_available and two.is_available and is_wanted(place, one)):
            continue
        state = record.between(base.release, other.release, place.workload, place.device)
        if state in NOT_THE_SAME_WORK:
            refused.append(Refused(place, NOT_THE_SAME_WORK[state]))
        else:
            found.append((place, one, two, analysis.change(place, *names)))
    verdicts = iter(judge.verdicts([change for *_, change in found if change is not None], margin))
    rows = []
    for place, one, two, change in found:
        if change is None:
            rows.append(Row(place, one, two, None, judge.NOT_COMPARED))
            continue
        verdict = next(verdicts)
        by_computer = analysis.by_computer(place, *names)
        doubts = [*_doubts(names[0], one), *_doubts(names[1], two)]
        if place.device == "cpu" and verdict in (judge.FASTER, judge.SLOWER):
            doubts += filter(None, [_memory_doubt(one, two)])
        if by_computer:
            each = ", ".join(f"{computer} {_shown(change)}" for computer, change in by_computer.items())
            doubts.append(f"computers of this kind do not agree on it: {each}")
        rows.append(Row(place, one, two, change, verdict, tuple(doubts), analysis.count(place, *names)))
    return Report(
        machine,
        *names,
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


def _doubts(name: str, time: Measured) -> Iterator[str]:
    """What is doubtful in the release's heats."""
    yield from (f"{name}: {doubt}" for doubt in stored.doubts_of(_of_heats(time)))


def _of_heats(time: Measured) -> list[Mapping[str, Any]]:
    return [line for line in time.provenance if HEAT in line]


def _shown(change: Change) -> str:
    return f"{percent(change.ratio)} ({percent(change.low)} to {percent(change.high)})"


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
        if row.change is None:
            continue
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
    """What a release's heats were measured under; of several values, if sessions differ, all."""
    values: dict[str, set[str]] = {}
    for line in _of_heats(time):
        for key, value in line.items():
            setting = key.removeprefix(_PROVENANCE)
            if key.startswith(_PROVENANCE) and setting.partition(".")[0] not in _NO_SETTINGS:
                values.setdefault(setting, set()).add(str(value))
    for setting, found in values.items():
        # A variable that some sessions had, and others had not.
        if setting.startswith(_VARIABLE) and any(
            _WITH_VARIABLES in line and _PROVENANCE + setting not in line for line in _of_heats(time)
        ):
            found.add(_NOT_SET)
    return {setting: " or ".join(sorted(found)) for setting, found in values.items()}


def _missing(setting: str, time: Measured) -> str:
    """What is said of a setting that no session of a time has."""
    is_known = setting.startswith(_VARIABLE) and any(_WITH_VARIABLES in line for line in _of_heats(time))
    return _NOT_SET if is_known else _NOT_RECORDED


def _means(rows: Sequence[Row], margin: float) -> dict[tuple[str, str, str], tuple[Change, str, int]]:
    """By kind, device and pass, over the rows that are compared; each a verdict of its own."""
    groups: dict[tuple[str, str, str], list[Change]] = {}
    for row in rows:
        if row.change is not None:
            kind = "models" if row.is_model else "layers"
            groups.setdefault((kind, row.place.device, row.place.measured_pass), []).append(row.change)
    means = {key: judge.mean(changes) for key, changes in groups.items()}
    found = judge.verdicts(list(means.values()), margin)
    return {key: (means[key], verdict, len(groups[key])) for key, verdict in zip(means, found, strict=True)}


def _explanations(rows: Sequence[Row]) -> Iterator[Explanation]:
    """For each model's pass that changed: its layers, and whether their changes span the model's.

    A model's time is a sum over its layers, so its ratio is a mean of theirs. Outside what its layers did, as far as
    their intervals reach, the change comes from what no layer here stands for.
    """
    by_place = {row.place: row for row in rows if row.change is not None}
    for row in by_place.values():
        if row.is_model and row.verdict in (judge.FASTER, judge.SLOWER):
            places = (row.place._replace(workload=name) for name in _layers_of(row.place.workload))
            layers = tuple(by_place[place] for place in places if place in by_place)
            changes = [layer.change for layer in layers if layer.change is not None]
            if layers:
                is_within = min(one.low for one in changes) <= row.ratio <= max(one.high for one in changes)
                yield Explanation(row, layers, is_within)


def _layers_of(model: str) -> list[str]:
    """The layers that a model has, at the sizes that passtime times alone."""
    if model in workloads.VGG_MODELS:
        normalizations = list(workloads.NORMALIZATIONS) if model.endswith("_bn") else []
        return ["conv3x3/1", *normalizations, "maxpool", "dense"]
    return ["conv3x3/1", "conv3x3/2", *workloads.NORMALIZATIONS, "maxpool", "dense"]
