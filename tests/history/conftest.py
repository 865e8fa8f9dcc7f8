"""A project in which nothing was measured, and the tables of 2018."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "docs/history/2018.md"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a project, with the list of benchmarks; the working directory."""
    shutil.copy(ROOT / "asv.conf.json", tmp_path)
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results/benchmarks.json", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path
