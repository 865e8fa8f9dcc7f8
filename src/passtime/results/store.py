"""Where a release's results lie, and how they are changed: read, added to and replaced as a whole, by one at a time."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from passtime import places
from passtime.catalog import requests
from passtime.catalog.place import Item
from passtime.errors import PasstimeError
from passtime.results import content
from passtime.results.content import Content
from passtime.results.sessions import STARTED_AT, Cell, Sessions
from passtime.timeline import repository
from passtime.timeline.manifest import Release

# What asv calls the one environment that there is, and the Python in it: a release brings its own.
ENVIRONMENT = "passtime"
PYTHON = "runtime"

PROVENANCE = ".provenance.jsonl"  # the ending of the file with the sessions, beside asv's

_LOCK = ".lock"
COMMIT_DIGITS = 8  # as asv cuts hashes in names of files
# Another save takes milliseconds.
_LOCK_SECONDS = 60.0
_HAS_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)

# What one session measures: by the method that records it, asv's benchmark and its cell.
Cells = Mapping[str, tuple[dict, Cell]]


class NotKept(PasstimeError):
    """Results could not be written: its text names the file, and says what is kept."""


class Results(Protocol):
    """Results of a release that can be added to: a `Store`, or asv's own view of one."""

    def changing(self) -> AbstractContextManager[Content]:
        """What is stored, to be changed inside, as `Store.changing`."""


class Store:
    """The results of one release on one machine: asv's file in `folder`, and the sessions beside it.

    `header` is what asv's file says of the release and of the machine, for a file that is not there yet.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.path = folder / file_name(header)
        self._header = dict(header)

    def read(self) -> Content:
        """What is stored; empty where nothing is. Raises content.Damaged where it cannot be read."""
        if self.path.is_file():
            return read(self.path)
        beside = provenance_of(self.path)
        if beside.is_file() and beside.stat().st_size:
            raise content.Damaged(
                f"{self.path} is missing, and {beside.name} beside it has its sessions: restore it, for instance by "
                "`git checkout`, or move both away"
            )
        return Content(dict(self._header))

    @contextlib.contextmanager
    def changing(self) -> Iterator[Content]:
        """What is stored, to be changed inside; written when that ends without an error, while no other may write.

        Raises content.Damaged as `read`, and NotKept where it cannot be written: what was stored stays as it was.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                changed = self.read()
                before = changed.text(), changed.sessions.text()
                yield changed
                after = changed.text(), changed.sessions.text()
                if after != before or not self.path.is_file():
                    _write(self.path, *after)
        except OSError as error:
            kept = "what was stored before is kept" if self.path.is_file() else "nothing is kept"
            raise NotKept(f"{error.filename or self.path} cannot be written ({error.strerror}): {kept}") from None

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        path = self.path.with_name(_LOCK)
        try:
            with FileLock(path, timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise NotKept(f"{path} is held by another process for over {_LOCK_SECONDS:.0f} s: end it") from None
        except NotImplementedError:
            raise NotKept(_no_locks(path)) from None
        except OSError as error:
            if error.errno in _HAS_NO_LOCKS:
                raise NotKept(_no_locks(path)) from None
            raise


def _no_locks(path: Path) -> str:
    return f"the file system of {path.parent} has no locks, which keep two runs apart: put results/ on a local disk"


@dataclass(frozen=True)
class Suite:
    """A project's benchmarks, and the machine that results are kept under.

    `facts` are what asv's files say of the machine; `cells` what each session measures.
    """

    root: Path
    machine: str
    facts: Mapping[str, str]
    cells: Mapping[Item, Cells] = field(default_factory=dict)

    def store(self, release: Release) -> Store:
        """Where a release's results on this machine go."""
        return store_of(self.root, self.facts, release)


def store_of(root: Path, facts: Mapping[str, str], release: Release) -> Store:
    """Where a release's results go on the machine of which these are the facts, its name among them."""
    commit = repository.commit_of(places.timeline_repository(root), release.name)
    header = {
        "commit_hash": commit,
        "env_name": ENVIRONMENT,
        "date": int(release.date.timestamp() * 1000),
        "params": {**facts, "python": PYTHON},
        **{"python": PYTHON, "requirements": {}, "env_vars": {}},
    }
    return Store(root / "results" / facts["machine"], header)


def write(path: Path, content: Content) -> None:
    """Writes a release's file and the sessions beside it, each as a whole. Raises OSError."""
    _write(path, content.text(), content.sessions.text())


def _write(path: Path, values: str, sessions: str) -> None:
    # Both are whole before either is moved; the sessions first, since one too many is found when they are read.
    parts = {target: target.with_name(target.name + ".part") for target in (provenance_of(path), path)}
    try:
        for part, text in zip(parts.values(), (sessions, values), strict=True):
            with open(part, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for target, part in parts.items():
            os.replace(part, target)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def provenance_of(path: Path) -> Path:
    """The file with the sessions of a release's file of values."""
    return path.with_suffix(PROVENANCE)


def read(path: Path) -> Content:
    """The content of a release's file. Raises content.Damaged, with the file and the place in it."""
    beside = provenance_of(path)
    lines = _text(beside) if beside.is_file() else ""
    found = content.parse(_text(path), lines, str(path), str(beside))
    name, machine = file_name(found.header), found.header["params"].get("machine")
    if (name, machine) != (path.name, path.parent.name):
        raise content.Damaged(f"{path} is damaged: what is in it belongs into {machine}/{name}")
    return found


def file_name(header: Mapping[str, Any]) -> str:
    """The name of the file with the results of which this is the header."""
    return f"{header['commit_hash'][:COMMIT_DIGITS]}-{header['env_name']}.json"


def read_sessions(path: Path) -> Sessions:
    """The sessions of a file of lines. Raises content.Damaged, with the file and the line."""
    return content.parse_lines(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise content.Damaged(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise content.Damaged(f"{path} is damaged: it is no text in UTF-8") from None


def land(results: Results, cells: Cells, replies: Mapping[str, Mapping[str, Any]], session: Mapping[str, Any]) -> None:
    """Adds a session's samples and peaks to a release's results, and saves.

    `replies` are the worker's, by method, none of what the device cannot tell; `session` is what provenance says of the
    session as a whole. Raises as `Store.changing`.
    """
    started_at = milliseconds(datetime.fromisoformat(session[STARTED_AT]))
    with results.changing() as stored:
        for method, (benchmark, cell) in cells.items():
            if method in replies:
                reply = replies[method]
                samples: Sequence[float] | None = reply.get("elapsed_seconds")
                line = {
                    "benchmark": cell.benchmark,
                    "version": benchmark["version"],
                    "params": list(cell.params),
                    **session,
                    **requests.said_of_session(reply),
                }
                stored.add(benchmark, cell, [line], reply.get("peak_bytes"), samples, started_at=started_at)


def milliseconds(moment: datetime) -> int:
    """A moment as asv stores it: milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
