"""Runtimes that are a Julia project, made with a Julia that only says what a real one would."""

from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from passtime import places
from passtime.errors import PasstimeError
from passtime.runtimes import julia, store
from passtime.timeline.manifest import Release

JULIA = Path(__file__).parents[1] / "fake/julia"


def release(version: str = "0.16.0", series: str = "1.10") -> Release:
    date = datetime(2020, 1, 1, tzinfo=timezone.utc)
    return Release("flux", version, date, "flux", julia=series, requirements=(f"Flux=={version}",))


@pytest.fixture(autouse=True)
def said(tmp_path, monkeypatch) -> Path:
    """What the Julia was asked, in a home for runtimes of this test's own."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv("FAKE_JULIA_LOG", str(tmp_path / "said"))
    monkeypatch.setenv(julia.JULIA_VARIABLE, str(JULIA))
    monkeypatch.setattr(julia.install, "has_gpu", lambda: False)
    julia.find.cache_clear()
    yield tmp_path / "said"
    julia.find.cache_clear()


def test_a_release_gets_a_project_and_a_depot_of_its_own(said):
    """The pin is added, and the package is compiled in the place where it stays, with no package of the user's."""
    runtime = store.ensure(release(), lambda line: None)
    assert runtime.path is not None
    assert runtime.interpreter == JULIA
    assert runtime.environment == {
        "JULIA_PROJECT": str(runtime.path / "project"),
        "JULIA_DEPOT_PATH": str(runtime.path / "depot"),
        "JULIA_LOAD_PATH": "@:@stdlib",
    }
    added, compiled = said.read_text().splitlines()
    assert 'Pkg.add([Pkg.PackageSpec(name="Flux", version="0.16.0")])' in added
    assert f"Flux | {runtime.path / 'project'} | {runtime.path / 'depot'} | @:@stdlib" in compiled
    assert store.find(release()) == runtime


def test_a_source_commit_is_added_by_its_revision(said):
    """The repository's address, a URL or a folder, and its revision are told apart, beside versions of others."""
    address = "file:///srv/a%20$folder/Flux.jl"
    pins = (
        f"Flux @ git+{address}@0123456789abcdef",
        "Zygote==0.6.10",
        "NNlib @ git+ssh://git@example.org/NNlib.jl@v0.7",
    )
    wanted = dataclasses.replace(release(), version="0123456789ab", requirements=pins, revision="0123456789abcdef")
    store.ensure(wanted, lambda line: None)
    added, compiled = said.read_text().splitlines()
    flux = r'Pkg.PackageSpec(name="Flux", url="file:///srv/a%20\$folder/Flux.jl", rev="0123456789abcdef")'
    nnlib = 'Pkg.PackageSpec(name="NNlib", url="ssh://git@example.org/NNlib.jl", rev="v0.7")'
    assert f'Pkg.add([{flux}, Pkg.PackageSpec(name="Zygote", version="0.6.10"), {nnlib}])' in added
    assert " | Flux | " in compiled


def test_a_pin_that_julia_cannot_install_is_one_line():
    """An address that is no revision of a repository, such as a wheel's, is told before anything is installed."""
    wanted = dataclasses.replace(release(), requirements=("Flux @ https://example.org/Flux.tar.gz",))
    with pytest.raises(PasstimeError, match=r"Julia installs no Flux @ https://.* or Flux @ git\+URL@REVISION"):
        store.ensure(wanted, lambda line: None)


def test_another_pin_or_julia_is_another_runtime():
    """What the manifest says now counts, not what was installed once."""
    store.ensure(release(), lambda line: None)
    assert store.find(release(series="1.11")) is None
    assert store.find(release("0.16.1")) is None


def test_a_missing_julia_is_one_line(monkeypatch):
    """The line names the Julia that is missing and the ways to get it."""
    monkeypatch.setenv("PATH", os.defpath)
    wanted = release(series="1.99")
    assert store.runnable(wanted) == f"flux-0.16.0: {julia.missing('1.99')}"
    with pytest.raises(PasstimeError, match=r"no Julia 1\.99 here: install one \(juliaup add 1\.99\)"):
        store.ensure(wanted, lambda line: None)


def test_julias_of_juliaup_are_found(tmp_path, monkeypatch):
    """Where none is named and none is on PATH, what juliaup installed is looked through."""
    monkeypatch.delenv(julia.JULIA_VARIABLE)
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setenv("JULIAUP_DEPOT_PATH", str(tmp_path / "juliaup home"))
    place = tmp_path / "juliaup home/juliaup/julia-1.10.4+0.x64.linux.gnu/bin"
    place.mkdir(parents=True)
    (place / "julia").symlink_to(JULIA)
    assert julia.find("1.10") == place / "julia"


@pytest.mark.parametrize(
    "said_by_julia",
    [
        "failed to clone from https://example.org/General.git, error: GitError",
        "RequestError: Could not resolve host: example.org while requesting https://example.org/registries",
    ],
)
def test_a_registry_out_of_reach_is_one_line_and_leaves_nothing(said_by_julia, monkeypatch):
    """The reason is told in passtime's words, and no half of a runtime stays."""
    monkeypatch.setenv("FAKE_JULIA_FAILS", said_by_julia)
    with pytest.raises(PasstimeError, match=r"flux-0\.16\.0 cannot be installed: the package index is out of reach"):
        store.ensure(release(), lambda line: None)
    assert store.installed() == []
    assert [path.name for path in (places.home() / "runtimes").iterdir()] == [".locks"]


def test_what_needs_julia_0_6_is_history_only():
    """Releases whose package manager makes no projects are listed, and cannot be run."""
    old = Release("flux", "0.5.3", datetime(2018, 7, 2, tzinfo=timezone.utc), "flux", julia="0.6")
    assert store.runnable(old) == "flux-0.5.3 does not say how it is installed"
