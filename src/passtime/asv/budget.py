"""A bound on the time that one `asv run` measures, shared out among its releases."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from passtime.errors import PasstimeError

BUDGET_VARIABLE = "PASSTIME_BUDGET"  # seconds


class Budget:
    """So many seconds of measuring, from the first turn on.

    A turn is what asv gives a release: all its rounds, or with --interleave-rounds one of them. Each turn may take an
    equal share of what is left, so that what one leaves, or takes beyond its share, is the next ones'.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._taken = 0
        self._end: float | None = None
        self._end_of_turn = 0.0

    def begin_turn(self, turns: int) -> None:
        """Begins the next turn of the run's so many."""
        now = self._clock()
        if self._end is None:
            self._end = now + self._seconds
        self._end_of_turn = now + max(0.0, self._end - now) / max(1, turns - self._taken)
        self._taken += 1

    def skip_turn(self) -> None:
        """A turn takes nothing."""
        self._taken += 1

    def is_spent(self) -> bool:
        """Whether the turn has had its share."""
        return self._clock() >= self._end_of_turn


def from_environment() -> Budget | None:
    """What PASSTIME_BUDGET says; None where it is not set. Raises PasstimeError when it is no number of seconds."""
    chosen = os.environ.get(BUDGET_VARIABLE, "").strip()
    if not chosen:
        return None
    try:
        seconds = float(chosen)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise PasstimeError(f"{BUDGET_VARIABLE} is {chosen!r}: set it to a number of seconds, or unset it")
    return Budget(seconds)
