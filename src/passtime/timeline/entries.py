"""Releases written to a manifest: appended to their branch, with all that stands there left as it is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import tomlkit

from passtime.timeline import manifest
from passtime.timeline.manifest import Release


def append(path: Path, releases: Sequence[Release]) -> None:
    """Appends a branch's releases to the manifest at `path`, in one move; where there is none it is made.

    They come after the branch's last one, those of a new branch at the end.
    """
    entries = tomlkit.aot()
    for release in releases:
        entry = tomlkit.table()
        for key, value in dataclasses.asdict(release).items():
            if value and not (key == "branch" and value == release.framework):
                entry.add(key, list(value) if isinstance(value, tuple) else value)
        entries.append(entry)
    text = path.read_text("utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(_with_entries(text, releases[0].branch, tomlkit.dumps({"release": entries})), "utf-8")
    manifest.read(written)
    written.replace(path)


def _with_entries(text: str, branch: str, entries: str) -> str:
    """The manifest with more entries after the branch's last one: the comment above the next branch stays there."""
    starts = [found.start() for found in re.finditer(r"^\[\[release\]\]", text, re.MULTILINE)]
    listed = tomlkit.parse(text).get("release", ())
    places = [number for number, entry in enumerate(listed) if entry.get("branch", entry["framework"]) == branch]
    if not places:
        return f"{text.rstrip()}\n\n{entries.strip()}\n".lstrip()
    last = places[-1]
    end = starts[last + 1] if last + 1 < len(starts) else len(text)
    # What stands between two entries, blank lines and comments, belongs to the second.
    own = re.sub(r"(^\s*(#.*)?\n)+\Z", "", text[starts[last] : end], flags=re.MULTILINE)
    cut = starts[last] + len(own)
    return f"{text[:cut]}\n{entries.strip()}\n{text[cut:]}"
