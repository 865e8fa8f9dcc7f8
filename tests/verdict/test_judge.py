"""What a verdict claims, against known truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from passtime.stats import judge, uncertainty
from passtime.stats.judge import CANNOT_TELL, FASTER, SAME, SLOWER, Change
from passtime.stats.uncertainty import LogError


def judged(random, *, slowdown, deviation, sessions=2, passes=100):
    """Verdicts on simulated releases: sessions' medians deviate so much, every pass of the newer is so much slower."""
    shape = (passes, sessions, 1)
    base, other = (np.exp(random.normal(shift, deviation, shape)) for shift in (0.0, math.log1p(slowdown)))
    usual = uncertainty.prior([*base, *other])
    changes = [
        judge.change(*(float(np.median(cell)) for cell in pair), *(uncertainty.log_error(cell, usual) for cell in pair))
        for pair in zip(base, other, strict=True)
    ]
    return judge.verdicts(changes, margin=0.02)


def test_what_did_not_change_is_hardly_ever_called_changed():
    """Of 4000 simulated passes without a change at most 1 % are called faster or slower."""
    random = np.random.default_rng(1)
    found = [verdict for _ in range(40) for verdict in judged(random, slowdown=0.0, deviation=0.05)]
    assert sum(verdict in (FASTER, SLOWER) for verdict in found) / len(found) < 0.01
    assert found.count(CANNOT_TELL) / len(found) > 0.9


def test_a_large_change_is_seen():
    """A slowdown of six times the sessions' deviation is called slower in most passes, faster in none."""
    found = judged(np.random.default_rng(2), slowdown=0.3, deviation=0.05)
    assert found.count(SLOWER) > 80
    assert found.count(FASTER) == 0


def test_same_is_shown_and_not_assumed():
    """With little noise equal passes are called the same; with much, that cannot be told."""
    assert judged(np.random.default_rng(3), slowdown=0.0, deviation=0.002).count(SAME) > 90
    assert judged(np.random.default_rng(3), slowdown=0.0, deviation=0.1).count(SAME) == 0


def test_the_interval_and_the_p_value_are_students():
    """Both are those of Student's distribution on the logarithm, with the smaller degrees of freedom."""
    found = judge.change(2.0, 2.2, LogError(0.03, 5.0), LogError(0.04, 3.0))
    assert found.ratio == pytest.approx(1.1)
    assert found.low == pytest.approx(1.1 * math.exp(-stats.t.ppf(0.975, 3) * 0.05))
    assert found.high == pytest.approx(1.1 * math.exp(stats.t.ppf(0.975, 3) * 0.05))
    assert found.p_value == pytest.approx(2 * stats.t.sf(math.log(1.1) / 0.05, 3))


def test_what_can_be_seen_is_seen_as_often_as_said():
    """A slowdown of the size that a row can see is beyond 0 in about 80 % of cases."""
    random, error, freedom = np.random.default_rng(4), 0.05, 6.0
    detectable = Change(1.0, error, freedom).detectable
    estimates = math.log1p(detectable) + error * random.standard_normal(20_000)
    errors = error * np.sqrt(random.chisquare(freedom, 20_000) / freedom)
    seen = np.mean(estimates / errors > stats.t.ppf(0.975, freedom))
    assert 0.75 < seen < 0.87


def test_without_samples_nothing_can_be_told():
    """However large the change: no interval, and no verdict."""
    found = judge.change(1.0, 9.0, None, LogError(0.01, 3.0))
    assert (found.low, found.high, found.p_value) == (0.0, math.inf, 1.0)
    assert judge.verdicts([found], 0.02) == [CANNOT_TELL]


def test_a_mean_is_surer_than_its_parts():
    """The geometric mean of equal changes has their ratio, and a narrower interval."""
    parts = [judge.change(1.0, 1.1, LogError(0.03, 4.0), LogError(0.03, 4.0))] * 9
    found = judge.mean(parts)
    assert found.ratio == pytest.approx(1.1)
    assert found.error == pytest.approx(parts[0].error / 3)
    assert found.freedom == pytest.approx(36)


def test_exact_agreement_is_the_same():
    """Medians without any error differ or do not."""
    certain = LogError(0.0, math.inf)
    assert judge.verdicts([judge.change(1.0, 1.0, certain, certain)], 0.02) == [SAME]
    assert judge.verdicts([judge.change(1.0, 1.2, certain, certain)], 0.02) == [SLOWER]
    assert judge.verdicts([], 0.02) == []


def paired(random, count, slowdown=0.0):
    return [(1.0, (1 + slowdown) * math.exp(0.02 * random.standard_normal())) for _ in range(count)]


@pytest.mark.parametrize("count", [4, 6, 30])
def test_pairs_are_judged_by_the_paired_test(count):
    """The change of pairs is the mean of their log ratios, with Student's interval at a look's share of the error."""
    pairs = paired(np.random.default_rng(5), count)
    logs = np.log([other / base for base, other in pairs])
    found = judge.change_of_pairs(pairs)
    rate = judge.of_one_look(0.05) * min(1.0, count / 20)
    assert judge.overall(judge.of_one_look(0.05)) == pytest.approx(0.05)
    assert found.ratio == pytest.approx(math.exp(np.mean(logs)))
    assert found.low == pytest.approx(
        math.exp(np.mean(logs) - stats.t.ppf(1 - rate / 2, count - 1) * stats.sem(logs)))  # fmt: skip
    seen = [
        stats.ttest_1samp(logs[:look], 0.0).pvalue / min(1.0, look / 20) for look in range(min(6, count), count + 1)
    ]
    assert found.p_value == pytest.approx(judge.overall(min(seen)))


def test_what_was_seen_at_an_earlier_look_stays_seen():
    """A change that was sure after six pairs is not forgotten for a wild seventh."""
    early = [(1.0, 1.1 + 0.001 * number) for number in range(6)]
    wild = [*early, (1.0, 0.2)]
    assert judge.change_of_pairs(wild).p_value == pytest.approx(judge.change_of_pairs(early).p_value)
    assert judge.change_of_pairs(wild).low < 1 < judge.change_of_pairs(wild).high


def test_what_comes_after_the_last_look_does_not_count():
    """Error rates are those of so many looks, so a change is that of as many pairs."""
    pairs = paired(np.random.default_rng(6), judge.LOOKS[-1])
    assert judge.change_of_pairs([*pairs, (1.0, 9.0)]) == judge.change_of_pairs(pairs)


def test_the_interval_holds_whenever_one_stops():
    """Of 400 series without a change, at most 5 % and what chance adds have an interval that ever leaves out 0."""
    random = np.random.default_rng(7)
    left_out = 0
    for _ in range(400):
        pairs = paired(random, 40)
        left_out += judge.change_of_pairs(pairs).p_value < 0.05
        changes = [judge.change_of_pairs(pairs[:count]) for count in judge.LOOKS[:35:5]]
        assert all(one.low < 1 < one.high for one in changes) or judge.change_of_pairs(pairs).p_value < 0.05
    assert left_out < 32


def test_equality_seen_at_any_look_is_equality():
    """What was shown to lie within the margin once is the same, at an error that all looks share."""
    even = [(1.0, 1.0 + 0.0005 * (-1) ** number) for number in range(6)]
    found = judge.change_of_pairs([*even, (1.0, 1.5)])
    assert found.lies_within(0.02)
    assert judge.verdicts([found], 0.02) == [SAME]


def test_equal_pairs_have_no_error():
    """Neither a change nor a rounding error is seen where there is none; and one that is always there is sure."""
    assert judge.verdicts([judge.change_of_pairs([(0.1, 0.1)] * 7)], 0.02) == [SAME]
    assert judge.verdicts([judge.change_of_pairs([(0.1, 0.3)] * 7)], 0.02) == [SLOWER]


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_false_discoveries_are_controlled_as_scipy_does(count):
    """Adjusted p-values, equal ones and ones of 1 among them, are those of SciPy's function for the same."""
    p_values = np.random.default_rng(count).uniform(size=count) ** 3
    p_values[count // 2 :: 5] = 1.0
    p_values[: count // 4] = p_values[-1]
    adjusted = judge._controlled(p_values)
    assert adjusted == pytest.approx(stats.false_discovery_control(p_values), rel=1e-12)
