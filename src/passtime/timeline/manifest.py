"""Which releases there are, and how each is installed: the shipped manifest, and the user's own releases."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import pins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What a git tag, a folder and a line of a table can all hold; git takes no "..", and no "." or ".lock" at the end.
NAME = re.compile(r"(?!.*(\.\.|\.lock$))[A-Za-z0-9]([A-Za-z0-9._+-]*[A-Za-z0-9_+-])?")
NAME_RULE = "letters, digits and . _ + -, without '..', and without '.' or '.lock' at the end"

_REQUIRED = {"framework": str, "version": str, "date": datetime}
_OPTIONAL = {
    **{"branch": str, "python": str, "julia": str, "requirements": list, "find_links": str, "interpreter": str},
    **{"repository": str, "revision": str},
}

# Of a Python or a Julia: a part of a path, and of a command line.
_LANGUAGE = re.compile(r"\d+(\.\d+){1,2}", re.ASCII)
_HASH = re.compile("[0-9a-f]{6,64}")


@dataclass(frozen=True)
class Release:
    """One version of a framework. The timeline's commit covers framework, version, date and branch, nothing else.

    `date` is when it was uploaded, in UTC to the second. `python` or `julia` is the language's version in its runtime,
    `requirements` its exact pins, each a version on the index or an address (`torch==2.14.1`, `torch @ file:///...`),
    `find_links` a page of wheels beside the index. A release with an `interpreter` stands there already: nothing is
    installed. A source commit has the `repository` that it is in, and its full hash as `revision`.
    """

    framework: str
    version: str
    date: datetime
    branch: str
    python: str | None = None
    julia: str | None = None
    requirements: tuple[str, ...] = ()
    find_links: str | None = None
    interpreter: str | None = None
    repository: str | None = None
    revision: str | None = None

    @property
    def is_built(self) -> bool:
        """Whether a pin is a source tree, which its installer builds."""
        return any(pin.partition(pins.AT)[2].startswith(pins.GIT) for pin in self.requirements)

    @property
    def name(self) -> str:
        """What users call it, and its tag: `torch-2.14.1`."""
        return f"{self.framework}-{self.version}"

    @property
    def is_published(self) -> bool:
        """Whether it is what its developers call a release; commits, nightlies and own builds have other branches."""
        return self.branch == self.framework

    @property
    def page(self) -> str | None:
        """A source commit's own page, as GitHub addresses them; None where others cannot open it."""
        web = self._web
        return f"{web}/commit/{self.revision}" if web else None

    def comparison(self, other: Release) -> str | None:
        """The page with what lies between this commit and a later one of its repository."""
        web = self._web
        return f"{web}/compare/{self.revision}...{other.revision}" if web and web == other._web else None

    @property
    def _web(self) -> str | None:
        repository = self.repository or ""
        return repository.removesuffix(".git") if repository.startswith("https://") else None

    @property
    def runs_on(self) -> str:
        """The language of its runtime and its version, "" where it does not say: `Python 3.11`, `Julia 1.10`."""
        if self.julia is not None:
            return f"Julia {self.julia}"
        return f"Python {self.python}" if self.python is not None else ""


@dataclass(frozen=True)
class Manifest:
    """All releases, in the order of the files: on each branch from the oldest to the newest."""

    releases: tuple[Release, ...]

    def get(self, name: str) -> Release:
        """The release of that name. Raises PasstimeError, with names that look alike, when there is none."""
        names = {release.name: release for release in self.releases}
        if name in names:
            return names[name]
        alike = difflib.get_close_matches(name, names, n=3, cutoff=0.75)
        hint = f"did you mean {' or '.join(alike)}? " if alike else ""
        raise PasstimeError(f"unknown release {name}: {hint}`passtime timeline list` shows all")

    @property
    def branches(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(release.branch for release in self.releases))

    def of_branch(self, branch: str) -> tuple[Release, ...]:
        return tuple(release for release in self.releases if release.branch == branch)


def load(root: Path) -> Manifest:
    """The shipped releases and those that the user added to this checkout.

    Raises PasstimeError, with the file and the place in it, for a damaged file, and where what is shipped has since
    come to be newer than what the user added to the same branch.
    """
    releases = read(places.shipped_releases())
    _check_order(releases)
    local = places.local_releases(root)
    if local.exists():
        releases += read(local)
        try:
            _check_order(releases)
        except PasstimeError as error:
            raise PasstimeError(f"{error}; the entry to remove is in {local}") from None
    return Manifest(tuple(releases))


def read(path: Path) -> list[Release]:
    """The releases of one file. Raises PasstimeError, with the file and the place in it, for a damaged one."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise PasstimeError(f"{path} is missing: restore it, or unset {places.RELEASES_VARIABLE}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PasstimeError(f"{path} is damaged: {error}") from None
    entries = content.get("release", [])
    is_tables = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if set(content) - {"release"} or not is_tables:
        raise PasstimeError(f"{path} is damaged: it holds [[release]] entries and nothing else")
    return [_release(entry, f"{path}, release {number}") for number, entry in enumerate(entries, start=1)]


def _release(entry: Mapping[str, Any], place: str) -> Release:
    if "framework" in entry and "version" in entry:
        place += f" ({entry['framework']}-{entry['version']})"
    known = {**_REQUIRED, **_OPTIONAL}
    for key, value in entry.items():
        if key not in known:
            raise PasstimeError(f"{place}: unknown key {key!r}; known are {', '.join(known)}")
        if not isinstance(value, known[key]):
            raise PasstimeError(f"{place}: {key} is {value!r}, not a {known[key].__name__}")
    for key in _REQUIRED:
        if key not in entry:
            raise PasstimeError(f"{place}: {key} is missing")
    for key in ("framework", "version", "branch"):
        if key in entry and not NAME.fullmatch(entry[key]):
            raise PasstimeError(f"{place}: {key} {entry[key]!r} may hold {NAME_RULE}")
    if "python" in entry and "julia" in entry:
        raise PasstimeError(f"{place}: a runtime has a python or a julia, not both")
    _check_source(entry, place)
    if entry["date"].tzinfo is None:
        raise PasstimeError(f"{place}: the date needs its time zone, like 2026-09-30T17:44:37Z")
    return Release(
        framework=entry["framework"],
        version=entry["version"],
        date=entry["date"].astimezone(timezone.utc).replace(microsecond=0),
        branch=entry.get("branch", entry["framework"]),
        python=entry.get("python"),
        julia=entry.get("julia"),
        requirements=tuple(entry.get("requirements", ())),
        find_links=entry.get("find_links"),
        interpreter=entry.get("interpreter"),
        repository=entry.get("repository"),
        revision=entry.get("revision"),
    )


def _check_source(entry: Mapping[str, Any], place: str) -> None:
    """Raises PasstimeError for a value that an installer, git or the system would take for something else."""
    for key in ("python", "julia"):
        if key in entry:
            check_language(entry[key], f"{place}: {key}")
    interpreter = entry.get("interpreter", "/")
    if not Path(interpreter).is_absolute() or not interpreter.isprintable():
        raise PasstimeError(f"{place}: interpreter {interpreter!r} is no path from the root")
    if not _HASH.fullmatch(entry.get("revision", "0" * 40)):
        raise PasstimeError(f"{place}: revision {entry['revision']!r} is no commit's hash")
    try:
        for pin in entry.get("requirements", ()):
            pins.check_pin(str(pin))
        if "find_links" in entry:
            pins.check_page(entry["find_links"])
        if "repository" in entry:
            pins.check_repository(entry["repository"])
    except PasstimeError as error:
        raise PasstimeError(f"{place}: {error}") from None


def check_language(version: str, what: str) -> None:
    """Raises PasstimeError unless this is the version of a Python or a Julia, like 3.11."""
    if not _LANGUAGE.fullmatch(version):
        raise PasstimeError(f"{what} {version!r} is no version like 3.11")


def _check_order(releases: list[Release]) -> None:
    seen: set[str] = set()
    newest: dict[str, Release] = {}
    for release in releases:
        if release.name in seen:
            raise PasstimeError(f"{release.name} is listed twice: remove one of the entries")
        seen.add(release.name)
        before = newest.get(release.branch)
        if before and release.date < before.date:
            raise PasstimeError(
                f"{release.name} is older than {before.name}, which is listed before it: a branch is by date"
            )
        newest[release.branch] = release
