"""What looks err together, against what is known of it without simulating."""

from __future__ import annotations

import looks
import numpy as np
import pytest
from scipy import stats

from passtime.stats import judge, moderated


@pytest.mark.parametrize("freedom", [0.0, judge.USUAL_FREEDOM, moderated.MOST_FREEDOM])
def test_the_bound_is_above_what_all_looks_err(freedom):
    """Rows that are looked at after each heat find a small p-value no more often than the bound says."""
    draws = 4000
    found = looks.least_p_values(freedom, draws, seed=7)
    for p_value in (0.05, 0.01, 0.002):
        error = float(np.mean(found <= p_value))
        assert judge.overall(p_value, freedom) > error - 2 * looks.standard_error(error, draws)


def test_the_simulation_agrees_with_a_plain_one():
    """Without anything usual, the least p-value is that of SciPy's t-test after every heat."""
    logs = np.random.default_rng(1).standard_normal((5000, judge.MOST_HEATS))[:20]
    counts = range(judge.LEAST_HEATS, judge.MOST_HEATS + 1)
    expected = np.min([stats.ttest_1samp(logs[:, :count], 0.0, axis=1).pvalue for count in counts], axis=0)
    assert looks.least_p_values(0.0, 5000, seed=1)[:20] == pytest.approx(expected)
