"""What heats tell of a change, by what is usual among rows."""

from __future__ import annotations

import numpy as np
import pytest

from passtime.catalog.place import Place
from passtime.measure.analysis import Analysis
from passtime.measure.campaign import half_width
from passtime.results.heats import Heat

RESTLESS = ("resnet18", "resnet50", "resnet101", "vgg11", "vgg13", "vgg19")


def heats(random, deviation, count, turns=24):
    """Heats of two releases that are alike: they differ by a fifth of the deviation, their turns by all of it."""
    found = []
    for number in range(count):
        logs = {name: deviation * (0.2 * random.standard_normal() + random.standard_normal(turns)) for name in "ab"}
        found.append(Heat(str(number), "here", "2", {name: tuple(np.exp(one)) for name, one in logs.items()}))
    return found


def test_a_steady_row_is_sure_among_restless_ones():
    """vgg16 varies by 1 % from turn to turn: models that vary by 30 % make its interval no wider."""
    random = np.random.default_rng(1)
    vgg16 = Place("vgg16", "gpu", "total")
    others = {Place(name, "gpu", "total"): heats(random, 0.3, 3) for name in RESTLESS}
    found = Analysis({vgg16: heats(random, 0.01, 3), **others})
    assert half_width(found.change(vgg16, "a", "b")) < 0.03
    assert min(half_width(found.change(place, "a", "b")) for place in others) > 0.15


def test_passes_of_one_session_are_no_evidence_of_each_other():
    """Forward, backward and total are slow in the same processes: of one workload alone nothing is usual."""
    random = np.random.default_rng(3)
    same = heats(random, 0.01, 3)
    step = [Place("resnet18", "cpu", name) for name in ("forward", "backward", "total")]
    alone = Analysis(dict.fromkeys(step, same))
    assert alone.usual(step[2]) is None
    with_inference = Analysis(
        {**dict.fromkeys(step, same), Place("resnet18", "cpu", "inference"): heats(random, 0.01, 3)}
    )
    assert with_inference.usual(step[2]).freedom <= 2


def test_a_row_without_enough_turns_is_as_restless_as_others():
    """Of two turns nobody knows how much turns differ: the row takes what is usual, and counts how few they are."""
    random = np.random.default_rng(2)
    short = Place("vgg16", "cpu", "total")
    known = {Place(name, "cpu", "total"): heats(random, 0.01, 4) for name in RESTLESS}
    found = Analysis({short: heats(random, 0.01, 4, turns=2), **known})
    assert found.within(short) is None
    assert found.turns(short) == 2
    fewer = (1 / 2 + 1 / 20) / (1 / 24 + 1 / 20)
    assert found.usual(short).variance == pytest.approx(fewer * found.usual(next(iter(known))).variance, rel=0.5)


def test_turns_that_agree_exactly_do_not_make_a_change_certain():
    """A clock that gives one value for all turns is no proof of anything."""
    same = [Heat(str(number), "here", "2", {"a": (1.0,) * 5, "b": (1.0,) * 5}) for number in range(4)]
    places = [Place(name, "cpu", "total") for name in RESTLESS]
    found = Analysis(dict.fromkeys(places, same))
    assert found.change(places[0], "a", "b").error > 0
