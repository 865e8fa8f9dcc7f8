"""What is measured next and when it stops, with scripted heats and a scripted clock."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from passtime.catalog.place import Item, Place
from passtime.measure.analysis import Analysis
from passtime.measure.campaign import LEAST_TURNS, MOST_SECONDS, MOST_TURNS, Campaign, Next, half_width
from passtime.measure.heat import Session, Taken
from passtime.results.heats import Heat
from passtime.stats import judge

RESNET = Item("resnet18", "cpu", "inference")
VGG = Item("vgg16", "cpu", "inference")
DENSE = Item("dense", "cpu", "training")
LONG = 1e9


class Machine:
    """Takes a scripted time for a heat; each release's seconds are what is scripted, with noise by turn and by heat."""

    def __init__(
        self,
        slowdowns: Mapping[tuple[Item, str], float],
        within: float = 0.0,
        between: float = 0.0,
        opening_seconds: float = 1.0,
        turn_seconds: float = 0.1,
    ) -> None:
        self.now = 0.0
        self.heats: list[Next] = []
        self.turns: list[int] = []
        self._slowdowns = slowdowns
        self._within, self._between = within, between
        self._opening_seconds, self._turn_seconds = opening_seconds, turn_seconds
        self._random = np.random.default_rng(3)

    def take(self, one: Campaign, following: Next) -> None:
        self.heats.append(following)
        count = len(following.releases)
        opening, turn = self._opening_seconds * count, self._turn_seconds * count
        turns = following.plan(opening, turn)
        self.turns.append(turns)
        taken = Taken(
            following.item, opening + turns * turn, opening, turns, dict.fromkeys(following.releases, Session)
        )
        self.now += taken.seconds
        for name in following.item.passes:
            seconds = {release: self._seconds(following.item, release, turns) for release in following.releases}
            heat = Heat(f"{len(self.heats)}", "here", "2", seconds)
            one.analysis.add(Place(following.item.workload, following.item.device, name), heat)
        one.took(taken)

    def _seconds(self, item: Item, release: str, turns: int) -> tuple[float, ...]:
        middle = 1 + self._slowdowns.get((item, release), 0.0)
        process = self._between * self._random.standard_normal()
        return tuple(middle * np.exp(process + self._within * self._random.standard_normal(turns)))


def campaign(*items: Item, others: Sequence[str] = ("new",), **options: object) -> Campaign:
    return Campaign(Analysis({}), {item: item.passes for item in items}, "old", others, margin=0.02, **options)


def measured(one: Campaign, machine: Machine, budget_seconds: float = LONG) -> None:
    while following := one.next(budget_seconds - machine.now):
        machine.take(one, following)


def test_each_item_gets_its_least_heats_in_rounds():
    """Before any item has a second heat each has one, what is cheapest first, and workers are new in each round."""
    one, machine = campaign(VGG, DENSE), Machine({(VGG, "new"): 0.5, (DENSE, "new"): 0.5})
    measured(one, machine)
    assert machine.heats[0].item == DENSE
    for start in range(0, 2 * judge.LEAST_HEATS, 2):
        assert {following.item for following in machine.heats[start : start + 2]} == {DENSE, VGG}
    assert [following.is_new_round for following in machine.heats] == [False, False, True, False, True, False]
    assert set(one.verdicts.values()) == {judge.SLOWER}


def test_what_is_settled_is_measured_no_more():
    """The time goes to the rows that are open; what was settled before is not measured at all."""
    one = campaign(RESNET, DENSE)
    machine = Machine({(RESNET, "new"): 0.0, (DENSE, "new"): 0.5}, within=0.02, between=0.01)
    measured(one, machine)
    heats = Counter(following.item for following in machine.heats)
    assert heats[RESNET] > heats[DENSE] == judge.LEAST_HEATS
    assert set(one.verdicts.values()) == {judge.SAME, judge.SLOWER}
    assert one.next(LONG) is None


def test_it_ends_with_its_budget():
    """No heat is begun that would end after the time, but for the first of a campaign."""
    one, machine = campaign(RESNET), Machine({}, within=0.3, between=0.3)
    measured(one, machine, budget_seconds=30.0)
    assert len(machine.heats) > 3
    assert machine.now <= 30.0
    one, machine = campaign(RESNET), Machine({}, within=0.3)
    measured(one, machine, budget_seconds=0.0)
    assert len(machine.heats) == 1


def test_intervals_come_before_verdicts():
    """A wide row is measured until it can be read before any row is settled; without settling it ends there."""
    one = campaign(RESNET, DENSE, is_settling=False)
    machine = Machine({}, within=0.03, between=0.03)
    measured(one, machine)
    assert all(half_width(change) <= 0.04 for change in one.changes.values() if change is not None)
    heats = len(machine.heats)
    settling = Campaign(one.analysis, one.rows, "old", ("new",), margin=0.02)
    measured(settling, machine, budget_seconds=machine.now + 1000)
    assert len(machine.heats) > heats


def test_releases_are_measured_together_as_far_as_memory_goes():
    """Each heat has the reference and as many others as fit, those first that have the fewest heats."""
    others = [f"torch-{number}" for number in range(5)]
    one = campaign(RESNET, others=others, most_together=lambda item: 3)
    machine = Machine({(RESNET, name): 0.2 * (number + 1) for number, name in enumerate(others)})
    measured(one, machine)
    assert {len(following.releases) for following in machine.heats} <= {2, 3}
    assert all(following.releases[0] == "old" for following in machine.heats)
    counts = Counter(name for following in machine.heats for name in following.releases[1:])
    assert set(counts) == set(others)
    assert min(counts.values()) == judge.LEAST_HEATS
    assert all(one.analysis.change(row.place, "torch-0", "torch-4") is not None for row in one.changes)


def test_what_cannot_be_measured_is_left_out():
    """A release that cannot run an item is measured there no more; without the reference nobody is."""
    one = campaign(RESNET, DENSE, others=("new", "newer"))
    one.leave_out(RESNET, "new")
    one.leave_out(DENSE, "old")
    assert {(row.item, row.other) for row in one.verdicts} == {(RESNET, "newer")}
    machine = Machine({(RESNET, "newer"): 0.5})
    measured(one, machine)
    assert {following.releases for following in machine.heats} == {("old", "newer")}


def test_no_row_is_measured_for_ever():
    """Two releases that are as different as the margin allows are given up after the most heats."""
    one, machine = campaign(RESNET), Machine({(RESNET, "new"): 0.01}, between=0.05)
    measured(one, machine)
    assert len(machine.heats) <= judge.MOST_HEATS


@pytest.mark.parametrize(("within", "between", "more"), [(0.2, 0.002, True), (0.002, 0.1, False)])
def test_turns_are_shared_out_by_what_varies(within, between, more):
    """Noisy samples in like processes make long heats, unlike processes many short ones."""
    one, machine = campaign(DENSE), Machine({}, within=within, between=between)
    measured(one, machine, budget_seconds=120.0)
    assert (machine.turns[-1] > machine.turns[0]) == more
    assert all(LEAST_TURNS <= turns <= MOST_TURNS for turns in machine.turns)


def test_releases_open_heats_in_turn_over_all_runs():
    """A campaign of one heat that is started again and again has each release opened first as often as the other."""
    analysis, machine = Analysis({}), Machine({}, between=0.1)
    for _ in range(4):
        one = Campaign(analysis, {RESNET: RESNET.passes}, "old", ["new"], margin=0.02)
        machine.take(one, one.next(LONG))
    assert [heat.first % 2 for heat in machine.heats] == [0, 1, 0, 1]


def test_a_heat_has_an_end():
    """Slow turns are few, so that a heat takes no longer than its most; the least number is kept all the same."""
    one = campaign(VGG)
    following = one.next(LONG)
    assert following.plan(70.0, 4.0) == (MOST_SECONDS - 70) / 4
    assert following.plan(50.0, 30.0) == LEAST_TURNS
    assert following.plan(1.0, 0.0) <= MOST_TURNS


def test_the_outlook_counts_what_each_needs():
    """The time to the least heats is that of all items, and none once they have them."""
    one = campaign(RESNET, DENSE)
    assert one.seconds_to_least() > 0
    measured(one, Machine({(RESNET, "new"): 0.5, (DENSE, "new"): 0.5}))
    assert one.seconds_to_least() == 0


def test_looking_again_and_again_does_not_raise_false_alarms():
    """Of rows without a change that are looked at after every heat, at most 1 % are called changed."""
    items = [Item(name, "cpu", "inference") for name in ("dense", "maxpool", "meanpool", "batchnorm")]
    called = rows = 0
    for seed in range(25):
        one, machine = campaign(*items), Machine({}, within=0.02, between=0.02)
        machine._random = np.random.default_rng(seed)
        for _ in itertools.count():
            following = one.next(150.0 - machine.now)
            if following is None:
                break
            machine.take(one, following)
        rows += len(one.verdicts)
        called += sum(verdict in (judge.FASTER, judge.SLOWER) for verdict in one.verdicts.values())
    assert called / rows <= 0.01


def test_a_change_without_an_error_has_no_width():
    """Half an interval of nothing known is infinite."""
    assert math.isinf(half_width(judge.UNKNOWN))
    assert half_width(judge.Change(1.0, 0.01, 20.0)) > 0.02


def test_another_computers_heats_do_not_stand_for_this_ones():
    """What another computer settled is measured here, too, where that is asked for, and no more than the least."""
    one = campaign(RESNET)
    machine = Machine({(RESNET, "new"): 0.5})
    measured(one, machine)
    assert one.next(LONG) is None
    there = Campaign(one.analysis, one.rows, "old", ("new",), margin=0.02, computer="there")
    heats = len(machine.heats)
    while following := there.next(LONG):
        seconds = {"old": (1.0,) * 5, "new": (1.5,) * 5}
        there.analysis.add(Place("resnet18", "cpu", "inference"), Heat(str(machine.now), "there", "2", seconds))
        there.took(Taken(following.item, 1.0, 0.5, 5, dict.fromkeys(following.releases, Session)))
        machine.heats.append(following)
    assert len(machine.heats) == heats + judge.LEAST_HEATS
