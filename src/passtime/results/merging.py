"""Results of two branches become one, where git left them to us: `git merge`, `rebase` and `cherry-pick` alike.

.gitattributes keeps git from writing conflict markers into results, so the files can be read all the while. git's index
has the versions of both sides.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.results import content, store

# Of the versions of a file that the index has while a merge is open: the one of the branch that is merged into, and
# that of the other.
_OURS, _THEIRS = "2", "3"

_BENCHMARKS = "benchmarks.json"
_ENDINGS = ("-passtime.json", store.PROVENANCE)


def merge(root: Path) -> Iterator[str]:
    """Unites each file of results that git could not merge, and adds it to git's index; gives its name.

    Raises PasstimeError where git is not there, where nothing is to be merged, and for a side that cannot be read: the
    files that were united before stay so.
    """
    unmerged = _unmerged(root)
    files = sorted({_stem(path) for path in unmerged if path.endswith(_ENDINGS)})
    if not files and _BENCHMARKS not in {Path(path).name for path in unmerged}:
        raise PasstimeError("no results are to be merged: git has no conflict in results/")
    for stem in files:
        values, lines = stem + ".json", stem + store.PROVENANCE
        sides = [_side(root, unmerged, values, lines, stage) for stage in (_OURS, _THEIRS)]
        whole = [side for side in sides if side is not None]
        united = whole[0]
        for other in whole[1:]:
            united.unite(other)
        store.write(root / values, united)
        _git(root, "add", "--", values, lines)
        yield values
    for path in unmerged:
        if Path(path).name == _BENCHMARKS:
            _unite_benchmarks(root, path, unmerged)
            yield path


def _side(
    root: Path, unmerged: dict[str, dict[str, str]], values: str, lines: str, stage: str
) -> content.Content | None:
    """One side's version; None where it has none. What git merged, or left as it was, is the same on both sides."""
    name = f"{values} ({'ours' if stage == _OURS else 'theirs'})"
    text = _version(root, unmerged, values, stage)
    if text is None:
        return None
    return content.parse(text, _version(root, unmerged, lines, stage) or "", name, lines)


def _version(root: Path, unmerged: dict[str, dict[str, str]], path: str, stage: str) -> str | None:
    if path not in unmerged:
        return (root / path).read_text("utf-8") if (root / path).is_file() else None
    blob = unmerged[path].get(stage)
    return None if blob is None else _git(root, "cat-file", "blob", blob)


def _unite_benchmarks(root: Path, path: str, unmerged: dict[str, dict[str, str]]) -> None:
    """asv's list of benchmarks: those of both sides; the other one's where both have one of that name."""
    both: dict[str, object] = {}
    for stage in (_OURS, _THEIRS):
        try:
            both.update(json.loads(_version(root, unmerged, path, stage) or "{}"))
        except ValueError:
            raise PasstimeError(f"{path} is damaged: `asv run --bench just-discover` writes it anew") from None
    (root / path).write_text(json.dumps(both, indent=4, sort_keys=True) + "\n", "utf-8")
    _git(root, "add", "--", path)


def _unmerged(root: Path) -> dict[str, dict[str, str]]:
    """The files in results/ that are not merged: by name, the blob of each of git's stages."""
    found: dict[str, dict[str, str]] = {}
    for entry in _git(root, "ls-files", "--unmerged", "-z", "--", "results").split("\0"):
        if entry:
            description, _, path = entry.partition("\t")
            _, blob, stage = description.split()
            found.setdefault(path, {})[stage] = blob
    return found


def _stem(path: str) -> str:
    return path.removesuffix(store.PROVENANCE).removesuffix(".json")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except OSError as error:
        raise PasstimeError(f"git cannot be run ({error.strerror}): results are merged in a git checkout") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise PasstimeError(f"git {arguments[0]}: {said}")
    return done.stdout
