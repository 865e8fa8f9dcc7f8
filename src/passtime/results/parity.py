"""What was checked, kept beside the results: one line for two releases, a workload and a device."""

from __future__ import annotations

import functools
import json
import math
import re
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from passtime.errors import PasstimeError
from passtime.timeline.manifest import Release

# Not *.json: asv takes each of those for a result.
FILE = "parity.jsonl"

HOLDS, DIFFERS, UNCHECKED = "holds", "differs", "unchecked"

_KEY = ("releases", "workload", "device")

_CONFLICT = re.compile(r"(<{7}|={7}|>{7}|\|{7})( |$)")


@dataclass(frozen=True)
class Parity:
    """What came of one workload: `difference` says in what the two differ, "" where they agree.

    Errors are Euclidean norms of the difference over that of the reference's, for gradients the largest of all arrays.
    """

    workload: str
    device: str
    parameters: int
    output_shape: tuple[int, ...]
    output_error: float
    gradient_error: float
    difference: str

    @property
    def holds(self) -> bool:
        return not self.difference


class Record:
    """The checks in a results folder.

    A damaged line costs itself alone: it is named on stderr, once by each process, and kept in the file as it is. Of
    two lines on the same check the later one counts; where that cannot be told, the one that found a difference.
    Raises PasstimeError for a file that cannot be read.
    """

    def __init__(self, results: Path) -> None:
        self._path = results / FILE
        self._lines: dict[tuple[frozenset[str], str, str], dict[str, Any]] = {}
        self._damaged: list[str] = []
        # By workload and device, and by release: in what it differs from each other one, "" where it does not.
        self._differences: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
        self._read()

    def _read(self) -> None:
        try:
            text = self._path.read_text("utf-8") if self._path.exists() else ""
        except (OSError, UnicodeDecodeError):
            raise PasstimeError(f"{self._path} cannot be read: restore it, for instance by `git checkout`") from None
        self._damaged = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                self._add(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._damaged.append(line)
                _tell(f"{self._path}, line {number} {_what_ails(line)}; that check is left out")

    def state(self, release: str, other: str, workload: str, device: str) -> str:
        """Whether the two do the same work: `holds`, `differs` or `unchecked`; a release always does its own."""
        if release == other:
            return HOLDS
        difference = self._difference(release, other, workload, device)
        return UNCHECKED if difference is None else DIFFERS if difference else HOLDS

    def between(self, release: Release, other: Release, workload: str, device: str) -> str:
        """As `state`; but releases of one framework do the same work unless a check found otherwise."""
        found = self.state(release.name, other.name, workload, device)
        return HOLDS if found == UNCHECKED and release.framework == other.framework else found

    def of(self, release: str) -> dict[tuple[str, str, str], str]:
        """What is known of a release: for the other one, a device and a workload, in what they differ, "" if not."""
        return {
            (other, device, workload): difference
            for (workload, device), releases in self._differences.items()
            for other in releases
            if other != release and (difference := self._difference(release, other, workload, device)) is not None
        }

    def _difference(self, release: str, other: str, workload: str, device: str) -> str | None:
        """In what the two differ, "" if they do not; None where nothing tells.

        Two that were not checked differ where only one of them does the work of a third.
        """
        checked = self._differences.get((workload, device), {})
        ours, theirs = checked.get(release, {}), checked.get(other, {})
        if other in ours:
            return ours[other]
        for third in sorted(ours.keys() & theirs.keys()):
            if bool(ours[third]) != bool(theirs[third]):
                return f"only one does the work of {third}: {ours[third] or theirs[third]}"
        return None

    def keep(self, reference: str, follower: str, parity: Parity) -> None:
        """Keeps a check in place of an earlier one of the same; on disk at once, whole."""
        entry = {"releases": [reference, follower], **asdict(parity)}
        for name in ("output_error", "gradient_error"):
            entry[name] = float(f"{entry[name]:.2g}") if math.isfinite(entry[name]) else None
        entry["checked"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._read()  # what another process has kept since
        self._add(entry)
        ordered = sorted(self._lines.values(), key=lambda entry: [entry[name] for name in _KEY])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        lines = [*(json.dumps(entry) for entry in ordered), *self._damaged]
        written.write_text("".join(line + "\n" for line in lines), "utf-8")
        written.replace(self._path)

    def _add(self, entry: dict[str, Any]) -> None:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is no check."""
        (one, two), workload, device = entry["releases"], entry["workload"], entry["device"]
        difference = entry["difference"]
        if not all(isinstance(value, str) for value in (one, two, workload, device, difference)):
            raise TypeError("a check's names are text")
        key = _key([one, two], workload, device)
        there = self._lines.get(key)
        if there is not None and _rank(there) > _rank(entry):
            return
        self._lines[key] = entry
        checked = self._differences.setdefault((workload, device), {})
        for release, other in ((one, two), (two, one)):
            checked.setdefault(release, {})[other] = difference


def _rank(entry: dict[str, Any]) -> tuple[str, bool]:
    """Which of two lines on one check counts: the greater."""
    return str(entry.get("checked") or ""), bool(entry["difference"])


def _what_ails(line: str) -> str:
    if _CONFLICT.match(line):
        return "is a mark of a merge conflict: remove the mark, the lines of both sides are good"
    return "is damaged: restore it, for instance by `git checkout`"


@functools.cache
def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _key(releases: list[str], workload: str, device: str) -> tuple[frozenset[str], str, str]:
    return frozenset(releases), workload, device
