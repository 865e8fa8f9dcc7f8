"""The first look: what it picks, what it runs, and how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from asv_runner import discovery
from click.testing import CliRunner
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project

from passtime import cli
from passtime.asv import process as asv_process
from passtime.catalog import workloads
from passtime.cli import dashboard
from passtime.errors import PasstimeError

ROOT = Path(__file__).parents[1]


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
    """asv's selection holds all passes and memory tracks of 8 layers and 3 models on the given devices, and no more."""
    selected = [name for name in asv_names() if re.search(dashboard.selection(devices), name)]
    found = {tuple(re.findall(r"'(.*?)'", name)) for name in selected}
    assert found == {
        (workload, device) for workload in (*workloads.LAYERS, "resnet18", "resnet50", "vgg16") for device in devices
    }
    assert len(selected) == dashboard.RESULTS_PER_WORKLOAD * 11 * len(devices)


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


@pytest.fixture
def steps(monkeypatch):
    """The order of what `passtime dashboard` does; asv's exit statuses can be scripted by its command."""
    done: list[str] = []
    statuses: dict[str, int] = {}

    def asv(root, *arguments):
        done.append(" ".join(["asv", *arguments[:2]]))
        return statuses.get(arguments[0], 0)

    monkeypatch.setattr(dashboard.places, "root", lambda: ROOT)
    monkeypatch.setattr(dashboard.manifest, "load", lambda root: KNOWN)
    monkeypatch.setattr(dashboard.repository, "build", lambda known, path: done.append("build timeline"))
    monkeypatch.setattr(dashboard.store, "has_gpu", lambda: False)
    monkeypatch.setattr(dashboard.store, "runnable", lambda release: None)
    monkeypatch.setattr(dashboard.store, "ensure", lambda release, say: done.append(f"install {release.name}"))
    monkeypatch.setattr(dashboard.asv_process, "end_when_told", lambda: None)
    monkeypatch.setattr(dashboard.asv_process, "run", asv)
    return done, statuses


def test_everything_is_installed_before_anything_is_timed(steps):
    """The timeline is built and both runtimes installed before asv runs once over both, publishes and compares."""
    done, _ = steps
    result = CliRunner().invoke(cli.main, ["dashboard"])
    assert result.exit_code == 0
    assert done == [
        *("build timeline", "install torch-1.2", "install torch-1.10", "asv run torch-1.2 torch-1.10"),
        *("asv publish", "asv compare torch-1.2"),
    ]
    assert "First look at torch-1.2 and torch-1.10 on cpu: 8 layers and resnet18, resnet50, vgg16, 132 results" in (
        result.stderr
    )
    assert "asv preview" in result.stderr


def test_other_releases_can_be_chosen(steps):
    """--releases takes the two it is given, in that order."""
    done, _ = steps
    assert CliRunner().invoke(cli.main, ["dashboard", "--releases", "torch-1.10", "torch-1.0"]).exit_code == 0
    assert "asv run torch-1.10 torch-1.0" in done


def test_failed_benchmarks_leave_the_others_published(steps):
    """Where some benchmarks failed, the rest is published and compared, and the command fails with one line."""
    done, statuses = steps
    statuses["run"] = asv_process.SOME_FAILED
    result = CliRunner().invoke(cli.main, ["dashboard"])
    assert done[-2:] == ["asv publish", "asv compare torch-1.2"]
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: some benchmarks failed")


@pytest.mark.parametrize("command", ["run", "publish", "compare"])
def test_a_failed_step_ends_the_dashboard(steps, command):
    """Nothing runs after a step that failed, and the command fails with one line."""
    done, statuses = steps
    statuses[command] = 1
    result = CliRunner().invoke(cli.main, ["dashboard"])
    assert done[-1].startswith(f"asv {command}")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_asv_ends_with_the_dashboard(tmp_path, ending, status):
    """However the dashboard is ended, the asv that it started has ended before it, and an interrupted one has saved."""
    stand_in = tmp_path / "asv"
    stand_in.mkdir()
    (stand_in / "__init__.py").touch()
    (stand_in / "__main__.py").write_text(
        "import os, pathlib, signal\n"
        "try:\n    print(os.getpid(), flush=True)\n    signal.pause()\n"
        "except KeyboardInterrupt:\n    pathlib.Path('saved').touch()\n"
    )
    program = (
        "import signal, sys, pathlib\n"
        "from passtime import cli\nfrom passtime.cli import dashboard\n"
        "dashboard.places.root = lambda: pathlib.Path.cwd()\n"
        "dashboard.manifest.load = lambda root: None\n"
        "dashboard.newest_runnable = lambda known: []\n"
        "dashboard.repository.build = lambda *_: None\n"
        "cli.main(['dashboard'])\n"
    )
    # A process group of its own, as a terminal gives it: Ctrl-C reaches the dashboard and asv.
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    asv = int(process.stdout.readline())
    if ending == signal.SIGINT:
        os.killpg(process.pid, ending)
    else:
        os.kill(process.pid, ending)
    assert process.wait(timeout=DEADLINE_SECONDS) == status
    with pytest.raises(ProcessLookupError):
        os.kill(asv, 0)
    assert (tmp_path / "saved").exists() == (ending == signal.SIGINT)


def test_a_first_look_ends_with_a_site_and_a_comparison(tmp_path):
    """With asv itself: two releases are measured, published and compared, and a second start measures nothing anew."""
    project = Project(tmp_path)
    passtime = str(Path(sys.executable).with_name("passtime"))

    def look() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [passtime, "dashboard", "--quick", "--releases", "fake-1.0", "fake-2.0"],
            cwd=tmp_path,
            env=project.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )

    first = look()
    assert first.returncode == 0, first.stdout + first.stderr
    assert "<fake-1.0>" in first.stdout
    assert re.search(r"\| *\d\S* *\| nets.Net.time_total\('resnet50', 'cpu'\)", first.stdout)
    assert json.loads((tmp_path / "html/index.json").read_text("utf-8"))["benchmarks"]
    measured = {release: project.stored(release) for release in ("fake-1.0", "fake-2.0")}
    assert all(len(cells) == 3 * dashboard.RESULTS_PER_WORKLOAD for cells in measured.values())
    sessions = {release: project.sessions(release) for release in measured}
    assert look().returncode == 0
    assert {release: project.sessions(release) for release in measured} == sessions
    assert project.survivors() == []
