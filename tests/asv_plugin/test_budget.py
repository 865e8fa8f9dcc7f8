"""A run with a budget ends in time, and spends what is left where intervals are widest."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from fake import adapter
from fake.project import Project

from asv_plugin.test_keeping import measured_cells, releases
from passtime.asv import budget, need
from passtime.asv.budget import Budget
from passtime.errors import PasstimeError
from passtime.results.sessions import Cell
from passtime.results.stored import Measured
from passtime.stats.uncertainty import Prior

TIMES = ("-b", r"time_.*'cpu'")  # four passes of dense, resnet18 and resnet50

# A plugin under which a second goes by with each cell that is measured, and none otherwise.
TICKING = """
from passtime.asv import budget, runner

seconds = 0.0
measure = runner._Measuring.measure


def tick(self, *arguments, **options):
    global seconds
    seconds += 1
    return measure(self, *arguments, **options)


runner._Measuring.measure = tick
budget.Budget.__init__.__defaults__ = (lambda: seconds,)
"""


@pytest.fixture
def ticking(project: Project) -> Project:
    """A project in which a second goes by with each cell."""
    (project.root / "ticking.py").write_text(TICKING, "utf-8")
    configuration = project.root / "asv.conf.json"
    configuration.write_text(configuration.read_text("utf-8").replace('".fake', '".ticking", ".fake'), "utf-8")
    return project


def test_each_turn_may_take_an_equal_share_of_what_is_left():
    """What a turn leaves is shared by the next ones, and what it takes too much is missing there."""
    now = 0.0
    shared = Budget(90, lambda: now)
    shared.begin_turn(3)
    now = 29.0
    assert not shared.is_spent()
    now = 50.0
    assert shared.is_spent()
    shared.begin_turn(3)
    assert not shared.is_spent()
    now = 60.0  # ten of the twenty
    shared.begin_turn(3)
    now = 89.0
    assert not shared.is_spent()
    now = 90.0
    assert shared.is_spent()


def test_a_release_that_is_skipped_leaves_its_share():
    """A release that cannot be installed takes no time; its turn is over all the same."""
    now = 0.0
    shared = Budget(60, lambda: now)
    shared.skip_turn()
    shared.begin_turn(2)
    now = 59.0
    assert not shared.is_spent()


@pytest.mark.parametrize("said", ["soon", "-1", "nan", "inf"])
def test_what_is_no_number_of_seconds_is_refused(monkeypatch, said):
    """The variable is named, and what it should be."""
    monkeypatch.setenv(budget.BUDGET_VARIABLE, said)
    with pytest.raises(PasstimeError, match=f"PASSTIME_BUDGET is '{said}': set it to a number of seconds"):
        budget.from_environment()


def test_no_budget_is_none(monkeypatch):
    """Without the variable there is no bound."""
    monkeypatch.delenv(budget.BUDGET_VARIABLE, raising=False)
    assert budget.from_environment() is None


def cell(method: str, workload: str) -> Cell:
    return Cell(f"models.ResNet.{method}", 0, (workload, "cpu"))


METHODS = ("time_backward", "time_forward", "time_inference", "time_total", "track_training_memory")
SESSIONS = need.timed(cell(method, workload) for workload in ("resnet18", "resnet50") for method in METHODS)
USUAL = {("cpu", True): Prior(0.01**2, 4.0)}


def times(**medians: tuple[float, ...]) -> dict:
    """The passes of both workloads, sessions with these medians for the passes that are named, steady others."""
    return {
        (workload, "cpu", name): Measured(
            1.0, sessions=tuple((median,) for median in medians.get(f"{workload}_{name}", (1.0,) * 40))
        )
        for workload in ("resnet18", "resnet50")
        for name in ("forward", "backward", "total", "inference")
    }


def test_a_session_is_what_answers_several_cells():
    """Forward, backward and total go together, inference alone; memory needs no further session."""
    assert list(SESSIONS) == [(w, "cpu", kind) for w in ("resnet18", "resnet50") for kind in ("training", "inference")]
    assert len(SESSIONS["resnet50", "cpu", "training"]) == 3


def test_the_widest_interval_is_needed_most():
    """One wide pass makes its session the one that is needed, whatever the session's other passes are."""
    stored = times(resnet50_backward=(1.0, 1.2), resnet18_inference=(1.0, 1.1))
    session, half_width = need.greatest(SESSIONS, stored, USUAL)
    assert session == ("resnet50", "cpu", "training")
    assert half_width > need.TARGET


def test_nothing_is_needed_once_all_are_known():
    """Below the target no pass asks for more."""
    assert need.greatest(SESSIONS, times(), USUAL) is None


def test_what_is_not_available_needs_nothing():
    """A pass that has no samples, or is not available, asks for no further session."""
    stored = times(resnet50_inference=(1.0, 2.0))
    stored["resnet50", "cpu", "inference"] = Measured(math.nan)
    assert need.greatest(SESSIONS, stored, USUAL) is None
    del stored["resnet50", "cpu", "inference"]
    assert need.greatest(SESSIONS, stored, USUAL) is None


def test_where_nothing_is_usual_a_second_session_is_needed():
    """Nobody knows how wide an interval is while no pass was measured twice."""
    assert need.greatest(SESSIONS, times(), {}) == (("resnet18", "cpu", "training"), math.inf)


def test_a_spent_budget_begins_nothing(project):
    """Without any time nothing is measured, the run says so, and has not failed."""
    printed = project.asv("run", "fake-1.0 fake-2.0", *TIMES, **{budget.BUDGET_VARIABLE: "0"})
    assert measured_cells(printed) == []
    assert printed.count("The budget is spent: 24 of 24 are left out") == 2


def test_a_budget_ends_with_the_session_that_runs(ticking):
    """The first round goes on until the time is over; then only what its last session has measured is still taken."""
    printed = ticking.asv("run", "fake-1.0", *TIMES, **{budget.BUDGET_VARIABLE: "6"})
    passes = [name.partition(".time_")[2].partition("(")[0] for name in measured_cells(printed)]
    assert passes == ["backward", "forward", "inference", "total", "backward", "forward", "total"]
    assert "The budget is spent: 17 of 24 are left out" in printed
    assert len(ticking.stored("fake-1.0")) >= 7
    rest = ticking.asv("run", "fake-1.0", *TIMES, "--skip-existing-successful")
    assert len(measured_cells(rest)) == 17


def test_releases_share_a_budget(ticking):
    """Each release gets as much time, what one does not need is the others', and one not installed gets none."""
    printed = ticking.asv("run", "fake-0.1 fake-1.0 fake-2.0", *TIMES, expect=2, **{budget.BUDGET_VARIABLE: "16"})
    assert releases(printed) == ["fake-0.1", "fake-1.0", "fake-2.0"]
    first, second = (len(ticking.sessions(release)) for release in ("fake-1.0", "fake-2.0"))
    assert (first, second) == (8, 8)


def test_what_is_left_goes_to_the_unsteadiest(ticking):
    """After the planned rounds, sessions go to the workload whose sessions differ, with all passes of a session."""
    unsteady = {adapter.UNSTEADY: str(ticking.root / "resnet50")}
    printed = ticking.asv("run", "fake-1.0", *TIMES, **{budget.BUDGET_VARIABLE: "44"}, **unsteady)
    more = measured_cells(printed)[24:]
    assert len(more) >= 20
    assert {name.partition("(")[2] for name in more} == {"resnet50, cpu)"}
    assert "resnet50 cpu training once more: the widest interval, ± " in printed
    counts = Counter((line["benchmark"], *line["params"]) for line in ticking.sessions("fake-1.0"))
    training = {counts[f"nets.Net.time_{name}", "resnet50", "cpu"] for name in ("forward", "backward", "total")}
    assert len(training) == 1
    assert min(training) > 2
    assert all(count == 2 for (_, workload, _), count in counts.items() if workload != "resnet50")
    samples = ticking.stored("fake-1.0", "samples")
    assert all(
        sum(line["samples"] for line in lines) == len(samples[f"{name}({', '.join(params)})"])
        for (name, params), group in itertools.groupby(
            ticking.sessions("fake-1.0"), key=lambda line: (line["benchmark"], tuple(line["params"]))
        )
        for lines in [list(group)]
    )


def test_all_known_leaves_the_budget(ticking):
    """Where no interval is wide, the run ends although there is time."""
    printed = ticking.asv("run", "fake-1.0", *TIMES, **{budget.BUDGET_VARIABLE: "1000"})
    assert len(measured_cells(printed)) == 24


def test_quick_takes_nothing_more(ticking):
    """--quick takes its one sample of each pass, whatever the budget."""
    printed = ticking.asv("run", "fake-1.0", *TIMES, "--quick", **{budget.BUDGET_VARIABLE: "1000"})
    assert len(measured_cells(printed)) == 12
