"""Commits of a framework's own repository become releases, on a branch of their own."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from passtime import places
from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.timeline import local, manifest
from passtime.timeline.manifest import Release
from passtime.timeline.pins import AT, GIT, check_pin, check_repository

# As many digits as git shows of a hash in a large repository.
_DIGITS = 12

_RANGE = re.compile(r"(?!-)\S+")


def add(
    root: Path,
    framework: str,
    repository: str,
    revisions: str,
    runs_on: str,
    pins: Sequence[str] = (),
    every: int = 1,
    only_merges: bool = False,
    announce: Callable[[str], None] = lambda line: None,
    is_shipped: bool = False,
) -> list[Release]:
    """Appends a repository's commits in `revisions`, a range as git has it, to the branch `<framework>-main`.

    Those on the first line of parents alone, or of these the merges, or every so many. What is there already is left
    as it is. Each runs on that version of the framework's language, with `pins` beside it. Gives those that were
    appended, oldest first. Raises PasstimeError where git cannot read the repository or the range, and for commits
    older than what the branch has: it is append-only; and for an address, a version or a pin that is none.
    `is_shipped` writes them to the shipped releases, not to the checkout's own.
    """
    address = repository if "://" in repository else Path(repository).expanduser().resolve().as_uri()
    check_repository(address)
    manifest.check_language(runs_on, "--runs-on")
    for pin in pins:
        check_pin(pin)
    clone = _clone(address, announce)
    listed = list(_commits(clone, revisions, only_merges))
    if not listed:
        raise PasstimeError(f"no commits in {revisions}")
    chosen = listed[::-every][::-1]  # the newest always
    known = frameworks.to_install(framework)
    language = {known.language: runs_on}
    return local.extend(
        root,
        [
            Release(
                framework,
                revision[:_DIGITS],
                date,
                branch=f"{framework}-main",
                python=language.get("python"),
                julia=language.get("julia"),
                requirements=(f"{known.package}{AT}{GIT}{address}@{revision}", *pins),
                repository=address,
                revision=revision,
            )
            for revision, date in chosen
        ],
        is_shipped,
    )


def _clone(address: str, announce: Callable[[str], None]) -> Path:
    """A bare copy of the repository among what all checkouts share, brought up to date."""
    clone = places.home() / "repositories" / hashlib.sha256(address.encode()).hexdigest()[:16]
    if (clone / "HEAD").exists():
        _git(clone, "fetch", "--quiet", "--force", "origin", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        return clone
    announce(f"Fetching the history of {address} ...")
    clone.parent.mkdir(parents=True, exist_ok=True)
    # Without the files: installing a commit fetches those that it needs.
    _git(clone.parent, "clone", "--quiet", "--bare", "--filter=blob:none", "--", address, str(clone))
    return clone


def _commits(clone: Path, revisions: str, only_merges: bool) -> Iterator[tuple[str, datetime]]:
    """Hash and date of each commit, oldest first."""
    if not _RANGE.fullmatch(revisions):
        raise PasstimeError(f"{revisions!r} is no range of revisions: write A..B")
    merges = ["--merges"] if only_merges else []
    lines = _git(
        clone, "log", "--first-parent", "--reverse", *merges, "--format=%H %ct", "--end-of-options", revisions, "--"
    ).splitlines()
    for revision, seconds in (line.split() for line in lines):
        yield revision, datetime.fromtimestamp(int(seconds), timezone.utc)


def _git(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise PasstimeError(f"git {arguments[0]}: {said[0].removeprefix('fatal: ')}")
    return ended.stdout
