"""Results of two branches become one, where git left them to us: `git merge`, `rebase` and `cherry-pick` alike.

.gitattributes keeps git from writing conflict markers into results, so the files can be read all the while. Each side
is read whole from its commit: git may have merged one of a release's two files, which then fits neither side's other.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.results import content, store

# What git calls the other side while it merges, rebases, picks or reverts; ours is HEAD.
_OTHERS = ("MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")

_DESCRIPTIONS = ("benchmarks.json", "machine.json")
_ENDINGS = ("-passtime.json", store.PROVENANCE)


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
    damages: list[str] = []
    for stem in sorted({_stem(path) for path in unmerged if path.endswith(_ENDINGS)}):
        values, lines = stem + ".json", stem + store.PROVENANCE
        found = [_side(root, commit, values, lines) for commit in ("HEAD", other)]
        if damaged := [str(one) for one in found if isinstance(one, content.Damaged)]:
            damages += damaged
            continue
        sides = [one for one in found if isinstance(one, content.Content)]
        united = sides[0]
        for one in sides[1:]:
            united.unite(one)
        store.write(root / values, united)
        _git(root, "add", "--", values, lines)
        yield values
    for path in unmerged:
        if Path(path).name in _DESCRIPTIONS:
            if damaged := _unite_descriptions(root, path, other):
                damages += damaged
            else:
                yield path
    if left := [path for path in _unmerged(root) if not path.endswith((*_ENDINGS, *_DESCRIPTIONS))]:
        damages.append(f"not results of passtime, so git leaves them to you: {', '.join(left)}")
    if damages:
        raise PasstimeError("; ".join(damages))


def _side(root: Path, commit: str, values: str, lines: str) -> content.Content | content.Damaged | None:
    """One side's version, or why it cannot be read; None where it has none."""
    text = _version(root, commit, values)
    if text is None:
        return None
    try:
        return content.parse(text, _version(root, commit, lines) or "", f"{values} ({commit})", f"{lines} ({commit})")
    except content.Damaged as damaged:
        return damaged


def _version(root: Path, commit: str, path: str) -> str | None:
    return _git(root, "show", f"{commit}:./{path}", may_fail=True)


def _unite_descriptions(root: Path, path: str, other: str) -> list[str]:
    """asv's list of benchmarks, or a machine: what both sides say, and ours where they do not agree.

    Gives what is wrong with the sides that cannot be read; then the file is left as it is.
    """
    both: dict[str, object] = {}
    damages = []
    for commit in (other, "HEAD"):
        try:
            both.update(json.loads(_version(root, commit, path) or "{}"))
        except (ValueError, TypeError):
            damages.append(f"{path} ({commit}) is damaged: it is no JSON object")
    if not damages:
        (root / path).write_text(json.dumps(both, indent=4, sort_keys=True), "utf-8")
        _git(root, "add", "--", path)
    return damages


def _unmerged(root: Path) -> list[str]:
    """The files in results/ that are not merged."""
    entries = _git(root, "ls-files", "--unmerged", "-z", "--", "results") or ""
    return list(dict.fromkeys(entry.partition("\t")[2] for entry in entries.split("\0") if entry))


def _stem(path: str) -> str:
    return path.removesuffix(store.PROVENANCE).removesuffix(".json")


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
