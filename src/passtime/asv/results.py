"""What is kept: sessions are added, cell by cell, to files that are whole at any moment.

asv stores a benchmark as a whole, at the end of a commit: an interrupt loses all of it, and a failure, or a run of some
of the parameters, overwrites what was there. And it writes what it read at its start: what another has added since is
lost. `passtime.results.store` does it, for commands that are not asv's, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from asv import util
from asv.results import Results
from asv.runner import BenchmarkResult

from passtime.errors import PasstimeError
from passtime.results.content import Content
from passtime.results.sessions import Cell, Sessions, cells_of
from passtime.results.store import Store, milliseconds

# What asv keeps of a release in memory, and reads from its file.
_ATTRIBUTES = ("_results", "_samples", "_stats", "_benchmark_params", "_profiles", "_started_at", "_duration",
               "_benchmark_version")  # fmt: skip


class KeptResults(Results):
    """A release's results on a machine, as asv has them; each change is saved at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._store: Store | None = None  # with --dry-run asv loads nothing and nothing is saved
        self._content = Content({})

    @property
    def content(self) -> Content:
        return self._content

    @property
    def sessions(self) -> Sessions:
        return self._content.sessions

    def load_data(self, result_dir: str) -> None:
        """Raises UserError for a damaged file."""
        header = {
            **{"commit_hash": self._commit_hash, "env_name": self._env_name, "date": self._date},
            **{"params": self._params, "python": self._python, "requirements": self._requirements},
            "env_vars": self._env_vars,
        }
        self._store = Store(Path(result_dir, self._params["machine"]).absolute(), header)
        try:
            self._take(self._store.read())
        except PasstimeError as error:
            raise util.UserError(str(error)) from None

    def set_build_duration(self, value: float) -> None:
        """Nothing: how long a look for the runtime took is no result, and would change the file in every run."""

    def save(self, result_dir: str) -> None:
        """Nothing: asv saves at the end of a release, when all is saved already."""

    def value(self, benchmark: dict, cell: Cell) -> float | None:
        """What is stored for a cell: None if it was never measured, NaN if it is not available."""
        return self._content.value(benchmark, cell)

    def stats(self, benchmark: dict, cell: Cell) -> dict | None:
        """The statistics of a cell's samples, by asv's names; None where it has none."""
        entry = self._content.entries.get(cell.benchmark)
        stored = entry.values.get(cell.params) if entry and entry.version == benchmark["version"] else None
        return stored.stats if stored else None

    def put(
        self, benchmark: dict, cell: Cell, measured: BenchmarkResult, sessions: list[dict], *, started_at: datetime
    ) -> None:
        """Adds a cell's sessions to those that are stored, or its NaN for not available, and saves.

        Raises PasstimeError where that cannot be: what is stored stays.
        """
        value, samples, number = (column[cell.index] for column in (measured.result, measured.samples, measured.number))
        self._errcode[cell.benchmark], self._stderr[cell.benchmark] = measured.errcode, measured.stderr
        with self.changing() as stored:
            stored.add(benchmark, cell, sessions, value, samples, number or 1, milliseconds(started_at))

    def put_not_available(self, benchmark: dict, cells: Sequence[Cell]) -> None:
        """Stores NaN for those of the cells that were never measured, and saves."""
        with self.changing() as stored:
            stored.put_not_available(benchmark, cells, milliseconds(datetime.now(timezone.utc)))

    def put_failure(self, benchmark: dict, cell: Cell, line: dict, started_at: datetime) -> None:
        """Notes a failed attempt and saves; what is stored stays."""
        with self.changing() as stored:
            stored.put_failure(benchmark, cell, line, milliseconds(started_at))

    @contextlib.contextmanager
    def changing(self) -> Iterator[Content]:
        """What is stored, to be changed inside, as `Store.changing`; asv sees it afterwards."""
        if self._store is None:
            yield self._content
            return
        with self._store.changing() as stored:
            yield stored
        self._take(stored)

    def _take(self, stored: Content) -> None:
        """Makes asv see what is stored."""
        self._content = stored
        for attribute in _ATTRIBUTES:
            setattr(self, attribute, {})
        for name, entry in stored.entries.items():
            params = [list(axis.values()) for axis in entry.axes]
            cells = cells_of({"name": name, "params": params})
            values = [entry.values.get(cell.params) for cell in cells]
            self._results[name] = [None if value is None else value.value for value in values]
            self._samples[name] = [None if value is None else value.samples for value in values]
            self._stats[name] = [None if value is None else value.stats for value in values]
            self._benchmark_params[name] = params
            self._profiles[name] = entry.profile
            self._started_at[name], self._duration[name] = entry.started_at, entry.duration
            self._benchmark_version[name] = entry.version
