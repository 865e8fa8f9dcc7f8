"""Which Python a runtime is made with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from passtime.errors import PasstimeError
from passtime.runtimes import interpreters
from tests.runtimes.conftest import HERE


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    interpreters.find.cache_clear()
    yield
    interpreters.find.cache_clear()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_names_on_path_that_do_not_run_are_passed_over(tmp_path, monkeypatch):
    """A version manager's shim that fails is no interpreter."""
    script(tmp_path / "python3.99", "exit 127")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert interpreters.find("3.99") is None
    assert interpreters.find(HERE) is not None


def test_a_shim_that_runs_gives_the_interpreter_behind_it(tmp_path, monkeypatch):
    """What a shim runs can depend on the working directory, so the runtime is made with what is behind it."""
    script(tmp_path / "python3.98", "echo 3.98; echo /opt/behind/python3.98")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreters.find("3.98") == Path("/opt/behind/python3.98")


def test_a_name_that_is_another_python_is_passed_over(tmp_path, monkeypatch):
    """An interpreter is taken by the version that it says, not by its name."""
    script(tmp_path / "python3.97", "echo 3.12; echo /usr/bin/python3.12")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreters.find("3.97") is None


def test_the_newest_patch_of_pyenv_is_taken(tmp_path, monkeypatch):
    """Of several patch releases under pyenv the highest number counts, not the last by alphabet."""
    for patch in (9, 10):
        python = tmp_path / f"versions/3.96.{patch}/bin/python3.96"
        script(python, f"echo 3.96; echo {python}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert interpreters.find("3.96") == tmp_path / "versions/3.96.10/bin/python3.96"


def test_the_drivers_own_python_is_looked_at_first():
    """The Python of the driver is taken without a search, and not its virtual environment."""
    assert interpreters.find(HERE) == Path(getattr(sys, "_base_executable", sys.executable))


def test_a_missing_python_says_how_to_get_it(monkeypatch):
    """Where uv may not download, one line names the Python and the ways to it."""
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(PasstimeError, match=r"no Python 3\.1 here: install one \(pyenv install 3\.1,") as raised:
        interpreters.require("3.1")
    assert "\n" not in str(raised.value)
