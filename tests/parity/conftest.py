"""Two fake workers, one of which a mishap can befall."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake import adapter as fake

from tests.worker.conftest import FakeWorker, nothing_survives  # noqa: F401  no process, no folder is left


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[FakeWorker]:
    with FakeWorker(tmp_path / "passes", {}) as worker:
        yield worker


@pytest.fixture
def follower(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FakeWorker]:
    """A worker whose `dense` has the mishap that the test is parametrised with."""
    mishaps = {"dense": request.param} if hasattr(request, "param") else {}
    with FakeWorker(tmp_path / "passes", {fake.MISHAPS: json.dumps(mishaps)}) as worker:
        yield worker
