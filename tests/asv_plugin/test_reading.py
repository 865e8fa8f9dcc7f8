"""What asv shows of results that are there."""

from __future__ import annotations

import json
import math
import shutil

import pytest
from fake.project import Project

from passtime.results import machine


def test_samples_and_sessions_are_recorded(measured):
    """Without any option, every timed cell has the samples of three sessions, and each session its provenance."""
    for release in ("fake-2.0", "fake-3.0"):
        samples = measured.stored(release, "samples")
        timed = [cell for cell in samples if "time_" in cell and "cpu" in cell]
        assert len(timed) == 3
        for cell in timed:
            sessions = [line for line in measured.sessions(release) if cell == name_of(line)]
            assert len(sessions) == 3
            assert {session["provenance.framework_version"] for session in sessions} == {release[5:]}
            assert {session["release"] for session in sessions} == {release}
            assert len(samples[cell]) >= 15


def name_of(session: dict) -> str:
    return f"{session['benchmark']}({', '.join(session['params'])})"


def test_a_device_that_is_not_there_is_not_available(measured):
    """Cells of a device that the release does not see are NaN, and no process was started for them."""
    values = measured.stored("fake-3.0")
    assert {cell for cell, value in values.items() if math.isnan(value)} == {cell for cell in values if "tpu" in cell}
    assert "tpu" not in measured.printed
    assert "not available here" in measured.printed


def test_nothing_is_asked_and_the_home_folder_stays_empty(measured):
    """The first run without a terminal names the machine by itself, and writes nothing beside the project."""
    (described,) = measured.results.glob("*/machine.json")
    assert described.parent.name == machine.this_machine()
    assert list((measured.root / "home").iterdir()) == []


def test_results_do_not_depend_on_the_drivers_python(measured):
    """The Python that asv runs on is nowhere in a result, so results of different drivers pair."""
    content = json.loads(measured.result_file("fake-2.0").read_text("utf-8"))
    assert (content["python"], content["params"]["python"], content["env_name"]) == ("runtime", "runtime", "passtime")


def test_progress_says_how_much_is_left(measured):
    """Every measured cell is a line with its value, and with how many are left, for how long."""
    lines = [line for line in measured.printed.splitlines() if "nets.Net.time_forward(resnet18, cpu)" in line]
    assert len(lines) == 6
    assert "left, about" in lines[0]
    assert ["120±" in line for line in lines] == [True] * 3 + [False] * 3
    assert measured.printed.count("12 measured, in") == 2


def test_compare_shows_two_releases(measured):
    """asv compare finds releases by name, sees that the later one is slower, and lists nothing that neither has."""
    table = measured.asv("compare", "fake-2.0", "fake-3.0", "--factor", "1.05")
    (row,) = [line for line in table.splitlines() if "nets.Net.time_forward('resnet50', 'cpu')" in line]
    assert row.startswith("| +")
    assert "failed" not in table
    assert "tpu" not in table


def test_publish_makes_the_site(measured):
    """asv publish shows the framework's branch, and each release as a tag."""
    measured.asv("publish")
    index = json.loads((measured.root / "html/index.json").read_text("utf-8"))
    assert index["params"]["branch"] == ["fake"]
    assert set(index["tags"]) == {"fake-0.1", "fake-1.0", "fake-2.0", "fake-3.0"}
    assert "nets.Net.time_forward" in index["benchmarks"]


def test_show_and_machine_speak(measured):
    """asv show finds a release by name, and asv machine asks nothing."""
    assert "resnet18" in measured.asv("show", "fake-3.0")
    assert machine.this_machine() in measured.asv("machine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "fake-2.1^!"], "unknown release fake-2.1: did you mean fake-"),
        (["run", "fake-1.0..fake-9.9"], "unknown release fake-9.9"),
        (["run", "fake-2.1"], "unknown release fake-2.1"),
        (["run", "deadbeef"], "unknown release deadbeef"),
        (["run", "fake-2.0'"], "no releases in the range"),
        (["run", "fake-2.0", "--bench", "("], "--bench ( is no regular expression"),
        (["run", "fake-0.1~2..fake-2.0"], "no releases in the range 'fake-0.1~2..fake-2.0'"),
        (["compare", "fake-1.0", "fake-9.9"], "unknown release fake-9.9"),
        (["compare", "fake-1.0", "fake-2.0"], "no machine has results of both fake-1.0 and fake-2.0"),
        (["run", "--python=same"], "passtime timeline add torch --python PATH --name NAME"),
        (["run", "-E", "existing"], "passtime timeline add torch --python PATH --name NAME"),
        (["continuous", "-E", "existing", "fake-1.0", "fake-2.0"], "passtime timeline add torch"),
        (["run", "fake-2.0", "--cpu-affinity", "0"], "`taskset --cpu-list 0 asv run ...` does"),
        (["run", "fake-2.0", "-a", "number=3"], "-a number has no effect on a worker's samples"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(measured, arguments, message):
    """What is no release, no environment of ours or has no effect here ends asv with one line that says what to do."""
    printed = measured.asv(*arguments, expect=1)
    assert message in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1


@pytest.fixture
def two_machines(measured, tmp_path) -> Project:
    """The measured results, a second machine's, and a machine with nothing but its name."""
    project = Project(tmp_path)
    shutil.copytree(measured.results, project.results)
    here = project.results / machine.this_machine()
    for name in ("another", "idle"):
        shutil.copytree(here, project.results / name)
    for path in (project.results / "idle").glob("*-passtime.json"):
        path.unlink()
    for path in project.results.glob("[ai][nd][ol]*/*.json"):
        path.write_text(path.read_text("utf-8").replace(machine.this_machine(), path.parent.name), "utf-8")
    return project


def test_compare_takes_this_machine_among_several(two_machines):
    """With results of several machines, compare takes this one without a word."""
    printed = two_machines.asv("compare", "fake-2.0", "fake-3.0")
    assert "nets.Net" in printed
    assert "no results of both" not in printed


def test_compare_takes_the_machine_that_has_results(two_machines):
    """Where this machine has nothing of a release, compare takes the one that has, and says so."""
    shutil.rmtree(two_machines.results / machine.this_machine())
    printed = two_machines.asv("compare", "fake-2.0", "fake-3.0")
    assert "these are from another" in printed
    assert "nets.Net" in printed


def test_a_damaged_manifest_is_one_clear_line(project):
    """A releases.toml that cannot be read ends asv with the file and the line, whatever the command."""
    (project.root / "releases.toml").write_text('[[release]]\nframework = "fake\n', "utf-8")
    printed = project.asv("run", expect=1)
    assert "releases.toml" in printed
    assert "line 2" in printed
    assert len(printed.strip().splitlines()) == 1
