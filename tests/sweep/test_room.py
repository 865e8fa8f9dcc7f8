"""Room on disk: what goes, and what stays."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from passtime import places
from passtime.errors import PasstimeError
from passtime.runtimes import room, store

GB = 10**9


@pytest.fixture
def disk(monkeypatch, tmp_path) -> dict[str, SimpleNamespace]:
    """A disk of stub runtimes of 6 GB each, by name, in the order of their last use; `ensure` adds one."""
    there: dict[str, SimpleNamespace] = {}

    def ensure(release: SimpleNamespace, *_: object) -> None:
        if release.name == "broken":
            raise PasstimeError("broken cannot be installed: no wheel")
        there[release.name] = runtime(release.name, len(there))

    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(store, "installed", lambda: list(there.values()))
    monkeypatch.setattr(store, "find", lambda release: there.get(release.name))
    monkeypatch.setattr(store, "ensure", ensure)
    monkeypatch.setattr(store, "remove", there.pop)
    monkeypatch.setattr(store, "is_in_use", lambda path: path.name == "busy")
    return there


def runtime(name: str, use: int, size_bytes: int = 6 * GB, is_adopted: bool = False) -> SimpleNamespace:
    last_use = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=use)
    return SimpleNamespace(
        release=name, path=Path(name), last_use=last_use, total_bytes=size_bytes, is_adopted=is_adopted
    )


def releases(*names: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(name=name) for name in names]


def groups(waiting: list[SimpleNamespace], disk_bytes: int) -> list[list[str]]:
    found = []
    while waiting:
        group, _ = room.install_group(waiting, disk_bytes, lambda line: None)
        found.append([release.name for release in group])
    return found


def test_groups_fill_the_disk(disk):
    """As many as fit are installed together, and go before the next ones come."""
    assert groups(releases("a", "b", "c", "d", "e"), 13 * GB) == [["a", "b"], ["c", "d"], ["e"]]
    assert set(disk) == {"d", "e"}


def test_what_the_sweep_still_needs_stays(disk):
    """What is installed and waits is not removed for another, however long ago it was used."""
    disk["needed"] = runtime("needed", -9)
    disk["other"] = runtime("other", -8)
    assert groups(releases("needed", "a", "b"), 12 * GB) == [["needed", "a"], ["b"]]
    assert "other" not in disk


def test_adopted_runtimes_and_those_in_use_stay(disk):
    """Nobody could install again what was adopted, and what runs is not taken away."""
    disk["adopted"] = runtime("adopted", -9, 4096, is_adopted=True)
    disk["busy"] = runtime("busy", -8, 1 * GB)
    disk["other"] = runtime("other", -7)
    assert groups(releases("a"), 6 * GB) == [["a"]]
    assert set(disk) == {"adopted", "busy", "a"}


def test_one_that_cannot_be_installed_is_told_and_left_out(disk):
    """Its reason comes back, and the others of its group are there."""
    said: list[str] = []
    group, failed = room.install_group(releases("a", "broken", "b"), 20 * GB, said.append)
    assert [release.name for release in group] == ["a", "b"]
    assert failed == {"broken": "broken cannot be installed: no wheel"}
    assert said == ["broken cannot be installed: no wheel"]


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_the_sweeps_cache_goes(disk, monkeypatch, before):
    """Inside, uv has a cache beside the runtimes; afterwards it is gone and the user's setting is back."""
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    if before:
        monkeypatch.setenv("UV_CACHE_DIR", before)
    with room.cache_that_goes(is_needed=True):
        cache = Path(os.environ["UV_CACHE_DIR"])
        assert cache.parent == places.home()
        cache.mkdir(parents=True)
    assert not cache.exists()
    assert os.environ.get("UV_CACHE_DIR") == before
    with room.cache_that_goes(is_needed=False):
        assert os.environ.get("UV_CACHE_DIR") == before
