"""How much is left of a run, in cells and in minutes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from passtime.amounts import duration
from passtime.results.sessions import Cell


class Estimate:
    """Minutes from the pace so far, weighted by how long the same cells took before, on whichever machine.

    A model takes a hundred times as long as a layer, so cells alone say little.
    """

    def __init__(self, results: Path) -> None:
        self._weights: dict[tuple[str, tuple[str, ...]], float] = {}
        for path in results.glob("*/*.provenance.jsonl"):
            for line in path.read_text("utf-8", errors="replace").splitlines():
                self._learn(line)
        self._typical = fmean(self._weights.values()) if self._weights else 1.0
        self._weight_done = self._seconds_done = 0.0

    def _learn(self, line: str) -> None:
        try:
            session = json.loads(line)
            cell, seconds = (session["benchmark"], tuple(session["params"])), float(session["seconds"])
            self._weights[cell] = seconds
        except (ValueError, KeyError, TypeError):
            pass  # a guess needs no whole file

    def add(self, cell: Cell, seconds: float) -> None:
        """A cell has been measured, and took so long."""
        self._weight_done += self._weight(cell)
        self._seconds_done += seconds

    def seconds(self, left: Iterable[Cell]) -> float:
        """How long these cells will take; 0 before the first one is measured."""
        pace = self._seconds_done / self._weight_done if self._weight_done else 0.0
        return pace * sum(self._weight(cell) for cell in left)

    def __call__(self, left: Sequence[Cell]) -> str:
        return f"{len(left)} left, about {duration(self.seconds(left))}"

    def _weight(self, cell: Cell) -> float:
        return self._weights.get((cell.benchmark, cell.params), self._typical)
