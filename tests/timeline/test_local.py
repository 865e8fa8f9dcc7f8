"""Someone's own build as a release."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import local, manifest

PYTHON = Path(sys.executable)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with one release of a framework that this interpreter has: the json module has a version."""
    releases = tmp_path / "releases.toml"
    releases.write_text('[[release]]\nframework = "json"\nversion = "1"\ndate = 2020-01-01T00:00:00Z\n')
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(releases))
    return tmp_path


def test_an_interpreter_becomes_a_release(root):
    """The release is on a branch of its own, with the interpreter and nothing to install."""
    release = local.add(root, "json", PYTHON, "mine")
    assert (release.name, release.branch, release.interpreter) == ("json-mine", "json-local", str(PYTHON))
    assert release.requirements == ()
    assert manifest.load(root).get("json-mine") == release


def test_adding_the_same_again_changes_nothing(root):
    """The same name and interpreter keep the first date, and so the commit."""
    first = local.add(root, "json", PYTHON, "mine")
    assert local.add(root, "json", PYTHON, "mine") == first


def test_a_taken_name_is_refused(root, tmp_path):
    """Another interpreter under a name that is there is refused."""
    local.add(root, "json", PYTHON, "mine")
    other = tmp_path / "python"
    other.symlink_to(os.path.realpath(sys.executable))
    with pytest.raises(PasstimeError, match="json-mine is there already: choose another --name"):
        local.add(root, "json", other, "mine")
    with pytest.raises(PasstimeError, match="json-1 is there already"):
        local.add(root, "json", PYTHON, "1")


@pytest.mark.parametrize(
    ("framework", "python", "name", "said"),
    [
        ("json", "/nowhere/python", "mine", "/nowhere/python does not run: No such file"),
        ("no_such_module", sys.executable, "mine", "cannot import no_such_module: ModuleNotFoundError"),
        ("json", sys.executable, "my build", "cannot be a release's name"),
        ("json", sys.executable, "--exec", "cannot be a release's name"),
        ("json", sys.executable, "mine.lock", "cannot be a release's name"),
        ("json", sys.executable, "my..build", "cannot be a release's name"),
        ("json", sys.executable, "mine.", "cannot be a release's name"),
        ("json", sys.executable, "local", "'local' is what a branch is called"),
    ],
)
def test_what_cannot_be_a_release_is_one_line(root, framework, python, name, said):
    """A missing interpreter, a missing framework and a bad name are refused, and nothing is written."""
    with pytest.raises(PasstimeError, match=said) as raised:
        local.add(root, framework, Path(python), name)
    assert "\n" not in str(raised.value)
    assert not places.local_releases(root).exists()
