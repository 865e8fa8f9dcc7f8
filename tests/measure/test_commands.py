"""`passtime measure` from end to end, over the fake framework: no process and no socket is left."""

from __future__ import annotations

import json
import os
import signal
import statistics
from pathlib import Path

import pytest
from fake import adapter

import passtime
from passtime.stats import judge
from tests.asv_plugin.conftest import await_session, checked, sessions  # noqa: F401  the FIFO that sessions tell of

TOTAL = "nets.Net.time_total(resnet18, cpu)"
RESNET18 = ("--bench", r"time_\w+\('resnet18'")


@pytest.fixture
def project(tmp_path: Path):
    yield from checked(tmp_path)


def test_a_slower_release_is_found_and_kept(project):
    """A release that is 10 % slower is called so, and its sessions are results like any other, in heats."""
    said = json.loads(project.passtime("measure", "fake-1.0", "fake-2.0", "--format", "json", expect=3))
    rows = {(row["workload"], row["pass"]): row for row in said["rows"]}
    assert len(rows) == 3 * 4
    assert {row["verdict"] for row in rows.values()} == {judge.SLOWER}
    assert rows["resnet18", "total"]["ratio"] == pytest.approx(1.1, rel=0.01)
    heats = {}
    for release in ("fake-1.0", "fake-2.0"):
        lines = [line for line in project.sessions(release) if line["benchmark"] == "nets.Net.time_total"]
        lines = [line for line in lines if line["params"] == ["resnet18", "cpu"]]
        heats[release] = [line["heat"] for line in lines]
        assert len(set(heats[release])) == judge.LEAST_HEATS
        assert {line["passtime"] for line in lines} == {passtime.__version__}
        assert {line["turn_samples"] for line in lines} == {1}
        assert not any("held_on_cpu" in line for line in lines)
        assert len({line["worker"] for line in lines}) == judge.LEAST_HEATS
        samples = project.stored(release, "samples")[TOTAL]
        assert len(samples) == sum(line["samples"] for line in lines)
        assert project.stored(release)[TOTAL] == pytest.approx(statistics.median(samples))
        assert project.stored(release)["nets.Net.track_training_memory(resnet18, cpu)"] >= 0
    assert heats["fake-1.0"] == heats["fake-2.0"]
    assert "+" in project.asv("compare", "--factor", "1.05", "fake-1.0", "fake-2.0")


def test_several_releases_are_measured_together(project):
    """Of three releases each of the others is judged beside the first, and any two of them can be compared."""
    said = json.loads(project.passtime("measure", "fake-1.0", "fake-2.0", "fake-3.0", *RESNET18, "--format", "json",
                                       expect=3))  # fmt: skip
    assert [(one["base"], one["other"]) for one in said] == [("fake-1.0", "fake-2.0"), ("fake-1.0", "fake-3.0")]
    again = json.loads(project.passtime("verdict", "fake-2.0", "fake-3.0", *RESNET18, "--format", "json", expect=3))
    assert {row["verdict"] for row in again["rows"]} == {judge.SLOWER}
    heats = [{line["heat"] for line in project.sessions(f"fake-{number}.0")} for number in (1, 2, 3)]
    assert heats[0] == heats[1] == heats[2]


def test_progress_is_told_in_a_file(project):
    """Where stderr is no terminal, lines say how many passes are settled, and none is wrapped."""
    process = project.start_passtime("measure", "fake-1.0", "fake-2.0", *RESNET18)
    _, told = process.communicate()
    lines = told.splitlines()
    assert lines[0].startswith("0 of 4 passes settled, at most ")
    assert lines[-1].startswith("4 of 4 passes settled (4 slower), at most ")
    assert "resnet18 total on cpu, fake-2.0: slower, +10 %" in lines


def test_it_says_the_same_as_verdict(project):
    """`passtime verdict` reads from the kept heats what `passtime measure` said."""
    said = project.passtime("measure", "fake-1.0", "fake-2.0", *RESNET18, "--format", "json", expect=3)
    again = project.passtime("verdict", "fake-1.0", "fake-2.0", *RESNET18, "--format", "json", expect=3)
    assert json.loads(again)["rows"] == json.loads(said)["rows"]


def test_what_is_settled_is_not_measured_again(project):
    """The same command a second time takes no session."""
    project.passtime("measure", "fake-1.0", "fake-2.0", *RESNET18, expect=3)
    before = project.sessions("fake-2.0")
    project.passtime("measure", "fake-1.0", "fake-2.0", *RESNET18, expect=3)
    assert project.sessions("fake-2.0") == before


def test_sessions_join_those_of_asv_run(project):
    """What was measured before stays: samples are added to it."""
    project.asv("run", "fake-1.0", "-b", "time_total.*resnet18")
    before = project.stored("fake-1.0", "samples")[TOTAL]
    project.passtime("measure", "fake-1.0", "fake-2.0", *RESNET18, expect=3)
    after = project.stored("fake-1.0", "samples")[TOTAL]
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_an_interrupt_keeps_what_was_measured(project, sessions):  # noqa: F811
    """Ctrl-C in the middle of a session is one line; the sessions before it are kept, and nothing is left running."""
    process = project.start_passtime("measure", "fake-1.0", "fake-2.0", *RESNET18)
    for _ in range(5):  # the third heat begins
        await_session(sessions, "resnet18", process.pid)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        drain(sessions)
    said = process.stderr.read()
    assert process.returncode == 130
    assert "goes on from here" in said
    assert "Traceback" not in said
    assert len(project.sessions("fake-1.0")) > 0


def drain(fifo: Path) -> None:
    """Lets a session that waits for a reader go on; returns at once where none does."""
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.read(descriptor, 4096)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


def test_a_crash_leaves_the_others(project):
    """A workload whose session dies is named and left out; the others are judged, and the exit status says so."""
    mishaps = {adapter.MISHAPS: json.dumps({"resnet50": "crash"})}
    said = project.passtime("measure", "fake-1.0", "fake-2.0", "--format", "json", expect=1, **mishaps)
    assert "resnet50" in said
    assert "Traceback" not in said
    assert "nets.Net.time_total(resnet18, cpu)" in project.stored("fake-2.0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fake-1.0", "fake-9.0"), "unknown release fake-9.0"),
        (("fake-1.0", "fake-1.0"), "name each release once"),
        (("fake-1.0", "fake-2.0", "--bench", "nothing"), "nothing to measure matches nothing"),
        (("fake-1.0", "fake-2.0", "--bench", "("), "is no regular expression"),
        (("fake-0.1", "fake-1.0"), "is gone"),
    ],
)
def test_what_cannot_be_is_one_line(project, arguments, said):
    """A bad request is one line on stderr and exit status 1."""
    printed = project.passtime("measure", *arguments, expect=1)
    assert said in printed
    assert len(printed.strip().splitlines()) == 1


def test_a_budget_is_a_time(project):
    """What is no time is told how to write one."""
    assert "write 90s, 20m or 1.5h" in project.passtime("measure", "fake-1.0", "fake-2.0", "--budget", "soon", expect=2)


def test_results_of_another_sitting_lie_apart(project):
    """With --machine, heats are kept and judged under that name, and go on from there."""
    for _ in range(2):
        project.passtime("measure", "fake-1.0", "fake-2.0", *RESNET18, "--machine", "evening", expect=3)
    assert [path.parent.name for path in project.results.glob("*/machine.json")] == ["evening"]
    lines = [line for line in project.sessions("fake-1.0") if line["benchmark"] == "nets.Net.time_total"]
    assert len(lines) == judge.LEAST_HEATS
    said = project.passtime("verdict", "fake-1.0", "fake-2.0", "--machine", "evening", "--format", "json", expect=3)
    assert json.loads(said)["machine"] == "evening"


def test_a_machines_name_is_no_path(project):
    """A name that would put results elsewhere is one clear line."""
    printed = project.passtime("measure", "fake-1.0", "fake-2.0", "--machine", "../x", expect=2)
    assert "'../x' names a folder of results" in printed


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PASSTIME_THREADS", "many", "set it to a whole number of threads"),
        ("PASSTIME_START_SECONDS", "soon", "set it to a number of seconds above 0"),
        ("PASSTIME_SESSION_SECONDS", "-1", "set it to a number of seconds above 0"),
        ("PASSTIME_MEMORY", "much", "set it to kept or system"),
        ("PASSTIME_COMPUTER", "a b", "set it to 1 to 64 letters"),
    ],
)
def test_a_wrong_variable_is_told_before_anything_starts(project, variable, value, said):
    """Every command that measures refuses a value that makes no sense, in one line, and installs nothing."""
    for command in (("measure", "fake-1.0", "fake-2.0"), ("sweep", "fake-1.0", "fake-2.0")):
        printed = project.passtime(*command, expect=1, **{variable: value})
        assert f"{variable} is {value!r}: {said}" in printed
        assert len(printed.strip().splitlines()) == 1
    assert f"{variable} is {value!r}: {said}" in project.asv("run", "fake-1.0", expect=1, **{variable: value})
    assert not [*project.results.glob("*/*passtime.json")]
