"""Results of another checkout come to those of this one: a night's of a machine that measured, or a colleague's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from passtime.errors import PasstimeError
from passtime.results import machine, parity, store
from passtime.results.store import Store

_BENCHMARKS = "benchmarks.json"


def add(root: Path, folders: Sequence[Path]) -> Iterator[str]:
    """Adds what is below each folder's `results/` to the project's at `root`; gives the names of files that changed.

    Sessions, numbers and checks are united. What is known of a benchmark or a machine stays where it is there.
    Raises PasstimeError, before anything is written, for a folder without results, for what cannot be read, and for a
    place that leads out of the project; and store.NotKept.
    """
    for folder in folders:
        if not (folder / "results").is_dir():
            raise PasstimeError(f"{folder} has no results/: name the folder of a checkout")
    results = root / "results"
    found = [folder / "results" for folder in folders]
    contents = [store.read(path) for one in found for path in sorted(one.glob(f"*/*-{store.ENVIRONMENT}.json"))]
    described = [path for one in found for path in (one / _BENCHMARKS, *sorted(one.glob(f"*/{machine.FILE}")))]
    objects = [(path.relative_to(path.parents[_depth(path)]), _object(path)) for path in described if path.is_file()]
    checks = [_lines(one / parity.FILE) for one in found]
    for name in {content.header["params"]["machine"] for content in contents} | {
        place.parts[0] for place, _ in objects if len(place.parts) > 1
    }:
        if (results / name).is_symlink():
            raise PasstimeError(f"{results / name} is a link, which is not followed: make it a folder")
    for place, theirs in objects:
        yield from _add_object(results / place, theirs)
    for lines in checks:
        yield from _add_lines(results / parity.FILE, lines)
    for theirs_of_release in contents:
        kept = Store(results / theirs_of_release.header["params"]["machine"], theirs_of_release.header)
        with kept.changing() as ours:
            before = ours.text(), ours.sessions.text()
            ours.unite(theirs_of_release)
            is_more = before != (ours.text(), ours.sessions.text())
        if is_more:
            yield str(kept.path)


def _depth(path: Path) -> int:
    """How far above a description its `results/` is."""
    return 0 if path.name == _BENCHMARKS else 1


def _add_object(path: Path, theirs: dict[str, Any]) -> Iterator[str]:
    ours = _object(path) if path.is_file() else {}
    # What is known here of a machine is one description; of benchmarks, each is one.
    united = {**theirs, **ours} if path.name == _BENCHMARKS or not ours else ours
    if united != ours:
        _write(path, json.dumps(united, indent=4, sort_keys=True))
        yield str(path)


def _add_lines(path: Path, theirs: Sequence[str]) -> Iterator[str]:
    ours = _lines(path)
    united = list(dict.fromkeys([*ours, *theirs]))
    if united != ours:
        _write(path, "".join(line + "\n" for line in united))
        yield str(path)


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise PasstimeError(f"{path} cannot be read as JSON: restore it, for instance by `git checkout`") from None
    if not isinstance(found, dict):
        raise PasstimeError(f"{path} is damaged: it is no JSON object")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines() if path.is_file() else []
    except (OSError, ValueError):
        raise PasstimeError(f"{path} cannot be read: restore it, for instance by `git checkout`") from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise store.NotKept(f"{error.filename or path} cannot be written ({error.strerror})") from None
