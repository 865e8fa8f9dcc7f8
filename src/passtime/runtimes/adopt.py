"""What stands already becomes a release's runtime: a module of a cluster, a depot on a machine without a network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.runtimes import julia as julias
from passtime.runtimes import store
from passtime.timeline import local
from passtime.timeline.manifest import Release


def adopt(
    release: Release,
    python: Path | None = None,
    julia: Path | None = None,
    project: Path | None = None,
    depot: str | None = None,
    load_path: str | None = None,
) -> store.Runtime:
    """Makes a Python, or a Julia with a project and a depot, the release's runtime, once the release loads in it.

    `depot` and `load_path` are lists of folders, as Julia's own variables are. Raises PasstimeError where an option is
    missing or too many, where the framework does not load, and where it is of another version.
    """
    if release.julia is not None:
        if python is not None or julia is None or project is None or depot is None:
            raise PasstimeError(f"{release.name} runs on Julia: name it by --julia, --project and --depot")
        interpreter = _absolute(julia)
        if not _absolute(project).is_dir():
            raise PasstimeError(f"{project} is no folder: --project is that of a Project.toml")
        variables = julias.environment(_absolute(project), Path(_folders(depot)))
        if load_path is not None:
            variables["JULIA_LOAD_PATH"] = _folders(load_path)
        version = julias.probe(julias.package_of(release), interpreter, variables)
    else:
        if python is None or not (julia is project is depot is load_path is None):
            raise PasstimeError(f"{release.name} runs on Python: name it by --python")
        # Not resolved: a virtual environment's python is a link, and knows its packages by its own place.
        interpreter, variables = _absolute(python), {}
        version = local.probe(release.framework, interpreter)["version"]
    _check(release, version, interpreter, variables)
    return store.adopt(release, interpreter, variables)


def _check(release: Release, version: str, interpreter: Path, variables: Mapping[str, str]) -> None:
    """The user's word counts where nothing tells: of a source commit, and before Flux 0.8.3 of any release."""
    found = version.partition("+")[0]
    if found and release.revision is None and found != release.version:
        place = variables.get("JULIA_PROJECT", str(interpreter))
        raise PasstimeError(f"{place} has {release.framework} {found}, not {release.version}: nothing is adopted")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))


def _folders(value: str) -> str:
    """A list of folders made absolute; Julia's own words in it, such as `@stdlib`, and an empty entry stay."""
    entries = value.split(os.pathsep)
    return os.pathsep.join(
        entry if not entry or entry.startswith("@") else str(_absolute(Path(entry))) for entry in entries
    )
