"""`passtime sweep`, as it is typed, with the fake framework and asv itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asv_plugin.conftest import await_session, checked
from fake import adapter
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project
from fake.wheels import wheel

FORWARD = ("--bench", r"time_forward\(.*'cpu'")  # three cells: dense, resnet18, resnet50
DENSE = ("--bench", r"Layer.time_forward\(.*'cpu'")
PASSTIME = str(Path(sys.executable).with_name("passtime"))
HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was measured yet."""
    yield from checked(tmp_path)


def sweep(project: Project, *arguments: str, expect: int = 0, **environment: str) -> str:
    """What `passtime sweep` printed, both streams in turn, once it has ended with the expected exit status."""
    ended = subprocess.run(
        [PASSTIME, "sweep", *arguments],
        cwd=project.root,
        env={**project.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.returncode == expect, ended.stdout
    assert "Traceback" not in ended.stdout
    return ended.stdout


def measured_cells(printed: str) -> list[str]:
    return re.findall(r"\] ··· (nets\.\S+ [^)]*\))", printed)


def installable(project: Project, *versions: str, missing: str = "") -> dict[str, str]:
    """Makes the project's releases ones that uv installs, from wheels of a few bytes; what uv needs for that."""
    wheels = project.root / "wheels"
    wheels.mkdir()
    for version in versions:
        if version != missing:
            wheel(wheels, "fakeframe", version)
    entries = [
        f'[[release]]\nframework = "fake"\nversion = "{version}"\ndate = 202{year}-01-01T00:00:00Z\n'
        f'python = "{HERE}"\nrequirements = ["fakeframe=={version}"]\n'
        for year, version in enumerate(versions)
    ]
    (project.root / "releases.toml").write_text("\n".join(entries), "utf-8")
    # With a choice of build made, none is looked for on a network.
    return {"UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_TORCH_BACKEND": "cpu", "UV_CACHE_DIR": str(wheels)}


def installed(project: Project) -> list[str]:
    return sorted(path.parent.name for path in (project.root / "cache/runtimes").glob("*/runtime.json"))


def test_it_says_what_it_will_cost_and_does_nothing(project):
    """--dry-run tells cells, releases, time, installs and disk, and leaves results and runtimes alone."""
    wheels = installable(project, "1.0", "2.0", "3.0")
    arguments = ("fake-1.0..fake-3.0", *FORWARD, "--budget", "20m", "--disk", "7GB", "--dry-run")
    lines = sweep(project, *arguments, **wheels).splitlines()
    assert lines == [
        "To measure: 6 cells of 2 releases (fake-3.0, fake-2.0): how long is unknown",
        "The budget: 20 min of measuring",
        "To install: 2 releases (fake-3.0, fake-2.0): up to 6.0 GB each, on disk at most 7.0 GB at a time, 0.0 GB of "
        "it now",
        "Runtimes that this sweep does not need are removed where they leave no room in 7.0 GB",
    ]
    assert not project.results.exists()
    assert installed(project) == []


def test_it_knows_how_long_cells_took_before(project):
    """Of what was measured elsewhere the expected time is known, and each round counts."""
    (project.results / "elsewhere").mkdir(parents=True)
    line = {"benchmark": "nets.Layer.time_forward", "params": ["dense", "cpu"], "seconds": 30.0}
    (project.results / "elsewhere/abc-passtime.provenance.jsonl").write_text(json.dumps(line), "utf-8")
    printed = sweep(project, "fake-1.0", *DENSE, "--dry-run")
    assert "To measure: 1 cell of fake-1.0: about 60 s, as long as they took before" in printed


def test_a_second_start_measures_nothing(project):
    """All releases are measured in one go, names and ranges alike; started again there is nothing left to do."""
    printed = sweep(project, "fake-1.0", "fake-2.0^..fake-3.0", *DENSE)
    assert len(measured_cells(printed)) == 6
    assert all(len(project.sessions(name)) == 2 for name in ("fake-1.0", "fake-2.0", "fake-3.0"))
    again = sweep(project, "fake-1.0", "fake-2.0^..fake-3.0", *DENSE)
    assert again == "Measured already: 3 releases (fake-1.0, fake-3.0, fake-2.0)\n"


def test_a_release_that_cannot_be_had_stops_no_other(project):
    """It is one line before anything starts, the others are measured, and the exit status tells."""
    printed = sweep(project, "fake-0.1", "fake-1.0", *DENSE, expect=1)
    assert len([line for line in printed.splitlines() if "nowhere/python is gone" in line]) == 1
    assert printed.splitlines()[-1].startswith("Error: not measured in full, as said above: fake-0.1; ")
    assert len(project.sessions("fake-1.0")) == 2


def test_a_release_that_fails_is_named(project):
    """Where passes failed the release is named with their number, and tried again by the next start."""
    broken = {adapter.MISHAPS: '{"resnet18": "error"}'}
    printed = sweep(project, "fake-1.0", *FORWARD, expect=1, **broken)
    assert "fake-1.0: 1 failed, as said above" in printed
    assert len(measured_cells(sweep(project, "fake-1.0", *FORWARD))) == 2


def test_runtimes_make_room_for_one_another(project):
    """Where the disk holds one at a time, each is installed, measured and removed for the next; a failure is one line.

    What is measured is not installed again, and the cache that the installs shared is gone.
    """
    wheels = installable(project, "1.0", "2.0", "3.0", missing="2.0")
    arguments = ("fake-1.0", "fake-2.0", "fake-3.0", *DENSE, "--disk", "6GB")
    printed = sweep(project, *arguments, expect=1, **wheels)
    order = re.findall(r"(Installing|Removed|For passtime commit \w+) <?(fake-\d)", printed)
    assert [(what.split()[0], name) for what, name in order] == [
        ("Installing", "fake-1"),
        ("For", "fake-1"),
        ("For", "fake-1"),
        ("Removed", "fake-1"),
        ("Installing", "fake-2"),
        ("Installing", "fake-3"),
        ("For", "fake-3"),
        ("For", "fake-3"),
    ]
    assert len([line for line in printed.splitlines() if "fake-2.0 cannot be installed: no wheel" in line]) == 1
    assert installed(project) == ["fake-3.0"]
    left = {path.name for path in (project.root / "cache").iterdir() if not path.name.startswith("measuring-")}
    assert left == {"logs", "runtimes"}
    again = sweep(project, "fake-1.0", "fake-3.0", *DENSE, "--disk", "6GB", **wheels)
    assert again == "Measured already: 2 releases (fake-1.0, fake-3.0)\n"


def test_releases_that_are_measured_together_alternate(project):
    """No release's rounds follow one another: what the machine does meanwhile befalls all."""
    printed = sweep(project, "fake-1.0", "fake-2.0", *DENSE)
    assert re.findall(r"For passtime commit \w+ <(fake-\d)", printed) == ["fake-2", "fake-1", "fake-1", "fake-2"]


def test_what_fits_is_installed_at_once_and_stays(project):
    """Where the disk holds all, they are installed before anything is timed, and none is removed."""
    wheels = installable(project, "1.0", "2.0")
    printed = sweep(project, "fake-1.0", "fake-2.0", *DENSE, **wheels)
    order = re.findall(r"(Installing|For passtime commit \w+) <?(fake-\d)", printed)
    assert [what.split()[0] for what, _ in order] == ["Installing"] * 2 + ["For"] * 4
    assert installed(project) == ["fake-1.0", "fake-2.0"]


def test_an_interrupt_is_one_line_and_the_next_start_goes_on(project):
    """Ctrl-C ends asv and its worker too; what was measured by then is kept and not measured again."""
    fifo = project.root / "sessions"
    os.mkfifo(fifo)
    environment = {**project.environment, adapter.PASSES: str(fifo), adapter.MISHAPS: '{"resnet50": "hang"}'}
    # A process group of its own, as a terminal gives it: Ctrl-C reaches all of it.
    process = subprocess.Popen(
        [PASSTIME, "sweep", "fake-1.0", *FORWARD],
        cwd=project.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    await_session(fifo, "resnet50", process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, complained = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 130
    assert complained.splitlines()[-1] == "Interrupted. The same command goes on from here."
    assert "Traceback" not in complained
    assert project.survivors() == []
    # Of two rounds of three cells, two were measured.
    assert len(measured_cells(sweep(project, "fake-1.0", *FORWARD))) == 4


def test_a_budget_bounds_all_releases(project):
    """A budget that is too short for anything leaves all out, and that is no failure."""
    printed = sweep(project, "fake-1.0", "fake-2.0", *DENSE, "--budget", "0s")
    assert measured_cells(printed) == []
    assert "The budget is spent: fake-1.0, fake-2.0 not begun" in printed


def test_a_budget_goes_into_more_sessions(project):
    """What was measured and is there is measured again where its passes are unsteady, and steady ones are not."""
    training = ("--bench", r"Net.time_(forward|inference)\('resnet50', 'cpu'")
    unsteady = {adapter.UNSTEADY: str(project.root / "resnet50")}
    sweep(project, "fake-1.0", *training, **unsteady)
    printed = sweep(project, "fake-1.0", *training, "--budget", "5s", **unsteady)
    assert "The budget: 5 s of measuring, what is left of it into more sessions of fake-1.0" in printed
    assert len(measured_cells(printed)) >= 1


def test_a_failure_of_one_more_session_is_named(project):
    """What is complete stays so, and yet the exit status tells."""
    training = ("--bench", r"Net.time_(forward|inference)\('resnet50', 'cpu'")
    unsteady = {adapter.UNSTEADY: str(project.root / "resnet50")}
    sweep(project, "fake-1.0", *training, **unsteady)
    broken = {adapter.MISHAPS: '{"resnet50": "error"}'}
    printed = sweep(project, "fake-1.0", *training, "--budget", "5s", expect=1, **unsteady, **broken)
    assert re.search(r"^fake-1.0: \d failed, as said above", printed, re.MULTILINE)
    assert len(project.sessions("fake-1.0")) > 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fake-9.0",), "unknown release fake-9.0"),
        (("fake-1.0..fake-1.0",), "no releases in fake-1.0..fake-1.0"),
        (("fake-1.0", "--bench", "("), "--bench ( is no regular expression"),
        (("fake-1.0", "--bench", "nothing-like-it"), "no benchmark matches nothing-like-it"),
    ],
)
def test_what_it_cannot_read_is_one_line(project, arguments, said):
    """Nothing is begun where the command line is wrong."""
    printed = sweep(project, *arguments, expect=1)
    assert said in printed.splitlines()[-1]


def test_another_sitting_is_kept_apart(project):
    """With --machine, results are of that name, and what another machine has is not thought measured."""
    sweep(project, "fake-1.0", *DENSE)
    for count in (1, 0):
        printed = sweep(project, "fake-1.0", *DENSE, "--machine", "evening")
        assert len(set(measured_cells(printed))) == count
    assert (project.results / "evening" / "machine.json").is_file()
