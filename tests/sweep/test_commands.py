"""`passtime sweep`, as it is typed, with the fake framework."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from asv_plugin.conftest import await_session, checked
from fake import adapter
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project
from fake.wheels import wheel

from passtime.stats import judge

FORWARD = ("--bench", r"time_forward\(.*'cpu'")  # three rows of each release: dense, resnet18, resnet50
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


def heats(project: Project, release: str, workload: str = "dense") -> set[str]:
    """The heats of a workload's training that a release was in."""
    lines = project.sessions(release)
    return {line["heat"] for line in lines if line["params"][0] == workload and "time_forward" in line["benchmark"]}


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
    """--dry-run tells releases, passes, time, installs and disk, and leaves results and runtimes alone."""
    wheels = installable(project, "1.0", "2.0", "3.0")
    arguments = ("fake-1.0..fake-3.0", "--reference", "fake-1.0", *FORWARD, "--budget", "20m", "--disk", "7GB")
    lines = sweep(project, *arguments, "--dry-run", **wheels).splitlines()
    assert re.fullmatch(
        r"To measure: fake-3.0, fake-2.0, in heats with fake-1.0: 6 passes, about \d+ (s|min) until each can be read",
        lines[0],
    )
    assert lines[1:] == [
        "The budget: 20 min of measuring",
        "To install: fake-1.0, fake-3.0, fake-2.0: up to 6.0 GB each, on disk at most 7.0 GB at a time, 0.0 GB of it "
        "now",
        "Runtimes that it does not need are removed where they leave no room in 7.0 GB",
    ]
    assert not [*project.results.glob("*/*passtime.json")]
    assert installed(project) == []


def test_all_are_measured_with_the_newest_and_a_second_start_measures_nothing(project):
    """Names and ranges alike are in the heats of the newest; any two can be compared; then nothing is left to do."""
    sweep(project, "fake-1.0", "fake-2.0^..fake-3.0", *DENSE)
    found = [heats(project, name) for name in ("fake-1.0", "fake-2.0", "fake-3.0")]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == judge.LEAST_HEATS
    assert "worse" in project.passtime("verdict", "fake-1.0", "fake-2.0", *DENSE, expect=3)
    again = sweep(project, "fake-1.0", "fake-2.0^..fake-3.0", *DENSE)
    assert again == "Measured already: fake-1.0, fake-2.0\n"


def test_another_reference_can_be_chosen(project):
    """--reference is in every heat, also if it is none of the releases."""
    sweep(project, "fake-2.0", "fake-3.0", "--reference", "fake-1.0", *DENSE)
    assert len(heats(project, "fake-1.0")) == judge.LEAST_HEATS


def test_a_release_that_is_new_is_connected_to_the_others(project):
    """A later sweep measures only what is new, beside the reference, and the new one is compared with all."""
    sweep(project, "fake-1.0", "fake-3.0", "--reference", "fake-1.0", *DENSE)
    before = heats(project, "fake-3.0")
    printed = sweep(project, "fake-1.0^..fake-3.0", "--reference", "fake-1.0", *DENSE)
    assert "To measure: fake-2.0, in heats with fake-1.0" in printed
    assert heats(project, "fake-3.0") == before
    assert "slower" in project.passtime("verdict", "fake-2.0", "fake-3.0", *DENSE, expect=3)


def test_a_release_that_cannot_be_had_stops_no_other(project):
    """It is one line before anything starts, the others are measured, and the exit status tells."""
    printed = sweep(project, "fake-0.1", "fake-1.0", "fake-2.0", *DENSE, expect=1)
    assert len([line for line in printed.splitlines() if "nowhere/python is gone" in line]) == 1
    assert printed.splitlines()[-1].startswith("Error: not measured in full, as said above: fake-0.1; ")
    assert len(heats(project, "fake-1.0")) == judge.LEAST_HEATS


def test_a_workload_that_fails_is_named(project):
    """Where a session failed that is said, the other workloads are measured, and the next start tries it again."""
    broken = {adapter.MISHAPS: '{"resnet18": "error"}'}
    printed = sweep(project, "fake-1.0", "fake-2.0", *FORWARD, expect=1, **broken)
    assert "resnet18 training on cpu is left out: fake-2.0: RuntimeError: the fake framework broke" in printed
    assert len(heats(project, "fake-1.0")) == judge.LEAST_HEATS
    sweep(project, "fake-1.0", "fake-2.0", *FORWARD)
    assert len(heats(project, "fake-1.0", "resnet18")) == judge.LEAST_HEATS


def test_runtimes_make_room_for_one_another(project):
    """Where the disk holds two, each release is measured beside the reference and removed for the next.

    A failed install is one line. What is measured is not installed again, and the cache of the installs is gone.
    """
    wheels = installable(project, "1.0", "2.0", "3.0", missing="2.0")
    arguments = ("fake-1.0", "fake-2.0", "fake-3.0", "--reference", "fake-3.0", *DENSE, "--disk", "6GB")
    printed = sweep(project, *arguments, expect=1, **wheels)
    order = re.findall(r"(Installing|took) ?(fake-\d)?", printed)
    assert [what for what, _ in order] == ["Installing", "Installing", "took", "Installing"]
    assert len([line for line in printed.splitlines() if "fake-2.0 cannot be installed: no wheel" in line]) == 1
    assert "fake-3.0" in installed(project)
    left = {path.name for path in (project.root / "cache").iterdir() if not path.name.startswith("measuring-")}
    assert left == {"logs", "runtimes"}
    again = sweep(project, "fake-1.0", "fake-3.0", *DENSE, "--disk", "6GB", **wheels)
    assert again == "Measured already: fake-1.0\n"


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_is_one_line_and_the_next_start_goes_on(project, ending, status):
    """However it is ended its workers end, too; what was measured by then is kept and not measured again."""
    fifo = project.root / "sessions"
    os.mkfifo(fifo)
    environment = {adapter.PASSES: str(fifo), adapter.MISHAPS: '{"resnet50": "hang"}'}
    process = project.start_passtime("sweep", "fake-1.0", "fake-2.0", *FORWARD, **environment)
    await_session(fifo, "resnet50", process.pid)
    process.send_signal(ending)
    _, complained = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == status
    assert complained.splitlines()[-1] == "Interrupted. The same command goes on from here."
    assert "Traceback" not in complained
    assert project.survivors() == []
    kept = heats(project, "fake-1.0")
    assert kept
    sweep(project, "fake-1.0", "fake-2.0", *FORWARD)
    assert kept < heats(project, "fake-1.0")


def test_a_budget_bounds_all_releases(project):
    """A budget that is too short for anything leaves all out, and that is no failure."""
    printed = sweep(project, "fake-1.0", "fake-2.0", *DENSE, "--budget", "0s")
    assert "The budget is spent: fake-1.0 not begun" in printed
    assert not [*project.results.glob("*/*passtime.json")]


def test_a_budget_goes_into_what_is_open(project):
    """With a budget the time goes on into rows that are not settled, and not into those that are."""
    unsteady = {adapter.UNSTEADY: str(project.root / "resnet50")}
    # On a busy machine the least heats take several seconds.
    sweep(project, "fake-1.0", "fake-2.0", *FORWARD, "--budget", "25s", **unsteady)
    taken = Counter({name: len(heats(project, "fake-1.0", name)) for name in ("dense", "resnet50")})
    assert taken["resnet50"] > taken["dense"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fake-9.0",), "unknown release fake-9.0"),
        (("fake-1.0..fake-1.0",), "no releases in fake-1.0..fake-1.0"),
        (("fake-1.0", "fake-2.0", "--bench", "("), "is no regular expression"),
        (("fake-1.0", "fake-2.0", "--bench", "nothing-like-it"), "matches"),
        (("fake-1.0",), "nothing to compare fake-1.0 with: name more releases"),
        (("fake-1.0", "--reference", "fake-9.0"), "unknown release fake-9.0"),
        (("fake-2.0", "--reference", "fake-0.1"), "nowhere/python is gone"),
    ],
)
def test_what_it_cannot_read_is_one_line(project, arguments, said):
    """Nothing is begun where the command line is wrong."""
    printed = sweep(project, *arguments, expect=1)
    assert said in printed.splitlines()[-1]


def test_another_sitting_is_kept_apart(project):
    """With --machine, results are of that name, and what another machine has is not thought measured."""
    sweep(project, "fake-1.0", "fake-2.0", *DENSE)
    printed = sweep(project, "fake-1.0", "fake-2.0", *DENSE, "--machine", "evening")
    assert "To measure: fake-1.0" in printed
    assert (project.results / "evening" / "machine.json").is_file()
