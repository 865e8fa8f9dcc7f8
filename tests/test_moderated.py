"""Variances of few values, drawn towards what is usual."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_what_is_usual_is_the_mean_and_no_typical_row():
    """Few rows of great variance raise what is usual, else chance would look like a change in them; up to a bound."""
    assert moderated.usual([(1e-4, 4)] * 9 + [(5e-4, 4)]).variance == pytest.approx((9 * 1e-4 + 5e-4) / 10)
    assert moderated.usual([(1e-4, 4)] * 9 + [(1e-1, 4)]).variance == pytest.approx((9 * 1e-4 + 1e-3) / 10)


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
    assert moderated.usual([(0.0, 2)] * 3).variance == SMALLEST_VARIANCE
