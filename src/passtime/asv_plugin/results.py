"""What is kept: values are only ever replaced by values, cell by cell, in files that are whole at any moment.

A cell is a benchmark with one combination of its parameters. asv stores a benchmark as a whole, at the end of a
commit: an interrupt loses all of it, and a failure, or a run of some of the parameters, overwrites what was there.
"""

from __future__ import annotations

import ast
import copy
import itertools
import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from asv import util
from asv.results import Results, _compatible_results
from asv.runner import BenchmarkResult

QUICK = "quick"  # a session of --quick: good enough for an empty cell, never in the place of a real one
FAILURE = "failure"  # why the last attempt gave nothing


@dataclass(frozen=True)
class Cell:
    """A benchmark with one combination of its parameters: the `index`-th, in asv's order."""

    benchmark: str
    index: int
    params: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.benchmark}({', '.join(self.params)})" if self.params else self.benchmark


def cells_of(benchmark: dict) -> list[Cell]:
    """A benchmark's cells, in asv's order. asv has parameters as Python source: `'cpu'`, with the quotes."""
    combinations = itertools.product(*benchmark["params"])
    return [
        Cell(benchmark["name"], index, tuple(_plain(param) for param in combination))
        for index, combination in enumerate(combinations)
    ]


def _plain(source: str) -> str:
    try:
        return str(ast.literal_eval(source))
    except (ValueError, SyntaxError):
        return source


class Sessions:
    """What each cell was measured under: one JSON line a session, in a file of its own beside asv's.

    asv reads every `*.json` in a machine's folder as a result and drops keys that it does not know. A line has the
    benchmark, its version and parameters, the release, when and for how long, and what the worker said of itself; a
    failed attempt has the reason instead. A cell's lines are those of the samples that are stored, and the last
    failure, if it came after them.
    """

    def __init__(self, lines: Iterable[dict] = ()) -> None:
        self._lines: dict[tuple[str, tuple[str, ...]], list[dict]] = {}
        for line in lines:
            self._lines.setdefault((line["benchmark"], tuple(line["params"])), []).append(line)

    @classmethod
    def load(cls, path: Path) -> Sessions:
        """Raises UserError for a damaged file: it is not ours to throw away."""
        if not path.is_file():
            return cls()
        try:
            return cls(json.loads(line) for line in path.read_text("utf-8").splitlines())
        except (ValueError, KeyError, TypeError) as error:
            raise util.UserError(f"{path} is damaged ({error}): repair it, or remove it and measure again") from None

    def save(self, path: Path) -> None:
        lines = (json.dumps(line) + "\n" for line in self.lines())
        part = path.with_name(path.name + ".part")
        part.write_text("".join(lines), "utf-8")
        os.replace(part, path)

    def lines(self) -> list[dict]:
        """All lines, as they are stored."""
        return [line for lines in self._lines.values() for line in lines]

    def of(self, cell: Cell, version: str | None = None) -> list[dict]:
        """The sessions whose samples are stored; with `version`, only those of that version of the benchmark."""
        return [
            line
            for line in self._lines.get((cell.benchmark, cell.params), [])
            if FAILURE not in line and version in (None, line.get("version"))
        ]

    def failed(self, cell: Cell) -> bool:
        """Whether the last attempt failed."""
        return any(FAILURE in line for line in self._lines.get((cell.benchmark, cell.params), []))

    def seconds(self, benchmark: str) -> float:
        """How long the stored samples of a benchmark took, over all its cells."""
        return sum(
            line.get("seconds", 0.0)
            for (name, _), lines in self._lines.items()
            if name == benchmark
            for line in lines
            if FAILURE not in line
        )

    def put(self, cell: Cell, lines: list[dict], append: bool) -> None:
        kept = self.of(cell) if append else []
        self._lines[cell.benchmark, cell.params] = [*kept, *lines]

    def put_failure(self, cell: Cell, line: dict) -> None:
        self._lines[cell.benchmark, cell.params] = [*self.of(cell), line]


class KeptResults(Results):
    """A release's results on a machine, saved after every cell."""

    _benchmark_params: dict[str, list]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sessions = Sessions()
        self._folder: str | None = None  # with --dry-run asv loads nothing and nothing is saved
        self._is_changed = False  # asv saves at the end, whether or not anything was measured

    def load_data(self, result_dir: str) -> None:
        super().load_data(result_dir)
        self._folder = result_dir
        self.sessions = Sessions.load(self._sessions_path(result_dir))

    def set_build_duration(self, value: float) -> None:
        """Nothing: how long a look for the runtime took is no result, and would change the file in every run."""

    def value(self, benchmark: dict, cell: Cell) -> Any:
        """What is stored for a cell: None if it was never measured, NaN if it is not available."""
        if benchmark["name"] not in self.get_result_keys({benchmark["name"]: benchmark}):
            return None
        return self.get_result_value(benchmark["name"], benchmark["params"])[cell.index]

    def stats(self, benchmark: dict, cell: Cell) -> dict | None:
        return self.get_result_stats(benchmark["name"], benchmark["params"])[cell.index]

    def put(
        self,
        benchmark: dict,
        cell: Cell,
        measured: BenchmarkResult,
        sessions: list[dict],
        *,
        started_at: datetime,
        append: bool,
    ) -> None:
        """Stores a cell's measurement, or its NaN for not available, and saves; `append` adds to what is there.

        Kept as they are: a number that is now not available, and real samples where this is a --quick run.
        """
        stored = self.value(benchmark, cell)
        if not util.is_na(stored):
            is_quick = any(QUICK in session for session in sessions)
            was_quick = any(QUICK in session for session in self.sessions.of(cell))
            if util.is_na(measured.result[cell.index]) or (is_quick and not was_quick):
                return
        self.sessions.put(cell, sessions, append)
        self._add(benchmark, [cell.index], measured, started_at, append)
        self.keep()

    def put_not_available(self, benchmark: dict, cells: Sequence[Cell]) -> None:
        """Stores NaN for those of the cells that were never measured, and does not save yet."""
        empty = [cell.index for cell in cells if self.value(benchmark, cell) is None]
        if empty:
            nothing = [None] * len(cells_of(benchmark))
            values = [float("nan") if index in empty else None for index in range(len(nothing))]
            not_available = BenchmarkResult(values, nothing, nothing, 0, "", None)
            self._add(benchmark, empty, not_available, datetime.now(timezone.utc), append=False)

    def put_failure(
        self, benchmark: dict, cell: Cell, failed: BenchmarkResult, line: dict, started_at: datetime
    ) -> None:
        """Notes a failed attempt and saves; what was stored stays."""
        self.sessions.put_failure(cell, line)
        self._is_changed = True
        if cell.benchmark not in self.get_all_result_keys():
            self._add(benchmark, [cell.index], failed, started_at, append=False)
        self.keep()

    def _add(
        self,
        benchmark: dict,
        indices: Collection[int],
        measured: BenchmarkResult,
        started_at: datetime,
        append: bool,
    ) -> None:
        # asv has NaN for the parameters that were not selected, and stores it where it has nothing older.
        values = [value if index in indices else None for index, value in enumerate(measured.result)]
        self.add_result(
            benchmark,
            measured._replace(result=values),
            started_at=started_at,
            duration=self.sessions.seconds(benchmark["name"]),
            record_samples=True,
            append_samples=append,
            selected_idx=indices,
        )
        self._is_changed = True

    def keep(self) -> None:
        """Saves, unless this is a --dry-run."""
        if self._folder is not None:
            self.save(self._folder)

    def save(self, result_dir: str) -> None:
        """As asv, but in one move, so that a file is never half written; and only what is new."""
        if not self._is_changed:
            return
        path = Path(result_dir, self._filename)
        part = copy.copy(self)
        part._filename = self._filename + ".part"
        for name in list(self.get_all_result_keys()):
            part._leave_out_never_tried(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.sessions.save(self._sessions_path(result_dir))
        Results.save(part, result_dir)
        os.replace(Path(result_dir, part._filename), path)
        self._is_changed = False

    def _leave_out_never_tried(self, name: str) -> None:
        """Drops the parameter values of which nothing was ever tried: `compare` would list them as failed.

        asv stores each benchmark's parameters with its values, and finds values by parameters when it reads them.
        """
        params = self.get_result_params(name)
        if not params:
            return
        values = self.get_result_value(name, params)
        tried = [
            cell
            for cell, value in zip(cells_of({"name": name, "params": params}), values, strict=True)
            if value is not None or self.sessions.failed(cell)
        ]
        fewer = [[param for param in axis if _plain(param) in {cell.params[i] for cell in tried}]
                 for i, axis in enumerate(params)]  # fmt: skip
        if not tried or fewer == params:
            return
        for column in ("_results", "_samples", "_stats"):
            stored = getattr(self, column)
            setattr(self, column, {**stored, name: _compatible_results(stored[name], params, fewer)})
        self._benchmark_params = {**self._benchmark_params, name: fewer}

    def _sessions_path(self, result_dir: str) -> Path:
        return Path(result_dir, self._filename).with_suffix(".provenance.jsonl")
