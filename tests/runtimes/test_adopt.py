"""`passtime runtimes adopt`: what stands already becomes a runtime."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
import tomlkit

from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.runtimes.adopt import adopt
from passtime.timeline.manifest import Release
from tests.runtimes.test_julia import JULIA, release, said  # noqa: F401  the fixture is for all tests here

PYTHON = Path(sys.executable)


def on_python(version: str = tomlkit.__version__) -> Release:
    """A release of a package that this interpreter has."""
    date = datetime(2020, 1, 1, tzinfo=timezone.utc)
    return Release("tomlkit", version, date, "tomlkit", python="3.6", requirements=(f"tomlkit=={version}",))


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "version").write_text("0.16.0\n")
    return folder


def test_a_python_is_adopted_as_it_is():
    """Whatever Python and pins the manifest says, the owner's interpreter is the runtime from then on."""
    runtime = adopt(on_python(), python=PYTHON)
    assert runtime.interpreter == PYTHON
    assert store.ensure(on_python(), pytest.fail) == runtime


def test_a_julia_is_adopted_with_its_project_and_depot(project, tmp_path):
    """Folders become absolute, and Julia's own words in a load path stay."""
    depot, packages = tmp_path / "depot", tmp_path / "packages"
    runtime = adopt(release(), None, JULIA, project, f"{depot}:", f"@:{packages}:@stdlib")
    assert runtime.environment == {
        "JULIA_PROJECT": str(project),
        "JULIA_DEPOT_PATH": f"{depot}:",
        "JULIA_LOAD_PATH": f"@:{packages}:@stdlib",
    }
    assert store.runnable(release()) is None
    assert store.find(release()) == runtime


def test_another_version_is_refused(project):
    """What is adopted is the release that it is called, or nothing."""
    with pytest.raises(PasstimeError, match=f"has tomlkit {tomlkit.__version__}, not 0.1: nothing is adopted"):
        adopt(on_python("0.1"), python=PYTHON)
    with pytest.raises(PasstimeError, match=r"has flux 0\.16\.0, not 0\.15\.0"):
        adopt(release("0.15.0"), None, JULIA, project, "/depot")
    assert store.installed() == []


def test_what_does_not_load_is_refused(tmp_path):
    """A project without the package is told in one line, with Julia's word for it."""
    with pytest.raises(PasstimeError, match="cannot load Flux: there is no package Flux in this project"):
        adopt(release(), None, JULIA, tmp_path, "/depot")


def test_each_language_needs_its_own_options(project):
    """A Julia without a depot, a Python for a Julia release and the reverse are told what is needed."""
    for options in ({"julia": JULIA, "project": project}, {"python": PYTHON}):
        with pytest.raises(PasstimeError, match="runs on Julia: name it by --julia, --project and --depot"):
            adopt(release(), **options)
    for options in ({}, {"python": PYTHON, "depot": "/depot"}):
        with pytest.raises(PasstimeError, match="runs on Python: name it by --python"):
            adopt(on_python(), **options)


def test_an_adopted_interpreter_that_is_gone_is_told(tmp_path):
    """The line says what to do, and removing takes the note of it alone."""
    link = tmp_path / "python"
    link.symlink_to(PYTHON)
    store.adopt(on_python(), link, {})
    link.unlink()
    with pytest.raises(PasstimeError, match="is gone; adopt another, or `passtime runtimes remove tomlkit-"):
        store.find(on_python())
    store.remove(on_python().name)
    assert store.find(on_python()) is None


def test_adopting_does_not_replace_an_installed_runtime(project):
    """What passtime installed has to be removed by its owner first; adopting another of one's own is free."""
    store.ensure(release(), lambda line: None)
    with pytest.raises(PasstimeError, match=r"flux-0\.16\.0 is installed: `passtime runtimes remove"):
        adopt(release(), None, JULIA, project, "/depot")
    store.remove("flux-0.16.0")
    adopt(release(), None, JULIA, project, "/depot")
    adopt(release(), None, JULIA, project, "/another")
    assert store.ensure(release(), pytest.fail).environment["JULIA_DEPOT_PATH"] == "/another"
