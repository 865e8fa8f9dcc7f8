"""Entries appended to a manifest."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from passtime.errors import PasstimeError
from passtime.timeline import entries, manifest
from passtime.timeline.manifest import Release

DATE = datetime(2026, 8, 14, 12, 6, 3, tzinfo=timezone.utc)

TORCH = """# What the file is about.

[[release]]
framework = "torch"
version = "1.0"
date = 2020-01-01T00:00:00Z
python = "3.11"
"""
FLUX = """
# Flux, in Julia.

[[release]]
framework = "flux"
version = "1.0"
date = 2020-01-01T00:00:00Z
julia = "1.10"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "releases.toml"


def commit(digits: str, **fields: str) -> Release:
    address = "https://example.org/torch"
    return Release("torch", digits, DATE, "torch-main", "3.11", repository=address, revision=digits * 2,
                   requirements=(f"torch @ git+{address}@{digits * 2}", "numpy==2.0.0"), **fields)  # fmt: skip


def test_a_new_branch_comes_at_the_end(path):
    """What stands there keeps every character; an entry has the keys that say something, in the order of Release."""
    path.write_text(TORCH + FLUX)
    entries.append(path, [commit("abc")])
    assert path.read_text() == TORCH + FLUX + (
        '\n[[release]]\nframework = "torch"\nversion = "abc"\ndate = 2026-08-14T12:06:03Z\nbranch = "torch-main"\n'
        'python = "3.11"\nrequirements = ["torch @ git+https://example.org/torch@abcabc", "numpy==2.0.0"]\n'
        'repository = "https://example.org/torch"\nrevision = "abcabc"\n'
    )


def test_a_branch_stays_together(path):
    """A framework's release follows its own, before the comment of what comes next, and names no branch."""
    path.write_text(TORCH + FLUX)
    entries.append(path, [commit("abc")])
    entries.append(path, [Release("torch", "1.1", DATE, "torch", "3.11")])
    entries.append(path, [commit("def")])
    assert [release.name for release in manifest.read(path)] == [
        "torch-1.0",
        "torch-1.1",
        "flux-1.0",
        "torch-abc",
        "torch-def",
    ]
    assert path.read_text().startswith(TORCH + "\n[[release]]\n" + 'framework = "torch"\nversion = "1.1"\n')
    assert FLUX in path.read_text()
    assert path.read_text().count("branch") == 2


def test_the_first_entry_makes_the_file(path):
    """A checkout without releases of its own gets the file, and its folder, by the first."""
    inner = path.parent / "folder" / "releases.toml"
    entries.append(inner, [commit("abc")])
    assert manifest.read(inner) == [commit("abc")]
    assert inner.read_text().startswith("[[release]]\n")
    assert [one.name for one in inner.parent.iterdir()] == ["releases.toml"]


def test_what_cannot_be_read_back_is_not_written(path):
    """The manifest stays as it was."""
    path.write_text(TORCH)
    with pytest.raises(PasstimeError, match="'numpy' is no pin: a pin is exact"):
        entries.append(path, [Release("torch", "1.1", DATE, "torch", requirements=("numpy",))])
    assert path.read_text() == TORCH
