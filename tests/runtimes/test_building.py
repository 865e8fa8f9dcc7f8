"""A source commit that is built where it is installed: what its build is given, and what a failure means."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fake.source import Companion, Source

from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.runtimes.store import Runtime
from passtime.timeline.manifest import Release
from tests.runtimes.conftest import release

DAY = "2026-01-01T00:00:00Z"
# Where modules of a source are files here.
FILES_ALLOWED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
LAUNCHER = '#!/bin/sh\necho launched >>{note}\nexec "$@"\n'

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")


@pytest.fixture
def tiny(wheels, tmp_path, monkeypatch) -> Source:
    """A source whose framework is built as torch is."""
    built = frameworks.get("torch").build_environment
    framework = frameworks.Framework(
        "tinyframework", Path("no adapter"), companions=("tinycompanion",), build_environment=built
    )
    monkeypatch.setitem(frameworks.FRAMEWORKS, "tinyframework", framework)
    for name in built:
        monkeypatch.delenv(name, raising=False)
    return Source(tmp_path / "tiny")


@pytest.fixture
def launched(tmp_path, monkeypatch) -> Path:
    """A compiler's launcher by the name of ccache, and the file in which it notes that it was used."""
    note, folder = tmp_path / "launched", tmp_path / "launcher"
    folder.mkdir()
    (folder / "ccache").write_text(LAUNCHER.format(note=note), "utf-8")
    (folder / "ccache").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return note


def commit_of(tiny: Source) -> Release:
    revision = tiny.commit(DAY)
    return release(
        revision[:12],
        framework="tinyframework",
        requirements=(f"tinyframework @ git+{tiny.path.as_uri()}@{revision}",),
        repository=tiny.path.as_uri(),
        revision=revision,
    )


def said(runtime: Runtime, expression: str) -> str:
    command = [str(runtime.interpreter), "-c", f"import json, tinyframework; print({expression})"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def environment(runtime: Runtime) -> dict[str, str]:
    """What the build had in its environment."""
    return json.loads(said(runtime, "json.dumps(tinyframework.environment)"))


def test_a_cpp_extension_is_built_with_what_its_framework_sets(tiny, tool, launched):
    """The registry's variables reach the build, whatever the installer, and a compiler's cache that is here is used."""
    runtime = store.ensure(commit_of(tiny), print)
    assert said(runtime, "tinyframework.answer()") == "1"
    assert environment(runtime).items() >= frameworks.get("torch").build_environment.items()
    assert launched.read_text("utf-8") == "launched\n"


def test_the_users_own_variables_count(tiny, monkeypatch):
    """What the user has set for the build stays as it is, and so does what the registry does not name."""
    monkeypatch.setenv("USE_CUDA", "1")
    monkeypatch.setenv("MAX_JOBS", "3")
    built_with = environment(store.ensure(commit_of(tiny), print))
    assert (built_with["USE_CUDA"], built_with["USE_DISTRIBUTED"], built_with["MAX_JOBS"]) == ("1", "0", "3")


def test_a_launcher_that_is_not_here_is_not_used(tiny, monkeypatch):
    """Where there is no compiler's cache, the compiler is started as it is."""
    monkeypatch.setattr("passtime.runtimes.install.shutil.which", lambda name, **_: None)
    runtime = store.ensure(commit_of(tiny), print)
    assert said(runtime, "tinyframework.answer()") == "1"
    assert not [name for name in environment(runtime) if name.endswith("_COMPILER_LAUNCHER")]


def test_wheels_are_given_nothing(tiny, tmp_path, monkeypatch):
    """A release that is not built gets none of it."""
    given, run = [], store.install.run

    def note(release, command, attempt, variables=store.install._NO_VARIABLES):
        given.append(dict(variables))
        run(release, command, attempt, variables)

    monkeypatch.setattr(store.install, "run", note)
    store.ensure(release(), print)
    assert given == [{}, {}]


def test_submodules_come_with_a_commit(tiny, tool, tmp_path, monkeypatch):
    """A part of the source that is a repository of its own is there when a commit is built, whatever the installer."""
    for name, value in FILES_ALLOWED.items():
        monkeypatch.setenv(name, value)
    part = Source(tmp_path / "part")
    (part.path / "part.h").write_text("#define PART 0\n", "utf-8")
    part.commit(DAY)
    shutil.rmtree(tiny.path / "part")
    tiny.git("submodule", "--quiet", "add", part.path.as_uri(), "part")
    assert said(store.ensure(commit_of(tiny), print), "tinyframework.answer()") == "1"


def test_a_companion_is_built_for_its_commit(tiny, tool, tmp_path):
    """What is built for a framework is built after it, beside it, and anew for another commit of it."""
    companion = Companion(tmp_path / "companion")
    pin = f"tinycompanion @ git+{companion.path.as_uri()}@{companion.commit(DAY)}"
    for answer in ("1", "2"):
        wanted = commit_of(tiny)
        runtime = store.ensure(dataclasses.replace(wanted, requirements=(pin, *wanted.requirements)), print)
        assert said(runtime, "__import__('tinycompanion').answer()") == answer


def test_a_source_that_does_not_build_is_one_line(tiny, tool):
    """The line says that it was the build, and where the compiler's words are."""
    (tiny.path / "part/part.h").write_text("#error this is no source\n", "utf-8")
    with pytest.raises(PasstimeError, match="its source does not build here") as raised:
        store.ensure(commit_of(tiny), print)
    assert "\n" not in str(raised.value)
    log = Path(str(raised.value).rpartition("all of it in ")[2].rstrip(")"))
    assert "this is no source" in log.read_text("utf-8")


def test_a_revision_that_is_gone_is_one_line(tiny, tool):
    """A repository without the commit, and no repository at all, are told apart from an index out of reach."""
    wanted = commit_of(tiny)
    shutil.rmtree(tiny.path)
    with pytest.raises(PasstimeError, match="the repository in a pin, or its revision, cannot be had"):
        store.ensure(wanted, print)
