"""Finds a Python of a given version on this machine; uv can download one where there is none."""

from __future__ import annotations

import functools
import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from passtime import uv
from passtime.errors import PasstimeError

_PROBE_SECONDS = 20
_PROBE = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"


@functools.cache
def find(version: str) -> Path | None:
    """An interpreter of Python `version` (like "3.7") that runs here; None where there is none."""
    found = (_executable(candidate, version) for candidate in _candidates(version))
    return next((python for python in found if python is not None), None)


def require(version: str) -> Path:
    """The same; downloaded by uv where this machine has none. Raises PasstimeError when that fails too."""
    python = find(version)
    if python is None and (tool := uv.find()) is not None:
        subprocess.run([tool, "python", "install", version], check=False, stdout=sys.stderr)
        python = _found_by_uv(tool, version)
    if python is None:
        raise PasstimeError(missing(version))
    return python


def missing(version: str) -> str:
    """That there is no such Python, and how to get one; one line."""
    return (
        f"no Python {version} here: install one (pyenv install {version}, or your system's python{version}), "
        "or let uv download it where there is a network"
    )


def _candidates(version: str) -> Iterator[Path]:
    if ".".join(map(str, sys.version_info[:2])) == version:
        yield Path(getattr(sys, "_base_executable", sys.executable))
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(f"python{version}", path=folder)
        if found:
            yield Path(found)
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    installed = glob.glob(f"{glob.escape(pyenv)}/versions/{version}.*/bin/python{version}")
    yield from sorted(map(Path, installed), key=_patch_number, reverse=True)
    for folder in ("/usr/bin", "/usr/local/bin"):
        yield Path(folder, f"python{version}")
    found_by_uv = _found_by_uv(tool, version) if (tool := uv.find()) else None
    if found_by_uv:
        yield found_by_uv


def _found_by_uv(tool: str, version: str) -> Path | None:
    ended = subprocess.run(
        [tool, "python", "find", "--managed-python", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(ended.stdout.strip()) if ended.returncode == 0 else None


def _executable(candidate: Path, version: str) -> Path | None:
    """The interpreter behind a name, by what it says of itself: version managers leave names that do not run."""
    try:
        ended = subprocess.run(
            [str(candidate), "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = ended.stdout.splitlines()
    return Path(said[1]) if ended.returncode == 0 and said[:1] == [version] else None


def _patch_number(python: Path) -> int:
    return int(re.findall(r"\d+", python.parts[-3])[-1])
