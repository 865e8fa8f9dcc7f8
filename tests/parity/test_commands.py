"""`passtime parity`, as it is typed, with the fake framework."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from fake import adapter as fake
from fake import framework as fake_framework  # noqa: F401  registers itself
from fake.project import Project

from passtime import cli, places
from passtime.results.parity import FILE


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `passtime parity` in a project of the fake framework."""
    project = Project(tmp_path)
    for name in (places.HOME_VARIABLE, places.RELEASES_VARIABLE):
        monkeypatch.setenv(name, project.environment[name])
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, mishaps: dict[str, str] | None = None) -> Result:
        monkeypatch.setenv(fake.MISHAPS, json.dumps(mishaps or {}))
        return CliRunner().invoke(cli.main, ["parity", *arguments])

    return invoke


def test_what_holds_is_a_row_and_a_line_in_the_results(run, tmp_path):
    """Each workload that was named is checked, shown and kept."""
    ended = run("fake-1.0", "fake-2.0", "--workload", "dense", "--workload", "vgg16")
    assert ended.exit_code == 0
    rows = [line for line in ended.stdout.splitlines() if "holds" in line]
    assert [("dense" in row, "vgg16" in row) for row in rows] == [(True, False), (False, True)]
    kept = [json.loads(line) for line in (tmp_path / "results" / FILE).read_text().splitlines()]
    assert [(entry["releases"], entry["workload"]) for entry in kept] == [
        (["fake-1.0", "fake-2.0"], "dense"),
        (["fake-1.0", "fake-2.0"], "vgg16"),
    ]


def test_a_failure_is_the_exit_status_and_the_rest_is_checked(run):
    """A workload that breaks is told as one that could not be checked; what no release has is n/a and no failure."""
    mishaps = {"dense": "crash", "batchnorm": "unavailable"}
    names = [name for workload in ("dense", "batchnorm", "maxpool") for name in ("--workload", workload)]
    ended = run("fake-1.0", "fake-2.0", *names, mishaps=mishaps)
    assert ended.exit_code == 1
    assert "n/a: fake 1.0 has no batchnorm" in ended.stderr
    assert "failed: the worker's session died of SIGKILL" in ended.stderr
    assert "3 of 3: maxpool: holds" in ended.stderr
    assert ended.stderr.endswith("0 workload(s) differ, 1 could not be checked, as said above\n")


def test_unknown_names_are_one_line(run):
    """A release or a workload that there is not is told before anything runs."""
    assert "unknown workload denze: passtime has vgg11" in run("fake-1.0", "fake-2.0", "--workload", "denze").stderr
    ended = run("fake-1.0", "fake-9.0")
    assert ended.exit_code == 1
    assert ended.stderr.startswith("Error: unknown release fake-9.0")
