"""The statistics of a verdict: a change with its interval, what could have been seen, and which changes count.

A change's error comes from how much heats differ: `passtime.stats.blocks`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

LEVEL = 0.95
# Of the interval that *same* asks to lie within the margin: two one-sided tests, each of which errs as rarely.
INNER_LEVEL = 1 - 2 * (1 - LEVEL)
POWER = 0.8
FALSE_DISCOVERIES = 0.05

# A row is looked at after each of its heats, from the first on that may end it to the last.
LEAST_HEATS, MOST_HEATS = 3, 100

# An interval whose ends are further from the ratio than this factor tells nothing of any change that a release makes.
TOO_WIDE = 10.0

# All looks together err at most SCALE * p ** EXPONENT, where each errs p: what `python perf/looks.py` simulates, from
# above. Early looks err most, where a few heats alone say how much heats differ; less so where what is usual is worth
# at least USUAL_FREEDOM degrees of freedom.
SCALE, EXPONENT = 6.3, 0.85
USUAL_FREEDOM = 4.0
SCALE_OF_USUAL, EXPONENT_OF_USUAL = 7.0, 0.94

FASTER = "faster"
SLOWER = "slower"
SAME = "same"
CANNOT_TELL = "cannot tell"
NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Change:
    """A ratio of two releases' times, or a mean of such ratios, other over base; over 1 is slower.

    `error` is the standard error of the ratio's logarithm, with `freedom` degrees of freedom, of which what is usual is
    worth `usual_freedom`; infinite where nothing tells how much heats differ. `low` and `high` are the 95 % interval,
    `p_value` is that of a ratio of 1: both hold however often, and whenever, one looks and stops. `detectable` is the
    least slowdown, as a fraction, that this row alone would show with a power of 80 %: a smaller one may be there
    unseen.
    """

    ratio: float
    error: float
    freedom: float
    usual_freedom: float = 0.0

    @property
    def low(self) -> float:
        return _exp(self._bounds[0])

    @property
    def high(self) -> float:
        return _exp(self._bounds[1])

    @functools.cached_property
    def p_value(self) -> float:
        return overall(self._p_value_of_one_look, self.usual_freedom)

    @property
    def detectable(self) -> float:
        if math.isinf(self.error):
            return math.inf
        return _exp((self._quantile(1 - LEVEL) + _quantile(POWER, self.freedom)) * self.error) - 1

    @property
    def is_too_wide(self) -> bool:
        """Whether the interval tells nothing: it holds 1, and one of its ends is `TOO_WIDE` times the ratio away.

        A change that is shown is never too wide, however large it may be.
        """
        (low, high), middle = self._bounds, math.log(self.ratio)
        return not math.isinf(self.error) and low <= 0 <= high and max(high - middle, middle - low) > math.log(TOO_WIDE)

    @property
    def least_margin(self) -> float:
        """Above this margin the ratio is shown to lie within 1 / (1 + margin) and 1 + margin.

        By two one-sided tests at 5 %.
        """
        low, high = self._inner_bounds
        return _exp(max(-low, high)) - 1

    def lies_within(self, margin: float) -> bool:
        """Whether the ratio is shown to lie within 1 / (1 + margin) and 1 + margin."""
        low, high = self._inner_bounds
        most = math.log1p(margin)
        return low > -most and high < most

    def lies_below(self, margin: float) -> bool:
        """Whether the ratio is shown to be less than 1 + margin: the upper one of the two tests of `lies_within`."""
        return self._inner_bounds[1] < math.log1p(margin)

    @functools.cached_property
    def _bounds(self) -> tuple[float, float]:
        return self._interval(1 - LEVEL)

    @functools.cached_property
    def _inner_bounds(self) -> tuple[float, float]:
        return self._interval(1 - INNER_LEVEL)

    def _interval(self, error_rate: float) -> tuple[float, float]:
        """The interval of the ratio's logarithm that errs so rarely, at any look."""
        if math.isinf(self.error):
            return -math.inf, math.inf
        half = self._quantile(error_rate) * self.error
        return math.log(self.ratio) - half, math.log(self.ratio) + half

    @property
    def _p_value_of_one_look(self) -> float:
        if math.isinf(self.error):
            return 1.0
        if self.error == 0:
            return 1.0 if self.ratio == 1 else 0.0
        return 2 * _below(-abs(math.log(self.ratio)) / self.error, self.freedom)

    def _quantile(self, error_rate: float) -> float:
        """That of the error, on either side, which is exceeded so rarely over all looks."""
        return _quantile(1 - of_one_look(error_rate, self.usual_freedom) / 2, self.freedom)


# Nothing was measured yet.
UNKNOWN = Change(1.0, math.inf, 1.0)


def overall(p_value: float, usual_freedom: float = 0.0) -> float:
    """What looks after any numbers of heats up to the last may err together, where each errs p_value.

    `usual_freedom` is what the usual variance is worth in each of them, in degrees of freedom. A bound of Pocock's kind
    (S. J. Pocock, Group sequential methods in the design and analysis of clinical trials, Biometrika 64, 1977), for
    Student's test and a look after every heat.
    """
    scale, exponent = _price(usual_freedom)
    return min(1.0, scale * p_value**exponent)


def of_one_look(error_rate: float, usual_freedom: float = 0.0) -> float:
    """The other way round: what each look may err, where all looks may err so much."""
    scale, exponent = _price(usual_freedom)
    return (error_rate / scale) ** (1 / exponent)


def _price(usual_freedom: float) -> tuple[float, float]:
    return (SCALE_OF_USUAL, EXPONENT_OF_USUAL) if usual_freedom >= USUAL_FREEDOM else (SCALE, EXPONENT)


def mean(changes: Sequence[Change]) -> Change:
    """The geometric mean of at least one change, each of other heats than the others: their errors are independent.

    Its degrees of freedom are by F. E. Satterthwaite, An approximate distribution of estimates of variance components,
    Biometrics Bulletin 2 (1946).
    """
    count = len(changes)
    ratio = math.exp(sum(math.log(one.ratio) for one in changes) / count)
    if any(math.isinf(one.error) for one in changes):
        return Change(ratio, math.inf, 1.0)
    variances = [one.error**2 for one in changes]
    total = sum(variances)
    usual_freedom = min(one.usual_freedom for one in changes)
    if total == 0:
        return Change(ratio, 0.0, min(one.freedom for one in changes), usual_freedom)
    freedom = total**2 / sum(one**2 / change.freedom for one, change in zip(variances, changes, strict=True))
    return Change(ratio, math.sqrt(total) / count, freedom, usual_freedom)


def verdicts(changes: Sequence[Change], margin: float) -> list[str]:
    """One for each change.

    `faster` and `slower` are held to a false discovery rate of 5 % over all of them (Y. Benjamini and Y. Hochberg,
    Controlling the false discovery rate, Journal of the Royal Statistical Society B 57, 1995). `same` is no such
    change, and shown to lie within the margin; `cannot tell` is the rest.
    """
    if not changes:
        return []
    adjusted = _adjusted(np.array([one.p_value for one in changes]))
    return [_verdict(one, float(p), margin) for one, p in zip(changes, adjusted, strict=True)]


def _adjusted(p_values: np.ndarray) -> np.ndarray:
    """The least false discovery rate at which each is called: that of scipy.stats, which takes many times as long."""
    count = len(p_values)
    order = np.argsort(-p_values)
    rates = np.minimum.accumulate(p_values[order] * count / np.arange(count, 0, -1))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(rates, 1.0)
    return adjusted


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
    return value if value == math.inf else math.exp(min(value, 700.0))
