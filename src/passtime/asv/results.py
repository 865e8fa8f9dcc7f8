"""What is kept: values are only ever replaced by values, cell by cell, in files that are whole at any moment.

asv stores a benchmark as a whole, at the end of a
commit: an interrupt loses all of it, and a failure, or a run of some of the parameters, overwrites what was there.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from asv import util
from asv.results import Results, _compatible_results
from asv.runner import BenchmarkResult

from passtime.results.sessions import QUICK, REPAIR, Cell, Sessions, cells_of, plain


class KeptResults(Results):
    """A release's results on a machine, saved after every cell."""

    _benchmark_params: dict[str, list]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sessions = Sessions()
        self._folder: str | None = None  # with --dry-run asv loads nothing and nothing is saved
        self._is_changed = False  # asv saves at the end, whether or not anything was measured

    def load_data(self, result_dir: str) -> None:
        try:
            super().load_data(result_dir)
        except util.UserError as error:  # it names the file
            raise util.UserError(f"{error}: {REPAIR}") from None
        self._folder = result_dir
        self.sessions = Sessions.load_beside(self, self._sessions_path(result_dir))

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
        """As asv, but in one move a file, so that none is ever half written; and only what is new."""
        if not self._is_changed:
            return
        path = Path(result_dir, self._filename)
        part = copy.copy(self)
        part._filename = self._filename + ".part"
        for name in list(self.get_all_result_keys()):
            part._leave_out_never_tried(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        sessions_path = self._sessions_path(result_dir)
        parts = (sessions_path.with_name(sessions_path.name + ".part"), Path(result_dir, part._filename))
        try:
            self.sessions.write(parts[0])
            Results.save(part, result_dir)
            # Both are whole before either is moved; the sessions first, since one too many is found when they are read.
            os.replace(parts[0], sessions_path)
            os.replace(parts[1], path)
        finally:
            for left in parts:
                left.unlink(missing_ok=True)
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
        fewer = [[param for param in axis if plain(param) in {cell.params[i] for cell in tried}]
                 for i, axis in enumerate(params)]  # fmt: skip
        if not tried or fewer == params:
            return
        for column in ("_results", "_samples", "_stats"):
            stored = getattr(self, column)
            setattr(self, column, {**stored, name: _compatible_results(stored[name], params, fewer)})
        self._benchmark_params = {**self._benchmark_params, name: fewer}

    def _sessions_path(self, result_dir: str) -> Path:
        return Path(result_dir, self._filename).with_suffix(".provenance.jsonl")
