"""What is measured next, and when to stop: heats, where the time settles most.

A row is a pass of an item in the reference and in one other release. In three stages: each row gets the least number of
heats; then each that is open gets an interval that is narrow enough to read; then each is settled, which is to be shown
faster, slower or the same. Within a stage the items go round, what is cheapest first. What the looking costs is in the
judge's error rates, so stopping early does not make a change likelier to be called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from passtime.catalog import workloads
from passtime.catalog.place import Item, Place
from passtime.measure import heat
from passtime.measure.analysis import USUAL_RATIO, Analysis
from passtime.stats import judge, moderated
from passtime.stats.judge import Change
from passtime.stats.moderated import Usual

LEAST_HEATS, MOST_HEATS = judge.LEAST_HEATS, judge.MOST_HEATS

# Half an interval, as a fraction, at which a row can be read.
AIM = 0.04

# Of a heat. More turns tell nothing that a fresh process does not tell better, and a long heat is much to lose. What
# runs beside it for half a second would hit a shorter heat as a whole.
LEAST_TURNS, MOST_TURNS = 4, 100
LEAST_SECONDS, MOST_SECONDS = 1.0, 90.0

# How a heat's variance is shared out is drawn towards what is usual, with so many degrees of freedom.
USUAL_FREEDOM = 10.0

# What a row that is nearly settled, or hardly ever will be, is measured towards.
_NARROWEST = 0.004

# Of what was never measured, on 2 cores.
_MODEL_SECONDS, _LAYER_SECONDS = 20.0, 2.0


class Row(NamedTuple):
    """A pass of an item, compared with one of the other releases."""

    item: Item
    measured_pass: str
    other: str

    @property
    def place(self) -> Place:
        return Place(self.item.workload, self.item.device, self.measured_pass)


@dataclass(frozen=True)
class Next:
    """What to measure: an item, in the reference and in some others, and how many turns the heat has.

    `first` counts the heats of the item before it, so that the releases are opened first in turn, over all runs.

    `is_new_round`, the item was measured in this round already: sessions of one worker share more than a release, so
    each heat of an item is of other workers than those before it.
    """

    item: Item
    releases: tuple[str, ...]
    plan: heat.Plan
    first: int
    is_new_round: bool


@dataclass
class _Cost:
    """What the heats of an item took, for each of their sessions, on average."""

    opening_seconds: float = 0.0
    turn_seconds: float = 0.0
    heats: int = 0

    def learn(self, taken: heat.Taken) -> None:
        count = len(taken.sessions)
        self.heats += 1
        self.opening_seconds += (taken.opening_seconds / count - self.opening_seconds) / self.heats
        self.turn_seconds += (taken.turn_seconds / count - self.turn_seconds) / self.heats


@dataclass
class Campaign:
    """The rows of some items, in an analysis that has what was measured before.

    `rows` has the passes that are asked about, by item. `most_together` says how many sessions of an item may be alive.
    Not `is_settling`, it is over when each interval is narrow enough to read. With a `computer`, each row gets its
    least heats on that one, whatever others have measured.
    """

    analysis: Analysis
    rows: Mapping[Item, Sequence[str]]
    reference: str
    others: Sequence[str]
    margin: float
    most_together: Callable[[Item], int] = lambda item: 2
    is_settling: bool = True
    computer: str | None = None
    verdicts: dict[Row, str] = field(default_factory=dict)
    changes: dict[Row, Change | None] = field(default_factory=dict)
    _left_out: set[tuple[Item, str]] = field(default_factory=set)
    _costs: dict[Item, _Cost] = field(default_factory=dict)
    _has_begun: bool = False
    _round: set[Item] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.look()

    def next(self, seconds_left: float) -> Next | None:
        """What to measure now; None where all is settled, or nothing more fits into what is left of the time.

        The first heat of a campaign is measured however little time there is, that of an item if there is any.
        """
        wanted = []
        for item in self.rows:
            members = self._members(item)
            if members:
                stage, heats_needed = members[0][:2]
                names = (self.reference, *(other for *_, other in members[: self.most_together(item) - 1]))
                seconds = self._heat_seconds(item, len(names))
                # What was never measured may take less than is guessed.
                if not self._has_begun or seconds <= seconds_left or (item not in self._costs and seconds_left > 0):
                    wanted.append((stage, item in self._round, heats_needed * seconds, item, names))
        if not wanted:
            return None
        _, is_new_round, _, item, names = min(wanted, key=lambda one: one[:3])
        self._round = {item} if is_new_round else self._round | {item}
        self._has_begun = True
        return Next(item, names, self._plan(item), self.analysis.heats_of(item), is_new_round)

    def took(self, taken: heat.Taken) -> None:
        """Learns what a heat cost; its values are in the analysis by then."""
        self._costs.setdefault(taken.item, _Cost()).learn(taken)
        self.look()

    def leave_out(self, item: Item, release: str) -> None:
        """A release that cannot run an item is measured there no more; without the reference, no release is."""
        for other in self.others if release == self.reference else (release,):
            self._left_out.add((item, other))
        self.look()

    def look(self) -> None:
        """Judges all rows by what the analysis has now."""
        self.changes = {row: self.analysis.change(row.place, self.reference, row.other) for row in self._rows()}
        self.verdicts = {row: judge.NOT_COMPARED for row, change in self.changes.items() if change is None}
        for other in self.others:
            known = {row: one for row, one in self.changes.items() if row.other == other and one is not None}
            self.verdicts.update(zip(known, judge.verdicts(list(known.values()), self.margin), strict=True))

    def needing(self) -> list[str]:
        """The releases that need more heats, for whatever item."""
        wanted = {other for item in self.rows for *_, other in self._members(item)}
        return [other for other in self.others if other in wanted]

    def seconds_to_least(self) -> float:
        """About how long it takes until each row has the least number of heats."""
        seconds = 0.0
        for item in self.rows:
            needs = [heats for stage, heats, _ in self._members(item) if stage == 0]
            if needs:
                together = min(len(needs), self.most_together(item) - 1)
                seconds += sum(needs) / together * self._heat_seconds(item, together + 1)
        return seconds

    def _rows(self) -> Iterator[Row]:
        for item, passes in self.rows.items():
            for other in self.others:
                if (item, other) not in self._left_out:
                    yield from (Row(item, name, other) for name in passes)

    def _members(self, item: Item) -> list[tuple[int, float, str]]:
        """Those that need more heats of the item: the stage, how many more, and which release; the neediest first."""
        found = []
        for other in self.others:
            if (item, other) not in self._left_out:
                needs = [need for name in self.rows[item] if (need := self._need(Row(item, name, other)))]
                if needs:
                    stage = min(stage for stage, _ in needs)
                    found.append((stage, max(heats for one, heats in needs if one == stage), other))
        return sorted(found, key=lambda one: (one[0], -one[1]))

    def _need(self, row: Row) -> tuple[int, float] | None:
        """In which stage a row is, and about how many more heats will end it; None where it needs none."""
        change = self.changes[row]
        own = self.analysis.count(row.place, self.reference, row.other, self.computer)
        if own < LEAST_HEATS:
            return 0, LEAST_HEATS - own
        heats = self.analysis.count(row.place, self.reference, row.other)
        if change is None or heats >= MOST_HEATS:
            return None
        if self.is_settling and self.verdicts[row] != judge.CANNOT_TELL:
            return None
        half = half_width(change)
        if half > AIM:
            return 1, self._more(heats, half, AIM)
        if not self.is_settling:
            return None
        away = abs(math.log(change.ratio))
        target = max(away, math.log1p(self.margin) - away, _NARROWEST)
        return 2, self._more(heats, half, target)

    @staticmethod
    def _more(heats: int, half: float, target: float) -> float:
        """How many more heats bring half an interval to a target; at least one, for chance may have to help."""
        return max(1.0, heats * ((half / target) ** 2 - 1)) if math.isfinite(half) else float(MOST_HEATS)

    def _heat_seconds(self, item: Item, sessions: int) -> float:
        cost = self._costs.get(item)
        if cost is None:
            each = _MODEL_SECONDS if item.workload in workloads.MODELS else _LAYER_SECONDS
            return each * sessions
        opening, turn = cost.opening_seconds * sessions, cost.turn_seconds * sessions
        return opening + turn * self._plan(item)(opening, turn)

    def _plan(self, item: Item) -> heat.Plan:
        """How many turns: the two-stage allocation, from the variances within and between the item's heats.

        n = sqrt(cost of a session / cost of a sample * variance within / variance between). Source: W. G. Cochran,
        Sampling Techniques, 3rd edition, section 10.6.
        """
        ratio = self._within_over_between(item)

        def plan(opening_seconds: float, turn_seconds: float) -> int:
            turn_seconds = max(turn_seconds, 1e-6)
            turns = max(math.sqrt(opening_seconds / turn_seconds * ratio), LEAST_SECONDS / turn_seconds)
            most = min(MOST_TURNS, (MOST_SECONDS - opening_seconds) / turn_seconds)
            return round(max(LEAST_TURNS, min(turns, most)))

        return plan

    def _within_over_between(self, item: Item) -> float:
        """The variance of a sample within a heat over that of a heat beyond it, the largest of the item's passes."""
        ratios = []
        for place in item.places:
            if not (turn := self.analysis.turn_variance(place)):
                continue
            usual = Usual(self.analysis.expected(place), USUAL_FREEDOM)
            variance, _ = moderated.moderated(*self.analysis.variance(place), usual)
            ratios.append(turn / max(variance - turn / self.analysis.turns(place), variance / 4))
        return max(ratios, default=USUAL_RATIO)


def half_width(change: Change) -> float:
    """Half the interval of the ratio's logarithm, so nearly a fraction; infinite where it has none."""
    if math.isinf(change.error) or not (change.low > 0 and math.isfinite(change.high)):
        return math.inf
    return math.log(change.high / change.low) / 2
