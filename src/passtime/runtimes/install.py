"""Makes a virtual environment with a release in it: by uv, or, where uv is missing, by virtualenv or venv, and pip."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from passtime import uv
from passtime.errors import PasstimeError
from passtime.runtimes import interpreters
from passtime.timeline.manifest import Release

Announce = Callable[[str], None]

CPU_INDEX = "https://download.pytorch.org/whl/cpu/"
_INDEX_SECONDS = 5

# virtualenv 21 makes environments for Python 3.9 and later; the older ones bring venv themselves.
_OLDEST_FOR_VIRTUALENV = (3, 9)

_DRIVERS_OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")

_DISK_FULL = "the disk is full: free some space, for instance with `passtime runtimes prune`"
_OUT_OF_REACH = "the package index is out of reach: check the network or the index settings, and try again"
_NO_WHEEL = "no wheel of a pin for this platform and Python: the release cannot be had for this machine"

# What installers say, and what it means to a user; the first that is found counts.
_MEANINGS = {
    "No space left on device": _DISK_FULL,
    "os error 28": _DISK_FULL,
    "has no wheels with a matching": _NO_WHEEL,
    "no usable wheels": _NO_WHEEL,
    "no version of": _NO_WHEEL,
    "no versions of": _NO_WHEEL,
    "NewConnectionError": _OUT_OF_REACH,
    "Max retries exceeded": _OUT_OF_REACH,
    "Could not connect": _OUT_OF_REACH,
    "dns error": _OUT_OF_REACH,
    "error sending request": _OUT_OF_REACH,
    "Failed to fetch": _OUT_OF_REACH,
    "No matching distribution found": _NO_WHEEL,
    "was not found in the": _NO_WHEEL,
}


def make(release: Release, folder: Path, log: Path, announce: Announce) -> str:
    """Installs `release` into a new environment in `folder`, and returns what installed it.

    The installers' output goes to stderr and to `log`. Raises PasstimeError when it cannot be installed.
    """
    if release.python is None:
        raise PasstimeError(f"{release.name} names no Python: complete its entry in releases.toml")
    tool = uv.find()
    python = interpreters.require(release.python)
    steps = _uv_steps(tool, release, python, folder, announce) if tool else _pip_steps(release, python, folder)
    for step in steps:
        _run(release, step, log)
    return "uv" if tool else "pip"


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, going by its driver; touches no GPU."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _uv_steps(tool: str, release: Release, python: Path, folder: Path, announce: Announce) -> list[list[str]]:
    install = [tool, "pip", "install", "--python", str(folder / "bin/python"), "--compile-bytecode", "--no-build"]
    if release.find_links is None and not has_gpu():
        if _is_cpu_index_reachable():
            # Only the CPU build's wheels, a tenth of the size.
            install += ["--torch-backend", "cpu"]
        else:
            announce(f"{CPU_INDEX} is out of reach: taking the larger build of {release.name} from the package index")
    return [
        # Relocatable, since it is moved in once it is whole.
        [tool, "venv", "--quiet", "--relocatable", "--python", str(python), str(folder)],
        [*install, *_find_links(release), *release.requirements],
    ]


def _pip_steps(release: Release, python: Path, folder: Path) -> list[list[str]]:
    assert release.python is not None
    is_old = tuple(map(int, release.python.split("."))) < _OLDEST_FOR_VIRTUALENV
    environment = (
        [str(python), "-m", "venv", str(folder)]
        if is_old
        else [sys.executable, "-m", "virtualenv", "--quiet", "--python", str(python), str(folder)]
    )
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir"]
    return [environment, [*install, "--only-binary=:all:", *_find_links(release), *release.requirements]]


def _find_links(release: Release) -> list[str]:
    return ["--find-links", release.find_links] if release.find_links else []


@functools.cache
def _is_cpu_index_reachable() -> bool:
    try:
        with urllib.request.urlopen(CPU_INDEX, timeout=_INDEX_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _run(release: Release, command: Sequence[str], log: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in _DRIVERS_OWN}
    with open(log, "a+b") as written:
        start = written.seek(0, os.SEEK_END)
        # The installer's own progress needs the terminal; without one its lines are kept for the explanation.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            assert process.stdout is not None
            for chunk in iter(lambda: os.read(process.stdout.fileno(), 1 << 16), b""):  # type: ignore[union-attr]
                written.write(chunk)
                sys.stderr.write(chunk.decode("utf-8", "replace"))
                sys.stderr.flush()
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status != 0:
            written.seek(start)
            said = written.read().decode("utf-8", "replace")
            raise PasstimeError(f"{release.name} cannot be installed: {explain(release, said)} (all of it in {log})")


def explain(release: Release, said: str) -> str:
    """What the output of a failed installer means to a user, in one line."""
    for sign, meaning in _MEANINGS.items():
        if sign in said:
            if release.find_links and meaning is _OUT_OF_REACH:
                return f"its wheel archive {release.find_links} is out of reach: check the network, and try again"
            return meaning
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "its installer failed without a word"
