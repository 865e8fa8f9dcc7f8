"""The first look: what it picks, what it runs, and how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from asv_plugin.conftest import await_session, checked
from asv_runner import discovery
from fake import adapter
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project

from passtime.catalog import workloads
from passtime.cli import dashboard
from passtime.errors import PasstimeError

ROOT = Path(__file__).parents[1]
PASSTIME = str(Path(sys.executable).with_name("passtime"))
HANGING = '{"dense": "hang"}'


def release(version: str, month: int) -> SimpleNamespace:
    """A release as far as the dashboard looks into one."""
    return SimpleNamespace(name=f"torch-{version}", version=version, date=datetime(2024, month, 1, tzinfo=timezone.utc))


OLD, MIDDLE, NEW = release("1.0", 1), release("1.2", 2), release("1.10", 3)
KNOWN = SimpleNamespace(
    of_branch=lambda branch: (OLD, NEW, MIDDLE),
    get=lambda name: next(known for known in (OLD, MIDDLE, NEW) if known.name == name),
)


def asv_names() -> list[str]:
    """Every benchmark of the suite with its parameters, written as asv matches them."""
    listing = io.StringIO()
    discovery.list_benchmarks(str(ROOT / "benchmarks"), listing)
    return [
        f"{found['name']}({workload}, {device})"
        for found in json.loads(listing.getvalue())
        for workload in found["params"][0]
        for device in found["params"][1]
    ]


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "gpu")])
def test_the_first_look_is_every_layer_and_three_models(devices):
    """The selection holds all passes and memory tracks of 8 layers and 3 models on the given devices, and no more."""
    selected = [name for name in asv_names() if re.search(dashboard.selection(devices), name)]
    found = {tuple(re.findall(r"'(.*?)'", name)) for name in selected}
    assert found == {
        (workload, device) for workload in (*workloads.LAYERS, "resnet18", "resnet50", "vgg16") for device in devices
    }
    assert len(selected) == 6 * 11 * len(devices)  # four passes and two peaks of memory each


def test_the_two_newest_that_run_here_are_taken(monkeypatch):
    """Releases that this machine cannot run are passed over, and date, not version, orders the rest."""
    monkeypatch.setattr(dashboard.store, "runnable", lambda release: None)
    assert dashboard.newest_runnable(KNOWN) == [MIDDLE, NEW]
    monkeypatch.setattr(dashboard.store, "runnable", lambda release: "no Python 3.99" if release is NEW else None)
    assert dashboard.newest_runnable(KNOWN) == [OLD, MIDDLE]


def test_one_runnable_release_is_not_enough(monkeypatch):
    """Where two releases cannot run, the line gives the reason of the newest that cannot."""
    monkeypatch.setattr(dashboard.store, "runnable", lambda release: None if release is OLD else f"no {release.name}")
    with pytest.raises(PasstimeError, match=r"can run 1 torch release\(s\), a comparison takes two: no torch-1.10"):
        dashboard.newest_runnable(KNOWN)


def look(project: Project, *arguments: str, expect: int, **environment: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [PASSTIME, "dashboard", "--releases", "fake-1.0", "fake-2.0", *arguments],
        cwd=project.root,
        env={**project.environment, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.returncode == expect, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was measured yet."""
    yield from checked(tmp_path)


def test_a_first_look_ends_with_a_verdict_and_a_site(project):
    """Two releases are measured in heats, judged and published; a second start measures nothing anew."""
    first = look(project, expect=0)
    assert (
        "First look at fake-1.0 and fake-2.0 on cpu: 8 layers and resnet18, resnet50, vgg16, 44 passes" in first.stderr
    )
    assert "worse: of 12 passes 12 slower" in first.stdout
    assert "asv preview" in first.stderr
    assert json.loads((project.root / "html/index.json").read_text("utf-8"))["benchmarks"]
    published = project.root / f"html/data/{next(project.results.glob('*/machine.json')).parent.name}"
    against = json.loads((published / "releases/fake-2.0.json").read_text("utf-8"))["against"]["fake-1.0"]
    assert against["changes"]["dense"]["cpu"]["total"]["verdict"] == "slower"
    sessions = {release: project.sessions(release) for release in ("fake-1.0", "fake-2.0")}
    look(project, expect=0)
    assert {release: project.sessions(release) for release in sessions} == sessions


def test_what_failed_leaves_the_others_judged_and_published(project):
    """Where a workload fails the rest is judged and published, and the command fails with one line."""
    ended = look(project, expect=1, **{adapter.MISHAPS: '{"resnet50": "crash"}'})
    assert "worse: of 8 passes 8 slower" in ended.stdout
    assert (project.root / "html/index.html").is_file()
    assert ended.stderr.splitlines()[-1].startswith("Error: 2 could not be measured: ")


def test_a_release_against_itself_is_refused(project):
    """Two releases are named, or none."""
    ended = look(project, "--releases", "fake-1.0", "fake-1.0", expect=1)
    assert ended.stderr == "Error: fake-1.0 against itself shows nothing: name two releases\n"


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_end_in_the_middle_leaves_nothing_running(project, ending, status):
    """However the dashboard is ended its workers end with it, in one line."""
    fifo = project.root / "sessions"
    os.mkfifo(fifo)
    process = project.start_passtime(
        "dashboard", "--releases", "fake-1.0", "fake-2.0", **{adapter.PASSES: str(fifo), adapter.MISHAPS: HANGING}
    )
    await_session(fifo, "dense", process.pid)
    process.send_signal(ending)
    _, complained = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == status
    assert complained.splitlines()[-1] == "Interrupted. The same command goes on from here."
