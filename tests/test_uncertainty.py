"""How sure a median is, against known variances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from passtime.stats import uncertainty
from passtime.stats.uncertainty import Prior


def passes(deviations, sessions, random):
    """Passes whose sessions' log medians deviate so much: each session has one sample."""
    return [[[float(np.exp(random.normal(0, deviation)))] for _ in range(sessions)] for deviation in deviations]


def test_a_common_variance_is_found():
    """Where all passes vary alike, the prior is that variance, and it is worth very much."""
    found = uncertainty.prior(passes([0.05] * 2000, 2, np.random.default_rng(1)))
    assert found.variance == pytest.approx(0.05**2, rel=0.1)
    assert found.freedom > 20


def test_how_much_variances_differ_is_found():
    """Variances drawn from the scaled inverse chi-squared of Smyth's model give back its two parameters."""
    random = np.random.default_rng(2)
    deviations = np.sqrt(0.04**2 * 4 / random.chisquare(4, 4000))
    found = uncertainty.prior(passes(deviations, 3, random))
    assert found.freedom == pytest.approx(4, rel=0.15)
    assert found.variance == pytest.approx(0.04**2, rel=0.1)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Of two equal medians, from two sessions each, the 95 % interval of the ratio misses 1 in about 5 % of cases."""
    random = np.random.default_rng(3)
    cells = passes(np.sqrt(0.05**2 * 3 / random.chisquare(3, 4000)), 4, random)
    halves = [half for cell in cells for half in (cell[:2], cell[2:])]
    usual = uncertainty.prior(halves)
    missed = 0
    for cell in cells:
        base, other = (uncertainty.log_error(half, usual) for half in (cell[:2], cell[2:]))
        variance = base.error**2 + other.error**2
        freedom = min(base.freedom, other.freedom)
        medians = [math.log(uncertainty.typical_seconds(half)) for half in (cell[:2], cell[2:])]
        missed += abs(medians[0] - medians[1]) > stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert 0.03 < missed / len(cells) < 0.06


def test_sessions_of_many_samples_do_not_hide_the_others():
    """With sessions of 25, 25 and thirty times 2 samples, 95 % of intervals around the typical time hold the truth."""
    random = np.random.default_rng(6)
    counts = (25, 25, *[2] * 30)

    def measured():
        return [tuple(np.exp(random.normal(0, 0.05) + random.normal(0, 0.01, count))) for count in counts]

    cells = [measured() for _ in range(1500)]
    usual = uncertainty.prior(cells[:200])
    found = [(math.log(uncertainty.typical_seconds(cell)), uncertainty.log_error(cell, usual)) for cell in cells]
    missed = sum(abs(log) > uncertainty.half_width(error) for log, error in found)
    assert 0.035 < missed / len(cells) < 0.065


def test_a_typical_time_counts_sessions_not_samples():
    """The geometric mean of the sessions' medians."""
    assert uncertainty.typical_seconds([[4.0] * 25, [1.0, 1.0], [1.0, 3.0, 2.0]]) == pytest.approx(2.0)


def test_one_session_has_what_is_usual():
    """A single session has the usual variance, with the freedom that it is worth."""
    assert uncertainty.log_error([[1.0, 2.0]], Prior(0.04, 3.0)) == uncertainty.LogError(0.2, 3.0)


def test_a_certain_prior_decides():
    """Where variances do not differ, more sessions only divide the usual one."""
    found = uncertainty.log_error([[1.0], [9.0]], Prior(0.04, math.inf))
    assert found.error == pytest.approx(math.sqrt(0.02))


def test_too_few_repetitions_tell_nothing():
    """Without two passes of two sessions there is no prior."""
    assert uncertainty.prior([[[1.0]], [[1.0], [2.0]]]) is None
    assert uncertainty.prior([]) is None


def test_equal_medians_are_no_error():
    """Sessions that agree to the last digit have a small variance, not none."""
    found = uncertainty.prior([[[1.0], [1.0]], [[2.0], [2.2]], [[3.0], [3.1]]])
    assert 0 < found.variance < 0.01
    assert uncertainty.log_error([[1.0], [1.0]], found).error > 0


def test_half_an_interval_is_its_quantile():
    """The normal distribution's where the error is certain, and wider where few sessions tell of it."""
    assert uncertainty.half_width(uncertainty.LogError(0.01, math.inf)) == pytest.approx(0.0195996, abs=1e-6)
    assert uncertainty.half_width(uncertainty.LogError(0.01, 1.0)) == pytest.approx(0.127062, abs=1e-5)


def test_quantiles_are_students():
    """The first is the normal distribution's, the last that of one degree of freedom."""
    first, *_, last = uncertainty.quantiles(200)
    assert first == pytest.approx(1.95996, abs=1e-4)
    assert last == pytest.approx(12.7062, abs=1e-3)
