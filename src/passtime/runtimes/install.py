"""Makes a virtual environment with a release in it: by uv, or, where uv is missing, by virtualenv or venv, and pip."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import fcntl
import functools
import http.client
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from passtime import uv
from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes import interpreters
from passtime.timeline.manifest import Release
from passtime.timeline.pins import AT, GIT

Announce = Callable[[str], None]

_INDEX_SECONDS = 5

# virtualenv 21 makes environments for Python 3.9 and later; the older ones bring venv themselves.
_OLDEST_FOR_VIRTUALENV = (3, 9)

# CMake's variables that name a program which starts the compiler.
_LAUNCHER = "_COMPILER_LAUNCHER"

_DRIVERS_OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")

_DISK_FULL = "the disk is full: free some space, for instance with `passtime runtimes prune`"
_OUT_OF_REACH = "the package index is out of reach: check the network or the index settings, and try again"
_BROKE_OFF = "a download broke off: check the network, and try again"
_GONE = "there is no wheel at the address in a pin any more: an index of nightlies keeps them for some weeks only"
_REPLACED = "a wheel is not the one that was pinned: its hash is another"
_NO_REVISION = "the repository in a pin, or its revision, cannot be had: check the network, and the repository"
_NOT_BUILT = "its source does not build here: the log has the compiler's words"
_NO_WHEEL = "no wheel of a pin for this platform and Python: the release cannot be had for this machine"

# What installers say, and what it means to a user; the first that is found counts.
_MEANINGS = {
    "No space left on device": _DISK_FULL,
    "os error 28": _DISK_FULL,
    "Git operation failed": _NO_REVISION,
    "× git ": _NO_REVISION,
    "Did not find rev": _NO_REVISION,
    "Hash mismatch": _REPLACED,
    "DO NOT MATCH THE HASHES": _REPLACED,
    "response body error": _BROKE_OFF,
    "incomplete-download": _BROKE_OFF,
    "Connection broken": _BROKE_OFF,
    "network was disabled": _OUT_OF_REACH,
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
    # Julia's package manager
    "no registries have been installed": _OUT_OF_REACH,
    "failed to clone from": _OUT_OF_REACH,
    "could not download": _OUT_OF_REACH,
    "Unable to automatically": _OUT_OF_REACH,
    "RequestError": _OUT_OF_REACH,
    "was not found in the": _NO_WHEEL,
    # What a build could not have comes before this.
    "Failed to build": _NOT_BUILT,
    "Failed building wheel": _NOT_BUILT,
    "metadata-generation-failed": _NOT_BUILT,
}
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})

# Object stores say 403 of what is not there.
_ABSENT = re.compile(r"HTTP (status client )?error \(?40[34]\b")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_libc = ctypes.CDLL(None)  # loaded here, since a forked child had better load nothing
_PR_SET_PDEATHSIG = 1


class Attempt(NamedTuple):
    """One install: the file that its output goes to as well as to stderr, and how long each of its commands may take.

    Commands inherit the file descriptor `lock`, so that what it locks stays locked until the last of them has ended.
    """

    log: Path
    lock: int
    timeout_seconds: float | None = None


class _Installer(NamedTuple):
    """Command lines; pins follow those of `install`. `no_build` has them be wheels, `cpu_build` for CPUs.

    `build_there` has them built in the environment as it is, anew each time.
    """

    name: str
    make_environment: list[str]
    install: list[str]
    no_build: list[str]
    cpu_build: list[str]
    build_there: list[str]


class _Failed(PasstimeError):
    """An installer failed; `reason` is what it said, explained."""

    def __init__(self, release: Release, reason: str, log: Path) -> None:
        super().__init__(f"{release.name} cannot be installed: {reason} (all of it in {log})")
        self.reason = reason


def make(release: Release, folder: Path, announce: Announce, attempt: Attempt) -> str:
    """Installs `release` into a new environment in `folder`, and returns what installed it.

    Raises PasstimeError when the release cannot be installed.
    """
    if release.python is None:
        raise PasstimeError(f"{release.name} names no Python: complete its entry in releases.toml")
    tool = uv.find()
    python = interpreters.require(release.python)
    cpu_index = _cpu_index(release, announce)
    installer = _uv(tool, python, folder) if tool else _pip(release.python, python, folder, cpu_index)
    run(release, installer.make_environment, attempt)
    archive = ["--find-links", release.find_links] if release.find_links else []
    companions = _built_companions(release)
    pins = [pin for pin in release.requirements if pin not in companions]
    install = [*installer.install, *([] if release.is_built else installer.no_build), *archive]
    if cpu_index is None or not _has_cpu_build(release, installer, [*install, *pins], cpu_index, announce, attempt):
        run(release, [*install, *pins], attempt, _build_environment(release))
    if companions:
        run(release, [*install, *installer.build_there, *companions], attempt, _build_environment(release))
    return installer.name


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, going by its driver; touches no GPU."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def explain(release: Release, said: str) -> str:
    """What the output of a failed installer means to a user, in one line."""
    said = _COLOURS.sub("", said)
    if any(AT in pin and AT + GIT not in pin for pin in release.requirements) and _ABSENT.search(said):
        return _GONE
    if release.repository is not None and f"failed to clone from {release.repository}" in said:  # Julia's words
        return _NO_REVISION
    for sign, meaning in _MEANINGS.items():
        if sign in said:
            if release.find_links and meaning is _OUT_OF_REACH:
                return f"its wheel archive {release.find_links} is out of reach: check the network, and try again"
            return meaning
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "its installer failed without a word"


def _uv(tool: str, python: Path, folder: Path) -> _Installer:
    return _Installer(
        "uv",
        # Relocatable, since it is moved in once it is whole.
        [tool, "venv", "--quiet", "--relocatable", "--python", str(python), str(folder)],
        [tool, "pip", "install", "--python", str(folder / "bin/python"), "--compile-bytecode"],
        ["--no-build"],
        # uv's word for PyTorch's CPU index: what else is pinned comes from the package index.
        ["--torch-backend", "cpu"],
        # What uv built before may have been built there for another commit.
        ["--no-build-isolation", "--no-cache"],
    )


def _pip(version: str, python: Path, folder: Path, cpu_index: str | None) -> _Installer:
    is_old = tuple(map(int, version.split("."))) < _OLDEST_FOR_VIRTUALENV
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
    return _Installer(
        "pip",
        # No updates: virtualenv fetches them in the background, when something may be timed.
        [str(python), "-m", "venv", str(folder)]
        if is_old
        else [
            sys.executable,
            "-m",
            "virtualenv",
            "--quiet",
            "--no-periodic-update",
            "--python",
            str(python),
            str(folder),
        ],
        # No cache: an old pip holds the whole of a wheel in memory to cache it, and copies it, where uv links.
        [*install, "--no-cache-dir"],
        ["--only-binary=:all:"],
        # Beside the package index: `2.14.1+cpu` is what `==2.14.1` then prefers.
        ["--extra-index-url", cpu_index] if cpu_index else [],
        ["--no-build-isolation"],
    )


def _cpu_index(release: Release, announce: Announce) -> str | None:
    """Where the CPU build, a tenth of the size, should be tried; None with a GPU, another choice, or no such index."""
    cpu_index = frameworks.to_install(release.framework).cpu_index
    is_chosen = release.find_links is not None or any(AT in pin for pin in release.requirements)
    if cpu_index is None or is_chosen or "UV_TORCH_BACKEND" in os.environ or has_gpu():
        return None
    if not _is_reachable(cpu_index):
        announce(f"{cpu_index} is out of reach: taking the larger build of {release.name} from the package index")
        return None
    return cpu_index


def _has_cpu_build(
    release: Release,
    installer: _Installer,
    install: Sequence[str],
    cpu_index: str,
    announce: Announce,
    attempt: Attempt,
) -> bool:
    """Installs the CPU build; False where that fails: uv then looks for torch in the CPU index and nowhere else."""
    try:
        run(release, [*install, *installer.cpu_build], attempt)
    except _Failed as error:
        if error.reason is _DISK_FULL:
            raise
        announce(f"no CPU build of {release.name} in {cpu_index}: taking the larger one from the package index")
        return False
    return True


@functools.cache
def _is_reachable(index: str) -> bool:
    try:
        with urllib.request.urlopen(index, timeout=_INDEX_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, http.client.HTTPException):
        return False


def _built_companions(release: Release) -> list[str]:
    """Pins of what is built from source for the framework, and needs it there: torchvision's build imports torch."""
    names = frameworks.to_install(release.framework).companions
    pins = {pin: pin.partition(AT) for pin in release.requirements}
    return [pin for pin, (name, _, address) in pins.items() if name in names and address.startswith(GIT)]


def _build_environment(release: Release) -> dict[str, str]:
    """What a build from source is given beside what the user has set; nothing where wheels are installed."""
    if not release.is_built:
        return {}
    chosen = frameworks.to_install(release.framework).build_environment
    return {
        name: value
        for name, value in chosen.items()
        if name not in os.environ and (not name.endswith(_LAUNCHER) or shutil.which(value))
    }


def run(
    release: Release, command: Sequence[str], attempt: Attempt, variables: Mapping[str, str] = _NO_VARIABLES
) -> None:
    """Runs one of an installer's commands.

    Raises PasstimeError when it fails, with what it said explained, and when it takes too long: it is ended then.
    """
    seconds = attempt.timeout_seconds
    deadline = None if seconds is None else time.monotonic() + seconds
    inherited = {name: value for name, value in os.environ.items() if name not in _DRIVERS_OWN}
    environment = {**inherited, **variables}
    # On a terminal the installer is given one too, so that it draws its progress there; a copy is kept to explain.
    reader, writer = _terminal() if sys.stderr.isatty() else os.pipe()
    with open(reader, "rb", buffering=0) as output, open(attempt.log, "a+b") as written:
        start = written.seek(0, os.SEEK_END)
        with open(writer, "wb"):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=environment,
                pass_fds=[attempt.lock],
                start_new_session=True,  # a group, to end its helpers with it
                preexec_fn=_end_with_parent,
            )
        try:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            for chunk in _chunks(output.fileno(), deadline):
                written.write(chunk)
                sys.stderr.write(decoder.decode(chunk))
                sys.stderr.flush()
            status = process.wait(_left_seconds(deadline))
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, (TimeoutError, subprocess.TimeoutExpired)):
                raise PasstimeError(_too_long(release, attempt)) from None
            raise
        if status != 0:
            written.seek(start)
            raise _Failed(release, explain(release, written.read().decode("utf-8", "replace")), attempt.log)


def _too_long(release: Release, attempt: Attempt) -> str:
    return (
        f"{release.name} is not installed within {attempt.timeout_seconds:g} s: raise install_timeout in "
        f"asv.conf.json, or let `passtime runtimes install {release.name}` take its time (all of it in {attempt.log})"
    )


def _terminal() -> tuple[int, int]:
    """A terminal of the size of ours: its two ends, to read and to write."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, fcntl.ioctl(sys.stderr, termios.TIOCGWINSZ, bytes(8)))
    return ours, its


def _chunks(reader: int, deadline: float | None) -> Iterator[bytes]:
    """What comes until the other end is closed. Raises TimeoutError at the deadline."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while True:
        seconds = _left_seconds(deadline)
        if not poll.poll(None if seconds is None else seconds * 1000):
            raise TimeoutError
        try:
            chunk = os.read(reader, 1 << 16)
        except OSError:  # how a terminal tells that its other end is closed
            return
        if not chunk:
            return
        yield chunk


def _left_seconds(deadline: float | None) -> float | None:
    """Raises TimeoutError where none are left."""
    if deadline is None:
        return None
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _end_with_parent() -> None:
    """In the installer's process: Linux kills it when we are killed, before it writes where nobody awaits it."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
