"""The statistics of a verdict: a change with its interval, what could have been seen, and which changes count.

A median's error comes from `passtime.stats.uncertainty`: from how much sessions differ, not from the spread of samples.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from passtime.stats.uncertainty import LogError

LEVEL = 0.95
POWER = 0.8
FALSE_DISCOVERIES = 0.05

# After each of so many pairs a change that is measured in turn is looked at; where the time ends before, then.
LOOKS = range(6, 101)

# From so many pairs on a look may err its full share, before that less.
FULL_LOOK = 20

# All looks together err at most SCALE * p ** EXPONENT, where each errs its share of p: what `python perf/looks.py`
# simulates, from above.
SCALE = 4.5
EXPONENT = 0.85

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

    Where the sessions were looked at while they were taken, `share` is that of this look. `seen_p_value` is the least
    p-value of a look, each over the look's share, and `seen_margin` the least margin that the ratio's logarithm was
    shown to lie within. The interval and the p-value hold however often, and whenever, one looks and stops.
    """

    ratio: float
    error: float
    freedom: float
    share: float | None = None
    seen_p_value: float = 1.0
    seen_margin: float = math.inf

    @property
    def low(self) -> float:
        return self._bound(-1)

    @property
    def high(self) -> float:
        return self._bound(1)

    @functools.cached_property
    def p_value(self) -> float:
        now = self._p_value_of_one_look
        return now if self.share is None else overall(min(now / self.share, self.seen_p_value))

    @property
    def detectable(self) -> float:
        if math.isinf(self.error):
            return math.inf
        return _exp((self._quantile(1 - LEVEL) + _quantile(POWER, self.freedom)) * self.error) - 1

    def lies_within(self, margin: float) -> bool:
        """Whether the ratio is shown to lie within 1 / (1 + margin) and 1 + margin: two one-sided tests at 5 %."""
        return self._margin < math.log1p(margin)

    @functools.cached_property
    def _margin(self) -> float:
        now = abs(math.log(self.ratio)) + self._quantile(2 * (1 - LEVEL)) * self.error
        return min(now, self.seen_margin)

    @property
    def _p_value_of_one_look(self) -> float:
        if math.isinf(self.error):
            return 1.0
        if self.error == 0:
            return 1.0 if self.ratio == 1 else 0.0
        return 2 * _below(-abs(math.log(self.ratio)) / self.error, self.freedom)

    def _quantile(self, error_rate: float) -> float:
        """That of the error, on either side, which is exceeded so rarely; at any look, where there are looks."""
        rate = error_rate if self.share is None else of_one_look(error_rate) * self.share
        return _quantile(1 - rate / 2, self.freedom)

    def _bound(self, side: int) -> float:
        if math.isinf(self.error):
            return math.inf if side > 0 else 0.0
        return self.ratio * _exp(side * self._quantile(1 - LEVEL) * self.error)


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
    says how sure the average is: Student's test of the pairs' log ratios. At least two pairs; what comes after the last
    look does not count.
    """
    logs = np.log([other / base for base, other in pairs[: LOOKS[-1]]])
    counts = np.arange(min(LOOKS[0], len(logs)), len(logs) + 1)
    beyond = logs - logs[0]  # so that equal ones have no error
    means, squares = (np.cumsum(values)[counts - 1] / counts for values in (beyond, beyond**2))
    errors = np.sqrt(np.maximum(squares - means**2, 0.0) / (counts - 1))
    means += logs[0]
    shares = share_of_look(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = 2 * stdtr(counts - 1.0, np.where(means == 0, 0.0, -np.abs(means) / errors))
    margins = np.abs(means) + _criticals(len(counts), len(logs), 2 * (1 - LEVEL)) * errors
    return Change(
        math.exp(means[-1]),
        float(errors[-1]),
        float(counts[-1] - 1),
        float(shares[-1]),
        float(np.min(p_values / shares)),
        float(np.min(margins)),
    )


@functools.cache
def _criticals(looks: int, pairs: int, error_rate: float) -> np.ndarray:
    """Student's t at each of so many looks, the last after so many pairs, that all looks exceed together so rarely.

    Kept, since a campaign asks for the same after each of its pairs, and they take half of the time of a look.
    """
    counts = np.arange(pairs - looks + 1, pairs + 1)
    return stdtrit(counts - 1.0, 1 - of_one_look(error_rate) * share_of_look(counts) / 2)


def share_of_look(pairs: np.ndarray) -> np.ndarray:
    """Of what a look may err, after so many pairs: few processes that happen to be alike look like a difference."""
    return np.minimum(1.0, pairs / FULL_LOOK)


def overall(p_value: float) -> float:
    """What looks after any numbers of pairs up to the last may err together, where each errs its share of p_value.

    A bound of Pocock's kind (S. J. Pocock, Group sequential methods in the design and analysis of clinical trials,
    Biometrika 64, 1977), for Student's test and a look after every pair.
    """
    return min(1.0, SCALE * p_value**EXPONENT)


def of_one_look(error_rate: float) -> float:
    """The other way round: of what each look may err its share, where all looks may err so much."""
    return (error_rate / SCALE) ** (1 / EXPONENT)


def level_of_look(pairs: int) -> float:
    """The level of an interval after so many pairs, for all looks' intervals together to hold at `LEVEL`."""
    return 1 - of_one_look(1 - LEVEL) * float(share_of_look(np.array(pairs)))


def mean(changes: Sequence[Change]) -> Change:
    """The geometric mean of at least one change; they are independent, so Welch's degrees of freedom are its own."""
    count = len(changes)
    share = min((one.share for one in changes if one.share is not None), default=None)
    ratio = math.exp(sum(math.log(one.ratio) for one in changes) / count)
    variance = sum(one.error**2 for one in changes)
    if math.isinf(variance) or variance == 0:
        return Change(ratio, math.sqrt(variance), 1.0, share)
    uncertain = sum(one.error**4 / one.freedom for one in changes)
    return Change(ratio, math.sqrt(variance) / count, variance**2 / uncertain if uncertain else math.inf, share)


def verdicts(changes: Sequence[Change], margin: float) -> list[str]:
    """One for each change.

    `faster` and `slower` are held to a false discovery rate of 5 % over all of them (Y. Benjamini and Y. Hochberg,
    Controlling the false discovery rate, Journal of the Royal Statistical Society B 57, 1995). `same` is no such
    change, and shown to lie within the margin; `cannot tell` is the rest.
    """
    if not changes:
        return []
    adjusted = _controlled(np.array([one.p_value for one in changes]))
    return [_verdict(one, float(p), margin) for one, p in zip(changes, adjusted, strict=True)]


def _controlled(p_values: np.ndarray) -> np.ndarray:
    """Adjusted p-values: below a rate where the change is among those whose false discoveries are held to this rate.

    As `false_discovery_control` of scipy.stats, which takes three quarters of a second to load.
    """
    falling = np.argsort(p_values)[::-1]
    ranks = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[falling] = np.minimum.accumulate(p_values[falling] * len(p_values) / ranks)
    return np.minimum(adjusted, 1.0)


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
