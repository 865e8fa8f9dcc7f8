"""A source commit in a project of Julia's own package manager, in whatever Julia is here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from fake.source import JuliaSource

from passtime import places
from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes import julia, store
from passtime.timeline import manifest, source

pytestmark = pytest.mark.real

DAYS = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
# Pkg clones this registry first, whatever it is to add.
GENERAL = "https://github.com/JuliaRegistries/General.git"
REGISTRY = f"""
name = "General"
uuid = "23338594-aafe-5451-b93e-139f81909106"
repo = "{GENERAL}"

[packages]
"""


class Registry(JuliaSource):
    """A registry without a package."""

    files: ClassVar[dict[str, str]] = {}
    answering = ("Registry.toml", REGISTRY)


@pytest.fixture
def series() -> Iterator[str]:
    """The Julia that is here: `1.10`."""
    julia.find.cache_clear()
    found = next(filter(None, map(julia._version, julia._candidates("*"))), None)
    if found is None:
        pytest.skip(f"no Julia here: {julia.JULIA_VARIABLE} names one")
    yield ".".join(found.split(".")[:2])
    julia.find.cache_clear()


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> JuliaSource:
    """A package of two commits, in a checkout that knows no release, and a registry that needs no network."""
    (tmp_path / "releases.toml").write_text("", "utf-8")
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(tmp_path / "releases.toml"))
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JULIA_PKG_SERVER", "")
    monkeypatch.setattr(julia.install, "has_gpu", lambda: False)
    registry = Registry(tmp_path / "General")
    registry.commit(DAYS[0])
    (tmp_path / ".gitconfig").write_text(f'[url "{registry.path.as_uri()}"]\n\tinsteadOf = {GENERAL}\n', "utf-8")
    framework = frameworks.Framework("tiny", Path("no adapter"), language="julia", package_name="Tiny")
    monkeypatch.setitem(frameworks.FRAMEWORKS, "tiny", framework)
    made = JuliaSource(tmp_path / "Tiny.jl")
    for day in DAYS:
        made.commit(day)
    return made


def test_commits_of_a_package_are_installed_and_run(tiny, series, tmp_path):
    """Each commit's own code is what its runtime runs, compiled in its own depot, and its version is the package's."""
    releases = source.add(tmp_path, "tiny", str(tiny.path), "main", series)
    assert [release.julia for release in releases] == [series, series]
    for answer, release in enumerate(releases, start=1):
        runtime = store.ensure(manifest.load(tmp_path).get(release.name), print)
        assert runtime.path is not None
        ended = subprocess.run(
            [str(runtime.interpreter), "--startup-file=no", "-e", "import Tiny; print(Tiny.answer(), pathof(Tiny))"],
            env={**os.environ, **runtime.environment},
            capture_output=True,
            text=True,
        )
        assert ended.stdout.startswith(f"{answer}{runtime.path / 'depot'}"), ended.stderr
        assert list((runtime.path / "depot/compiled").glob("*/Tiny*"))
        assert julia.probe("Tiny", runtime.interpreter, runtime.environment) == "0.1.0"


def test_a_revision_that_is_gone_is_one_line(tiny, series, tmp_path):
    """A commit that its repository does not have any more is told as such, and leaves no runtime."""
    (release, _) = source.add(tmp_path, "tiny", str(tiny.path), "main", series)
    tiny.path.rename(tmp_path / "elsewhere")
    tiny.path = JuliaSource(tiny.path).path
    tiny.git("commit", "--quiet", "--allow-empty", "--message", "another history")
    with pytest.raises(PasstimeError, match="the repository in a pin, or its revision, cannot be had"):
        store.ensure(release, print)
    assert store.installed() == []
