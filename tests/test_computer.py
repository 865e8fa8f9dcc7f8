"""Which computer this is, and that what another one measured never counts as measured here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from asv_plugin.conftest import checked
from asv_plugin.test_keeping import DENSE, FORWARD, RESNET18, RESNET50, measured_cells
from fake import adapter
from fake.project import Project

from passtime.errors import PasstimeError
from passtime.results import computer, stored
from passtime.results.sessions import COMPUTER

MACHINE_ID = "0123456789abcdef0123456789abcdef"
UUID = "4C4C4544-0035-3110-8051-B4C04F564E32"
MINE, THEIRS = {computer.COMPUTER_VARIABLE: "mine"}, {computer.COMPUTER_VARIABLE: "theirs"}


def root(folder: Path, **files: str) -> Path:
    """A root folder with these files of a computer."""
    for name, text in files.items():
        path = folder / {"machine_id": "etc/machine-id", "uuid": "sys/class/dmi/id/product_uuid"}.get(name, f".{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii")
    return folder


def test_it_is_a_hash_that_a_new_host_name_leaves(tmp_path):
    """The identifier is 16 digits that no file has, the same under any host name, and another on another computer."""
    here = root(tmp_path / "here", machine_id=f"{MACHINE_ID}\n")
    found = computer.hashed(here, "annas-laptop")
    assert re.fullmatch("[0-9a-f]{16}", found)
    assert found not in MACHINE_ID
    assert computer.hashed(here, "another") == found
    there = root(tmp_path / "there", machine_id=MACHINE_ID[::-1])
    assert computer.hashed(there, "annas-laptop") != found


@pytest.mark.parametrize("written", ["", "uninitialized\n", "0" * 32, "not one at all"])
def test_what_is_no_machine_id_is_not_taken_for_one(tmp_path, written):
    """Where the file holds no identifier yet, computers are told apart by their hardware, or else by their names."""
    bare = root(tmp_path / "bare", machine_id=written)
    assert computer.hashed(bare, "one") != computer.hashed(bare, "two")
    known = root(tmp_path / "known", machine_id=written, uuid=UUID)
    assert computer.hashed(known, "one") == computer.hashed(known, "two") != computer.hashed(bare, "one")


def test_containers_of_one_image_are_not_one_computer(tmp_path):
    """A container has its image's machine-id: its computer's hardware, or else its own name, tells it from others."""
    contained = root(tmp_path / "contained", machine_id=MACHINE_ID, dockerenv="")
    assert computer.hashed(contained, "one") != computer.hashed(contained, "two")
    seeing = root(tmp_path / "seeing", machine_id=MACHINE_ID, dockerenv="", uuid=UUID)
    assert computer.hashed(seeing, "one") == computer.hashed(seeing, "two")


def test_the_identifier_can_be_chosen(monkeypatch):
    """PASSTIME_COMPUTER is the identifier, and where it is empty the computer's own is."""
    monkeypatch.setenv(computer.COMPUTER_VARIABLE, "bench-7.lab_2")
    assert computer.computer() == "bench-7.lab_2"
    monkeypatch.setenv(computer.COMPUTER_VARIABLE, "")
    assert re.fullmatch("[0-9a-f]{16}", computer.computer())


@pytest.mark.parametrize("chosen", ["my computer", "a/b", "x" * 65, "née", "a\n"])
def test_what_is_no_identifier_is_refused(monkeypatch, chosen):
    """The variable is named, and what it may hold."""
    monkeypatch.setenv(computer.COMPUTER_VARIABLE, chosen)
    with pytest.raises(PasstimeError, match=r"PASSTIME_COMPUTER is .*: set it to 1 to 64 letters, digits"):
        computer.computer()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    yield from checked(tmp_path)


def computers(project: Project, release: str, cell: str = "nets.Layer.time_forward") -> list[str | None]:
    """The computers of a cell's sessions, in the order taken."""
    return [line.get(COMPUTER) for line in project.sessions(release) if line["benchmark"] == cell]


def strip(project: Project, release: str) -> None:
    """Makes a release's sessions those of a time when computers were not recorded."""
    path = project.result_file(release).with_suffix(".provenance.jsonl")
    lines = [{key: value for key, value in line.items() if key != COMPUTER} for line in project.sessions(release)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_what_another_computer_measured_is_measured_here(project):
    """A run that skips what is there measures all of it again on another computer, adds to it, and then has it."""
    resumed = ("run", "fake-1.0", *FORWARD, "--skip-existing-successful")
    project.asv(*resumed, **THEIRS)
    theirs = project.stored("fake-1.0", "samples")
    assert measured_cells(project.asv(*resumed, **MINE)) == [DENSE, RESNET18, RESNET50] * 3
    both = project.stored("fake-1.0", "samples")
    for cell in (DENSE, RESNET18, RESNET50):
        assert both[cell][: len(theirs[cell])] == theirs[cell]
        assert len(both[cell]) == 2 * len(theirs[cell])
    assert computers(project, "fake-1.0") == ["theirs"] * 3 + ["mine"] * 3
    for environment in (MINE, THEIRS):
        assert measured_cells(project.asv(*resumed, **environment)) == []


def test_sessions_without_a_computer_are_of_another(project):
    """What was measured before computers were recorded is of an unknown one, which is not this one."""
    resumed = ("run", "fake-1.0", "-b", r"Layer.time_forward\(.*cpu", "--skip-existing-successful")
    project.asv(*resumed)
    assert measured_cells(project.asv(*resumed)) == []
    strip(project, "fake-1.0")
    assert measured_cells(project.asv(*resumed)) == [DENSE] * 3
    first, second, third, *ours = computers(project, "fake-1.0")
    assert first is second is third is None
    assert len(set(ours)) == 1
    assert re.fullmatch("[0-9a-f]{16}", str(ours[0]))


def test_what_is_not_available_is_not_tried_by_each_computer(project):
    """A workload that a release lacks takes no session on another computer."""
    resumed = ("run", "fake-1.0", *FORWARD, "--skip-existing-successful")
    lacking = {adapter.MISHAPS: '{"dense": "unavailable", "resnet18": "unavailable"}'}
    project.asv(*resumed, **THEIRS, **lacking)
    assert measured_cells(project.asv(*resumed, **MINE, **lacking)) == [RESNET50] * 3


def test_a_sweep_goes_on_from_another_computers_heats(project):
    """Heats of other computers of the kind count in a sweep, so what they have measured is not measured again."""
    sweep = ("sweep", "fake-1.0", "fake-2.0", "--bench", r"Layer.time_forward\(.*cpu")
    project.passtime(*sweep, **THEIRS)
    _, said = project.start_passtime(*sweep, "--dry-run", **MINE).communicate()
    assert said == "Measured already: fake-1.0\n"


def test_a_first_look_is_a_look_at_this_computer(project):
    """On a copy of what a computer of the same name has measured, the first command measures, and the second has it."""
    look = ("dashboard", "--releases", "fake-1.0", "fake-2.0")
    project.passtime(*look, **THEIRS)
    theirs = computers(project, "fake-2.0")
    project.passtime(*look, **MINE)
    both = computers(project, "fake-2.0")
    assert (both.count("theirs"), both.count("mine")) == (len(theirs), len(theirs))
    project.passtime(*look, **MINE)
    assert computers(project, "fake-2.0") == both


def test_heats_of_another_computer_do_not_stand_for_this_ones(project):
    """`passtime measure` measures here, too, where another computer has settled a row, and keeps that one's heats."""
    cell = ("measure", "fake-1.0", "fake-3.0", "--bench", r"Layer.time_forward\(.*cpu", "--format", "json")
    project.passtime(*cell, expect=3, **THEIRS)
    theirs = computers(project, "fake-1.0")
    assert set(theirs) == {"theirs"}
    project.passtime(*cell, expect=3, **THEIRS)
    assert computers(project, "fake-1.0") == theirs
    project.passtime(*cell, expect=3, **MINE)
    both = computers(project, "fake-1.0")
    assert both[: len(theirs)] == theirs
    assert set(both[len(theirs) :]) == {"mine"}


@pytest.mark.parametrize(
    "command", [("asv", "run"), ("passtime", "sweep", "fake-2.0"), ("passtime", "measure", "fake-2.0")]
)
def test_a_wrong_identifier_ends_each_command_before_it_begins(project, command):
    """One line names the variable, and nothing was measured."""
    program, *arguments = command
    wrong = {computer.COMPUTER_VARIABLE: "my computer"}
    printed = getattr(project, program)(*arguments, "fake-1.0", expect=1, **wrong)
    assert len([line for line in printed.splitlines() if "PASSTIME_COMPUTER is 'my computer'" in line]) == 1
    assert "Traceback" not in printed
    assert not list(project.results.glob("*/*.jsonl"))


def test_a_time_of_several_computers_is_doubtful():
    """Sessions of different computers in one time are told; those that name none are of one unknown computer."""
    unknown: dict[str, str] = {}
    assert list(stored._mixture([unknown, unknown])) == []
    assert list(stored._mixture([{COMPUTER: "a"}, {COMPUTER: "a"}])) == []
    (doubt,) = stored._mixture([unknown, {COMPUTER: "a"}, {COMPUTER: "b"}, {COMPUTER: "b"}])
    assert doubt == "its sessions are of 3 computers, which may not be equally fast"
