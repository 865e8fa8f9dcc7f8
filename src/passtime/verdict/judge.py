"""The statistics of a verdict: a change with its interval, what could have been seen, and which changes count.

A median's error comes from `passtime.uncertainty`: from how much sessions differ, not from the spread of samples.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit
from scipy.stats import false_discovery_control

from passtime.uncertainty import LogError

LEVEL = 0.95
POWER = 0.8
FALSE_DISCOVERIES = 0.05

# After so many pairs a change that is measured in turn is looked at; and once more when the time is spent.
LOOKS = (6, 10, 14, 20, 30, 44, 66, 100)

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

    Where the sessions were looked at while they were taken, `looks` is how often they may have been, and `earlier` has
    what was seen before: each look may err no more than its share of the whole (C. E. Bonferroni's bound), so the
    interval and the p-value hold however often, and whenever, one looks and stops.
    """

    ratio: float
    error: float
    freedom: float
    looks: int = 1
    earlier: tuple[Change, ...] = ()

    @property
    def low(self) -> float:
        return self._bound(-1, 1 - (1 - LEVEL) / self.looks)

    @property
    def high(self) -> float:
        return self._bound(1, 1 - (1 - LEVEL) / self.looks)

    @functools.cached_property
    def p_value(self) -> float:
        return min(1.0, self.looks * min(one.p_value_of_one_look for one in (*self.earlier, self)))

    @property
    def p_value_of_one_look(self) -> float:
        """As if there were no other."""
        if math.isinf(self.error):
            return 1.0
        if self.error == 0:
            return 1.0 if self.ratio == 1 else 0.0
        return 2 * _below(-abs(math.log(self.ratio)) / self.error, self.freedom)

    @property
    def detectable(self) -> float:
        if math.isinf(self.error):
            return math.inf
        level = 1 - (1 - LEVEL) / self.looks
        quantiles = _quantile((1 + level) / 2, self.freedom) + _quantile(POWER, self.freedom)
        return _exp(quantiles * self.error) - 1

    def lies_within(self, margin: float) -> bool:
        """Whether the ratio is shown to lie within 1 / (1 + margin) and 1 + margin: two one-sided tests at 5 %."""
        level = 1 - 2 * (1 - LEVEL) / self.looks
        return any(
            one._bound(-1, level) > 1 / (1 + margin) and one._bound(1, level) < 1 + margin
            for one in (*self.earlier, self)
        )

    def _bound(self, side: int, level: float) -> float:
        if math.isinf(self.error):
            return math.inf if side > 0 else 0.0
        return self.ratio * _exp(side * _quantile((1 + level) / 2, self.freedom) * self.error)


# Nothing was measured yet.
UNKNOWN = Change(1.0, math.inf, 1.0)


def change(base_seconds: float, other_seconds: float, base: LogError | None, other: LogError | None) -> Change:
    """The change from one median to another.

    Both are of one workload and so about equally unsteady: together they tell of it no more than the one that tells
    less, hence the smaller degrees of freedom.
    """
    ratio = other_seconds / base_seconds
    if base is None or other is None:
        return Change(ratio, math.inf, 1.0)
    return Change(ratio, math.hypot(base.error, other.error), min(base.freedom, other.freedom))


def change_of_pairs(pairs: Sequence[tuple[float, float]]) -> Change:
    """The change from one release to another that was measured in turn with it: each pair's medians, in seconds.

    Two neighbours share the machine's minute, so it is their ratios that are averaged, and how much these differ that
    says how sure the average is: Student's test of the pairs' log ratios. At least two pairs.
    """
    logs = [math.log(other / base) for base, other in pairs]
    *earlier, now = (_at_a_look(logs[:count]) for count in (*(n for n in LOOKS if n < len(logs)), len(logs)))
    return dataclasses.replace(now, looks=len(LOOKS) + 1, earlier=tuple(earlier))


def _at_a_look(logs: Sequence[float]) -> Change:
    return Change(math.exp(fmean(logs)), stdev(logs) / math.sqrt(len(logs)), len(logs) - 1)


def mean(changes: Sequence[Change]) -> Change:
    """The geometric mean of at least one change; they are independent, so Welch's degrees of freedom are its own."""
    count = len(changes)
    looks = max(one.looks for one in changes)
    ratio = math.exp(sum(math.log(one.ratio) for one in changes) / count)
    variance = sum(one.error**2 for one in changes)
    if math.isinf(variance) or variance == 0:
        return Change(ratio, math.sqrt(variance), 1.0, looks)
    uncertain = sum(one.error**4 / one.freedom for one in changes)
    return Change(ratio, math.sqrt(variance) / count, variance**2 / uncertain if uncertain else math.inf, looks)


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


def _below(value: float, freedom: float) -> float:
    """Student's distribution function, or the normal one. Not that of scipy.stats: it is slow, and looks are many."""
    return float(ndtr(value) if math.isinf(freedom) else stdtr(freedom, value))


def _quantile(level: float, freedom: float) -> float:
    return float(ndtri(level) if math.isinf(freedom) else stdtrit(freedom, level))


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
