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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from passtime import places, uv
from passtime.amounts import duration, gigabytes
from passtime.errors import PasstimeError
from passtime.runtimes import install, interpreters, julia
from passtime.runtimes.install import has_gpu as has_gpu
from passtime.timeline.manifest import Release

_RECORD = "runtime.json"
_LAST_USE = "last-use"  # an empty file whose time stamp says when
_MAKING = ".making-"
_ADOPTED = "adopted"
# What a release takes at the most: a CUDA build of torch takes 5 GB.
NEEDED_BYTES = 6 * 10**9


@dataclass(frozen=True)
class Runtime:
    """A release that can be run: `interpreter` runs it, a Python or a Julia, with the variables in `environment`.

    `path` is its folder, None where it is the user's own.
    """

    release: str
    path: Path | None
    interpreter: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Installed:
    """A runtime's folder on disk. `own_bytes` is what removing it frees: the rest is shared with uv's cache."""

    release: str
    path: Path
    record: Mapping[str, Any]
    last_use: datetime
    total_bytes: int
    own_bytes: int

    @property
    def is_adopted(self) -> bool:
        """Whether it is a note of what stands elsewhere: removing it frees nothing."""
        return bool(self.record.get(_ADOPTED))


def find(release: Release) -> Runtime | None:
    """The release's runtime, if it is there and has the Python or Julia and the pins that the manifest says.

    An adopted one is as its owner made it. Raises PasstimeError where the interpreter of someone's own is gone.
    """
    if release.interpreter is not None:
        interpreter = Path(release.interpreter)
        if not os.access(interpreter, os.X_OK):
            raise PasstimeError(
                f"{release.name}: its interpreter {interpreter} is gone; add it anew or remove its entry"
            )
        return Runtime(release.name, None, interpreter)
    path = _folder() / release.name
    record = _record(path)
    runtime = _recorded(release.name, path, record)
    is_there = os.access(runtime.interpreter, os.X_OK)
    if record.get(_ADOPTED):
        if not is_there:
            raise PasstimeError(
                f"{release.name}: its interpreter {runtime.interpreter} is gone; adopt another, or "
                f"`passtime runtimes remove {release.name}`"
            )
        return runtime
    said = {key: record.get(key) for key in ("python", "julia", "requirements")}
    return runtime if is_there and said == _identity(release) else None


def _identity(release: Release) -> dict[str, Any]:
    """What makes an installed runtime the release's; another is stale."""
    return {"python": release.python, "julia": release.julia, "requirements": list(release.requirements)}


def _recorded(name: str, path: Path, record: Mapping[str, Any]) -> Runtime:
    interpreter = Path(record.get("interpreter", path / "bin/python"))
    return Runtime(name, path, interpreter, record.get("environment", {}))


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def ensure(release: Release, announce: Callable[[str], None] = _say, timeout_seconds: float | None = None) -> Runtime:
    """The release's runtime, installed if it is not there. Raises PasstimeError when it cannot be.

    Made aside and moved in whole; one install at a time for a release: a second one waits and finds it. None of an
    install's commands takes longer than `timeout_seconds`.
    """
    runtime = find(release)
    if runtime is None:
        try:
            with _lock(release.name, announce) as lock:
                runtime = find(release) or _install(release, announce, lock, timeout_seconds)
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
    record = _record(_folder() / release.name)
    if record.get(_ADOPTED):
        return None if os.access(record["interpreter"], os.X_OK) else f"{record['interpreter']} is gone"
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return f"{release.name} has wheels for Linux on x86-64, this is {sys.platform} on {os.uname().machine}"
    if not release.requirements:
        return f"{release.name} does not say how it is installed"
    if release.julia is not None:
        return None if julia.find(release.julia) else f"{release.name}: {julia.missing(release.julia)}"
    if release.python is None:
        return f"{release.name} names no Python: complete its entry in releases.toml"
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
    keep: int | None = None,
    disk_bytes: int | None = None,
    announce: Callable[[str], None] = _say,
    spared: Collection[str] = (),
) -> list[str]:
    """Removes the least recently used runtimes but `keep`, or until all fit into `disk_bytes`; returns their names.

    One that is in use stays, and is announced. Those that are `spared` stay.
    """
    removed = []
    remaining = sorted(installed(), key=lambda runtime: runtime.last_use)
    for runtime in list(remaining):
        is_within = (keep is None or len(remaining) <= keep) and (
            disk_bytes is None or sum(other.total_bytes for other in remaining) <= disk_bytes
        )
        if is_within:
            break
        if runtime.release in spared:
            continue
        if is_in_use(runtime.path):
            announce(f"{runtime.release} is in use: it stays")
            continue
        remove(runtime.release)
        remaining.remove(runtime)
        removed.append(runtime.release)
    return removed


def is_in_use(path: Path) -> bool:
    """Whether a process of this user runs on the interpreter in `path`, or on the depot there."""
    interpreter, depot = f"{path}/bin/".encode(), f"JULIA_DEPOT_PATH={path}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(interpreter):
                return True
            if depot in (process / "environ").read_bytes():
                return True
    return False


def _install(release: Release, announce: Callable[[str], None], lock: int, timeout_seconds: float | None) -> Runtime:
    if (reason := runnable(release)) is not None:
        raise PasstimeError(reason)
    folder = _folder()
    path = folder / release.name
    if path.exists() and is_in_use(path):
        raise PasstimeError(f"{release.name} is in use, and not what releases.toml says now: end what is running there")
    _remove_leftovers(folder)
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < NEEDED_BYTES:
        announce(f"only {gigabytes(free_bytes)} are free in {folder}; a release takes up to 6 GB")
    logs = places.home() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{release.name}.log"
    log.unlink(missing_ok=True)
    attempt = install.Attempt(log, lock, timeout_seconds)
    announce(f"Installing {release.name} ...")
    start = time.monotonic()
    with _aside(release.name) as making:
        made = making / release.name
        record = {"release": release.name, **_identity(release), **_make(release, made, path, announce, attempt)}
        _write_record(made, record)
        if path.exists():  # stale: another Python or other pins
            path.rename(making / "stale")
        made.rename(path)
    runtime = _recorded(release.name, path, record)
    if release.julia is not None:
        julia.settle(release, runtime.interpreter, runtime.environment, attempt)
    announce(f"Installed {release.name} in {duration(time.monotonic() - start)}")
    return runtime


def adopt(release: Release, interpreter: Path, environment: Mapping[str, str]) -> Runtime:
    """Makes what stands already the release's runtime: nothing is installed, and removing it removes this note alone.

    Raises PasstimeError where a runtime that passtime installed is in the way.
    """
    path = _folder() / release.name
    with _lock(release.name, _say), _aside(release.name) as making:
        before = _record(path)
        if before and not before.get(_ADOPTED):
            raise PasstimeError(f"{release.name} is installed: `passtime runtimes remove {release.name}` first")
        made = making / release.name
        made.mkdir()
        record = {
            "release": release.name,
            **_identity(release),
            _ADOPTED: True,
            "installer": _ADOPTED,
            "installed": _now(),
            "build": "",
            "interpreter": str(interpreter),
            "environment": dict(environment),
        }
        _write_record(made, record)
        if path.exists():
            path.rename(making / "before")
        made.rename(path)
    return _recorded(release.name, path, record)


def _make(
    release: Release, made: Path, path: Path, announce: Callable[[str], None], attempt: install.Attempt
) -> dict[str, Any]:
    """Installs into `made`, which will be moved to `path`; gives what is to be remembered of it."""
    if release.julia is not None:
        interpreter = julia.make(release, made, attempt)
        environment = julia.environment(path / "project", path / "depot")
        how = {"installer": "Pkg", "build": "", "interpreter": str(interpreter), "environment": environment}
    else:
        how = {"installer": install.make(release, made, announce, attempt), "build": _build(made)}
    return {**how, "installed": _now()}


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    (path / _RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    (path / _LAST_USE).touch()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


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
