"""What is measured next, and when to stop: two releases in turn, A B B A, where the verdict is still open.

A row is a pass of an item. In each round both releases get a worker of their own, started anew: sessions of one worker
share more than a release. After each pair, from the first of `judge.LOOKS` on, a row's change is looked at, together
with all others. A row is settled once it is shown faster, slower or the same; an item none of whose rows are open is
measured no more, so the time goes to the others. What the looking costs is in the judge's error rates, so stopping
early does not make a change likelier to be called.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from passtime.catalog.place import Item
from passtime.measure.take import Taken
from passtime.stats import judge
from passtime.stats.judge import LOOKS, Change

# An item and one of its passes.
Row = tuple[Item, str]

# Takes a session of one of the two releases (0, 1) of the item, and keeps it under the pair's name.
Take = Callable[[int, Item, str], Taken]

# Starts the workers of both releases anew.
Renew = Callable[[], None]


@dataclass(frozen=True)
class Step:
    """An item was measured: the pairs that it has now, and the verdicts that this settled."""

    item: Item
    pairs: int
    settled: Mapping[Row, tuple[str, Change]]


@dataclass
class Campaign:
    """The rows of some items, and the pairs of medians, in seconds, that each has so far.

    `rows` are those that are asked about, by item; a session measures all passes of its item. `name` is that of this
    campaign's pairs. `firsts` says which of the two releases, 0 or 1, came first in the pairs that an item has so far,
    in the order taken, as far as that is known.
    """

    rows: Mapping[Item, Sequence[str]]
    margin: float
    name: str
    pairs: dict[Row, list[tuple[float, float]]] = field(default_factory=dict)
    verdicts: dict[Row, str] = field(default_factory=dict)
    firsts: dict[Item, list[int]] = field(default_factory=dict)
    _changes: dict[Row, Change] = field(default_factory=dict)

    def run(
        self, take: Take, renew: Renew, budget_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> Iterator[Step]:
        """Measures until no row is open or the budget is spent; a pair that was begun is ended.

        What `take` and `renew` raise ends the campaign, except LookupError of `take`: that item cannot be measured in
        both releases and is left out.
        """
        deadline = clock() + budget_seconds
        self._look(self.rows)
        for number in itertools.count(1):
            turn = self.open_items()
            if not turn or clock() >= deadline:
                return
            renew()
            for item in turn:
                if clock() >= deadline:
                    return
                try:
                    self._take_pair(take, item, f"{self.name} {number}")
                except LookupError:
                    self._leave_out(item)
                    continue
                yield Step(item, self.count(item), self._look([item]))

    def open_items(self) -> list[Item]:
        """The items that have a row that is neither settled nor out of looks, in their order."""
        return [
            item
            for item, names in self.rows.items()
            if self.count(item) < LOOKS[-1] and any((item, name) not in self.verdicts for name in names)
        ]

    def count(self, item: Item) -> int:
        """How many pairs the item has."""
        return min(len(self.pairs.get((item, name), ())) for name in self.rows[item])

    def _take_pair(self, take: Take, item: Item, name: str) -> None:
        first = self._next_first(item)
        taken = {side: take(side, item, name).elapsed_seconds for side in (first, 1 - first)}
        self.firsts.setdefault(item, []).append(first)
        for measured_pass in self.rows[item]:
            pair = (median(taken[0][measured_pass]), median(taken[1][measured_pass]))
            self.pairs.setdefault((item, measured_pass), []).append(pair)

    def _next_first(self, item: Item) -> int:
        """The release that came first in fewer of the item's pairs, or not in the last one: A B B A.

        A drift of the machine so falls on both alike, also where the pairs are of several campaigns.
        """
        firsts = self.firsts.get(item, [])
        behind = len(firsts) - 2 * sum(firsts)
        return int(behind > 0) if behind else 1 - firsts[-1] if firsts else 0

    def _look(self, items: Iterable[Item]) -> dict[Row, tuple[str, Change]]:
        """Looks at these items' rows, and judges all; gives what is settled now and was not before."""
        for row in (row for item in items for row in self._rows_of(item)):
            is_looked_at = len(self.pairs.get(row, ())) >= LOOKS[0]
            self._changes[row] = judge.change_of_pairs(self.pairs[row]) if is_looked_at else judge.UNKNOWN
        found = zip(self._changes, judge.verdicts(list(self._changes.values()), self.margin), strict=True)
        new = {
            row: (verdict, self._changes[row])
            for row, verdict in found
            if verdict != judge.CANNOT_TELL and row not in self.verdicts
        }
        self.verdicts.update({row: verdict for row, (verdict, _) in new.items()})
        return new

    def _leave_out(self, item: Item) -> None:
        for row in self._rows_of(item):
            self._changes.pop(row, None)
        self.rows = {one: names for one, names in self.rows.items() if one != item}

    def _rows_of(self, item: Item) -> list[Row]:
        return [(item, name) for name in self.rows[item]]
