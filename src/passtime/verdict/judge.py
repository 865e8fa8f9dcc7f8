"""The statistics of a verdict: a change with its interval, what could have been seen, and which changes count.

A median's error comes from `passtime.uncertainty`: from how much sessions differ, not from the spread of samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from passtime.uncertainty import LogError

LEVEL = 0.95
POWER = 0.8
FALSE_DISCOVERIES = 0.05

FASTER = "faster"
SLOWER = "slower"
SAME = "same"
CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Change:
    """The ratio of two medians, or a mean of such ratios, other over base; over 1 is slower.

    `low` and `high` are its 95 % interval. `p_value` is that of a ratio of 1. `detectable` is the least slowdown, as
    a fraction, that this row alone would show with a power of 80 %: a smaller one may be there unseen. `error` is
    the standard error of the ratio's logarithm, with `freedom` degrees of freedom; infinite where no sessions were
    recorded.
    """

    ratio: float
    error: float
    freedom: float

    @property
    def low(self) -> float:
        return self._bound(-1, LEVEL)

    @property
    def high(self) -> float:
        return self._bound(1, LEVEL)

    @property
    def p_value(self) -> float:
        if math.isinf(self.error):
            return 1.0
        if self.error == 0:
            return 1.0 if self.ratio == 1 else 0.0
        return float(2 * student.sf(abs(math.log(self.ratio)) / self.error, self.freedom))

    @property
    def detectable(self) -> float:
        if math.isinf(self.error):
            return math.inf
        quantiles = student.ppf((1 + LEVEL) / 2, self.freedom) + student.ppf(POWER, self.freedom)
        return _exp(float(quantiles) * self.error) - 1

    def lies_within(self, margin: float) -> bool:
        """Whether the ratio is shown to lie within 1 / (1 + margin) and 1 + margin: two one-sided tests at 5 %."""
        level = 1 - 2 * (1 - LEVEL)
        return self._bound(-1, level) > 1 / (1 + margin) and self._bound(1, level) < 1 + margin

    def _bound(self, side: int, level: float) -> float:
        if math.isinf(self.error):
            return math.inf if side > 0 else 0.0
        return self.ratio * _exp(side * float(student.ppf((1 + level) / 2, self.freedom)) * self.error)


def change(base_seconds: float, other_seconds: float, base: LogError | None, other: LogError | None) -> Change:
    """The change from one median to another.

    Both are of one workload and so about equally unsteady: together they tell of it no more than the one that tells
    less, hence the smaller degrees of freedom.
    """
    ratio = other_seconds / base_seconds
    if base is None or other is None:
        return Change(ratio, math.inf, 1.0)
    return Change(ratio, math.hypot(base.error, other.error), min(base.freedom, other.freedom))


def mean(changes: Sequence[Change]) -> Change:
    """The geometric mean of at least one change; they are independent, so Welch's degrees of freedom are its own."""
    count = len(changes)
    ratio = math.exp(sum(math.log(one.ratio) for one in changes) / count)
    variance = sum(one.error**2 for one in changes)
    if math.isinf(variance) or variance == 0:
        return Change(ratio, math.sqrt(variance), 1.0)
    uncertain = sum(one.error**4 / one.freedom for one in changes)
    return Change(ratio, math.sqrt(variance) / count, variance**2 / uncertain if uncertain else math.inf)


def verdicts(changes: Sequence[Change], margin: float) -> list[str]:
    """One for each change.

    `faster` and `slower` are held to a false discovery rate of 5 % over all of them (Y. Benjamini and Y. Hochberg,
    Controlling the false discovery rate, Journal of the Royal Statistical Society B 57, 1995). `same` is no such
    change, and shown to lie within the margin; `cannot tell` is the rest.
    """
    if not changes:
        return []
    adjusted = false_discovery_control(np.array([one.p_value for one in changes]))
    return [_verdict(one, float(p), margin) for one, p in zip(changes, adjusted, strict=True)]


def _verdict(one: Change, adjusted_p_value: float, margin: float) -> str:
    if adjusted_p_value < FALSE_DISCOVERIES:
        return SLOWER if one.ratio > 1 else FASTER
    return SAME if one.lies_within(margin) else CANNOT_TELL


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
