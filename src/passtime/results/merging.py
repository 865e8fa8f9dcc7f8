"""Results of two branches become one, where git left them to us: `git merge`, `rebase` and `cherry-pick` alike.

.gitattributes keeps git from writing conflict markers into results, so the files can be read all the while. Each side
is read whole from its commit: git may have merged one of a release's two files, which then fits neither side's other.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from passtime.errors import PasstimeError
from passtime.results import content, store

# What git calls the other side while it merges, rebases, picks or reverts; ours is HEAD.
_OTHERS = ("MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")

_DESCRIPTIONS = ("benchmarks.json", "machine.json")
_ENDINGS = ("-passtime.json", store.PROVENANCE)

_Version = TypeVar("_Version")


def merge(root: Path) -> Iterator[str]:
    """Unites each file of results that git could not merge, and adds it to git's index; gives its name.

    Raises PasstimeError where git is not there and where nothing is to be merged. A side that cannot be read, and a
    file that is not to be united, cost themselves alone: an error at the end names each of them.
    """
    unmerged = _unmerged(root)
    if not unmerged:
        raise PasstimeError("no results are to be merged: git has no conflict in results/")
    other = next(
        (name for name in _OTHERS if _git(root, "rev-parse", "--verify", "--quiet", name, may_fail=True)), None
    )
    if other is None:
        raise PasstimeError("git is in no merge, rebase or cherry-pick: there are no two sides to unite")
    complaints: list[str] = []
    named: set[str] = set()
    for files in sorted(
        {_together(path) for path in unmerged if _is_ours(path)}, key=lambda files: (-len(files), files)
    ):
        try:
            is_there = (_unite_results if len(files) > 1 else _unite_description)(root, files, other)
        except content.Damaged as damaged:
            complaints.append(str(damaged))
            named.update(files)
            continue
        if is_there:
            _git(root, "add", "--", *files)
            yield files[0]
        else:  # both sides have moved it, or removed it
            _git(root, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", *files)
    if left := [path for path in _unmerged(root) if path not in named]:
        complaints.append(f"not results of passtime, so git leaves them to you: {', '.join(left)}")
    if complaints:
        raise PasstimeError("; ".join(complaints))


def _is_ours(path: str) -> bool:
    return path.endswith(_ENDINGS) or Path(path).name in _DESCRIPTIONS


def _together(path: str) -> tuple[str, ...]:
    """The files that are one thing: a release's values and its sessions; a description is alone."""
    if not path.endswith(_ENDINGS):
        return (path,)
    stem = path.removesuffix(store.PROVENANCE).removesuffix(".json")
    return stem + ".json", stem + store.PROVENANCE


def _unite_results(root: Path, files: tuple[str, ...], other: str) -> bool:
    """Writes what both sides have of a release; says whether a side has any. Raises content.Damaged."""
    values, lines = files

    def read(commit: str) -> content.Content | None:
        text = _version(root, commit, values)
        if text is None:
            return None
        return content.parse(text, _version(root, commit, lines) or "", f"{values} ({commit})", f"{lines} ({commit})")

    sides = _sides(read, other)
    for theirs in sides[1:]:
        sides[0].unite(theirs)
    if sides:
        store.write(root / values, sides[0])
    return bool(sides)


def _unite_description(root: Path, files: tuple[str, ...], other: str) -> bool:
    """Writes what both sides say of benchmarks or of a machine, ours where they differ, as `_unite_results`."""
    (path,) = files

    def read(commit: str) -> dict[str, Any] | None:
        text = _version(root, commit, path)
        return None if text is None else content.object_of(text, f"{path} ({commit})")

    sides = _sides(read, other)
    if sides:
        united = {**sides[-1], **sides[0]}
        (root / path).write_text(json.dumps(united, indent=4, sort_keys=True), "utf-8")
    return bool(sides)


def _sides(read: Callable[[str], _Version | None], other: str) -> list[_Version]:
    """Our version and the other side's, as far as there are any.

    Raises content.Damaged, with each side that cannot be read.
    """
    sides: list[_Version] = []
    damages: list[str] = []
    for commit in ("HEAD", other):
        try:
            side = read(commit)
        except content.Damaged as damaged:
            damages.append(str(damaged))
        else:
            sides += [] if side is None else [side]
    if damages:
        raise content.Damaged("; ".join(damages))
    return sides


def _version(root: Path, commit: str, path: str) -> str | None:
    """A file as a commit has it; None where it has none. Raises content.Damaged where it is no text."""
    try:
        return _git(root, "show", f"{commit}:./{path}", may_fail=True)
    except UnicodeDecodeError:
        raise content.Damaged(f"{path} ({commit}) is damaged: it is no text in UTF-8") from None


def _unmerged(root: Path) -> list[str]:
    """The files in results/ that are not merged."""
    entries = _git(root, "ls-files", "--unmerged", "-z", "--", "results") or ""
    return list(dict.fromkeys(entry.partition("\t")[2] for entry in entries.split("\0") if entry))


def _git(root: Path, *arguments: str, may_fail: bool = False) -> str | None:
    """What git printed; None where it failed and may. Raises PasstimeError where it is not there, or fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except OSError as error:
        raise PasstimeError(f"git cannot be run ({error.strerror}): results are merged in a git checkout") from None
    if done.returncode == 0:
        return done.stdout
    if may_fail:
        return None
    said = (done.stderr.strip().splitlines() or ["it failed"])[-1]
    raise PasstimeError(f"git {arguments[0]}: {said}")
