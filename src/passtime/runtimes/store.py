"""Where releases live: one folder each, made once, shared by all checkouts of a user, found again each time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from passtime import places, uv
from passtime.errors import PasstimeError
from passtime.runtimes import install, interpreters
from passtime.runtimes.install import has_gpu as has_gpu
from passtime.timeline.manifest import Release

_RECORD = "runtime.json"
_LAST_USE = "last-use"  # an empty file whose time stamp says when
_MAKING = ".making-"
# A CUDA build of torch takes 5 GB.
_NEEDED_BYTES = 6 * 10**9


@dataclass(frozen=True)
class Runtime:
    """A release that can be run: `python` is its interpreter, `path` its folder, None where it is the user's own."""

    release: str
    path: Path | None
    python: Path


@dataclass(frozen=True)
class Installed:
    """A runtime's folder on disk. `own_bytes` is what removing it frees: the rest is shared with uv's cache."""

    release: str
    path: Path
    record: Mapping[str, Any]
    last_use: datetime
    total_bytes: int
    own_bytes: int


def find(release: Release) -> Runtime | None:
    """The release's runtime, if it is there and has the Python and the pins that the manifest says.

    Raises PasstimeError for a release of the user's own whose interpreter is gone.
    """
    if release.interpreter is not None:
        python = Path(release.interpreter)
        if not os.access(python, os.X_OK):
            raise PasstimeError(f"{release.name}: its interpreter {python} is gone; add it anew or remove its entry")
        return Runtime(release.name, None, python)
    path = _folder() / release.name
    python = path / "bin/python"
    record = _record(path)
    is_as_said = record.get("python") == release.python and record.get("requirements") == list(release.requirements)
    return Runtime(release.name, path, python) if is_as_said and os.access(python, os.X_OK) else None


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def ensure(release: Release, announce: Callable[[str], None] = _say) -> Runtime:
    """The release's runtime, installed if it is not there. Raises PasstimeError when it cannot be.

    Made aside and moved in whole; one install at a time for a release: a second one waits and finds it.
    """
    runtime = find(release)
    if runtime is None:
        try:
            with _lock(release.name, announce) as lock:
                runtime = find(release) or _install(release, announce, lock)
        except OSError as error:
            reason = install.explain(release, str(error))
            raise PasstimeError(f"{release.name} cannot be installed: {reason}") from None
    if runtime.path is not None:
        with contextlib.suppress(OSError):  # runtimes can be shared read-only
            (runtime.path / _LAST_USE).touch()
    return runtime


def ensure_all(releases: Iterable[Release], announce: Callable[[str], None]) -> dict[str, Runtime | PasstimeError]:
    """The runtime of each release, by name, or why there is none."""

    def attempt(release: Release) -> Runtime | PasstimeError:
        try:
            return ensure(release, announce)
        except PasstimeError as error:
            return error

    return {release.name: attempt(release) for release in releases}


def runnable(release: Release) -> str | None:
    """Why this machine cannot run the release; None where it can, as far as can be told without a network."""
    if release.interpreter is not None:
        return None if os.access(release.interpreter, os.X_OK) else f"{release.interpreter} is gone"
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return f"{release.name} has wheels for Linux on x86-64, this is {sys.platform} on {os.uname().machine}"
    if release.python is None or not release.requirements:
        return f"{release.name} does not say how it is installed"
    if interpreters.find(release.python) is None and uv.find() is None:
        return f"{release.name}: {interpreters.missing(release.python)}"
    return None


def installed() -> list[Installed]:
    """All runtimes on this disk, by name."""
    folder = _folder()
    paths = sorted(path for path in folder.iterdir() if (path / _RECORD).is_file()) if folder.is_dir() else []
    return [_inspect(path) for path in paths if not path.name.startswith(".")]


def remove(name: str) -> None:
    """Removes a runtime. Raises PasstimeError when there is none of that name, or it is in use."""
    path = _folder() / name
    if name.startswith(".") or "/" in name or not (path / _RECORD).is_file():
        raise PasstimeError(f"{name} is not installed: `passtime runtimes list` shows what is")
    if is_in_use(path):
        raise PasstimeError(f"{name} is in use: end what is running there first")
    with _lock(name, _say), _aside(name) as doomed:
        path.rename(doomed / name)  # renamed first, so that nobody finds half of it


def prune(
    keep: int | None = None, budget_bytes: int | None = None, announce: Callable[[str], None] = _say
) -> list[str]:
    """Removes the least recently used runtimes but `keep`, or until all fit into `budget_bytes`; returns their names.

    One that is in use stays, and is announced.
    """
    removed = []
    remaining = sorted(installed(), key=lambda runtime: runtime.last_use)
    for runtime in list(remaining):
        is_within = (keep is None or len(remaining) <= keep) and (
            budget_bytes is None or sum(other.total_bytes for other in remaining) <= budget_bytes
        )
        if is_within:
            break
        if is_in_use(runtime.path):
            announce(f"{runtime.release} is in use: it stays")
            continue
        remove(runtime.release)
        remaining.remove(runtime)
        removed.append(runtime.release)
    return removed


def is_in_use(path: Path) -> bool:
    """Whether a process of this user runs on the interpreter in `path`."""
    interpreter = f"{path}/bin/".encode()
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if command_line.read_bytes().startswith(interpreter):
                return True
    return False


def _install(release: Release, announce: Callable[[str], None], lock: int) -> Runtime:
    if (reason := runnable(release)) is not None:
        raise PasstimeError(reason)
    folder = _folder()
    path = folder / release.name
    if path.exists() and is_in_use(path):
        raise PasstimeError(f"{release.name} is in use, and not what releases.toml says now: end what is running there")
    _remove_leftovers(folder)
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < _NEEDED_BYTES:
        announce(f"only {free_bytes / 1e9:.1f} GB are free in {folder}; a release takes up to 6 GB")
    logs = places.home() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{release.name}.log"
    log.unlink(missing_ok=True)
    announce(f"Installing {release.name} ...")
    start = time.monotonic()
    with _aside(release.name) as making:
        made = making / release.name
        installer = install.make(release, made, log, announce, lock)
        record = {
            "release": release.name,
            "requirements": list(release.requirements),
            "python": release.python,
            "installer": installer,
            "installed": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "build": _build(made),
        }
        (made / _RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        (made / _LAST_USE).touch()
        if path.exists():  # stale: another Python or other pins
            path.rename(making / "stale")
        made.rename(path)
    announce(f"Installed {release.name} in {time.monotonic() - start:.0f} s")
    return Runtime(release.name, path, path / "bin/python")


def _build(path: Path) -> str:
    """What the torch in there was built for, like `cu130` or `cpu`; empty where there is none."""
    for file in path.glob("lib/python*/site-packages/torch/version.py"):
        text = file.read_text("utf-8")
        if local := re.search(r"__version__ = '[^'+]*\+([^']+)'", text):
            return local[1]
        # Until 1.12 the wheels of PyPI do not say so in their version.
        cuda = re.search(r"^cuda\b.*'([\d.]+)'", text, re.MULTILINE)
        return f"cu{cuda[1].replace('.', '')}" if cuda else "cpu"
    return ""


@contextlib.contextmanager
def _aside(name: str) -> Iterator[Path]:
    """An empty folder on the runtimes' disk, gone afterwards with what is in it; for who holds the lock of `name`."""
    path = _folder() / f"{_MAKING}{name}"
    shutil.rmtree(path, ignore_errors=True)  # of one that was killed while we waited for its lock
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Of installs that were killed: nobody holds their locks."""
    for leftover in folder.glob(f"{_MAKING}*"):
        with contextlib.suppress(BlockingIOError), _lock(leftover.name[len(_MAKING) :], announce=None):
            shutil.rmtree(leftover, ignore_errors=True)


def _inspect(path: Path) -> Installed:
    total_bytes = own_bytes = 0
    for folder, _, files in os.walk(path):
        for file in files:
            status = os.lstat(os.path.join(folder, file))
            total_bytes += status.st_blocks * 512
            own_bytes += status.st_blocks * 512 if status.st_nlink == 1 else 0
    stamp = path / _LAST_USE
    used = (stamp if stamp.exists() else path).stat().st_mtime
    last_use = datetime.fromtimestamp(used, timezone.utc)
    return Installed(path.name, path, _record(path), last_use, total_bytes, own_bytes)


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads((path / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _folder() -> Path:
    return places.home() / "runtimes"


@contextlib.contextmanager
def _lock(name: str, announce: Callable[[str], None] | None) -> Iterator[int]:
    """Holds the lock of a release; gives its file descriptor, which may be inherited, and then holds it too.

    Where another holds it, this says so and waits; without `announce` it raises BlockingIOError.
    """
    folder = _folder() / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if announce is None:
                raise
            announce(f"{name} is being installed by another process: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
