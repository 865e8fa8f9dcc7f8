"""Dated builds of a framework, its nightlies, become releases, on a branch of their own.

Their index is pages of wheels (PEP 503), with metadata beside a wheel where the index has it (PEP 658), and keeps them
for some weeks. It says neither when a wheel was uploaded nor which commit it was built from. So a nightly's date is
the day in its version, and its hash in the timeline the same everywhere; its commit is asked of the framework itself,
with each session that is measured (`git_version` in the provenance).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from passtime.errors import PasstimeError
from passtime.timeline import local, manifest
from passtime.timeline.index import Answer, fetch
from passtime.timeline.manifest import Release
from passtime.timeline.pins import AT, check_page, check_pin

INDEX_VARIABLE = "PASSTIME_NIGHTLY_INDEX"
_SETTING = f"--index and {INDEX_VARIABLE}"

_PLATFORM = re.compile(r"(many)?linux.*_x86_64")
# What a wheel's metadata is asked with, beside the Python.
_LINUX = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
# A companion is built for the framework of its own day, or of one of the days before.
_LATER = timedelta(days=3)


def add(
    root: Path,
    framework: str,
    days: str,
    address: str,
    companions: Sequence[str] = (),
    python: str | None = None,
    announce: Callable[[str], None] = lambda line: None,
    is_shipped: bool = False,
) -> list[Release]:
    """Appends the nightlies of `days`, `2026-11-01` or `2026-11-01..2026-11-20`, to the branch `<framework>-nightly`.

    Each is pinned to its wheel in the index at `address`, to the wheels of the `companions` that were built for it,
    and, for the rest, to the pins of the framework's newest release, whose Python is the default. Days without a
    nightly, and nightlies without their companions, are announced and left out; what is there already is left as it
    is. Gives those that were appended, oldest first. Raises PasstimeError where the index cannot be read or has
    nothing of these days, and for nightlies older than what the branch has: it is append-only. `is_shipped` writes them
    to the shipped releases, not to the checkout's own.
    """
    check_page(address)
    asked = list(_each(days))
    known = manifest.load(root)
    branch = f"{framework}-nightly"
    there = {release.date.date() for release in known.of_branch(branch)}
    lacking = [day for day in asked if day not in there]
    if not lacking:
        return []
    released = known.of_branch(framework)[-1:]
    python = python or next((release.python for release in released), None)
    if python is None:
        raise PasstimeError(
            f"{framework} has no release whose Python its nightlies could run on: name one by --runs-on"
        )
    manifest.check_language(python, "--runs-on")
    index = _Index(address.rstrip("/"), python)
    builds = index.of_days(framework, lacking)
    missing = [day for day in lacking if day not in builds]
    if missing:
        said = f"no nightly of {framework} for Python {python} on {_spans(missing)}"
        if len(missing) == len(asked):
            raise PasstimeError(f"{said}; {index.contents(framework)}: choose others, or another --runs-on or --index")
        announce(said)
    pins = [pin for release in released for pin in release.requirements]
    others = [pin for pin in pins if pin.partition("==")[0] not in (framework, *companions)]
    releases = []
    for day, wheel in sorted(builds.items()):
        version = wheel.version.public
        try:
            wheels = [(framework, wheel)]
            wheels += [(one, index.companion(one, framework, wheel)) for one in companions]
            wheels += index.found_nowhere_else(wheel)
        except LookupError as error:
            announce(f"{framework}-{version} is left out: {error.args[0]}")
            continue
        requirements = (*(f"{name}{AT}{one.address}" for name, one in wheels), *others)
        for pin in requirements:
            check_pin(pin)  # what an index links to may be anything
        at = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        releases.append(Release(framework, version, at, branch, python, requirements=requirements))
    return local.extend(root, releases, is_shipped)


@dataclass(frozen=True)
class _Wheel:
    """A wheel for Linux on x86-64 and one Python."""

    package: str
    version: Version
    python: str
    address: str
    has_metadata: bool

    @property
    def day(self) -> date | None:
        """The day in its version, `2.16.0.dev20261101`; None where there is none."""
        try:
            return datetime.strptime(str(self.version.dev), "%Y%m%d").date()
        except ValueError:
            return None


@dataclass
class _Index:
    """An index's wheels for one Python; each page and each metadata is read once."""

    address: str
    python: str
    pages: dict[str, list[_Wheel]] = field(default_factory=dict)
    metadata: dict[_Wheel, list[Requirement]] = field(default_factory=dict)

    def of_days(self, package: str, days: Iterable[date]) -> dict[date, _Wheel]:
        """The package's nightly of each day that has one; of two versions the higher.

        Raises PasstimeError where a day has several builds of a version, as for CPU and for CUDA.
        """
        days = set(days)
        found: dict[date, _Wheel] = {}
        for wheel in sorted(self._wheels(package), key=lambda wheel: wheel.version):
            day = wheel.day
            if day is None or day not in days or wheel.python != self.python:
                continue
            if day in found and found[day].version.local != wheel.version.local:
                raise PasstimeError(
                    f"{self.address} has {package} {wheel.version.public} for {found[day].version.local} and for "
                    f"{wheel.version.local}: name the index of one of them by --index"
                )
            found[day] = wheel
        return found

    def contents(self, package: str) -> str:
        """Which nightlies of a package there are, for a message."""
        dated = [(wheel.day, wheel.python) for wheel in self._wheels(package) if wheel.day is not None]
        if not dated:
            return f"{self.address} has none at all"
        days = [day for day, _ in dated]
        pythons = sorted({python for _, python in dated}, key=lambda python: Version(python))
        return f"{self.address} has those of {min(days)} to {max(days)}, for Python {', '.join(pythons)}"

    def companion(self, package: str, framework: str, wheel: _Wheel) -> _Wheel:
        """The first of a package's nightlies that says that it needs this wheel; one that names no need, its day's.

        Raises LookupError, with a reason, where there is none.
        """
        day = wheel.day
        assert day is not None
        for later, candidate in sorted(self.of_days(package, _between(day, day + _LATER)).items()):
            needs = [one.specifier for one in self._needs(candidate) if canonicalize_name(one.name) == framework]
            if all(one.contains(wheel.version, True) for one in needs) if needs else later == day:
                return candidate
        raise LookupError(f"no {package} was built for it")

    def found_nowhere_else(self, wheel: _Wheel) -> list[tuple[str, _Wheel]]:
        """What a wheel needs in a local version, as `triton==3.7.0+git88b227e2`, which no public index may have.

        Raises LookupError, with a reason, where this one has it not.
        """
        found = []
        for need in self._needs(wheel):
            if any(one.operator == "==" and "+" in one.version for one in need.specifier):
                fitting = (
                    one
                    for one in self._wheels(need.name)
                    if one.python == self.python and need.specifier.contains(one.version, True)
                )
                if (first := next(fitting, None)) is None:
                    raise LookupError(f"{self.address} has no {need} for Python {self.python}")
                found.append((need.name, first))
        return found

    def _needs(self, wheel: _Wheel) -> list[Requirement]:
        """What a wheel's metadata says that it needs here; nothing where the index has no metadata."""
        if not wheel.has_metadata:
            return []
        if wheel not in self.metadata:
            here = {**_LINUX, "python_version": self.python, "python_full_version": f"{self.python}.0", "extra": ""}

            def read(answer: Answer) -> list[Requirement]:
                needs = map(Requirement, parse_email(answer.content)[0].get("requires_dist", ()))
                return [need for need in needs if need.marker is None or need.marker.evaluate(here)]

            address = urldefrag(wheel.address).url
            self.metadata[wheel] = fetch(f"{address}.metadata", "*/*", _SETTING, read)
        return self.metadata[wheel]

    def _wheels(self, package: str) -> list[_Wheel]:
        name = canonicalize_name(package)
        if name not in self.pages:
            self.pages[name] = fetch(f"{self.address}/{name}/", "text/html", _SETTING, _read_page)
        return self.pages[name]


class _Links(HTMLParser):
    """The attributes of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def _read_page(answer: Answer) -> list[_Wheel]:
    """The wheels of a page for Linux on x86-64 that were built for one Python, not the free-threaded one."""
    links = _Links()
    links.feed(answer.content.decode("utf-8"))
    wheels = []
    for link in links.found:
        address = urljoin(answer.address, link.get("href") or "")
        if address.startswith("file:") and not answer.address.startswith("file:"):
            continue  # a server has no say in which of this computer's files are installed
        try:
            package, version, tags = local.parse_wheel(address)
        except InvalidWheelFilename:
            continue
        pythons = {local.cpython(tag.abi) for tag in tags if _PLATFORM.fullmatch(tag.platform)} - {None}
        has_metadata = "data-core-metadata" in link or "data-dist-info-metadata" in link
        for python in pythons if "data-yanked" not in link else ():
            wheels.append(_Wheel(package, version, str(python), address, has_metadata))
    return wheels


def _each(days: str) -> Iterator[date]:
    """Each day of `2026-11-01..2026-11-20`, both included, or the one day."""
    first, dots, last = days.partition("..")
    try:
        start = datetime.strptime(first, "%Y-%m-%d").date()
        end = datetime.strptime(last, "%Y-%m-%d").date() if dots else start
    except ValueError:
        raise PasstimeError(f"{days!r} are no days: write 2026-11-01 or 2026-11-01..2026-11-20") from None
    if end < start:
        raise PasstimeError(f"{days} ends before it begins: write the earlier day first")
    return _between(start, end)


def _between(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=number) for number in range((end - start).days + 1))


def _spans(days: Sequence[date]) -> str:
    """Days, in order, as they are written: `2026-11-01, 2026-11-03..2026-11-07`."""
    spans: list[list[date]] = []
    for day in days:
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1].append(day)
        else:
            spans.append([day])
    return ", ".join(f"{one[0]}..{one[-1]}" if len(one) > 1 else f"{one[0]}" for one in spans)
