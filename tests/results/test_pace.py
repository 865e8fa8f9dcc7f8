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
    assert estimate.seconds_before({"torch": [MODEL, LAYER, LAYER], "flux": [UNKNOWN]}) == pytest.approx(32.0 * 4 / 3)
    assert estimate.seconds_before({"torch": [UNKNOWN]}) is None


def test_each_framework_has_a_pace_of_its_own(tmp_path):
    """What a framework's cells took before is expected of it, and of one that was never measured what others took."""
    (tmp_path / "here").mkdir()
    for name, seconds in (("flux", 20.0), ("torch", 2.0)):
        line = {"benchmark": LAYER.benchmark, "params": LAYER.params, "seconds": seconds, "provenance.framework": name}
        (tmp_path / f"here/{name}-passtime.provenance.jsonl").write_text(json.dumps(line), "utf-8")
    estimate = pace.Estimate(tmp_path)
    assert estimate.seconds_before({"flux": [LAYER, LAYER], "torch": [LAYER]}) == pytest.approx(42.0)
    assert estimate.seconds_before({"tinygrad": [LAYER]}) in (2.0, 20.0)


def test_without_earlier_results_all_cells_weigh_the_same(tmp_path):
    """On the first run ever, the pace so far is all there is to go by."""
    estimate = pace.Estimate(tmp_path)
    estimate.add(LAYER, 2.0)
    assert estimate([MODEL, UNKNOWN]) == "2 left, about 4 s"
