"""Blocks and treatments: least squares within blocks, held against statsmodels and against known truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api

from passtime.stats import blocks, judge, moderated
from passtime.stats.moderated import Usual

NAMES = [f"torch-{number}" for number in range(6)]


def design(random, count, treatments=6, largest=4, deviation=0.02):
    """Random incomplete blocks: each has some of the treatments, an effect of its own, and errors."""
    made = []
    for _ in range(count):
        chosen = random.choice(treatments, random.integers(2, largest + 1), replace=False)
        effect = random.normal(0, 1)
        made.append({NAMES[one]: effect + 0.05 * one + deviation * random.standard_normal() for one in chosen})
    return made


@pytest.mark.parametrize("seed", range(8))
def test_it_is_ordinary_least_squares(seed):
    """Effects, their contrasts' errors, the variance and its degrees of freedom are those of statsmodels' OLS."""
    random = np.random.default_rng(seed)
    made = [*design(random, 12), {NAMES[0]: 0.1, NAMES[1]: 0.2, NAMES[2]: 0.1}]
    found = blocks.fit(made)
    rows = [(number, name, value) for number, block in enumerate(made) for name, value in block.items()]
    names = sorted({name for _, name, _ in rows})
    columns = [[float(number == block) for block in range(len(made))] for number, _, _ in rows]
    columns = [
        line + [float(name == one) for one in names[1:]] for line, (_, name, _) in zip(columns, rows, strict=True)
    ]
    expected = statsmodels.api.OLS([value for *_, value in rows], columns).fit()
    assert found.freedom == expected.df_resid
    assert found.variance == pytest.approx(expected.scale, rel=1e-8)
    for place, name in enumerate(names[1:], start=len(made)):
        log, factor = found.contrast(names[0], name)
        assert log == pytest.approx(expected.params[place], abs=1e-10)
        assert math.sqrt(factor * found.variance) == pytest.approx(expected.bse[place], rel=1e-8)
    contrast = np.zeros(len(columns[0]))
    contrast[len(made)], contrast[len(made) + 1] = -1, 1
    tested = expected.t_test(contrast)
    assert found.contrast(names[1], names[2])[0] == pytest.approx(tested.effect.item(), abs=1e-10)
    change = found.change(names[1], names[2])
    assert change.error == pytest.approx(tested.sd.item(), rel=1e-8)


def test_a_chain_of_blocks_connects():
    """Two releases that were in no block together are compared through a third; others are not."""
    made = [{"a": 0.0, "b": 0.1}, {"b": 5.0, "c": 5.2}, {"x": 1.0, "y": 1.0}, {"z": 3.0}]
    found = blocks.fit(made)
    assert found.contrast("a", "c")[0] == pytest.approx(0.3)
    assert found.contrast("a", "c")[1] == pytest.approx(4.0)
    assert found.is_connected("a", "c")
    assert not found.is_connected("a", "x")
    assert not found.is_connected("a", "z")
    assert not found.is_connected("q", "q")
    with pytest.raises(ValueError, match="no chain of blocks connects a and x"):
        found.change("a", "x")


def test_nothing_is_known_from_one_block():
    """One block tells the ratio, and how sure that is only where something is usual."""
    found = blocks.fit([{"a": 0.0, "b": 0.1}])
    assert math.isinf(found.change("a", "b").error)
    assert found.change("a", "b", Usual(1e-4, 10.0)).error == pytest.approx(math.sqrt(2e-4))


def test_what_a_block_has_in_common_drops_out():
    """An hour that doubles all times of a block changes no ratio."""
    made = design(np.random.default_rng(3), 10)
    moved = [{name: value + 0.7 * number for name, value in block.items()} for number, block in enumerate(made)]
    one, two = (blocks.fit(each).contrast(NAMES[0], NAMES[4]) for each in (made, moved))
    assert one == pytest.approx(two)


def test_an_outlier_is_held_in():
    """A value that lies far out moves a robust estimate by no more than the limit, a plain one by its share."""
    made = [{"a": 0.0, "b": 0.001 * (-1) ** number} for number in range(12)]
    made[5] = {"a": 0.0, "b": 3.0}
    usual = Usual(1e-5, 20.0)
    assert blocks.fit(made).contrast("a", "b")[0] == pytest.approx(0.25, rel=0.05)
    assert abs(blocks.fit(made, usual).contrast("a", "b")[0]) < 0.005
    quiet = [{"a": 0.0, "b": 0.001 * (-1) ** number} for number in range(12)]
    assert blocks.fit(quiet, usual).contrast("a", "b") == pytest.approx(blocks.fit(quiet).contrast("a", "b"))


def test_computers_that_agree_are_not_told_apart():
    """Under agreement the test's p-values are even; of one computer it is 1."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(300):
        made = [(name, {"a": 0.0, "b": 0.02 * random.standard_normal()}) for name in ("one", "two") for _ in range(6)]
        found.append(blocks.disagreement(made, "a", "b"))
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09
    assert blocks.disagreement([("one", {"a": 0.0, "b": 0.1})] * 3, "a", "b") == 1.0


def test_computers_that_do_not_agree_are_told_apart():
    """A release that is slower on one computer alone is seen."""
    random = np.random.default_rng(6)
    made = [
        (name, {"a": 0.0, "b": shift + 0.01 * random.standard_normal()})
        for name, shift in (("one", 0.0), ("two", 0.1)) for _ in range(5)
    ]  # fmt: skip
    assert blocks.disagreement(made, "a", "b") < 1e-4


# What samples of a heat's two sessions deviate by, turn by turn: the machine's part is in both.
def quiet(random, turns):
    return np.zeros((2, turns)), 0.02 * random.standard_normal((2, turns))


def drifting(random, turns):
    return np.tile(np.cumsum(0.03 * random.standard_normal(turns)), (2, 1)), 0.02 * random.standard_normal((2, turns))


def bursts(random, turns):
    hit = 0.5 * (random.random((2, turns)) < 0.15)
    return hit, 0.01 * random.standard_normal((2, turns))


def two_speeds(random, turns):
    return np.tile(0.34 * (random.random((2, 1)) < 0.5), turns), 0.005 * random.standard_normal((2, turns))


def outliers(random, turns):
    return np.zeros((2, turns)), 0.01 * random.standard_t(2, (2, turns))


@pytest.mark.parametrize("machine", [quiet, drifting, bursts, two_speeds, outliers])
def test_rows_without_a_change_are_hardly_ever_called_changed(machine):
    """With drift, bursts, processes of two speeds and outliers, at most 1 % of rows are called changed without one."""
    random = np.random.default_rng(7)
    called = rows = 0
    for _ in range(12):
        made = []
        for _ in range(36):
            heats = []
            for _ in range(4):
                common, own = machine(random, 8)
                logs = common + own
                values = np.median(logs - logs.mean(axis=0), axis=1)
                heats.append({"a": float(values[0]), "b": float(values[1])})
            made.append(heats)
        plain = [blocks.fit(heats) for heats in made]
        usual = moderated.usual([(one.variance, one.freedom) for one in plain])
        changes = [blocks.fit(heats, usual).change("a", "b", usual) for heats in made]
        found = judge.verdicts(changes, 0.02)
        called += sum(one in (judge.FASTER, judge.SLOWER) for one in found)
        rows += len(found)
    assert called / rows <= 0.01
