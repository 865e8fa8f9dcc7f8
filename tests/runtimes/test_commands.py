"""`passtime runtimes`, as it is typed."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from passtime import cli, places
from passtime.runtimes import store
from tests.runtimes.conftest import HERE, release


@pytest.fixture
def run(wheels, tmp_path, monkeypatch):
    """Runs a command in a checkout whose releases are two that can be installed and one that cannot."""
    entries = [
        f'[[release]]\nframework = "fakeframe"\nversion = "{version}"\ndate = 2020-01-01T00:00:00Z\n'
        f'python = "{HERE}"\nrequirements = ["fakeframe=={version}"]\n'
        for version in ("1.0", "2.0", "9.0")
    ]
    (tmp_path / "releases.toml").write_text("".join(entries))
    (tmp_path / "asv.conf.json").write_text("{}")
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(tmp_path / "releases.toml"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli.main, ["runtimes", *arguments])

    return invoke


def test_install_goes_on_after_a_failure_and_tells_of_it(run):
    """What was installed is on stdout, what was not is on stderr and in the exit status."""
    ended = run("install", "fakeframe-9.0", "fakeframe-1.0")
    assert ended.exit_code == 1
    assert ended.stdout.startswith("fakeframe-1.0: ")
    assert "fakeframe-9.0 cannot be installed: no wheel of a pin" in ended.stderr
    assert store.find(release("1.0")) is not None


def test_an_unknown_release_installs_nothing(run):
    """A name that no release has is told before anything is downloaded."""
    ended = run("install", "fakeframe-1.0", "fakeframe-1.1")
    assert ended.exit_code == 1
    assert "unknown release fakeframe-1.1: did you mean" in ended.stderr
    assert store.installed() == []


def test_list_shows_whole_names_and_sizes(run):
    """A name is never cut, whatever the width, and both sizes are there."""
    run("install", "fakeframe-1.0")
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["release", "runs", "on", "build", "by", "installed", "used", "GB", "own", "GB"]
    assert lines[1].split()[:4] == ["fakeframe-1.0", "Python", HERE, "uv"]


def test_remove_and_prune(run):
    """Runtimes go by name, by number and by size, and prune asks which."""
    run("install", "fakeframe-1.0", "fakeframe-2.0")
    assert run("remove", "fakeframe-1.0").stdout == "removed fakeframe-1.0\n"
    assert run("remove", "fakeframe-1.0").exit_code == 1
    assert run("prune").exit_code == 2
    assert run("prune", "--disk", "20GB").stdout == "removed nothing\n"
    assert run("prune", "--disk", "1K").stdout == "removed fakeframe-2.0\n"


@pytest.mark.parametrize("size", ["", "GB", "-1GB", "many", "20XB"])
def test_what_is_no_size_is_refused(run, size):
    """A size that cannot be read removes nothing and says how to write one."""
    ended = run("prune", "--disk", size)
    assert ended.exit_code == 2
    assert "is no size: write it like 20GB" in ended.stderr
