"""`asv run` measures its releases in heats, and a lone one with the reference."""

from __future__ import annotations

import json
import os
import signal

import pytest
from fake import adapter
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project

from asv_plugin.conftest import await_session
from passtime.asv.together import REFERENCE_VARIABLE
from passtime.results.sessions import HEAT

DENSE = ("-b", r"Layer.time_forward\(.*'cpu'")
FORWARD = ("-b", r"time_forward\(.*'cpu'")  # three cells: dense, resnet18, resnet50

# As a plugin of asv's: memory holds two sessions at a time.
ROOM_FOR_TWO = "from passtime.measure import room\nroom.most_together = lambda *given: 2\n"

# The same: each heat's opener goes into a file.
OPENERS = """
from pathlib import Path
from passtime.measure import heat
take = heat.take
def spied(workers, item, policy, plan, first):
    with Path("openers").open("a") as file:
        print([*workers][first % len(workers)], file=file)
    return take(workers, item, policy, plan, first)
heat.take = spied
"""


def run(project: Project, *arguments: str, expect: int = 0, reference: str = "none", **mishaps: str) -> str:
    """`asv run`, with a mishap for each of these workloads."""
    variables = {adapter.MISHAPS: json.dumps(mishaps), REFERENCE_VARIABLE: reference}
    return project.asv("run", *arguments, expect=expect, **variables)


def heats(project: Project, release: str, workload: str = "dense") -> list[str | None]:
    """The heats of a release's sessions of a workload, in order; None for one that was measured alone."""
    return [line.get(HEAT) for line in project.sessions(release) if line["params"][0] == workload]


def plug_in(project: Project, source: str) -> None:
    """Has asv load some code."""
    (project.root / "plugged_in.py").write_text(source, "utf-8")
    configuration = project.root / "asv.conf.json"
    configuration.write_text(configuration.read_text("utf-8").replace('".fake', '".plugged_in", ".fake'), "utf-8")


@pytest.fixture
def small(project: Project) -> Project:
    """A project on a computer whose memory holds two sessions."""
    plug_in(project, ROOM_FOR_TWO)
    return project


@pytest.mark.parametrize("order", [(), ("--interleave-rounds",)])
def test_the_releases_of_a_run_share_their_heats(project: Project, order: tuple[str, ...]) -> None:
    """Each round is a heat of all releases, asv tells each release's numbers, and `verdict` compares them."""
    printed = run(project, "fake-1.0 fake-2.0", *DENSE, *order)
    assert "2.00±0.01ms" in printed
    assert "2.20±0.01ms" in printed
    assert heats(project, "fake-1.0") == heats(project, "fake-2.0")
    assert len({*heats(project, "fake-1.0")} - {None}) == 3
    assert "1 slower" in project.passtime("verdict", "fake-1.0", "fake-2.0", expect=3)


def test_releases_open_heats_in_turn_over_all_runs(project: Project) -> None:
    """Runs of one round, and of an even number of heats, do not have one release opened first in all of them."""
    plug_in(project, OPENERS)
    for _ in range(2):
        run(project, "fake-1.0 fake-2.0", "-b", r"time_\w+\(.*dense.*'cpu'", "-a", "rounds=1")
    openers = (project.root / "openers").read_text("utf-8").split()
    assert sorted(openers) == ["fake-1.0"] * 2 + ["fake-2.0"] * 2
    assert openers[0] != openers[2]


def test_only_what_was_asked_for_is_kept(project: Project) -> None:
    """Of a training step, the pass that `-b` names is stored and no other, in all releases."""
    run(project, "fake-1.0 fake-2.0", *DENSE)
    for release in ("fake-1.0", "fake-2.0"):
        assert {line["benchmark"] for line in project.sessions(release)} == {"nets.Layer.time_forward"}


def test_asv_continuous_measures_in_heats(project: Project) -> None:
    """What `asv continuous` measured is what `verdict` compares."""
    project.asv("continuous", "fake-1.0", "fake-2.0", *DENSE, expect=1)
    assert heats(project, "fake-1.0") == heats(project, "fake-2.0")
    assert "1 slower" in project.passtime("verdict", "fake-1.0", "fake-2.0", expect=3)


def test_an_interrupt_keeps_the_heats_of_all_releases(project: Project) -> None:
    """Heats that ended before an interrupt are stored for the releases, too, that asv had not come to."""
    fifo = project.root / "passes"
    os.mkfifo(fifo)
    hanging = {adapter.PASSES: str(fifo), adapter.MISHAPS: '{"resnet18": "hang"}'}
    process = project.start("run", "fake-1.0 fake-2.0", *FORWARD, **hanging)
    await_session(fifo, "resnet18", process.pid)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert "Interrupted. What was measured is kept" in printed
    assert heats(project, "fake-1.0") == heats(project, "fake-2.0") != []
    run(project, "fake-1.0 fake-2.0", *FORWARD, "--skip-existing-successful")
    for workload in ("dense", "resnet18", "resnet50"):
        assert heats(project, "fake-1.0", workload) == heats(project, "fake-2.0", workload)
        assert len(heats(project, "fake-1.0", workload)) == 3


def test_a_lone_release_is_measured_with_the_reference(project: Project) -> None:
    """By default that is the newest that is installed; both releases have the sessions."""
    printed = run(project, "fake-1.0^!", *DENSE, reference="")
    assert "in heats with fake-3.0" in printed
    assert heats(project, "fake-1.0") == heats(project, "fake-3.0")
    assert "in heats with fake-2.0" in run(project, "fake-3.0^!", *DENSE, reference="")


def test_the_reference_is_named_or_left_out(project: Project) -> None:
    """PASSTIME_REFERENCE names it; a release that is itself the reference, and any with `none`, is measured alone."""
    assert "in heats with fake-2.0" in run(project, "fake-1.0^!", *DENSE, reference="fake-2.0")
    run(project, "fake-2.0^!", *DENSE, reference="fake-2.0")
    run(project, "fake-2.0^!", *DENSE, reference="none")
    assert heats(project, "fake-2.0")[3:] == [None] * 6


@pytest.mark.parametrize(
    ("name", "said"), [("fake-9.9", "unknown release fake-9.9"), ("fake-0.1", "fake-0.1, which is not installed")]
)
def test_a_wrong_reference_is_told_before_anything_is_measured(project: Project, name: str, said: str) -> None:
    """One line says what is wrong with PASSTIME_REFERENCE."""
    printed = run(project, "fake-1.0^!", *DENSE, reference=name, expect=1)
    assert said in printed
    assert "to measure" not in printed
    assert "Traceback" not in printed


def test_who_fails_in_a_heat_is_left_out_of_it(project: Project) -> None:
    """The others are measured together; the one that fails is told when its turn comes."""
    broken = {"dense in fake-2.0": "error", "resnet18 in fake-2.0": "unavailable"}
    printed = run(project, "fake-1.0 fake-2.0 fake-3.0", *FORWARD, expect=2, **broken)
    assert printed.count("the fake framework broke") == 1
    assert heats(project, "fake-1.0") == heats(project, "fake-3.0")
    assert None not in heats(project, "fake-1.0")
    values = project.stored("fake-2.0")
    assert values["nets.Layer.time_forward(dense, cpu)"] is None
    assert str(values["nets.Net.time_forward(resnet18, cpu)"]) == "nan"
    assert heats(project, "fake-2.0", "resnet50") == heats(project, "fake-1.0", "resnet50")


def test_a_release_that_fails_in_its_own_heat_is_told_once(project: Project) -> None:
    """The release that opens a heat and fails is not tried again; the other one is measured."""
    printed = run(project, "fake-1.0 fake-2.0", *DENSE, expect=2, **{"dense in fake-1.0": "crash"})
    assert printed.count("died of SIGKILL") == 1
    assert len(heats(project, "fake-2.0")) == 3
    assert project.stored("fake-1.0")["nets.Layer.time_forward(dense, cpu)"] is None


def test_more_releases_than_memory_holds_share_the_first(small: Project) -> None:
    """Where two fit, each heat has the first release, so any two can be compared."""
    run(small, "fake-1.0 fake-2.0 fake-3.0", *DENSE)
    first, *others = sorted((heats(small, f"fake-{number}.0") for number in (1, 2, 3)), key=len, reverse=True)
    assert [len(one) for one in (first, *others)] == [6, 3, 3]
    assert {*others[0], *others[1]} == {*first}
    assert "1 slower" in small.passtime("verdict", "fake-1.0", "fake-2.0", expect=3)


def test_what_is_measured_already_is_not_measured_again(project: Project) -> None:
    """With --skip-existing-successful a release that has its rounds is in no more heats of the run."""
    run(project, "fake-1.0 fake-2.0", *DENSE)
    run(project, "fake-1.0 fake-2.0 fake-3.0", *DENSE, "--skip-existing-successful")
    assert [len(heats(project, f"fake-{number}.0")) for number in (1, 2, 3)] == [3, 3, 3]


def test_a_quick_look_is_no_heat(project: Project) -> None:
    """With --quick each release runs once, alone."""
    run(project, "fake-1.0 fake-2.0", *DENSE, "--quick")
    assert heats(project, "fake-1.0") == heats(project, "fake-2.0") == [None]


def test_the_number_of_samples_can_be_chosen(project: Project) -> None:
    """-a repeat=N takes N turns in each heat."""
    run(project, "fake-1.0 fake-2.0", *DENSE, "-a", "repeat=7")
    samples = project.stored("fake-2.0", "samples")["nets.Layer.time_forward(dense, cpu)"]
    assert len(samples) == 21
