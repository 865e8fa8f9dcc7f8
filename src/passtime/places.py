"""Where things lie: the project's root, its generated parts, and what all checkouts of one user share."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from passtime.errors import PasstimeError

HOME_VARIABLE = "PASSTIME_HOME"
RELEASES_VARIABLE = "PASSTIME_RELEASES"


def root(start: Path | None = None) -> Path:
    """The nearest folder with an `asv.conf.json`, from `start` (the working directory) upward.

    Raises PasstimeError where there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "asv.conf.json").is_file():
            return folder
    raise PasstimeError(f"no asv.conf.json in {start} or above it: run this inside a checkout of passtime")


def timeline_repository(root: Path) -> Path:
    """The generated git repository whose commits are releases."""
    return root / ".passtime" / "timeline"


def local_releases(root: Path) -> Path:
    """The user's own releases, kept out of the project's history."""
    return root / ".passtime" / "releases.toml"


def shipped_releases() -> Path:
    """The manifest of releases: passtime's own, or the file that PASSTIME_RELEASES names."""
    chosen = os.environ.get(RELEASES_VARIABLE)
    return Path(chosen) if chosen else Path(__file__).parent / "timeline" / "releases.toml"


def home() -> Path:
    """What checkouts share, runtimes above all: PASSTIME_HOME, or the user's cache folder."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("passtime")
