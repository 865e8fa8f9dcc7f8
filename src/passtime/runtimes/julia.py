"""Julia found on this machine, a release installed into a project and a depot of its own by Julia's package manager."""

from __future__ import annotations

import functools
import glob
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes import install
from passtime.timeline.manifest import Release
from passtime.timeline.pins import AT, GIT

JULIA_VARIABLE = "PASSTIME_JULIA"

_VERSION_SECONDS = 20
# Loading a framework for the first time compiles it.
_PROBE_SECONDS = 1800

# What means something else between a Julia string's quotes.
_SPECIAL, _ESCAPED = re.compile(r'["$\\]'), r"\\\g<0>"

# What CUDA.jl needs beside a release that does not bring it, from Julia 1.9 on an extension of it.
_GPU_PACKAGES = ("CUDA", "cuDNN")
_OLDEST_WITH_EXTENSIONS = (1, 9)

# Before Julia 1.9 a package does not say its version when it is loaded; its Project.toml does.
_PROBE = """
const package = ARGS[1]
found = Base.find_package(package)
found === nothing && (println(stderr, "there is no package ", package, " in this project"); exit(1))
project = joinpath(dirname(dirname(found)), "Project.toml")
said = isfile(project) ? match(r"^version\\s*=\\s*\\"(.*?)\\""m, read(project, String)) : nothing
@eval import $(Symbol(package))
println(said === nothing ? "" : said[1])
"""


@functools.cache
def find(series: str) -> Path | None:
    """A Julia of `series` (like "1.10") that runs here; None where there is none."""
    return next((julia for julia in _candidates(series) if _version(julia).startswith(f"{series}.")), None)


def missing(series: str) -> str:
    """That there is no such Julia, and how to get one; one line."""
    return (
        f"no Julia {series} here: install one (juliaup add {series}), or name one that is here by {JULIA_VARIABLE}; "
        "`passtime runtimes adopt` takes a project and depot that stand already"
    )


def environment(project: Path, depot: Path) -> dict[str, str]:
    """What Julia needs to find that project's packages and no others."""
    return {"JULIA_PROJECT": str(project), "JULIA_DEPOT_PATH": str(depot), "JULIA_LOAD_PATH": "@:@stdlib"}


def make(release: Release, folder: Path, attempt: install.Attempt) -> Path:
    """Makes a project and a depot with `release` in `folder`, and returns the Julia that did.

    Raises PasstimeError when the release cannot be installed.
    """
    assert release.julia is not None
    julia = find(release.julia)
    if julia is None:
        raise PasstimeError(missing(release.julia))
    for name in ("project", "depot"):
        (folder / name).mkdir(parents=True)
    packages = [_specified(release, pin) for pin in release.requirements]
    if install.has_gpu() and tuple(map(int, release.julia.split("."))) >= _OLDEST_WITH_EXTENSIONS:
        packages += [_spec(name=name) for name in _GPU_PACKAGES]
    # Compiled code is kept under the source's place, and this one is moved: see `settle`.
    variables = {**environment(folder / "project", folder / "depot"), "JULIA_PKG_PRECOMPILE_AUTO": "0"}
    command = [str(julia), "--startup-file=no", "-e", f"import Pkg; Pkg.add([{', '.join(packages)}])"]
    install.run(release, command, attempt, variables)
    return julia


def _specified(release: Release, pin: str) -> str:
    """A pin as Julia's package manager is told it: a version in a registry, or a revision in a git repository."""
    name, is_address, address = pin.partition(AT)
    if not is_address:
        name, _, version = pin.partition("==")
        return _spec(name=name, version=version)
    if not address.startswith(GIT):
        raise PasstimeError(f"{release.name}: Julia installs no {pin}: take a version, or {name}{AT}{GIT}URL@REVISION")
    url, _, revision = address.removeprefix(GIT).rpartition("@")
    return _spec(name=name, url=url, rev=revision)


def _spec(**said: str) -> str:
    quoted = (f'{key}="{_SPECIAL.sub(_ESCAPED, value)}"' for key, value in said.items())
    return f"Pkg.PackageSpec({', '.join(quoted)})"


def settle(release: Release, julia: Path, variables: Mapping[str, str], attempt: install.Attempt) -> None:
    """Compiles the release where it now is, so that its worker starts at once."""
    command = [str(julia), "--startup-file=no", "-e", _PROBE, package_of(release)]
    install.run(release, command, attempt, variables)


def package_of(release: Release) -> str:
    """The name of the framework's own package."""
    return frameworks.to_install(release.framework).package


def probe(package: str, julia: Path, variables: Mapping[str, str]) -> str:
    """The version of a package that loads in a project, "" where it does not say.

    Raises PasstimeError, with Julia's last word, where it does not load.
    """
    try:
        ended = subprocess.run(
            [str(julia), "--startup-file=no", "-e", _PROBE, package],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
            env={**os.environ, **variables},
        )
    except OSError as error:
        raise PasstimeError(f"{julia} does not run: {error.strerror}; name a Julia executable") from None
    except subprocess.TimeoutExpired:
        raise PasstimeError(f"{julia} did not load {package} within {_PROBE_SECONDS} s") from None
    if ended.returncode != 0:
        raise PasstimeError(f"{julia} cannot load {package}: {_first_error(ended.stderr)}")
    return ended.stdout.strip().splitlines()[-1] if ended.stdout.strip() else ""


def _first_error(said: str) -> str:
    """Julia says what is wrong in the first line that starts so; below it is where."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.partition("ERROR:")[2].strip() for line in lines if line.startswith("ERROR:")]
    return next(iter(errors + lines[-1:]), "it ended without a word")


def _candidates(series: str) -> Iterator[Path]:
    for named in filter(None, os.environ.get(JULIA_VARIABLE, "").split(os.pathsep)):
        yield Path(named).expanduser()
    for name in ("julia", f"julia-{series}"):
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            if found := shutil.which(name, path=folder):
                yield Path(found)
    juliaup = os.environ.get("JULIAUP_DEPOT_PATH") or os.path.expanduser("~/.julia")
    yield from map(Path, sorted(glob.glob(f"{glob.escape(juliaup)}/juliaup/julia-{series}.*/bin/julia"), reverse=True))


def _version(julia: Path) -> str:
    try:
        ended = subprocess.run(
            [str(julia), "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"julia version (\S+)", ended.stdout)
    return found[1] if found else ""
