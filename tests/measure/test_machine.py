"""Whether a computer may add to a machine's history."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from passtime.cli import machine
from passtime.stats.judge import Change
from tests.asv_plugin.conftest import checked


@pytest.fixture
def project(tmp_path: Path):
    yield from checked(tmp_path)


@pytest.mark.parametrize(
    ("ratio", "error", "answer"), [(1.01, 0.005, True), (1.2, 0.01, False), (0.8, 0.01, False), (1.04, 0.05, None)]
)
def test_the_mean_of_all_workloads_decides(ratio, error, answer):
    """Within the margin or beyond it, as far as can be told."""
    mean = Change(ratio, error, math.inf)
    assert machine.agrees(mean, [mean], 0.05) is answer


def test_one_workload_at_another_speed_is_enough():
    """A computer that is as fast on the whole may be slower where memory counts; what may be noise is no reason."""
    mean, usual = Change(0.98, 0.005, math.inf), Change(1.01, 0.02, math.inf)
    assert machine.agrees(mean, [usual, Change(0.87, 0.03, math.inf)], 0.05) is False
    assert machine.agrees(mean, [usual, Change(0.87, 0.08, math.inf)], 0.05) is True


def test_a_workload_is_its_training_step_and_its_inference():
    """Forward and backward are parts of the same steps, and count once."""
    one, two = Change(1.1, 0.01, 10.0), Change(1.2, 0.01, 10.0)
    passes = {"forward": one, "backward": two, "total": one, "inference": two}
    (found,) = machine.by_workload({("resnet50", "cpu", name): change for name, change in passes.items()}).values()
    assert found.ratio == pytest.approx(math.sqrt(1.1 * 1.2))
    assert found.error == pytest.approx(0.01)


def test_the_same_computer_may_add(project):
    """What it measured before it measures again; nothing of that is kept."""
    project.asv("run", "fake-1.0 fake-2.0", "-b", "time_")
    before = project.sessions("fake-2.0")
    said = project.passtime("machine", "check", "--rounds", "2")
    assert "resnet18 forward: +0.0 %" in said
    assert "may add to the history of" in said
    assert said.endswith("by fake-2.0 measured again\n")
    assert project.sessions("fake-2.0") == before


def test_a_slower_computer_may_not(project):
    """Stored times that were a fifth shorter are another computer's."""
    project.asv("run", "fake-1.0 fake-2.0", "-b", "time_")
    path = project.result_file("fake-2.0")
    content = json.loads(path.read_text("utf-8"))
    for column in ("result", "samples"):
        place = content["result_columns"].index(column)
        for row in content["results"].values():
            row[place] = scaled(row[place], 0.8)
    path.write_text(json.dumps(content), "utf-8")
    said = project.passtime("machine", "check", "--rounds", "2", expect=3)
    assert "may not add to the history of" in said
    assert said.endswith(f"take `--machine {path.parent.name}-2`\n")


def scaled(values, factor):
    if isinstance(values, list):
        return [scaled(value, factor) for value in values]
    return values if values is None else values * factor


def test_without_results_there_is_no_history(project):
    """One line says that nothing is there to compare with."""
    printed = project.passtime("machine", "check", expect=1)
    assert "no results of machine" in printed
    assert len(printed.strip().splitlines()) == 1
