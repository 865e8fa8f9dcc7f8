"""Blocks and treatments: what releases differ by, from heats that each had some of them.

A heat is a block and a release a treatment of an incomplete block design (F. Yates, Incomplete randomized blocks,
Annals of Eugenics 7, 1936):

    value = heat effect + release effect + error

fitted by least squares within blocks. What a block has in common, such as the machine's hour, is in its effect and
drops out. Values are logarithms of seconds, so that differences of effects are logarithms of ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from passtime.stats import moderated
from passtime.stats.judge import Change
from passtime.stats.moderated import Usual

# By treatment, the value in a block.
Block = Mapping[str, float]

# A residual counts in full up to so many usual standard deviations. Source: P. J. Huber, Robust estimation of a
# location parameter, Annals of Mathematical Statistics 35, 1964.
HUBER_DEVIATIONS = 3.0
# A normal distribution's standard deviation over its median deviation.
NORMAL_OVER_MEDIAN = 1.4826
# A value far out is let go of slowly.
_ITERATIONS = 100


@dataclass(frozen=True)
class Fit:
    """What blocks tell of their treatments. Only differences of effects between connected treatments mean something.

    `inverse` is a generalized inverse of the within-block information: an effects' covariance over the error variance.
    `variance` is the error variance by the residuals, with `freedom` degrees of freedom; 0 with none.
    """

    treatments: tuple[str, ...]
    effects: np.ndarray
    inverse: np.ndarray
    component: Mapping[str, int]
    variance: float
    freedom: int

    def is_connected(self, base: str, other: str) -> bool:
        """Whether a chain of blocks leads from one treatment to the other."""
        return base in self.component and self.component.get(other) == self.component[base]

    def change(self, base: str, other: str, usual: Usual | None = None) -> Change:
        """The change from one treatment to another, with the error variance drawn towards what is usual.

        Raises ValueError where no chain of blocks connects them.
        """
        log, factor = self.contrast(base, other)
        variance, freedom = moderated.moderated(self.variance, self.freedom, usual)
        if freedom <= 0:
            return Change(math.exp(log), math.inf, 1.0)
        return Change(math.exp(log), math.sqrt(factor * variance), freedom, usual.freedom if usual else 0.0)

    def contrast(self, base: str, other: str) -> tuple[float, float]:
        """The difference of the effects, and its variance over the error variance. Raises ValueError as `change`."""
        if not self.is_connected(base, other):
            raise ValueError(f"no chain of blocks connects {base} and {other}")
        one, two = self.treatments.index(base), self.treatments.index(other)
        factor = self.inverse[one, one] + self.inverse[two, two] - 2 * self.inverse[one, two]
        return float(self.effects[two] - self.effects[one]), float(factor)


def fit(blocks: Sequence[Block], usual: Usual | None = None) -> Fit:
    """Least squares within blocks; where it is known what is usual, robust by Huber's weights.

    A block with fewer than two treatments says nothing.
    """
    blocks = [block for block in blocks if len(block) > 1]
    treatments = tuple(sorted({name for block in blocks for name in block}))
    place = {name: number for number, name in enumerate(treatments)}
    component = _components(blocks)
    if not blocks:
        return Fit((), np.zeros(0), np.zeros((0, 0)), {}, 0.0, 0)
    # A line for each value: its treatment, and its block.
    of_treatment = np.array([place[name] for block in blocks for name in block])
    of_block = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    values = np.array([value for block in blocks for value in block.values()], dtype=float)
    sizes = np.bincount(of_block)
    incidence = np.zeros((len(blocks), len(treatments)))
    incidence[of_block, of_treatment] = 1.0
    information = np.diag(incidence.sum(0)) - incidence.T @ (incidence / sizes[:, np.newaxis])
    inverse = np.linalg.pinv(information, hermitian=True)

    def beyond_block(numbers: np.ndarray) -> np.ndarray:
        return numbers - (np.bincount(of_block, numbers) / sizes)[of_block]

    def residuals(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centred = beyond_block(numbers)
        effects = inverse @ np.bincount(of_treatment, centred, len(treatments))
        return effects, centred - beyond_block(effects[of_treatment])

    freedom = len(values) - len(blocks) - (len(treatments) - len(set(component.values())))
    effects, left = residuals(values)
    kept = 1.0
    if usual is not None and freedom > 0:
        # What a residual's variance is over the error's: less than 1, since the fit follows each value a little.
        rows = np.eye(len(treatments))[of_treatment] - (incidence / sizes[:, np.newaxis])[of_block]
        factors = 1 - 1 / sizes[of_block] - np.sum(rows @ inverse * rows, axis=1)
        factors = np.clip(factors, 0.0, None)

        def limits() -> np.ndarray:
            # Where little is known of what is usual, the row's own heats say what is far out: their median deviation.
            own = NORMAL_OVER_MEDIAN * float(np.median(np.abs(left) / np.sqrt(np.maximum(factors, 1e-9))))
            return HUBER_DEVIATIONS * np.sqrt(moderated.moderated(own**2, freedom, usual)[0] * factors)

        for _ in range(_ITERATIONS):
            most = limits()
            held = np.clip(left, -most, most)
            if np.array_equal(held, left):
                break
            before = effects
            # Pseudo-values: a residual beyond the limit is pulled back to it.
            moved = values - left + held
            effects, beyond = residuals(moved)
            left = values - (moved - beyond)
            if np.allclose(effects, before, rtol=0, atol=1e-7):
                break
        most = limits()
        held = np.clip(left, -most, most)
        kept = max(float(np.mean(held == left)), 0.5)
        left = held
    variance = float(left @ left) / freedom / kept**2 if freedom > 0 else 0.0
    return Fit(treatments, effects, inverse, component, variance, freedom)


def disagreement(blocks: Sequence[tuple[str, Block]], base: str, other: str, usual: Usual | None = None) -> float:
    """The p-value of computers agreeing on a change: each block comes with the computer that it is from.

    The F-test of release x computer: by how much the computers' own estimates differ, over the error variance, which is
    of the residuals within computers and drawn towards what is usual. 1 where fewer than two computers tell.
    """
    by_computer: dict[str, list[Block]] = {}
    for computer, block in blocks:
        by_computer.setdefault(computer, []).append(block)
    fits = [one for one in (fit(found, usual) for found in by_computer.values()) if one.is_connected(base, other)]
    if len(fits) < 2:
        return 1.0
    logs, factors = np.array([one.contrast(base, other) for one in fits]).T
    own = sum(one.freedom for one in fits)
    pooled = sum(one.variance * one.freedom for one in fits) / own if own else 0.0
    variance, freedom = moderated.moderated(pooled, own, usual)
    if freedom <= 0:
        return 1.0
    weights = 1 / factors
    mean = np.average(logs, weights=weights)
    ratio = float(np.sum(weights * (logs - mean) ** 2)) / (len(fits) - 1) / variance
    return float(fdtrc(len(fits) - 1, freedom, ratio))


def _components(blocks: Sequence[Block]) -> dict[str, int]:
    """Which treatments are connected: the same number for those that a chain of blocks leads between."""
    found: dict[str, int] = {}
    for number, block in enumerate(blocks):
        joined = {found[name] for name in block if name in found}
        for name, old in found.items():
            if old in joined:
                found[name] = number
        found.update(dict.fromkeys(block, number))
    return found
