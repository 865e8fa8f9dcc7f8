"""`passtime timeline new`: what a machine should have measured."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner, Result

from passtime import cli, places


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A checkout whose releases are written by name, age in days, and whether this machine can run them."""
    (tmp_path / "asv.conf.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(tmp_path / "releases.toml"))

    def write(*releases: tuple[str, int, bool]) -> None:
        entries = [
            f'[[release]]\nframework = "{name.partition("-")[0]}"\nversion = "{name.partition("-")[2]}"\n'
            f"date = {datetime.now(timezone.utc) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}\n"
            f'interpreter = "{sys.executable if runs else tmp_path / "nowhere"}"\n'
            for name, days, runs in releases
        ]
        (tmp_path / "releases.toml").write_text("".join(entries))

    return write


def new(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["timeline", "new", *arguments])


def test_releases_of_one_night_are_all_new(project):
    """All of the last 90 days are named, and no older one where there is one of them."""
    project(("torch-1.0", 400, True), ("torch-1.1", 91, True), ("torch-1.2", 1, True), ("torch-1.2.1", 0, True))
    assert new().stdout.split() == ["torch-1.2.1", "torch-1.2"]
    assert new("--days", "100").stdout.split() == ["torch-1.2.1", "torch-1.2", "torch-1.1"]


def test_the_newest_of_each_branch_is_new_however_old(project):
    """A machine that measures for the first time has the newest of each framework to measure."""
    project(("torch-1.0", 400, True), ("torch-1.1", 300, True), ("flux-0.1", 500, True))
    assert new().stdout.split() == ["torch-1.1", "flux-0.1"]


def test_what_does_not_run_here_is_passed_over(project):
    """An older release takes the place of those that cannot run, which are named if they are new."""
    project(("torch-1.0", 400, True), ("torch-1.1", 300, False), ("torch-1.2", 1, False), ("flux-0.1", 500, False))
    ended = new()
    assert ended.stdout.split() == ["torch-1.0"]
    assert ended.stderr.startswith("torch-1.2 is left out: ")
    assert ended.stderr.count("\n") == 1


def test_a_machine_that_can_run_nothing_says_why(project):
    """Where nothing runs, one line says why not, and make measures nothing."""
    project(("torch-1.0", 400, False))
    ended = new()
    assert ended.exit_code == 1
    assert "this machine can run no release: " in ended.stderr
