"""What a verdict claims, against known truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from passtime.stats import judge
from passtime.stats.judge import CANNOT_TELL, FASTER, SAME, SLOWER, Change


def judged(random, *, slowdown, error, freedom=20.0, passes=100):
    """Verdicts on simulated rows whose estimates err so much."""
    logs = math.log1p(slowdown) + error * random.standard_normal(passes)
    errors = error * np.sqrt(random.chisquare(freedom, passes) / freedom)
    changes = [Change(math.exp(log), float(one), freedom) for log, one in zip(logs, errors, strict=True)]
    return judge.verdicts(changes, margin=0.02)


def test_what_did_not_change_is_hardly_ever_called_changed():
    """Of 4000 simulated passes without a change at most 1 % are called faster or slower."""
    random = np.random.default_rng(1)
    found = [verdict for _ in range(40) for verdict in judged(random, slowdown=0.0, error=0.05)]
    assert sum(verdict in (FASTER, SLOWER) for verdict in found) / len(found) < 0.01
    assert found.count(CANNOT_TELL) / len(found) > 0.9


def test_a_large_change_is_seen():
    """A slowdown of six times the error is called slower in most passes, faster in none."""
    found = judged(np.random.default_rng(2), slowdown=0.3, error=0.05)
    assert found.count(SLOWER) > 80
    assert found.count(FASTER) == 0


def test_same_is_shown_and_not_assumed():
    """With little error equal passes are called the same; with much, that cannot be told."""
    assert judged(np.random.default_rng(3), slowdown=0.0, error=0.002).count(SAME) > 90
    assert judged(np.random.default_rng(3), slowdown=0.0, error=0.1).count(SAME) == 0


def test_the_interval_pays_for_the_looks():
    """The interval and the p-value are Student's, at the rate that one look may err where all may err 5 %."""
    found = Change(1.1, 0.05, 3.0)
    rate = judge.of_one_look(1 - judge.LEVEL)
    assert judge.overall(rate) == pytest.approx(0.05)
    half = stats.t.ppf(1 - rate / 2, 3) * 0.05
    assert (found.low, found.high) == pytest.approx((1.1 * math.exp(-half), 1.1 * math.exp(half)))
    assert found.p_value == pytest.approx(judge.overall(2 * stats.t.sf(math.log(1.1) / 0.05, 3)))


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.0, 1.02, 3.0])
@pytest.mark.parametrize("error", [0.0, 1e-3, 0.02, 2.0])
def test_a_verdict_has_the_direction_of_its_estimate(ratio, error):
    """Slower is said of a ratio above 1 alone, faster of one below; the p-value agrees with the interval."""
    found = Change(ratio, error, 5.0)
    (verdict,) = judge.verdicts([found], 0.02)
    assert verdict != (SLOWER if ratio <= 1 else FASTER)
    assert (found.p_value < 1 - judge.LEVEL) == (found.low > 1 or found.high < 1)


def test_what_can_be_seen_is_seen_as_often_as_said():
    """A slowdown of the size that a row can see is beyond 0 in about 80 % of cases."""
    random, error, freedom = np.random.default_rng(4), 0.05, 6.0
    detectable = Change(1.0, error, freedom).detectable
    estimates = math.log1p(detectable) + error * random.standard_normal(20_000)
    errors = error * np.sqrt(random.chisquare(freedom, 20_000) / freedom)
    seen = np.mean(estimates / errors > stats.t.ppf(1 - judge.of_one_look(0.05) / 2, freedom))
    assert 0.72 < seen < 0.9


def test_without_an_error_nothing_can_be_told():
    """However large the change: no interval, and no verdict."""
    found = Change(9.0, math.inf, 1.0)
    assert (found.low, found.high, found.p_value) == (0.0, math.inf, 1.0)
    assert judge.verdicts([found], 0.02) == [CANNOT_TELL]
    assert not found.is_too_wide


def test_a_mean_is_surer_than_its_parts():
    """Workloads have heats of their own, so their errors are independent: the mean's is that of a mean of them."""
    parts = [Change(1.1, error, 4.0) for error in (0.02, 0.03, 0.04)]
    found = judge.mean(parts)
    assert found.ratio == pytest.approx(1.1)
    assert found.error == pytest.approx(math.sqrt(0.02**2 + 0.03**2 + 0.04**2) / 3)
    assert 4 < found.freedom < 12
    assert math.isinf(judge.mean([*parts, judge.UNKNOWN]).error)


def test_the_mean_covers_the_truth():
    """The interval of a mean of rows without a change misses 1 in at most 5 % of cases."""
    random, freedom = np.random.default_rng(8), 10.0
    missed = 0
    for _ in range(400):
        deviations = 0.03 * np.sqrt(random.chisquare(freedom, 8) / freedom)
        rows = [Change(math.exp(0.03 * random.standard_normal()), float(one), freedom) for one in deviations]
        found = judge.mean(rows)
        missed += not found.low < 1 < found.high
    assert missed < 20


def test_what_is_too_wide_tells_nothing():
    """An interval that holds 1 and ends ten times the ratio away is too wide; a shown change never is."""
    assert Change(1.1, 3.0, 20.0).is_too_wide
    assert not Change(1.1, 0.1, 20.0).is_too_wide
    assert not Change(1e6, 3.0, 20.0).is_too_wide


def test_the_least_margin_is_that_of_two_one_sided_tests():
    """A row is the same for every margin above its least one, and for none below."""
    found = Change(1.005, 0.004, 30.0)
    least = found.least_margin
    assert found.lies_within(least * 1.001)
    assert not found.lies_within(least * 0.999)
    assert found.lies_below(least * 1.001)
