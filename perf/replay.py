"""A campaign over sessions that were taken before: what `passtime measure` would have said, and after what time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from pool import Session

from passtime.catalog.place import Item
from passtime.measure.campaign import Campaign, Row
from passtime.measure.take import Taken
from passtime.stats import judge
from passtime.stats.judge import Change


class Exhausted(Exception):
    """There are no more sessions."""


class Replay:
    """Hands out each item's pairs of sessions in the order given; its clock goes by what they took."""

    def __init__(self, pairs: Mapping[Item, Sequence[tuple[Session, Session]]]) -> None:
        self.seconds = 0.0
        self._pairs = pairs
        self._taken: dict[tuple[int, Item], int] = {}

    def clock(self) -> float:
        return self.seconds

    def renew(self) -> None:
        """The workers of the sessions that come next are started."""
        for side in (0, 1):
            for item, pairs in self._pairs.items():
                number = self._taken.get((side, item), 0)
                if number < len(pairs):
                    self.seconds += pairs[number][side].start_seconds
                    break

    def take(self, side: int, item: Item, pair: str) -> Taken:
        number = self._taken.get((side, item), 0)
        if number == len(self._pairs[item]):
            raise Exhausted
        self._taken[side, item] = number + 1
        session = self._pairs[item][number][side]
        self.seconds += session.seconds
        replies = {name: {"pass": name, "elapsed_seconds": samples} for name, samples in session.samples.items()}
        return Taken(datetime.fromisoformat(session.started_at), session.seconds, replies)


def campaign(
    pairs: Mapping[Item, Sequence[tuple[Session, Session]]],
    margin: float = 0.02,
    passes: Sequence[str] | None = None,
) -> tuple[dict[Row, str], dict[Row, Change], float]:
    """The verdicts of a campaign over these sessions, its changes, and the seconds that the sessions it used took.

    What is still open when the sessions are used up is judged once more at the end, as `passtime measure` does.
    """
    one = Campaign(
        {item: [name for name in item.passes if name in (passes or item.passes)] for item in pairs}, margin, ""
    )
    replay = Replay(pairs)
    try:
        for _ in one.run(replay.take, replay.renew, math.inf, replay.clock):
            pass
    except Exhausted:
        pass
    changes = {row: judge.change_of_pairs(found) for row, found in one.pairs.items()}
    verdicts = dict(zip(changes, judge.verdicts(list(changes.values()), margin), strict=True))
    return verdicts, changes, replay.seconds
