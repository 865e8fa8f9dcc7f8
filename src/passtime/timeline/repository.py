"""The timeline: a generated git repository with a branch per framework, and a commit and a tag per release.

Fixed author, dates and content give the same hashes on every machine. asv's results are keyed by them, so a commit
holds a release's identity alone: how it is installed may be corrected without touching history.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.timeline.manifest import Manifest, Release

IDENTITY = "release.json"
_COMMITTER = "passtime <passtime@localhost>"
_HASH = re.compile("[0-9a-f]{8,64}")
_FINGERPRINT = "passtime-fingerprint"


def build(manifest: Manifest, path: Path) -> None:
    """Makes the repository at `path` hold the manifest's releases; quick where it does already.

    Made aside and moved in whole, so that nobody sees half of it. Raises PasstimeError where a release that the
    repository holds would get another hash, since its results would be lost with the old one.
    """
    history = _history(manifest)
    fingerprint = hashlib.sha256(history).hexdigest()
    if _is_built(path, fingerprint):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path):
        if _is_built(path, fingerprint):
            return
        workshop = Path(tempfile.mkdtemp(prefix=f"{path.name}-", dir=path.parent))
        made = workshop / "made"
        try:
            _git(made, "init", "--quiet", "--bare", "--template=")
            _git(made, "symbolic-ref", "HEAD", f"refs/heads/{manifest.branches[0]}")
            _git(made, "fast-import", "--quiet", feed=history)
            _check_hashes(tags(path), tags(made))
            (made / _FINGERPRINT).write_text(fingerprint, "utf-8")
            # Moved aside, not removed: who reads it meanwhile meets no half of it.
            with contextlib.suppress(FileNotFoundError):
                path.rename(workshop / "before")
            made.rename(path)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def tags(path: Path) -> dict[str, str]:
    """The hash of each release in the repository, by name; empty where there is no repository."""
    if not (path / "HEAD").is_file():
        return {}
    try:
        listed = _git(path, "for-each-ref", "refs/tags", "--format=%(refname:strip=2) %(objectname)")
    except PasstimeError:  # a damaged repository holds no hash that could be lost
        return {}
    return dict(line.split() for line in listed.splitlines())


def commit_of(path: Path, name: str) -> str:
    """The hash of the release's commit. Raises PasstimeError when the repository has none."""
    return _git(path, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}").strip()


def release_name(path: Path, commit: str) -> str:
    """The name of the release that a commit stands for. Raises PasstimeError when it stands for none.

    The hash may come from a file of results: what is none reaches git neither as an option nor as another object.
    """
    if not _HASH.fullmatch(commit):
        raise PasstimeError(f"{commit!r} is no commit of the timeline")
    identity = json.loads(_git(path, "show", f"{commit}:{IDENTITY}"))
    return f"{identity['framework']}-{identity['version']}"


def _is_built(path: Path, fingerprint: str) -> bool:
    try:
        return (path / _FINGERPRINT).read_text("utf-8") == fingerprint and (path / "HEAD").is_file()
    except OSError:
        return False


def _history(manifest: Manifest) -> bytes:
    """The stream for git fast-import that makes every commit, branch and tag."""
    if not manifest.releases:
        raise PasstimeError("the manifest lists no release: restore releases.toml")
    lines: list[str] = []
    mark = 0
    for branch in manifest.branches:
        for position, release in enumerate(manifest.of_branch(branch)):
            mark += 1
            # A branch's first commit has no parent; later ones follow the branch's last by themselves.
            lines += [f"reset refs/heads/{branch}"] if position == 0 else []
            lines += [f"commit refs/heads/{branch}", f"mark :{mark}", *_commit(release), ""]
            lines += [f"reset refs/tags/{release.name}", f"from :{mark}", ""]
    return "\n".join(lines).encode()


def _commit(release: Release) -> list[str]:
    identity = json.dumps(
        {"framework": release.framework, "version": release.version, "date": release.date.isoformat()}, indent=1
    )
    message = f"{release.framework} {release.version}"
    return [
        f"committer {_COMMITTER} {int(release.date.timestamp())} +0000",
        f"data {len(message)}",
        message,
        f"M 644 inline {IDENTITY}",
        f"data {len(identity) + 1}",
        identity,
    ]


def _check_hashes(before: dict[str, str], after: dict[str, str]) -> None:
    for name, commit in before.items():
        if after.get(name, commit) != commit:
            raise PasstimeError(
                f"{name} would get another commit, and its results would be lost: releases.toml was changed in its "
                "past; restore the order, versions and dates, or remove .passtime/timeline if no result is to be kept"
            )


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with open(path.with_name(f"{path.name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _git(repository: Path, *arguments: str, feed: bytes | None = None) -> str:
    # The user's settings (signing, hooks, another hash) must not reach the hashes.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull, GIT_DEFAULT_HASH="sha1")
    try:
        ended = subprocess.run(
            ["git", f"--git-dir={repository}", *arguments],
            input=feed,
            capture_output=True,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        raise PasstimeError("git is missing: install it; the timeline is a git repository") from None
    if ended.returncode != 0:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines() or [f"git {arguments[0]} failed"]
        raise PasstimeError(f"the timeline in {repository}: {said[-1]}; `passtime timeline build` makes it anew")
    return ended.stdout.decode("utf-8")
