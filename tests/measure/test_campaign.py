"""What is measured next and when it stops, with scripted sessions and a scripted clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from datetime import datetime, timezone

import numpy as np
import pytest

from passtime.catalog.place import Item
from passtime.measure.campaign import Campaign
from passtime.measure.take import Taken
from passtime.stats import judge

RESNET = Item("resnet18", "cpu", "inference")
DENSE = Item("dense", "cpu", "training")
LONG = 1e9


class Machine:
    """Takes a second for a session; sessions' medians are 1 s times what is scripted, with noise."""

    def __init__(self, slowdowns: Mapping[Item, float], noise: float = 0.0, seed: int = 0) -> None:
        self.now = 0.0
        self.taken: list[tuple[str, int]] = []
        self.pairs: list[str] = []
        self.renewed: list[int] = []
        self._slowdowns = slowdowns
        self._noise = noise
        self._random = np.random.default_rng(seed)

    def clock(self) -> float:
        return self.now

    def renew(self) -> None:
        self.renewed.append(len(self.taken))

    def take(self, side: int, item: Item, pair: str) -> Taken:
        self.now += 1.0
        self.taken.append((item.workload, side))
        self.pairs.append(pair)
        if item not in self._slowdowns:
            raise LookupError(item.workload)
        seconds = (1 + self._slowdowns[item] * side) * math.exp(self._noise * self._random.standard_normal())
        replies = {f"time_{name}": {"pass": name, "elapsed_seconds": [seconds] * 3} for name in item.passes}
        return Taken(datetime.now(timezone.utc), 1.0, replies)


def campaign(*items: Item, **known) -> Campaign:
    return Campaign({item: item.passes for item in items}, margin=0.02, name="now", **known)


def measured(one: Campaign, machine: Machine, budget_seconds: float = LONG) -> list:
    return list(one.run(machine.take, machine.renew, budget_seconds, machine.clock))


def test_releases_take_turns_a_b_b_a():
    """A round takes the two releases in one order, the next in the other, each pair under a name of its own."""
    machine = Machine({RESNET: 0.5})
    measured(campaign(RESNET), machine, budget_seconds=8.0)
    assert [side for _, side in machine.taken] == [0, 1, 1, 0, 0, 1, 1, 0]
    assert [len([*group]) for _, group in itertools.groupby(machine.pairs)] == [2, 2, 2, 2]
    assert len(set(machine.pairs)) == 4


@pytest.mark.parametrize(
    ("firsts", "sides"),
    [([0], [1, 0, 0, 1]), ([0, 0, 0], [1, 0, 1, 0, 1, 0, 0, 1]), ([0, 1], [0, 1, 1, 0]), ([1, 1], [0, 1, 0, 1])],
)
def test_orders_go_on_from_the_pairs_that_are_there(firsts, sides):
    """The release that came first less often comes first now, so short campaigns do not all begin with the same one."""
    machine = Machine({RESNET: 0.5})
    measured(campaign(RESNET, firsts={RESNET: firsts}), machine, budget_seconds=len(sides))
    assert [side for _, side in machine.taken] == sides


def test_each_round_has_workers_of_its_own():
    """Both workers are started anew before each round, not between the items of one."""
    machine = Machine({DENSE: 0.0, RESNET: 0.0}, noise=0.5)
    measured(campaign(DENSE, RESNET), machine, budget_seconds=12.0)
    assert machine.renewed == [0, 4, 8]


def test_what_is_settled_is_measured_no_more():
    """A large change is settled at the first look; the time goes to the item that is still open."""
    machine = Machine({DENSE: 0.5, RESNET: 0.015}, noise=0.03)
    one = campaign(DENSE, RESNET)
    measured(one, machine, budget_seconds=400.0)
    assert {one.verdicts[DENSE, name] for name in DENSE.passes} == {judge.SLOWER}
    assert one.count(DENSE) == judge.LOOKS[0]
    assert one.count(RESNET) > 3 * one.count(DENSE)


def test_each_step_tells_what_it_settled_once():
    """Verdicts come with the step that settled them, with the change that was seen then."""
    machine = Machine({DENSE: 0.5, RESNET: 0.0}, noise=0.001)
    settled = [step.settled for step in measured(campaign(DENSE, RESNET), machine)]
    told = [row for one in settled for row in one]
    assert sorted(told, key=str) == sorted([(RESNET, "inference"), *((DENSE, name) for name in DENSE.passes)], key=str)
    (dense,) = [one for one in settled if (DENSE, "total") in one]
    verdict, change = dense[DENSE, "total"]
    assert verdict == judge.SLOWER
    assert change.ratio == pytest.approx(1.5, rel=0.01)


def test_the_budget_ends_it_between_two_pairs():
    """A pair that was begun is ended, so that both releases have as many sessions."""
    machine = Machine({RESNET: 0.0}, noise=0.5)
    measured(campaign(RESNET), machine, budget_seconds=9.0)
    assert len(machine.taken) == 10


def test_it_ends_when_there_is_no_look_left():
    """What noise hides for good is given up after the last look."""
    machine = Machine({RESNET: 0.0}, noise=1.0)
    one = campaign(RESNET)
    measured(one, machine)
    assert one.count(RESNET) == judge.LOOKS[-1]
    assert one.verdicts == {}


def test_it_goes_on_from_the_pairs_that_are_there():
    """Stored pairs count, so what they settle is not measured again."""
    there = {(DENSE, name): [(1.0, 1.5)] * judge.LOOKS[0] for name in DENSE.passes}
    machine = Machine({DENSE: 0.5, RESNET: 0.5}, noise=0.001)
    measured(campaign(DENSE, RESNET, pairs=there), machine)
    assert {workload for workload, _ in machine.taken} == {"resnet18"}


def test_what_one_release_lacks_is_left_out():
    """An item that cannot be measured is asked for once, and the others go on."""
    machine = Machine({RESNET: 0.5}, noise=0.001)
    one = campaign(DENSE, RESNET)
    measured(one, machine)
    assert [workload for workload, _ in machine.taken].count("dense") == 1
    assert one.verdicts == {(RESNET, "inference"): judge.SLOWER}


def test_looking_again_and_again_does_not_raise_false_alarms():
    """Of 500 passes without a change, each looked at after every pair until settled, fewer than 1 % are called."""
    alarms = 0
    for seed in range(25):
        items = [Item(f"net{number}", "cpu", "inference") for number in range(20)]
        one = campaign(*items)
        measured(one, Machine(dict.fromkeys(items, 0.0), noise=0.03, seed=seed))
        alarms += sum(verdict in (judge.SLOWER, judge.FASTER) for verdict in one.verdicts.values())
    assert alarms < 5


def test_a_small_change_is_found():
    """A slowdown of 2 % is found at a noise of 2 % between sessions, and its interval holds it."""
    machine = Machine({RESNET: 0.02}, noise=0.02, seed=3)
    one = campaign(RESNET)
    (last,) = [step for step in measured(one, machine) if step.settled]
    verdict, change = last.settled[RESNET, "inference"]
    assert verdict == judge.SLOWER
    assert change.low < 1.02 < change.high
