"""The statistics of a verdict: a change with its interval, what could have been seen, and which changes count.

A median's error comes from `passtime.stats.uncertainty`: from how much sessions differ, not from the spread of samples.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from passtime.stats.uncertainty import LogError

LEVEL = 0.95
# Of the interval that *same* asks to lie within the margin: two one-sided tests, each of which errs as rarely.
INNER_LEVEL = 1 - 2 * (1 - LEVEL)
POWER = 0.8
FALSE_DISCOVERIES = 0.05

# After each of so many pairs a change that is measured in turn is looked at; where the time ends before, then.
LOOKS = range(6, 101)

# An interval whose ends are further from the ratio than this factor tells nothing of any change that a release makes.
TOO_WIDE = 10.0

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
class Seen:
    """What the looks of a change showed so far, the present one among them.

    `p_value` is the least of the looks that point the way the present ratio does, each over the look's share. `bounds`
    is what the looks' 95 % intervals of the ratio's logarithm have in common, `inner_bounds` the same of 90 %: each end
    of those errs 5 %. All are widened to hold the present ratio.
    """

    p_value: float
    bounds: tuple[float, float]
    inner_bounds: tuple[float, float]


@dataclass(frozen=True)
class Change:
    """The ratio of two medians, or a mean of such ratios, other over base; over 1 is slower.

    `low` and `high` are its 95 % interval. `p_value` is that of a ratio of 1. `detectable` is the least slowdown, as
    a fraction, that this row alone would show with a power of 80 %: a smaller one may be there unseen. `error` is
    the standard error of the ratio's logarithm, with `freedom` degrees of freedom; infinite where no sessions were
    recorded.

    Where the sessions were looked at while they were taken, `share` is that of this look, and `seen` has what the looks
    showed. None where only this look counts. The interval and the p-value hold however often, and whenever, one looks
    and stops.
    """

    ratio: float
    error: float
    freedom: float
    share: float | None = None
    seen: Seen | None = None

    @property
    def low(self) -> float:
        return self._end(0)

    @property
    def high(self) -> float:
        return self._end(1)

    @functools.cached_property
    def p_value(self) -> float:
        if self.share is None:
            return self._p_value_of_one_look
        return overall(self._p_value_of_one_look / self.share if self.seen is None else self.seen.p_value)

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
    def has_too_few_pairs(self) -> bool:
        """Whether the pairs are fewer than `passtime measure` takes before its first look."""
        return self.share is not None and self.freedom + 1 < LOOKS[0]

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
        return self._bounds_of_one_look(1 - LEVEL) if self.seen is None else self.seen.bounds

    @functools.cached_property
    def _inner_bounds(self) -> tuple[float, float]:
        return self._bounds_of_one_look(1 - INNER_LEVEL) if self.seen is None else self.seen.inner_bounds

    def _bounds_of_one_look(self, error_rate: float) -> tuple[float, float]:
        """The interval of the ratio's logarithm that errs so rarely."""
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
        """That of the error, on either side, which is exceeded so rarely; at any look, where there are looks."""
        rate = error_rate if self.share is None else of_one_look(error_rate) * self.share
        return _quantile(1 - rate / 2, self.freedom)

    def _end(self, side: int) -> float:
        return _exp(self._bounds[side])


# Nothing was measured yet.
UNKNOWN = Change(1.0, math.inf, 1.0)


def change(base_seconds: float, other_seconds: float, base: LogError | None, other: LogError | None) -> Change:
    """The change from one time to another, each the one that its error is of: `uncertainty.typical_seconds`.

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

    What an earlier look showed counts as long as the present ratio does not contradict it: `_seen` says when.
    """
    logs = np.log([other / base for base, other in pairs[: LOOKS[-1]]])
    counts = np.arange(min(LOOKS[0], len(logs)), len(logs) + 1)
    beyond = logs - logs[0]  # so that equal ones have no error
    means, squares = (np.cumsum(values)[counts - 1] / counts for values in (beyond, beyond**2))
    errors = np.sqrt(np.maximum(squares - means**2, 0.0) / (counts - 1))
    means += logs[0]
    shares = share_of_look(counts)
    seen = _seen(means, errors, counts, shares)
    return Change(math.exp(means[-1]), float(errors[-1]), float(counts[-1] - 1), float(shares[-1]), seen)


def _seen(means: np.ndarray, errors: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> Seen | None:
    """What looks showed, given each one's mean log ratio, its error, the number of pairs and the look's share.

    None where the present look counts alone: two looks' intervals have nothing in common, or they leave out a ratio of
    1 and the present ratio lies on the other side of it, or is 1. All intervals hold the truth together with 95 %, so
    what they have in common does; and less evidence, or a wider interval, errs no more.
    """
    present = float(means[-1])
    bounds = _common_bounds(means, errors * _quantiles_of_looks(LEVEL)[counts])
    if bounds[0] > bounds[1] or (bounds[0] > 0 and present <= 0) or (bounds[1] < 0 and present >= 0):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = 2 * stdtr(counts - 1.0, np.where(means == 0, 0.0, -np.abs(means) / errors))
    pointing = np.sign(means) == np.sign(present)
    inner = _common_bounds(means, errors * _quantiles_of_looks(INNER_LEVEL)[counts])
    return Seen(float(np.min((p_values / shares)[pointing])), _holding(present, bounds), _holding(present, inner))


def _common_bounds(means: np.ndarray, halves: np.ndarray) -> tuple[float, float]:
    """What the looks' intervals have in common: from the highest of the low ends to the lowest of the high ones."""
    return float((means - halves).max()), float((means + halves).min())


@functools.cache
def _quantiles_of_looks(level: float) -> np.ndarray:
    """By the number of pairs: Student's quantile of a look's interval, where all looks' together hold at that level."""
    counts = np.arange(2, LOOKS[-1] + 1)
    quantiles = stdtrit(counts - 1.0, 1 - of_one_look(1 - level) * share_of_look(counts) / 2)
    return np.concatenate([[math.inf] * 2, quantiles])


def _holding(value: float, bounds: tuple[float, float]) -> tuple[float, float]:
    return min(bounds[0], value), max(bounds[1], value)


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


def level_of_look(pairs: int, level: float = LEVEL) -> float:
    """The level of an interval after so many pairs, for all looks' intervals together to hold at `level`."""
    return 1 - of_one_look(1 - level) * float(share_of_look(np.array(pairs)))


def mean(changes: Sequence[Change]) -> Change:
    """The geometric mean of at least one change.

    They share workers and minutes, so they may all err together, and their mean as much as they do on average: it is
    that much surer than none of them. How alike they are is not known from sessions that have no partner.
    """
    count = len(changes)
    share = min((one.share for one in changes if one.share is not None), default=None)
    ratio = math.exp(sum(math.log(one.ratio) for one in changes) / count)
    return Change(
        ratio, sum(one.error for one in changes) / count, min((one.freedom for one in changes), default=1.0), share
    )


def mean_of_pairs(rows: Sequence[Mapping[str, tuple[float, float]]]) -> Change:
    """The geometric mean of the changes of at least one row, each with its pairs' medians by the pair's name.

    Pairs of one name were measured in one round, by the same two workers: what those and that minute do falls on all
    rows of the round, so it is rounds that are independent. What all rows deviate by in a round is summed, and the
    error is from how much these sums vary. Where all rows have the same pairs, it is that of `change_of_pairs` for the
    rows' mean in each. (K.-Y. Liang and S. L. Zeger, Longitudinal data analysis using generalized linear models,
    Biometrika 73, 1986.) It has the degrees of freedom of the row with the fewest pairs.
    """
    parts: dict[str, float] = {}
    means = []
    fewest = min(LOOKS[-1], *map(len, rows))
    for pairs in rows:
        logs = {name: math.log(other / base) for name, (base, other) in itertools.islice(pairs.items(), LOOKS[-1])}
        means.append(sum(logs.values()) / len(logs))
        for name, log in logs.items():
            parts[name] = parts.get(name, 0.0) + (log - means[-1]) / len(logs) / len(rows)
    variance = sum(part**2 for part in parts.values()) * fewest / (fewest - 1)
    share = float(share_of_look(np.array(fewest)))
    return Change(math.exp(sum(means) / len(means)), math.sqrt(variance), fewest - 1.0, share)


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
