"""What is to be measured of a release: which cells, and how many rounds of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from asv import util
from asv.benchmarks import Benchmarks

from passtime.asv.suite import selected
from passtime.catalog import requests
from passtime.results.computer import is_of_here
from passtime.results.content import Content
from passtime.results.sessions import QUICK, Cell


@dataclass(frozen=True)
class Choice:
    """What the user asked for: which cells to leave alone, and what to do with the others.

    `skip_measured` leaves alone what this computer has measured or is not available, and completes what an interrupt
    left with fewer rounds than it should have; what other computers have measured stays, and this one's is added to it.
    `skip_failed` leaves alone what failed at the last attempt. `rounds` overrides each benchmark's.
    """

    skip_measured: bool = False
    skip_failed: bool = False
    quick: bool = False
    rounds: int | None = None


@dataclass
class Plan:
    """The rounds left of each cell, in the order of measuring.

    `total` is what was left at first.
    """

    rounds: dict[Cell, int] = field(default_factory=dict)
    not_available: list[Cell] = field(default_factory=list)
    total: list[Cell] = field(default_factory=list)

    def left(self) -> list[Cell]:
        """Each cell as often as it is still to be measured."""
        return [cell for cell, rounds in self.rounds.items() for _ in range(rounds)]

    @property
    def is_begun(self) -> bool:
        """Whether something of it was measured, or failed."""
        return len(self.left()) < len(self.total)

    def leave_out_devices(self, benchmarks: Benchmarks, devices: Collection[str]) -> None:
        """What runs on a device that the release does not see here is not available; that takes no measurement."""
        for cell, rounds in self.rounds.items():
            if rounds and requests.are_asked(benchmarks[cell.benchmark]) and cell.params[1] not in devices:
                self.rounds[cell] = 0
                self.not_available.append(cell)


def make(benchmarks: Benchmarks, results: Content, choice: Choice) -> Plan:
    """The plan for a release: asv's selection of benchmarks and parameters, less what the choice leaves alone.

    `results` are what is stored of the release.
    """
    plan = Plan()
    cells = [(cell, benchmark) for name, benchmark in benchmarks.items() for cell in selected(benchmarks, name)]
    for cell, benchmark in sorted(cells, key=lambda pair: _order(pair[0])):
        stored = results.value(benchmark, cell)
        sessions = results.sessions.of(cell, benchmark["version"])
        if not choice.quick and any(QUICK in session for session in sessions):
            stored = None  # not measured in earnest yet
        rounds = choice.rounds or int(benchmark.get("rounds", 1))
        if choice.skip_failed and results.sessions.failed(cell):
            rounds = 0
        elif choice.skip_measured and stored is not None:
            # What is not available is so on any computer of the machine's name.
            taken_here = rounds if util.is_na(stored) else len([one for one in sessions if is_of_here(one)])
            rounds = max(0, rounds - taken_here)
        plan.rounds[cell] = rounds
    return plan


def _order(cell: Cell) -> tuple[str, int, str]:
    """The cells of one workload follow one another: one session of the worker answers several."""
    group, _, method = cell.benchmark.rpartition(".")
    return group, cell.index, method
