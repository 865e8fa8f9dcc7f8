"""Room on disk for the runtimes of a sweep."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from passtime import places
from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.timeline.manifest import Release

_UV_CACHE_VARIABLE = "UV_CACHE_DIR"


def is_there(release: Release) -> bool:
    """Whether the release needs no install: it is installed, adopted or someone's own."""
    try:
        return store.find(release) is not None
    except PasstimeError:  # its interpreter is gone, and no install brings it back
        return True


def taken_bytes() -> int:
    """What all runtimes take on disk; a file that two of them share counts twice."""
    return sum(runtime.total_bytes for runtime in store.installed())


def install_group(
    waiting: list[Release],
    disk_bytes: int,
    say: Callable[[str], None],
    timeout_seconds: float | None = None,
    beside: Sequence[Release] = (),
) -> tuple[list[Release], dict[str, str]]:
    """Installs the first releases that wait, as many as fit into `disk_bytes` together but at least one.

    What is `beside` them stays. None of an install's commands takes longer than `timeout_seconds`. What was tried is
    taken off the list: those that are there now are returned, and the names of those that could not be had, with
    reasons.
    """
    group: list[Release] = []
    failed: dict[str, str] = {}
    while waiting:
        release = waiting[0]
        if not is_there(release) and not _make_room(disk_bytes, [*beside, *group, *waiting], say) and group:
            break
        waiting.pop(0)
        try:
            store.ensure(release, say, timeout_seconds)
            group.append(release)
        except PasstimeError as error:
            failed[release.name] = str(error)
            say(told(release.name, str(error)))
    return group, failed


@contextlib.contextmanager
def cache_that_goes(is_needed: bool) -> Iterator[None]:
    """Inside, where that is needed, uv has a cache of the sweep's own, on the runtimes' disk, and gone afterwards.

    What was ever installed stays in uv's cache, hard-linked with the runtime while that is there: removing a runtime
    would free nothing of what it shares with the user's cache.
    """
    if not is_needed:
        yield
        return
    before = os.environ.get(_UV_CACHE_VARIABLE)
    os.environ[_UV_CACHE_VARIABLE] = str(_cache())
    try:
        yield
    finally:
        shutil.rmtree(_cache(), ignore_errors=True)
        os.environ.pop(_UV_CACHE_VARIABLE)
        if before is not None:
            os.environ[_UV_CACHE_VARIABLE] = before


def told(name: str, reason: str) -> str:
    """A reason why a release cannot be measured, as a line that names it."""
    return reason if name in reason else f"{name}: {reason}"


def _make_room(disk_bytes: int, needed: Sequence[Release], say: Callable[[str], None]) -> bool:
    """Removes what the sweep does not need, the least recently used first, until one more fits; False if none does."""
    spared = {release.name for release in needed} | {one.release for one in store.installed() if one.is_adopted}
    at_most_bytes = max(0, disk_bytes - store.NEEDED_BYTES)
    removed = store.prune(disk_bytes=at_most_bytes, announce=say, spared=spared)
    if removed:
        say(f"Removed {', '.join(removed)} to make room")
        shutil.rmtree(_cache(), ignore_errors=True)
    return taken_bytes() <= at_most_bytes


def _cache() -> Path:
    return places.home() / "uv-cache-of-sweep"
