"""How much is left is told in cells and in minutes."""

from __future__ import annotations

import json

import pytest

from passtime.results import pace
from passtime.results.sessions import Cell

LAYER = Cell("layers.Dense.time_forward", 0, ("dense", "cpu"))
MODEL = Cell("models.VGG.time_forward", 7, ("vgg19_bn", "cpu"))
UNKNOWN = Cell("models.VGG.time_forward", 8, ("vgg99", "cpu"))


def test_minutes_follow_what_cells_took_elsewhere(tmp_path):
    """A model that took 30 times as long on another machine is expected to do so here."""
    (tmp_path / "elsewhere").mkdir()
    lines = [
        json.dumps({"benchmark": cell.benchmark, "params": cell.params, "seconds": seconds})
        for cell, seconds in ((LAYER, 1.0), (MODEL, 30.0))
    ]
    (tmp_path / "elsewhere/abc-passtime.provenance.jsonl").write_text("\n".join([*lines, "half a li"]), "utf-8")
    estimate = pace.Estimate(tmp_path)
    estimate.add(LAYER, 2.0)
    assert estimate.seconds([MODEL, LAYER]) == pytest.approx(62.0)
    assert estimate.seconds([UNKNOWN]) == pytest.approx(2 * 15.5)


def test_without_earlier_results_all_cells_weigh_the_same(tmp_path):
    """On the first run ever, the pace so far is all there is to go by."""
    estimate = pace.Estimate(tmp_path)
    estimate.add(LAYER, 2.0)
    assert estimate([MODEL, UNKNOWN]) == "2 left, about 4 s"
