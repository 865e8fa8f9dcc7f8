"""HOW SURE a time is: the standard error of a pass's typical time, from how much sessions of the same pass differ.

Samples of one session are alike, since they share a process, its memory and its minute; sessions differ by more. So a
session counts once, by its median, however many samples it has: a pass's typical time is the geometric mean of its
sessions' medians, and its error comes from how much these differ. Two sessions tell little of how much they differ,
hence all passes of a machine are taken together: each variance is drawn towards what is usual there, as far as they
agree with one another. That is the moderated variance of G. K. Smyth, Linear models and empirical Bayes methods for
assessing differential expression in microarray experiments, Statistical Applications in Genetics and Molecular Biology
3 (2004).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.special import digamma, ndtri, polygamma, stdtrit

from passtime.catalog import workloads
from passtime.catalog.place import Place
from passtime.results.stored import Measured

Sessions = Sequence[Sequence[float]]

# Two medians that agree to the clock's last digit have no variance; its logarithm is needed.
_SMALLEST_VARIANCE = 1e-10


@dataclass(frozen=True)
class Prior:
    """What is usual: a variance of a session's log median, with the degrees of freedom that it is worth.

    `freedom` is infinite where the passes' variances differ by no more than chance.
    """

    variance: float
    freedom: float


@dataclass(frozen=True)
class LogError:
    """The standard error of the logarithm of a typical time, so nearly a fraction of it, and its degrees of freedom."""

    error: float
    freedom: float


def prior(passes: Sequence[Sessions]) -> Prior | None:
    """What is usual among these passes of one machine, each with its sessions' samples in seconds.

    None where fewer than two passes have at least two sessions: then nothing is known.
    """
    repeated = [(_variance(sessions), len(sessions) - 1) for sessions in passes if len(sessions) > 1]
    if len(repeated) < 2:
        return None
    variances, freedoms = np.array(repeated).T
    # The method of moments of Smyth's section 6.2: the logarithm of a variance has this mean and this variance.
    centred = np.log(variances) - digamma(freedoms / 2) + np.log(freedoms / 2)
    beyond_chance = float(np.var(centred, ddof=1) - np.mean(polygamma(1, freedoms / 2)))
    if beyond_chance <= 0:
        return Prior(float(np.exp(np.mean(centred))), math.inf)
    half = _inverse_trigamma(beyond_chance)
    return Prior(float(np.exp(np.mean(centred) + digamma(half) - np.log(half))), 2 * half)


def kind(place: Place) -> tuple[str, bool]:
    """What varies alike: the models' passes on a device, and the layers', which vary more."""
    workload, device, _ = place
    return device, workload in workloads.MODELS


def usual(releases: Iterable[Mapping[Place, Measured]]) -> dict[tuple[str, bool], Prior | None]:
    """What is usual of each kind among all releases' times on one machine."""
    found: dict[tuple[str, bool], list[Sessions]] = defaultdict(list)
    for times in releases:
        for place, time in times.items():
            if time.sessions:
                found[kind(place)].append(time.sessions)
    return {key: prior(passes) for key, passes in found.items()}


def typical_seconds(sessions: Sessions) -> float:
    """The geometric mean of the sessions' medians, in seconds: the time whose error `log_error` gives.

    At least one session. The median of all samples is another number: there a session counts by its samples.
    """
    return math.exp(sum(_log_medians(sessions)) / len(sessions))


def log_error(sessions: Sessions, usual: Prior) -> LogError:
    """The error of one pass's typical time, at least one session of it."""
    count = len(sessions)
    if math.isinf(usual.freedom):
        return LogError(math.sqrt(usual.variance / count), math.inf)
    own = _variance(sessions) if count > 1 else 0.0
    freedom = usual.freedom + count - 1
    variance = (usual.freedom * usual.variance + (count - 1) * own) / freedom
    return LogError(math.sqrt(variance / count), freedom)


def half_width(error: LogError, level: float = 0.95) -> float:
    """Half of a typical time's interval on the logarithm, so nearly a fraction of the time."""
    return error.error * float(stdtrit(error.freedom, (1 + level) / 2))


def quantiles(steps: int, level: float = 0.95) -> list[float]:
    """Student's quantiles of a two-sided interval, for 1 / freedom = 0, 1 / steps, 2 / steps, ... 1."""
    freedoms = steps / np.arange(1, steps + 1)
    return [float(value) for value in (ndtri((1 + level) / 2), *stdtrit(freedoms, (1 + level) / 2))]


def _variance(sessions: Sessions) -> float:
    """Of the sessions' log medians. Without NumPy, which takes ten times as long for so few numbers."""
    medians = _log_medians(sessions)
    mean = sum(medians) / len(medians)
    return max(sum((one - mean) ** 2 for one in medians) / (len(medians) - 1), _SMALLEST_VARIANCE)


def _log_medians(sessions: Sessions) -> list[float]:
    return [math.log(median(samples)) for samples in sessions]


def _inverse_trigamma(value: float) -> float:
    """Newton's method as in Smyth's appendix; converges from this start for any positive value."""
    found = 0.5 + 1 / value
    for _ in range(50):
        step = float(polygamma(1, found) * (1 - polygamma(1, found) / value) / polygamma(2, found))
        found += step
        if -step / found < 1e-8:
            break
    return found
