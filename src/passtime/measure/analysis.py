"""The one analysis of heats: what a change between any two releases is, from all heats of a place."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from passtime.catalog import workloads
from passtime.catalog.place import Item, Place
from passtime.results import heats as heats_of
from passtime.results.heats import Heat
from passtime.results.stored import Stored
from passtime.stats import blocks, judge, moderated
from passtime.stats.blocks import Block, Fit
from passtime.stats.judge import Change
from passtime.stats.moderated import Usual
from passtime.worker.protocol import SESSIONS

# Computers of one kind disagree on a change where chance alone makes them differ as much so rarely.
DISAGREEMENT = 0.001

# The pass of a session that has all of it.
WHOLE_PASSES = tuple(passes[-1] for passes in SESSIONS.values())

# A turn varies so many times as much as a heat does beyond its turns: the middle row of the pool of
# `perf/false_alarms.py`, whose heats have 12 turns and can be cut short.
USUAL_RATIO = 20.0

# The median of n turns has so many times the variance of a turn, over n: pi/2 of normal ones, more of long tails.
MEDIAN_FACTOR = 2.0

# Turns that agree to the clock's last digit do not make a place's heats agree.
LEAST_WITHIN = 1e-8


def block(heat: Heat) -> Block:
    """A heat's values, for `blocks.fit`: how far each release is from the others in it, as a logarithm.

    The median over turns of a release's log seconds less the turn's median over releases: what hits a turn as a whole
    is in none of the values, and what hits one release in few turns in none of the medians. Of two releases, their
    difference is the median of the turns' log ratios.
    """
    logs = np.log(np.array([*heat.seconds.values()]))
    values = np.median(logs - np.median(logs, axis=0), axis=1)
    return {release: float(value) for release, value in zip(heat.seconds, values, strict=True)}


def within_variance(heat: Heat) -> float | None:
    """The variance of a release's log seconds about the turn's mean, from the median deviation; None from few turns."""
    logs = np.log(np.array([*heat.seconds.values()]))
    if logs.shape[1] < 3:
        return None
    beyond = logs - logs.mean(axis=0)
    deviations = np.median(np.abs(beyond - np.median(beyond, axis=1, keepdims=True)), axis=1)
    # A normal distribution's standard deviation over its median deviation; the mean took one of n parts away.
    return float(np.mean(1.4826 * deviations) ** 2 * len(logs) / (len(logs) - 1))


def kind(place: Place) -> tuple[str, bool]:
    """What varies alike: the models' passes on a device, and the layers'."""
    return place.device, place.workload in workloads.MODELS


class Analysis:
    """All heats of a machine's places. Computers of one kind stand in it together: each heat is of one alone."""

    def __init__(self, heats: Mapping[Place, Sequence[Heat]]) -> None:
        self.heats = {place: [*found] for place, found in heats.items() if found}
        # What each heat gives to the analysis, worked out once.
        self._blocks = {place: [block(heat) for heat in found] for place, found in self.heats.items()}
        self._withins = {place: [within_variance(heat) for heat in found] for place, found in self.heats.items()}
        self._within: dict[Place, float | None] = {}
        self._turns: dict[Place, float] = {}
        self._plain: dict[Place, Fit] = {}
        self._fits: dict[Place, Fit] = {}
        self._usual: dict[tuple[str, bool], Usual | None] = {}
        for place in self.heats:
            self._learn(place)
        self._learn_usual()

    @classmethod
    def of(cls, everything: Iterable[Stored]) -> Analysis:
        """The analysis of all stored heats of a machine."""
        return cls(heats_of.of(everything))

    def add(self, place: Place, heat: Heat) -> None:
        """Takes one more heat into account."""
        self.heats.setdefault(place, []).append(heat)
        self._blocks.setdefault(place, []).append(block(heat))
        self._withins.setdefault(place, []).append(within_variance(heat))
        self._learn(place)
        self._learn_usual()

    def change(self, place: Place, base: str, other: str) -> Change | None:
        """The change of a place's time from one release to another; None where no chain of heats connects them.

        With fewer heats of either than a campaign looks at first, nobody knows how sure it is: its error is infinite.
        """
        fit = self._fit(place)
        if fit is None or not fit.is_connected(base, other):
            return None
        change = fit.change(base, other, self.usual(place))
        fewest = min(sum(name in heat.seconds for heat in self.heats[place]) for name in (base, other))
        return change if fewest >= judge.LEAST_HEATS else judge.Change(change.ratio, math.inf, 1.0)

    def count(self, place: Place, base: str, other: str, computer: str | None = None) -> int:
        """In how many heats the two were together; with `computer`, on that one."""
        return sum(
            base in heat.seconds and other in heat.seconds and computer in (None, heat.computer)
            for heat in self.heats.get(place, ())
        )

    def heats_of(self, item: Item) -> int:
        """How many heats of an item there are, of whichever releases."""
        return max(len(self.heats.get(place, ())) for place in item.places)

    def within(self, place: Place) -> float | None:
        """The median of the heats' `within_variance`; None where none has one."""
        return self._within.get(place)

    def variance(self, place: Place) -> tuple[float, float]:
        """That of a release's value in a heat of the place, and its degrees of freedom: by the place's heats alone."""
        fit = self._fit(place)
        return (fit.variance, fit.freedom) if fit else (0.0, 0.0)

    def turns(self, place: Place) -> float:
        """How many turns a heat of the place has, on average."""
        return self._turns[place]

    def turn_variance(self, place: Place) -> float:
        """What one turn adds to a heat's variance, over the number of turns; 0 where too few turns tell."""
        return MEDIAN_FACTOR * (self.within(place) or 0.0)

    def expected(self, place: Place) -> float:
        """The variance of a release's value in a heat, by how much the place varies from turn to turn."""
        known = self.within(place)
        if known is None:
            others = [value for found in self._withins.values() for value in found if value is not None]
            known = statistics.median(others) if others else 1.0
        return MEDIAN_FACTOR * max(known, LEAST_WITHIN) * (1 / self.turns(place) + 1 / USUAL_RATIO)

    def usual(self, place: Place) -> Usual | None:
        """What the variance of a release's value in a heat usually is, in places of its kind that are as restless.

        What is usual of a kind is by how much the variance of heats is more than is expected of their turns. A variance
        that is drawn towards a trend is that of M. A. Sartor et al., Intensity-based hierarchical Bayes method improves
        testing for differentially expressed genes in microarray experiments, BMC Bioinformatics 7 (2006).
        """
        usual = self._usual.get(kind(place))
        return None if usual is None else Usual(usual.variance * self.expected(place), usual.freedom)

    def by_computer(self, place: Place, base: str, other: str) -> dict[str, Change]:
        """The change by each computer's own heats, where there are several and they disagree; empty otherwise."""
        found: dict[str, list[Block]] = defaultdict(list)
        for heat, values in zip(self.heats.get(place, ()), self._blocks.get(place, ()), strict=True):
            found[heat.computer or "unknown"].append(values)
        if len(found) < 2:
            return {}
        labelled = [(computer, one) for computer, several in found.items() for one in several]
        usual = self.usual(place)
        if blocks.disagreement(labelled, base, other, usual) >= DISAGREEMENT:
            return {}
        fits = {computer: blocks.fit(several, usual) for computer, several in found.items()}
        return {
            computer: fit.change(base, other, usual) for computer, fit in fits.items() if fit.is_connected(base, other)
        }

    def _fit(self, place: Place) -> Fit | None:
        if place not in self._fits:
            if place not in self.heats:
                return None
            self._fits[place] = blocks.fit(self._blocks[place], self.usual(place))
        return self._fits[place]

    def _learn(self, place: Place) -> None:
        """What the place's own heats tell."""
        self._plain[place] = blocks.fit(self._blocks[place])
        self._fits.pop(place, None)
        within = [value for value in self._withins[place] if value is not None]
        self._within[place] = statistics.median(within) if within else None
        self._turns[place] = statistics.fmean(len(next(iter(one.seconds.values()))) for one in self.heats[place])

    def _learn_usual(self) -> None:
        found: dict[tuple[str, bool], list[tuple[float, float]]] = defaultdict(list)
        for place, fit in self._plain.items():
            # One row of each session: passes of a process are slow together, so they tell nothing of each other.
            if fit.freedom > 0 and place.measured_pass in WHOLE_PASSES:
                found[kind(place)].append((fit.variance / self.expected(place), fit.freedom))
        self._usual = {key: moderated.usual(variances) for key, variances in found.items()}
