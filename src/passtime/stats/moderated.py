"""Variances of few values, drawn towards what is usual among rows of a kind.

A row with three heats tells little of how much its heats differ; all rows together tell what is usual. That is the
moderated variance of G. K. Smyth, Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments, Statistical Applications in Genetics and Molecular Biology 3 (2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

# Values that agree to the clock's last digit have no variance; its logarithm is needed.
SMALLEST_VARIANCE = 1e-10

# What is usual is worth this many degrees of freedom at the most, and no more than all rows but one have: rows are
# never as alike as a few of them look.
MOST_FREEDOM = 20.0

# No row counts as further from the median row than by this factor.
MOST_UNUSUAL = 100.0


@dataclass(frozen=True)
class Usual:
    """What is usual: a variance, with the degrees of freedom that it is worth."""

    variance: float
    freedom: float


def usual(variances: Sequence[tuple[float, float]]) -> Usual | None:
    """What is usual among rows, each with its variance and that variance's degrees of freedom.

    Each row is to be of heats of its own. None where fewer than two rows have any. By the method of moments of Smyth's
    section 6.2, of logarithms that are drawn in to `MOST_UNUSUAL`: one heat that something ran beside does not say what
    is usual. Source of that: B. Phipson et al., Robust hyperparameter estimation, Annals of Applied Statistics 10
    (2016).
    """
    known = [(max(variance, SMALLEST_VARIANCE), freedom) for variance, freedom in variances if freedom > 0]
    if len(known) < 2:
        return None
    found, freedoms = np.array(known).T
    centred = np.log(found) - digamma(freedoms / 2) + np.log(freedoms / 2)
    middle, most = np.median(centred), math.log(MOST_UNUSUAL)
    centred = np.clip(centred, middle - most, middle + most)
    beyond_chance = float(np.var(centred, ddof=1) - np.mean(polygamma(1, freedoms / 2)))
    most_freedom = min(MOST_FREEDOM, float(np.sum(freedoms) - np.mean(freedoms)))
    freedom = most_freedom if beyond_chance <= 0 else min(most_freedom, 2 * _inverse_trigamma(beyond_chance))
    log_variance = float(np.mean(centred) + digamma(freedom / 2) - math.log(freedom / 2))
    return Usual(math.exp(log_variance), freedom)


def moderated(variance: float, freedom: float, usual: Usual | None) -> tuple[float, float]:
    """A row's variance drawn towards what is usual, and its degrees of freedom; as it is where nothing is usual."""
    if usual is None:
        return max(variance, SMALLEST_VARIANCE), freedom
    both = freedom + usual.freedom
    mean = (freedom * variance + usual.freedom * usual.variance) / both
    return max(mean, SMALLEST_VARIANCE), both


def _inverse_trigamma(value: float) -> float:
    """Newton's method, as in the appendix of Smyth's article."""
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, found))
        found += step
        if -step / found < 1e-10:
            break
    return found
