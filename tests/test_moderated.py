"""Variances of few values, drawn towards what is usual."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from passtime.stats import moderated
from passtime.stats.moderated import MOST_FREEDOM, SMALLEST_VARIANCE, Usual


def drawn(variances, freedom, seed=1):
    """Estimated variances of rows with these true ones."""
    random = np.random.default_rng(seed)
    return [(variance * random.chisquare(freedom) / freedom, freedom) for variance in variances]


def test_rows_that_are_alike_are_worth_the_most():
    """Where all rows have one variance, it is found, and is worth as much as may be."""
    found = moderated.usual(drawn([4e-4] * 200, 3))
    assert found.variance == pytest.approx(4e-4, rel=0.15)
    assert found.freedom == MOST_FREEDOM


def test_rows_that_differ_are_worth_less():
    """Where true variances differ tenfold, what is usual counts little beside a row's own."""
    random = np.random.default_rng(2)
    found = moderated.usual(drawn(1e-4 * np.exp(1.5 * random.standard_normal(300)), 10))
    assert found.freedom < 4


def test_few_rows_are_worth_little():
    """What two rows of two degrees of freedom say is usual is worth two: each row has the other one's."""
    assert moderated.usual([(1e-4, 2), (1e-4, 2)]).freedom == 2


def test_rows_far_out_do_not_say_what_is_usual():
    """A row whose variance is out of all proportion, great or small, moves what is usual by little."""
    rows = drawn([1e-4] * 40, 4)
    usual = moderated.usual(rows)
    for far in (1e3, 1e-9):
        moved = moderated.usual([*rows, (far, 4)])
        assert moved.variance == pytest.approx(usual.variance, rel=0.5)
        assert 2 < moved.freedom < usual.freedom


def test_intervals_hold_where_true_variances_differ():
    """Of rows without a change 5 % have a p-value below 5 %, whatever their variances: what is usual is no bias."""
    random = np.random.default_rng(5)
    variances = 1e-4 * 4 / random.chisquare(4, 4000)
    values = np.sqrt(variances)[:, np.newaxis] * random.standard_normal((4000, 3))
    usual = moderated.usual([(float(one), 2) for one in values.var(1, ddof=1)])
    drawn_in = [moderated.moderated(float(one), 2, usual) for one in values.var(1, ddof=1)]
    errors, freedoms = np.sqrt([one / 3 for one, _ in drawn_in]), np.array([one for _, one in drawn_in])
    p_values = 2 * stats.t.sf(np.abs(values.mean(1)) / errors, freedoms)
    for level in (0.05, 0.005):
        assert np.mean(p_values < level) == pytest.approx(level, abs=3 * np.sqrt(level / 4000))


@pytest.mark.parametrize("variances", [[], [(1e-4, 3)], [(1e-4, 0), (1e-4, 3)]])
def test_one_row_is_not_usual(variances):
    """Of fewer than two rows with degrees of freedom nothing is usual."""
    assert moderated.usual(variances) is None


def test_a_variance_is_drawn_by_degrees_of_freedom():
    """A row's own variance and what is usual are weighed by their degrees of freedom."""
    assert moderated.moderated(4.0, 2, Usual(1.0, 4.0)) == (2.0, 6.0)
    assert moderated.moderated(0.0, 0, Usual(1.0, 4.0)) == (1.0, 4.0)
    assert moderated.moderated(4.0, 2, None) == (4.0, 2)


def test_no_variance_is_none():
    """Values that agree to the last digit have a variance, if a tiny one."""
    assert moderated.moderated(0.0, 5, None)[0] == SMALLEST_VARIANCE
    assert 0 < moderated.usual([(0.0, 2)] * 3).variance < 2 * SMALLEST_VARIANCE
