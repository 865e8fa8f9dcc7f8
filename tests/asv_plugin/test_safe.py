"""What several runs, and damaged files, do to results: nothing is lost."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from fake import adapter
from fake.project import DEADLINE_SECONDS, Project

from asv_plugin.conftest import await_session

DENSE, INFERENCE = "nets.Layer.time_forward(dense, cpu)", "nets.Net.time_inference(resnet18, cpu)"
FORWARD = r"time_forward\(.*'cpu'"
QUICK = ("-a", "rounds=1")


def test_a_second_run_waits_for_the_first_one(project, sessions):
    """Of two `asv run` in one checkout the second one says which process it waits for; both leave their results."""
    first = project.start("run", "fake-1.0", "-b", FORWARD, *QUICK, **{adapter.MISHAPS: '{"resnet18": "hang"}'})
    await_session(sessions, "resnet18", first.pid)
    second = project.start("run", "fake-1.0", "-b", "Net.time_inference", *QUICK, **{adapter.PASSES: ""})
    assert second.stderr is not None
    waiting = next(text for text in second.stderr if text.startswith("Waiting"))
    assert f"process {first.pid} (`asv run fake-1.0 -b" in waiting
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=DEADLINE_SECONDS)
    printed, complained = second.communicate(timeout=DEADLINE_SECONDS)
    assert second.returncode == 0, printed + complained
    assert {DENSE, INFERENCE} <= project.stored("fake-1.0").keys()


def test_a_plain_run_adds_to_what_was_measured_in_turn(project):
    """After `passtime measure`, `asv run` adds its sessions: what was measured in turn is all there."""
    project.passtime("measure", "fake-1.0", "fake-2.0", "--bench", "Layer.time_forward", "--budget", "4s", expect=3)
    paired = [one for one in project.sessions("fake-2.0") if "heat" in one]
    assert paired
    samples = project.stored("fake-2.0", "samples")[DENSE]
    project.asv("run", "fake-2.0", "-b", "Layer.time_forward", *QUICK)
    assert [one for one in project.sessions("fake-2.0") if "heat" in one] == paired
    assert project.stored("fake-2.0", "samples")[DENSE][: len(samples)] == samples
    assert len(project.stored("fake-2.0", "samples")[DENSE]) > len(samples)


@pytest.fixture
def measured(project) -> Project:
    project.asv("run", "fake-1.0 fake-2.0 fake-3.0", "-b", "time_", *QUICK)
    return project


def damage(project: Project, release: str, how: str) -> Path:
    path = project.result_file(release)
    if how == "conflict":
        path.write_text(f"<<<<<<< HEAD\n{path.read_text('utf-8')}\n=======\n{{}}\n>>>>>>> other\n", "utf-8")
    else:
        document = json.loads(path.read_text("utf-8"))
        document["results"]["nets.Layer.time_forward"][0] = json.loads(how)
        path.write_text(json.dumps(document), "utf-8")
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [("conflict", "merge conflict in line 1"), ("0", "nets.Layer.time_forward, result: 0"), ('["slow"]', "'slow'")],
)
def test_a_damaged_file_costs_itself_alone(measured, how, said):
    """With one release's file damaged, the others are compared, tabled and published; a line names the file."""
    path = damage(measured, "fake-3.0", how)
    before = path.read_bytes()
    for arguments in (["verdict", "fake-1.0", "fake-2.0"], ["tables", "--format", "json"]):
        process = measured.start_passtime(*arguments)
        printed, complained = process.communicate(timeout=DEADLINE_SECONDS)
        assert "fake-2.0" in printed, complained
        (named,) = [text for text in complained.splitlines() if path.name in text]
        assert said in named
        assert named.endswith("fake-3.0 is left out")
        assert "Traceback" not in complained
    assert said in measured.passtime("verdict", "fake-1.0", "fake-3.0", expect=1)
    published = measured.asv("publish")
    assert said in published
    assert "Traceback" not in published
    index = json.loads((measured.root / "html/data/index.json").read_text("utf-8"))
    assert {release["name"] for release in index["releases"]} == {"fake-1.0", "fake-2.0"}
    refused = measured.asv("run", "fake-3.0", "-b", "Layer.time_forward", *QUICK, expect=1)
    assert re.search(rf"{path.name} .*{re.escape(said)}", refused)
    assert path.read_bytes() == before
