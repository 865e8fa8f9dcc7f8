"""Projects of the fake framework for asv itself, each checked to leave no process and no socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake import adapter, fifo
from fake.project import Project


def checked(root: Path) -> Iterator[Project]:
    """A project; whoever is done with it has left nothing running."""
    project = Project(root)
    yield project
    survivors = project.survivors()
    project.kill()
    assert survivors == []


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was measured yet."""
    yield from checked(tmp_path)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with two releases measured, for tests that only read it; `measured.printed` is what asv said."""
    for project in checked(tmp_path_factory.mktemp("measured")):
        project.printed = project.asv("run", "fake-1.0..fake-3.0", "-b", "time_forward|training_memory")
        yield project


@pytest.fixture
def sessions(project: Project) -> Path:
    """A FIFO that a worker's session writes to as its first pass begins, and waits until that is read."""
    path = project.root / "sessions"
    os.mkfifo(path)
    project.environment[adapter.PASSES] = str(path)
    return path


def await_session(sessions: Path, workload: str, process_id: int) -> int:
    """Lets sessions pass until one of this workload begins; gives its process. Fails when `process_id` ends first."""
    while True:
        # More than one, where the next began before all of the one before was read.
        for line in fifo.read(sessions, process_id).splitlines():
            name, _, _, session = line.split()
            if name == workload:
                return int(session)
