"""What one release has on one machine: the values of asv's file and the sessions that they are from, as one thing.

Pure: text in, text out. asv's file has a benchmark's values as a grid over all its parameters; here each cell has its
own value, so that cells are added, united and left out one by one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asv_runner.statistics import compute_stats

from passtime.catalog import requests
from passtime.errors import PasstimeError
from passtime.results import sessions as lines_of
from passtime.results.sessions import IMPORTED, QUICK, SAMPLES, STARTED_AT, Cell, Sessions, cells_of, plain

FORMAT = 2  # asv's

_COLUMNS = (
    *("result", "params", "version", "started_at", "duration"),
    *("stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75", "stats_number", "stats_repeat"),
    *("samples", "profile"),
)
_STATS = "stats_"
_HEADER = {
    **{"commit_hash": str, "env_name": str, "date": int, "params": dict, "python": str, "requirements": dict},
    **{"result_columns": list, "results": dict},
}
# Of what kind the fields of a line are that passtime reads.
_LINE: Mapping[str, Any] = {
    **{SAMPLES: int, "seconds": (int, float), STARTED_AT: str, "release": str, "worker": str, "heat": str},
    **{
        "turn_samples": int,
        "left_out": list,
        "computer": str,
        "marks": list,
        "doubts": list,
        "imported": str,
        "failure": str,
    },
}
_SOME_TIME = "2000-01-01T00:00:00+00:00"
# In milliseconds; asv makes dates of them.
_LAST_TIME = 1e14
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)


class Damaged(PasstimeError):
    """A file of results that cannot be read: its text names the file and the place in it."""


@dataclass
class Value:
    """A cell's value: seconds or bytes, NaN for not available. A time has statistics, by asv's names, and samples."""

    value: float | None
    stats: dict[str, Any] | None = None
    samples: list[float] | None = None

    @property
    def is_number(self) -> bool:
        return self.value is not None and not _is_nan(self.value)


@dataclass
class Entry:
    """A benchmark. `axes` has the values of each parameter, in asv's order, as Python source by what they are."""

    version: str | None
    axes: list[dict[str, str]]
    values: dict[tuple[str, ...], Value] = field(default_factory=dict)
    started_at: int | None = None  # milliseconds since 1970
    duration: float | None = None  # seconds
    profile: Any = None

    def widen(self, params: Sequence[Sequence[str]]) -> None:
        """Makes the axes hold these parameters, in their order, and what is stored beside them."""
        self.axes = _both(_axes(params), self.axes)


@dataclass
class Content:
    """`header` is asv's, of the release and the machine; `entries` are by the benchmark's name."""

    header: dict[str, Any]
    entries: dict[str, Entry] = field(default_factory=dict)
    sessions: Sessions = field(default_factory=Sessions)
    durations: dict[str, float] = field(default_factory=dict)

    def value(self, benchmark: Mapping[str, Any], cell: Cell) -> float | None:
        """What is stored for a cell of a benchmark: None if nothing is, NaN if it is not available."""
        entry = self.entries.get(cell.benchmark)
        if entry is None or entry.version != benchmark["version"]:
            return None
        stored = entry.values.get(cell.params)
        return None if stored is None else stored.value

    def add(
        self,
        benchmark: Mapping[str, Any],
        cell: Cell,
        lines: Sequence[dict],
        value: float | None,
        samples: Sequence[float] | None = None,
        number: int = 1,
        started_at: int | None = None,
    ) -> bool:
        """Adds sessions to a cell: to what is there, never in its place; says whether anything was kept of them.

        What was not measured in earnest, by --quick or in tables of others, gives way to what was. A number stays
        where the cell is now not available. `samples` are those of `lines`, one session's after the other's, in
        seconds; a benchmark without samples has its `value`.
        """
        entry = self._entry(benchmark)
        stored = entry.values.get(cell.params, Value(None))
        there = self.sessions.of(cell)
        if stored.is_number:
            was_quick, was_imported = (any(mark in line for line in there) for mark in (QUICK, IMPORTED))
            is_quick = any(QUICK in line for line in lines)
            if _is_nan(value) or (is_quick and not was_quick):
                return False
            if was_imported or (was_quick and not is_quick):
                there, stored = [], Value(None)
        kept = list(zip(there, lines_of.split(stored.samples or (), there), strict=True)) if there else []
        if stored.samples and not there:  # of a time when sessions were not recorded
            kept = [(_line(benchmark, cell), tuple(stored.samples))]
        new = list(zip(lines, lines_of.split(samples or (), lines), strict=True))
        self._set(entry, cell, [*kept, *new], value, number if samples else None)
        if started_at is not None:
            entry.started_at = started_at
        return True

    def put_not_available(self, benchmark: Mapping[str, Any], cells: Sequence[Cell], started_at: int) -> None:
        """NaN for those of the cells that have nothing."""
        empty = [cell for cell in cells if self.value(benchmark, cell) is None]
        if empty:
            entry = self._entry(benchmark)
            entry.started_at = started_at
            entry.values.update({cell.params: Value(math.nan) for cell in empty})

    def put_failure(self, benchmark: Mapping[str, Any], cell: Cell, line: dict, started_at: int) -> None:
        """Notes a failed attempt; what is stored stays."""
        if cell.benchmark not in self.entries:
            self._entry(benchmark).started_at = started_at
        elif self.entries[cell.benchmark].version == benchmark["version"]:
            self.entries[cell.benchmark].widen(benchmark["params"])
        self.sessions.put_failure(cell, line)

    def unite(self, other: Content) -> None:
        """Takes over what `other`, of the same release and machine, has beyond this: sessions, numbers, failures.

        Sessions come in the order in which they were begun. A later version of a benchmark replaces an earlier one.
        """
        for name, theirs in other.entries.items():
            ours = self.entries.get(name)
            if ours is None or _is_later(theirs, ours):
                self.entries[name] = theirs
                self.sessions.replace(name, other.sessions)
            elif not _is_later(ours, theirs):
                self._unite_entry(name, ours, theirs, other)
        for name, seconds in other.durations.items():
            self.durations.setdefault(name, seconds)

    def text(self) -> str:
        """asv's file. Cells of which nothing was ever tried are left out: `asv compare` would list them as failed."""
        results = {name: self._row(name, entry) for name, entry in self.entries.items()}
        document = {
            **{key: self.header[key] for key in self.header if key not in ("result_columns", "results", "durations")},
            **{"result_columns": list(_COLUMNS), "results": results, "durations": self.durations, "version": FORMAT},
        }
        return json.dumps(document)

    # What is kept.

    def _entry(self, benchmark: Mapping[str, Any]) -> Entry:
        name, params = benchmark["name"], benchmark["params"] or []
        entry = self.entries.get(name)
        if entry is None or entry.version != benchmark["version"]:
            # Numbers of another version do not compare with the new ones.
            entry = self.entries[name] = Entry(benchmark["version"], [])
            self.sessions.drop(name, but_version=benchmark["version"])
        entry.widen(params)
        return entry

    def _set(
        self,
        entry: Entry,
        cell: Cell,
        sessions: Sequence[tuple[dict, Sequence[float]]],
        value: float | None,
        number: int | None,
    ) -> None:
        samples = [sample for _, taken in sessions for sample in taken]
        if samples:
            middle, stats = compute_stats(samples, number or 1)
            entry.values[cell.params] = Value(middle, stats, samples)
        else:
            entry.values[cell.params] = Value(value)
        counted = [{**line, SAMPLES: len(taken)} if taken else line for line, taken in sessions]
        self.sessions.put(cell, counted)
        entry.duration = self.sessions.seconds(cell.benchmark)

    def _unite_entry(self, name: str, ours: Entry, theirs: Entry, other: Content) -> None:
        ours.axes = _both(*sorted((ours.axes, theirs.axes), key=len, reverse=True))
        ours.started_at = max(filter(None, (ours.started_at, theirs.started_at)), default=None)
        for params in dict.fromkeys([*ours.values, *theirs.values]):
            cell = Cell(name, 0, params)
            one, two = ours.values.get(params, Value(None)), theirs.values.get(params, Value(None))
            mine, yours = self.sessions.of(cell), other.sessions.of(cell)
            united = _united(
                list(zip(mine, lines_of.split(one.samples or (), mine), strict=True)),
                list(zip(yours, lines_of.split(two.samples or (), yours), strict=True)),
            )
            if united:
                number = next((side.stats["number"] for side in (one, two) if side.stats), None)
                last = two if yours and united[-1][0] in yours and two.is_number else one if one.is_number else two
                self._set(ours, cell, united, last.value, number)
            elif two.is_number or one.value is None:
                ours.values[params] = two
            failures = [line for line in (self.sessions.failure(cell), other.sessions.failure(cell)) if line]
            begun = max((line.get(STARTED_AT, "") for line, _ in united), default="")
            late = [line for line in failures if line.get(STARTED_AT, "") >= begun]
            if late:
                self.sessions.put_failure(cell, max(late, key=lambda line: line.get(STARTED_AT, "")))

    def _row(self, name: str, entry: Entry) -> list[Any]:
        tried = {params for params, value in entry.values.items() if value.value is not None}
        tried |= self.sessions.failed_params(name)
        axes = entry.axes
        if tried:
            axes = [{key: axis[key] for key in axis if key in {params[place] for params in tried}}
                    for place, axis in enumerate(axes)]  # fmt: skip
        params = [list(axis.values()) for axis in axes]
        grid = [entry.values.get(cell.params, Value(None)) for cell in cells_of({"name": name, "params": params})]
        columns: dict[str, Any] = {
            "result": [value.value for value in grid],
            "params": params,
            **{"version": entry.version, "started_at": entry.started_at, "duration": _short(entry.duration)},
            "samples": [value.samples for value in grid],
            "profile": entry.profile,
        }
        for column in _COLUMNS:
            if column.startswith(_STATS):
                key = column.removeprefix(_STATS)
                columns[column] = [_short((value.stats or {}).get(key)) for value in grid]
        row = [_nothing_if_empty(column, columns[column]) for column in _COLUMNS]
        while row and row[-1] is None:
            row.pop()
        return row


def parse(text: str, lines: str, path: str, lines_path: str) -> Content:
    """The content of asv's file and of the sessions' lines beside it. Raises Damaged, with the file and the place."""
    document = _document(text, path)
    for key, kind in _HEADER.items():
        if not isinstance(document.get(key), kind) or (key == "date" and not 0 <= document[key] < _LAST_TIME):
            what = "has no" if key not in document else "has a wrong"
            raise Damaged(f"{path} is damaged: it {what} {key!r}")
    entries = {}
    for name, row in document["results"].items():
        if not isinstance(row, list):
            raise Damaged(f"{path} is damaged: {name} is {_shown(row)}, not a list of columns")
        entries[name] = _parse_entry(name, dict(zip(document["result_columns"], row, strict=False)), path)
    durations = document.get("durations", {})
    if not isinstance(durations, dict) or not all(isinstance(one, str) for one in document["result_columns"]):
        raise Damaged(f"{path} is damaged: its 'durations' or its 'result_columns' are of a wrong kind")
    header = {key: value for key, value in document.items() if key not in ("results", "durations", "version")}
    header.setdefault("env_vars", {})
    found = Content(header, entries, parse_lines(lines, lines_path), dict(durations))
    for name, entry in entries.items():
        for params, value in entry.values.items():
            found.sessions.leave_out_unsaved(Cell(name, 0, params), len(value.samples or ()))
    # `asv rm` removes values and knows of no sessions.
    found.sessions.keep_only({Cell(name, 0, params) for name, entry in entries.items() for params in entry.values})
    return found


def parse_lines(text: str, path: str) -> Sessions:
    """The sessions of a file of lines. Raises Damaged, with the file and the line."""
    _refuse_conflict(text, path)
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entry = json.loads(line)
            is_whole = isinstance(entry["benchmark"], str) and all(isinstance(one, str) for one in entry["params"])
            is_whole = is_whole and all(isinstance(entry[key], _LINE[key]) for key in _LINE if key in entry)
            is_whole = is_whole and datetime.fromisoformat(entry.get(STARTED_AT, _SOME_TIME)).tzinfo is not None
        except (ValueError, KeyError, TypeError):
            is_whole = False
        if not is_whole:
            raise Damaged(f"{path} is damaged: line {number} is no session: {_shown(line)}")
        found.append(entry)
    return Sessions(found)


def object_of(text: str, path: str) -> dict[str, Any]:
    """The JSON object that a file of results is. Raises Damaged, with the name `path`, where it is none."""
    _refuse_conflict(text, path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path} is damaged: it is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise Damaged(f"{path} is damaged: it is no JSON object")
    return document


def _document(text: str, path: str) -> dict[str, Any]:
    document = object_of(text, path)
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise Damaged(f"{path} is damaged: it has no version of its format")
    if version != FORMAT:
        needed = "a newer asv" if version > FORMAT else "`asv update`"
        raise Damaged(f"{path} has format {version}, and this asv reads format {FORMAT}: {needed} reads it")
    return document


def _refuse_conflict(text: str, path: str) -> None:
    if found := _CONFLICT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Damaged(
            f"{path} has a merge conflict in line {line}: `passtime results merge` unites the sessions of both sides"
        )


def _parse_entry(name: str, columns: Mapping[str, Any], path: str) -> Entry:
    def refuse(column: str, what: object) -> Damaged:
        return Damaged(f"{path} is damaged: {name}, {column}: {_shown(what)}")

    params = columns.get("params") or []
    if not isinstance(params, list) or not all(
        isinstance(axis, list) and all(isinstance(source, str) for source in axis) for axis in params
    ):
        raise refuse("params", params)
    cells = cells_of({"name": name, "params": params})
    is_time = requests.method_of(name).startswith("time_")
    whole: dict[str, list[Any]] = {}
    for column, values in columns.items():
        if column != "result" and column != "samples" and not column.startswith(_STATS):
            continue
        if values is None:
            values = [None] * len(cells)
        if not isinstance(values, list) or len(values) != len(cells):
            raise refuse(column, values)
        for value in values:
            if value is not None and not _is_right(column, value, is_time):
                raise refuse(column, value)
        whole[column] = values
    moment, duration = columns.get("started_at"), columns.get("duration")
    if moment is not None and (not _is_number(moment) or not 0 <= moment < _LAST_TIME):
        raise refuse("started_at", moment)
    if duration is not None and not _is_number(duration):
        raise refuse("duration", duration)
    if not isinstance(columns.get("version", ""), str | int | None):
        raise refuse("version", columns["version"])
    found = {}
    nothing = [None] * len(cells)
    statistics = [column for column in whole if column.startswith(_STATS)]
    for place, cell in enumerate(cells):
        stats = {column.removeprefix(_STATS): whole[column][place] for column in statistics}
        value = whole.get("result", nothing)[place]
        if value is not None:
            has_stats = any(one is not None for one in stats.values())
            found[cell.params] = Value(value, stats if has_stats else None, whole.get("samples", nothing)[place])
    return Entry(columns.get("version"), _axes(params), found, moment, duration, columns.get("profile"))


def _is_right(column: str, value: object, is_time: bool) -> bool:
    """Whether a value is of the kind that a column has: times are above 0, and a track_ method may return anything."""
    if column == "samples":
        samples = value if isinstance(value, list) else []
        return bool(samples) and all(_is_number(one) and (0 < one < math.inf or not is_time) for one in samples)
    if column == "result" and not is_time:
        return True
    if not _is_number(value):
        return False
    return column != "result" or _is_nan(value) or 0 < value < math.inf  # type: ignore[operator]


def _axes(params: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    return [{plain(source): source for source in axis} for axis in params]


def _both(axes: list[dict[str, str]], others: list[dict[str, str]]) -> list[dict[str, str]]:
    """What either has, the first ones' values first; the first alone where they are not of the same parameters."""
    if len(axes) != len(others):
        return axes
    return [{**axis, **{key: other[key] for key in other if key not in axis}}
            for axis, other in zip(axes, others, strict=True)]  # fmt: skip


def _united(
    ours: Sequence[tuple[dict, Sequence[float]]], theirs: Sequence[tuple[dict, Sequence[float]]]
) -> list[tuple[dict, Sequence[float]]]:
    """All sessions, each once, by when they were begun; of what was not measured in earnest only where all is so."""
    found = {_identity(line, taken): (line, taken) for line, taken in (*ours, *theirs)}
    united = list(found.values())
    earnest = [one for one in united if QUICK not in one[0] and IMPORTED not in one[0]]
    return sorted(earnest or united, key=lambda one: one[0].get(STARTED_AT, ""))


def _identity(line: Mapping[str, Any], taken: Sequence[float]) -> str:
    return json.dumps([{key: line[key] for key in sorted(line) if key != SAMPLES}, list(taken)])


def _is_later(one: Entry, other: Entry) -> bool:
    """Whether an entry's version replaces another's: by number where both are numbers, else by when it was measured."""
    if one.version == other.version:
        return False
    versions = [str(entry.version) for entry in (one, other)]
    if all(version.isdigit() for version in versions):
        return int(versions[0]) > int(versions[1])
    return (one.started_at or 0) > (other.started_at or 0)


def _line(benchmark: Mapping[str, Any], cell: Cell) -> dict[str, Any]:
    return {"benchmark": cell.benchmark, "version": benchmark["version"], "params": list(cell.params)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _short(value: Any) -> Any:
    """As asv stores statistics: five significant digits."""
    return float(f"{value:.4e}") if isinstance(value, float) else value


def _nothing_if_empty(column: str, value: Any) -> Any:
    return None if column != "params" and isinstance(value, list) and all(one is None for one in value) else value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
