"""Results on disk: one writer at a time, and what is said where they cannot be written."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from passtime.errors import PasstimeError
from passtime.results import store
from passtime.results.store import Store

from .test_content import BENCHMARK, HEADER, RESNET18, line

# Adds so many sessions to the folder in its argument, each in a save of its own.
_WRITER = """
import sys
from pathlib import Path
from results.test_content import BENCHMARK, HEADER, RESNET18, line
from passtime.results.store import Store
for number in range(int(sys.argv[3])):
    with Store(Path(sys.argv[1], "m"), HEADER).changing() as stored:
        stored.add(BENCHMARK, RESNET18, [line(worker=f"{sys.argv[2]} {number}")], None, [1.0 + number])
"""
SAVES = 25


def test_two_writers_lose_nothing(tmp_path):
    """Two processes that add sessions to one file at the same time leave all sessions of both."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), name, str(SAVES)], env=environment)
        for name in ("one", "two")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    (path,) = tmp_path.glob("m/*.json")
    workers = [one["worker"] for one in store.read(path).sessions.of(RESNET18)]
    assert sorted(workers) == sorted(f"{name} {number}" for name in ("one", "two") for number in range(SAVES))


def add(folder: Path) -> None:
    with Store(folder / "m", HEADER).changing() as stored:
        stored.add(BENCHMARK, RESNET18, [line()], None, [1.0])


def test_nothing_is_written_where_nothing_changed(tmp_path):
    """A look that changes nothing leaves the file's bytes and its time stamp."""
    add(tmp_path)
    (path,) = tmp_path.glob("m/*.json")
    before = path.stat()
    with Store(tmp_path / "m", HEADER).changing():
        pass
    assert path.stat() == before


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "No space left on device"), (errno.EROFS, "Read-only file system"), (errno.EDQUOT, "quota")],
)
def test_what_cannot_be_written_is_named(tmp_path, monkeypatch, number, words):
    """A full or read-only disk is one line that names the file and says what is kept; the file stays as it was."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PasstimeError, match=rf"aaaaaaaa-passtime.json cannot be written \(.*{words}.*nothing is kept"):
        add(tmp_path)
    monkeypatch.undo()
    add(tmp_path)
    (path,) = tmp_path.glob("m/*.json")
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PasstimeError, match=rf"cannot be written \(.*{words}.*what was stored before is kept"):
        add(tmp_path)
    assert path.read_bytes() == before
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """Where the folder of results is gone and cannot come back, the line says which it is."""
    (tmp_path / "results").touch()
    with pytest.raises(PasstimeError, match=re.escape(f"{tmp_path}/results/m cannot be written (Not a directory)")):
        add(tmp_path / "results")


@pytest.mark.parametrize("error", [NotImplementedError("no flock"), OSError(errno.ENOLCK, "No locks available")])
def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, error):
    """Where nothing can be locked, nothing is written, and the line says what to do."""

    def refuse(self: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "_acquire", refuse)
    with pytest.raises(PasstimeError, match="has no locks, which keep two runs apart: put results/ on a local disk"):
        add(tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_a_file_under_another_name_is_damaged(tmp_path):
    """A copy of a release's file under another release's name, or in another machine's folder, is refused."""
    add(tmp_path)
    (path,) = tmp_path.glob("m/*.json")
    (tmp_path / "other").mkdir()
    for copy in (path.with_name("bbbbbbbb-passtime.json"), tmp_path / "other" / path.name):
        copy.write_bytes(path.read_bytes())
        with pytest.raises(PasstimeError, match=r"is damaged: what is in it belongs into m/aaaaaaaa-passtime\.json"):
            store.read(copy)


def test_sessions_without_their_values_are_not_overwritten(tmp_path):
    """Where git or a hand took the values and left the sessions, nothing is written, and the line says what to do."""
    add(tmp_path)
    (path,) = tmp_path.glob("m/*.json")
    path.unlink()
    lines = store.provenance_of(path).read_bytes()
    with pytest.raises(PasstimeError, match=r"is missing, and aaaaaaaa-passtime\.provenance\.jsonl beside it"):
        add(tmp_path)
    assert store.provenance_of(path).read_bytes() == lines
