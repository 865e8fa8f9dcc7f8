"""What each cell of the results was measured under, in a file beside asv's: a line a session.

A cell is a benchmark with one combination of its parameters.
"""

from __future__ import annotations

import ast
import functools
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asv import util
from asv.results import Results

from passtime.timeline.manifest import Release

# Keys of a session's line, beside what the worker said of itself.
QUICK = "quick"  # a session of --quick: good enough for an empty cell, never in the place of a real one
FAILURE = "failure"  # why the last attempt gave nothing
SAMPLES = "samples"  # how many of the cell's samples are the session's
STARTED_AT = "started_at"  # when the session began, as ISO 8601 writes it
WORKER = "worker"  # the name of the worker that forked it: sessions of one share more than a release
PAIR = "pair"  # the name of the pair that it makes with another release's session, measured in turn
DOUBTS = "doubts"  # what is doubtful in the number
IMPORTED = "imported"  # the file that an imported number is from

# What to do with a damaged file of results.
REPAIR = "repair it, or remove it and measure again"


@dataclass(frozen=True)
class Cell:
    """A benchmark with one combination of its parameters: the `index`-th, in asv's order."""

    benchmark: str
    index: int
    params: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.benchmark}({', '.join(self.params)})" if self.params else self.benchmark


def said_of_release(release: Release) -> dict[str, str]:
    """What a session's line says of the release: its name and date, and which commit it is where it is one."""
    said = {"release": release.name, "release_date": release.date.isoformat()}
    return said if release.revision is None else {**said, "revision": release.revision}


def cells_of(benchmark: dict) -> list[Cell]:
    """A benchmark's cells, in asv's order. asv has parameters as Python source: `'cpu'`, with the quotes."""
    combinations = itertools.product(*benchmark["params"])
    return [
        Cell(benchmark["name"], index, tuple(plain(param) for param in combination))
        for index, combination in enumerate(combinations)
    ]


@functools.lru_cache
def plain(source: str) -> str:
    """A parameter as it is given, from asv's Python source of it."""
    try:
        return str(ast.literal_eval(source))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
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
            # All at once is faster; a line each keeps the error's line number that of the file.
            return cls(json.loads("[" + ",\n".join(path.read_text("utf-8").splitlines()) + "]"))
        except (ValueError, KeyError, TypeError) as error:
            raise util.UserError(f"{path} is damaged ({error}): {REPAIR}") from None

    @classmethod
    def load_beside(cls, results: Results, path: Path) -> Sessions:
        """As `load`, without the sessions whose samples `results`, which lies beside, does not have."""
        sessions = cls.load(path)
        for name in results.get_all_result_keys():
            params = results.get_result_params(name)
            stored = results.get_result_samples(name, params)
            for cell, samples in zip(cells_of({"name": name, "params": params}), stored, strict=True):
                sessions.leave_out_unsaved(cell, len(samples or ()))
        return sessions

    def write(self, path: Path) -> None:
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines()), "utf-8")

    def leave_out_unsaved(self, cell: Cell, samples: int) -> None:
        """Drops a cell's last sessions where fewer samples are stored than they took.

        Its samples lie in another file, which an end between the two moves leaves as it was.
        """
        lines = self.of(cell)
        while lines and all(SAMPLES in line for line in lines) and sum(line[SAMPLES] for line in lines) > samples:
            self._lines[cell.benchmark, cell.params].remove(lines.pop())

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
