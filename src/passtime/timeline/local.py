"""Someone's own build of a framework becomes a release of this checkout: an interpreter that has it, or wheels."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import entries, manifest
from passtime.timeline.manifest import Release
from passtime.timeline.pins import AT, check_pin

_CPYTHON = re.compile(r"cp(\d)(\d+)")

# What comes after the framework's name in those of its branches.
_BRANCHES = ("local", "main", "nightly")

_SECOND = timedelta(seconds=1)

_PROBE_SECONDS = 180
_PROBE = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
print(json.dumps({"version": str(getattr(module, "__version__", "")), "python": "%d.%d" % sys.version_info[:2]}))
"""


def add(root: Path, framework: str, python: Path, name: str) -> Release:
    """Writes the release `<framework>-<name>` to the checkout's own releases, and returns it.

    Adding the same again changes nothing. Raises PasstimeError for a name that is taken or cannot be a tag, and for an
    interpreter in which the framework does not import.
    """
    check_name(name)
    # Not resolved: a virtual environment's python is a link, and knows its packages by its own place.
    interpreter = Path(os.path.abspath(python.expanduser()))
    found = probe(framework, interpreter)
    release = Release(framework, name, _now(), own_branch(framework), found["python"], interpreter=str(interpreter))
    return add_once(root, release)


def add_wheels(root: Path, framework: str, wheels: Sequence[str], name: str, python: str | None) -> Release:
    """Writes a release that is installed from wheels, files or addresses: the framework's, and what goes with it.

    `python` is the version that it runs on, by default the one that the framework's wheel was built for. Raises
    PasstimeError for what is no wheel, for a file that is not there, for an address or a `python` that is none, and
    where no wheel is the framework's.
    """
    check_name(name)
    parsed = [_wheel(wheel) for wheel in wheels]
    by_package = {package: (address, tags) for package, address, tags in parsed}
    if framework not in by_package:
        raise PasstimeError(f"none of these wheels is {framework}'s: {', '.join(by_package)}")
    if python is None:
        found = {cpython(tag.interpreter) for tag in by_package[framework][1]}
        if len(found) != 1 or None in found:
            raise PasstimeError(f"{framework}'s wheel runs on more than one Python: say which by --runs-on")
        python = str(*found)
    pins = tuple(f"{package}{AT}{address}" for package, (address, _) in by_package.items())
    for pin in pins:
        check_pin(pin)
    manifest.check_language(python, "--runs-on")
    return add_once(root, Release(framework, name, _now(), own_branch(framework), python, requirements=pins))


def add_once(root: Path, release: Release) -> Release:
    """Appends a release, unless the same is there already, whatever its date. Raises PasstimeError for another one."""
    before = next((one for one in manifest.load(root).releases if one.name == release.name), None)
    if before is None:
        entries.append(places.local_releases(root), [release])
        return manifest.load(root).get(release.name)
    if dataclasses.replace(before, date=release.date) != release:
        raise PasstimeError(f"{before.name} is there already: choose another --name")
    return before


def extend(root: Path, releases: Sequence[Release], is_shipped: bool = False) -> list[Release]:
    """Appends those of a branch's releases, given from the oldest to the newest, that are not there, and returns them.

    To the checkout's own releases, or to the shipped ones. Raises PasstimeError where the first of them is older than
    what the branch has: it is append-only; and where the shipped ones would not be the same in every checkout.
    """
    if is_shipped:
        _check_shippable(root, releases)
    known = manifest.load(root)
    names = {release.name for release in known.releases}
    lacking = [release for release in releases if release.name not in names]
    if not lacking:
        return []
    first = lacking[0]
    before = known.of_branch(first.branch)
    newest = before[-1].date if before else None
    if newest is not None and first.date < newest:
        raise PasstimeError(
            f"{first.name} is older than what {first.branch} has: a branch is append-only, start from its newest"
        )
    added = []
    for release in lacking:
        # Clocks of committers differ: a branch's dates may not go back, and on a chart by date two are not to be one.
        newest = release.date if newest is None else max(newest + _SECOND, release.date)
        added.append(dataclasses.replace(release, date=newest))
    entries.append(places.shipped_releases() if is_shipped else places.local_releases(root), added)
    return added


def _check_shippable(root: Path, releases: Sequence[Release]) -> None:
    """Raises PasstimeError for what no other checkout could install, and where it would come before one's own."""
    for release in releases:
        for pin in release.requirements:
            if "file://" in pin:
                raise PasstimeError(f"{pin} is on this machine alone: ship what has an address that others can read")
    own = places.local_releases(root)
    branches = {release.branch for release in releases}
    there = [release for release in manifest.read(own) if release.branch in branches] if own.exists() else []
    if there:
        raise PasstimeError(
            f"{there[0].name} is on {there[0].branch} too, in {own}, and would get another hash: remove it there first"
        )


def check_name(name: str) -> None:
    if name in _BRANCHES:
        raise PasstimeError(f"{name!r} is what a branch is called, and git cannot tell the two apart: choose another")
    if not manifest.NAME.fullmatch(name):
        raise PasstimeError(f"{name!r} cannot be a release's name: use {manifest.NAME_RULE}")


def own_branch(framework: str) -> str:
    return f"{framework}-local"


def _wheel(given: str) -> tuple[str, str, frozenset[Tag]]:
    """A wheel's package, its address and what it runs on."""
    address = given
    if "://" not in given:
        path = Path(given).expanduser().resolve()
        if not path.is_file():
            raise PasstimeError(f"there is no {given}: name a wheel's file or address")
        address = path.as_uri()
    try:
        package, _, tags = parse_wheel(address)
    except InvalidWheelFilename:
        raise PasstimeError(f"{given} is no wheel: its name is not that of one") from None
    return package, address, tags


def parse_wheel(address: str) -> tuple[str, Version, frozenset[Tag]]:
    """The package, its version and what it runs on, of the wheel at an address. Raises InvalidWheelFilename."""
    package, version, _, tags = parse_wheel_filename(unquote(urlsplit(address).path).rpartition("/")[2])
    return package, version, tags


def cpython(tag: str) -> str | None:
    """The Python that a part of a wheel's tag names, `3.12` for `cp312`; None for others, as `py3` and `cp314t`."""
    found = _CPYTHON.fullmatch(tag)
    return f"{found[1]}.{found[2]}" if found else None


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def probe(framework: str, interpreter: Path) -> dict[str, str]:
    """The framework's version in an interpreter, and the interpreter's own. Raises PasstimeError where it has none."""
    try:
        ended = subprocess.run(
            [str(interpreter), "-c", _PROBE, framework],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except OSError as error:
        raise PasstimeError(f"{interpreter} does not run: {error.strerror}; name a Python interpreter") from None
    except subprocess.TimeoutExpired:
        raise PasstimeError(f"{interpreter} did not import {framework} within {_PROBE_SECONDS} s") from None
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise PasstimeError(f"{interpreter} cannot import {framework}: {said[-1]}")
    return json.loads(ended.stdout.splitlines()[-1])
