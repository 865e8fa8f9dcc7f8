"""What looks err together, against what is known of it without simulating."""

from __future__ import annotations

import looks
import numpy as np
import pytest
from scipy import stats

from passtime.stats import judge


@pytest.mark.parametrize("p_value", [0.05, 0.005, 1e-3, 1e-5])
def test_the_bound_is_above_what_all_looks_err(p_value):
    """Whether one side is asked about or both; and it is no looser than it must be where it matters."""
    for is_one_sided in (False, True):
        share, error = looks.simulated(p_value, 3000, is_one_sided)
        assert judge.overall(p_value) > share - 2 * error
        if p_value == 0.005:
            assert judge.overall(p_value) < 1.1 * (share + 2 * error)


def test_the_simulation_agrees_with_a_plain_one():
    """As often as pairs without a change that are simply drawn, and tested after every pair, find such a value."""
    p_value, counts = 0.05, range(2, judge.LOOKS[-1] + 1)
    logs = np.random.default_rng(1).standard_normal((600, counts[-1]))
    is_found = np.zeros(len(logs), bool)
    for count in counts:
        is_found |= stats.ttest_1samp(logs[:, :count], 0.0, axis=1).pvalue <= p_value * judge.share_of_look(count)
    share, _ = looks.simulated(p_value, 3000)
    assert np.mean(is_found) == pytest.approx(share, abs=0.06)
