"""The tables as text: Markdown in the form of the original, CSV and JSON for programs, rich for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from rich.console import Console
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from passtime.amounts import value_and_spread
from passtime.cli import output
from passtime.errors import plain
from passtime.results import machine as machine_of_results
from passtime.results.parity import DIFFERS, UNCHECKED
from passtime.results.stored import Measured
from passtime.results.tables import Row, Table

_TITLES = MappingProxyType(
    {"forward": "Forward Pass", "backward": "Backward Pass", "total": "Total Time", "inference": "Inference"}
)
_PARITY_MARKS = MappingProxyType({UNCHECKED: " ?", DIFFERS: " ≠"})
_DOUBT_MARK = " (!)"

_LEGEND = MappingProxyType(
    {
        "±": "half the interquartile range of the samples",
        _PARITY_MARKS[UNCHECKED]: "never shown to do the same work as the release in the workload's first row: "
        "`passtime parity` checks it",
        _PARITY_MARKS[
            DIFFERS
        ]: "does other work than the release in the workload's first row, as `passtime parity` found",
        _DOUBT_MARK: "doubtful: `--format json` says why; for the tables of 2018, docs/history-2018.md",
    }
)


def markdown(tables: Sequence[Table], machine: Mapping[str, str]) -> str:
    """Each table under a heading that names the device; the best of a workload's releases is bold."""
    return "\n".join(_markdown(table, machine) for table in tables) + _legend(tables, "\n{mark} {meaning}  \n")


def _markdown(table: Table, machine: Mapping[str, str]) -> str:
    rows = []
    for row, is_first in _with_first(table.rows):
        cells = [_shown(time, table, "**{}**" if name in row.best else "{}") for name, time in _timed(row, table)]
        rows.append([row.workload if is_first else "", _release(row), *cells])
    heading = f"## {table.device.upper()} USED --- {plain(machine_of_results.title(table.device, machine))}\n"
    titles = [table.kind, "Framework", *(_TITLES[name] for name in table.passes)]
    return heading + output.markdown_table(titles, rows, rule=":---:")


def rich(tables: Sequence[Table], machine: Mapping[str, str]) -> None:
    """Prints the tables to stdout, as wide as the terminal."""
    for table in tables:
        columns = [Column(_TITLES[name], justify="right", no_wrap=True) for name in table.passes]
        shown = RichTable(
            Column(table.kind, no_wrap=True),
            Column("Release", no_wrap=True),
            *columns,
            title=f"{table.device.upper()}: {machine_of_results.title(table.device, machine)}",
        )
        for number, (row, is_first) in enumerate(_with_first(table.rows)):
            if is_first and number:
                shown.add_section()
            cells = [_bold(_shown(time, table, "{}"), name in row.best) for name, time in _timed(row, table)]
            shown.add_row(row.workload if is_first else "", _release(row), *cells)
        output.show(shown)
    Console(highlight=False).print(_legend(tables, "{mark} {meaning}\n").strip(), markup=False)


def _bold(shown: str, is_best: bool) -> Text:
    """The value of the best in bold; its spread is not."""
    return Text.assemble((shown.partition(" ±")[0], "bold" if is_best else ""), *shown.partition(" ±")[1:])


def as_csv(tables: Sequence[Table], machine: Mapping[str, str]) -> str:
    """A line per time, in seconds; empty where nothing was measured, n/a where it cannot be."""
    return output.as_csv([{**one, "doubts": "; ".join(one["doubts"])} for one in _records(tables, machine)])


def as_json(tables: Sequence[Table], machine: Mapping[str, str]) -> str:
    """A list of the records that CSV has as lines; null where nothing was measured, "n/a" where it cannot be.

    docs/json.md has the fields.
    """
    return output.as_json(_records(tables, machine))


FORMATS: Mapping[str, Callable[[Sequence[Table], Mapping[str, str]], str | None]] = MappingProxyType(
    {"md": markdown, "csv": as_csv, "json": as_json, "rich": rich}
)


def _records(tables: Sequence[Table], machine: Mapping[str, str]) -> list[dict]:
    return [
        {
            "machine": machine["machine"],
            "device": table.device,
            "workload": row.workload,
            "release": row.release,
            "pass": measured_pass,
            "seconds": None if time is None else time.seconds if time.is_available else "n/a",
            "spread_seconds": time.spread_seconds if time is not None else None,
            "best": measured_pass in row.best,
            "parity": row.parity,
            "doubts": list(time.doubts) if time is not None else [],
        }
        for table in tables
        for row in table.rows
        for measured_pass, time in _timed(row, table)
    ]


def _timed(row: Row, table: Table) -> list[tuple[str, Measured | None]]:
    return list(zip(table.passes, row.times, strict=True))


def _with_first(rows: Sequence[Row]) -> list[tuple[Row, bool]]:
    """Each row, and whether it is its workload's first."""
    before = [None, *(row.workload for row in rows)]
    return [(row, row.workload != above) for row, above in zip(rows, before, strict=False)]


def _release(row: Row) -> str:
    return row.release + _PARITY_MARKS.get(row.parity, "")


def _shown(time: Measured | None, table: Table, value_form: str) -> str:
    if time is None:
        return ""
    if not time.is_available:
        return "n/a"
    value, spread = time.seconds * table.units_per_second, ""
    if time.spread_seconds is None:
        number = f"{value:.10g}"  # all its digits: they were somebody's choice
    else:
        number, half = value_and_spread(value, time.spread_seconds * table.units_per_second)
        spread = f" ± {half}"
    return value_form.format(f"{number} {table.unit}") + spread + (_DOUBT_MARK if time.doubts else "")


def _legend(tables: Sequence[Table], form: str) -> str:
    rows = [row for table in tables for row in table.rows]
    times = [time for row in rows for time in row.times if time is not None]
    used = {
        "±": any(time.spread_seconds is not None for time in times),
        **{mark: any(row.parity == state for row in rows) for state, mark in _PARITY_MARKS.items()},
        _DOUBT_MARK: any(time.doubts for time in times),
    }
    return "".join(form.format(mark=mark.strip(), meaning=_LEGEND[mark]) for mark in used if used[mark])
