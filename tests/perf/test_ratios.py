"""The arithmetic that perf's scripts share."""

from __future__ import annotations

import json

import harness
import pytest


def test_each_round_is_compared_with_its_own():
    """A drift that both sides share leaves the ratio alone."""
    ratios = harness.per_round([1.1, 2.2, 4.4], [1.0, 2.0, 4.0])
    assert harness.Comparison("dense", "total", ratios, 0.05).ratio == pytest.approx(1.1)


def test_rounds_alternate_a_b_b_a():
    """No side always goes first."""
    calls: list[str] = []
    ours, theirs = harness.alternate(3, lambda: calls.append("A") or "a", lambda: calls.append("B") or "b")
    assert "".join(calls) == "ABBAAB"
    assert (ours, theirs) == (["a"] * 3, ["b"] * 3)


def test_the_last_line_says_pass():
    """Ratios within their goals pass, and the worst against each goal is named."""
    comparisons = [
        harness.Comparison("resnet18", "forward", (1.01,), 0.02),
        harness.Comparison("vgg16", "forward", (0.985,), 0.02),
        harness.Comparison("dense", "total", (1.04,), 0.05),
    ]
    line = harness.verdict("fidelity", comparisons)
    assert line.endswith(": pass")
    assert "0.985 (vgg16 forward)" in line
    assert "1.040 (dense total)" in line


def test_the_last_line_says_by_how_much_a_goal_is_missed():
    """A ratio below 1 misses as one above does, by what is beyond the goal."""
    comparisons = [
        harness.Comparison("vgg16", "backward", (0.95,), 0.02),
        harness.Comparison("vgg16", "forward", (1.0,), 0.02),
    ]
    assert harness.verdict("fidelity", comparisons).endswith("missed by vgg16 backward by 3.0%")


def test_a_ratio_is_shown_with_its_interval():
    """The interval is the median's, over the ratios of the rounds; of fewer than 6 there is none."""
    many = harness.Comparison("vgg16", "total", (0.98, 0.99, 1.0, 1.0, 1.01, 1.04), 0.02)
    assert many.shown() == ("1.000 ± 3.0%", "6")
    few = harness.Comparison("vgg16", "total", (0.98, 1.0, 1.04), 0.02)
    assert few.shown() == ("1.000", "3")


def test_what_is_not_counted_cannot_miss():
    """A pass that is shown for information is no part of the verdict."""
    shown = harness.Comparison("dense", "forward", (1.3,), 0.05, counted=False)
    counted = harness.Comparison("dense", "total", (1.0,), 0.05)
    assert harness.verdict("fidelity", [shown, counted]).endswith(": pass")


def test_figures_go_to_results_of_their_own(tmp_path):
    """A project made for a figure has this checkout's benchmarks, and not its results."""
    harness.project(tmp_path)
    settings = json.loads((tmp_path / "asv.conf.json").read_text())
    assert (tmp_path / settings["results_dir"]).resolve().parent == tmp_path.resolve()
    assert (tmp_path / settings["benchmark_dir"]).resolve() == harness.ROOT / "benchmarks"
