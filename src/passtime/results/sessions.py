"""What each cell of the results was measured under, in a file beside asv's: a line a session.

A cell is a benchmark with one combination of its parameters.
"""

from __future__ import annotations

import ast
import functools
import itertools
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from passtime.timeline.manifest import Release

# Keys of a session's line, beside what the worker said of itself.
QUICK = "quick"  # a session of --quick: good enough for an empty cell, never in the place of a real one
FAILURE = "failure"  # why the last attempt gave nothing
SAMPLES = "samples"  # how many of the cell's samples are the session's
STARTED_AT = "started_at"  # when the session began, as ISO 8601 writes it
COMPUTER = "computer"  # the identifier of the computer that took it; a session from before has none
WORKER = "worker"  # the name of the worker that forked it: sessions of one share more than a release
HEAT = "heat"  # the name of the heat in which it took turns with other releases' sessions
TURN_SAMPLES = "turn_samples"  # how many of its samples each of its turns gave
LEFT_OUT = "left_out"  # the heat's turns, counted from 0, that were disturbed and do not count for any release
DOUBTS = "doubts"  # what is doubtful in the number
IMPORTED = "imported"  # the file that an imported number is from


_Sample = TypeVar("_Sample")


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


def split(samples: Sequence[_Sample], lines: Sequence[dict]) -> list[tuple[_Sample, ...]]:
    """Each session's samples, for sessions whose samples are stored one after another.

    Where the lines do not say how many are theirs, each has as many as the others.
    """
    counts: list[int] = [line.get(SAMPLES, 0) for line in lines]
    if sum(counts) != len(samples) or 0 in counts:
        share, more = divmod(len(samples), max(1, len(lines)))
        counts = [share + (number < more) for number in range(len(lines))]
    ends = list(itertools.accumulate(counts))
    return [tuple(samples[end - count : end]) for end, count in zip(ends, counts, strict=True)]


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

    def text(self) -> str:
        return "".join(json.dumps(line) + "\n" for line in self.lines())

    def leave_out_unsaved(self, cell: Cell, samples: int) -> None:
        """Drops a cell's last sessions where fewer samples are stored than they took.

        Its samples lie in another file, which an end between the two moves leaves as it was.
        """
        lines = self.of(cell)
        while lines and all(SAMPLES in line for line in lines) and sum(line[SAMPLES] for line in lines) > samples:
            self._lines[cell.benchmark, cell.params].remove(lines.pop())

    def keep_only(self, cells: Collection[Cell]) -> None:
        """Drops the sessions of all other cells, but not that their last attempt failed."""
        kept = {(cell.benchmark, cell.params) for cell in cells}
        for place, lines in list(self._lines.items()):
            if place not in kept:
                self._lines[place] = [line for line in lines if FAILURE in line]

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

    def failure(self, cell: Cell) -> dict | None:
        """The last attempt, if it failed."""
        return next((line for line in self._lines.get((cell.benchmark, cell.params), []) if FAILURE in line), None)

    def failed(self, cell: Cell) -> bool:
        """Whether the last attempt failed."""
        return self.failure(cell) is not None

    def failed_params(self, benchmark: str) -> set[tuple[str, ...]]:
        """The parameters of the cells of a benchmark whose last attempt failed."""
        return {
            params
            for (name, params), lines in self._lines.items()
            if name == benchmark and any(FAILURE in line for line in lines)
        }

    def seconds(self, benchmark: str) -> float:
        """How long the stored samples of a benchmark took, over all its cells."""
        return sum(
            line.get("seconds", 0.0)
            for (name, _), lines in self._lines.items()
            if name == benchmark
            for line in lines
            if FAILURE not in line
        )

    def put(self, cell: Cell, lines: list[dict]) -> None:
        """Makes these the cell's lines; a failure before them counts no more."""
        self._lines[cell.benchmark, cell.params] = lines

    def put_failure(self, cell: Cell, line: dict) -> None:
        self._lines[cell.benchmark, cell.params] = [*self.of(cell), line]

    def drop(self, benchmark: str, but_version: str | None) -> None:
        """Drops a benchmark's lines, but those of a version."""
        for (name, params), lines in list(self._lines.items()):
            if name == benchmark:
                self._lines[name, params] = [line for line in lines if line.get("version") == but_version]

    def replace(self, benchmark: str, other: Sessions) -> None:
        """Makes a benchmark's lines those of `other`."""
        self._lines = {place: lines for place, lines in self._lines.items() if place[0] != benchmark}
        self._lines.update({place: lines for place, lines in other._lines.items() if place[0] == benchmark})
