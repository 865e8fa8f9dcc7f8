"""A test that waits to be told is told, or fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fake import fifo


@pytest.fixture
def path(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_one_writers_lines_are_read(path):
    """All that a process writes is read, and then what the next one writes, though each ends at once."""
    for count in (1, 20000):
        with subprocess.Popen(["sh", "-c", f"yes | head -{count} > {path}"]) as writer:
            assert fifo.read(path, writer.pid) == "y\n" * count


def test_a_writer_that_died_is_no_endless_wait(path):
    """Where the process that was to write has ended without, the wait ends too."""
    with subprocess.Popen(["true"]) as process, pytest.raises(AssertionError, match="a process ended"):
        fifo.read(path, process.pid)


def test_a_wait_ends(path, monkeypatch):
    """Where nobody writes, the wait ends at its deadline."""
    monkeypatch.setattr(fifo, "DEADLINE_SECONDS", 0.01)
    with pytest.raises(AssertionError, match="time is up"):
        fifo.read(path)
