"""`timeline update`: the releases that the package index has and the manifest lacks, appended.

What exists and since when comes from the index (PEP 691 and 700); which pins go together is worked out by uv, from
the packages' own metadata.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import tomlkit
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from passtime import uv
from passtime.errors import PasstimeError
from passtime.timeline import manifest

# uv's own settings, so that one mirror serves both.
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_DEFAULT_INDEX = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
_SECONDS = 60


@dataclass(frozen=True)
class Upload:
    """A version on the index: when its first wheel for this platform came, and for which Pythons it has one."""

    version: Version
    date: datetime
    pythons: frozenset[str]


def update(path: Path, branch: str, announce: Callable[[str], None]) -> list[str]:
    """Appends to the manifest at `path` what the index has beyond `branch`'s newest release; returns the names.

    New releases run on the newest release's Python and have its packages, each in the newest version that fits. One
    that cannot be resolved is left out, saying why. Raises PasstimeError when the index cannot be read.
    """
    listed = [release for release in manifest.read(path) if release.branch == branch]
    if not listed:
        raise PasstimeError(f"{path} has no release on a branch {branch}: add its first by hand")
    newest = listed[-1]
    versions = {release.version for release in listed}
    content = tomlkit.parse(path.read_text("utf-8"))
    added = []
    for upload in sorted(uploads(newest.framework), key=lambda upload: upload.date):
        name = f"{newest.framework}-{upload.version}"
        if str(upload.version) in versions:
            continue
        if upload.date < newest.date:
            announce(f"{name} is left out: it is older than {newest.name}, and a branch is append-only")
            continue
        try:
            requirements = resolve(newest, str(upload.version))
        except PasstimeError as error:
            announce(f"{name} is left out: {error}")
            continue
        entry = tomlkit.table()
        entry.add("framework", newest.framework)
        entry.add("version", str(upload.version))
        entry.add("date", upload.date)
        entry.add("python", newest.python)
        entry.add("requirements", list(requirements))
        content["release"].append(entry)
        added.append(name)
    if added:
        written = path.with_suffix(".new")
        written.write_text(tomlkit.dumps(content), "utf-8")
        manifest.read(written)
        written.replace(path)
    return added


def uploads(package: str) -> list[Upload]:
    """The final versions of a package that have wheels for Linux on x86-64."""
    base = next((os.environ[name] for name in _INDEX_VARIABLES if os.environ.get(name)), _DEFAULT_INDEX)
    address = f"{base.rstrip('/')}/{package}/"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, headers={"Accept": _JSON}), timeout=_SECONDS
        ) as answer:
            page = json.load(answer)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise PasstimeError(
            f"the package index at {address} cannot be read ({reason}): check the network, or {_INDEX_VARIABLES[0]}"
        ) from None
    return _uploads(page)


def _uploads(page: Mapping[str, Any]) -> list[Upload]:
    dates: dict[Version, datetime] = {}
    pythons: dict[Version, set[str]] = {}
    for file in page.get("files", ()):
        if file.get("yanked") or not re.search(r"linux.*x86_64\.whl$", file["filename"]):
            continue
        try:
            _, version, _, tags = parse_wheel_filename(file["filename"])
        except InvalidWheelFilename:
            continue
        if version.is_prerelease or version.local:
            continue
        date = datetime.fromisoformat(file["upload-time"].replace("Z", "+00:00")).replace(microsecond=0)
        dates[version] = min(date.astimezone(timezone.utc), dates.get(version, date))
        pythons.setdefault(version, set()).update(tag.interpreter for tag in tags)
    return [Upload(version, date, frozenset(pythons[version])) for version, date in dates.items()]


def resolve(newest: manifest.Release, version: str) -> tuple[str, ...]:
    """Exact pins for another version of `newest`'s framework: the same packages, none older than there.

    Raises PasstimeError where they do not go together, or one has no wheel for the Python.
    """
    tool = uv.find()
    if tool is None:
        raise PasstimeError("uv is needed to work out pins: install it, or add the release to releases.toml by hand")
    packages = [pin.partition("==")[0] for pin in newest.requirements]
    wanted = [
        f"{package}=={version}" if package == newest.framework else pin.replace("==", ">=")
        for package, pin in zip(packages, newest.requirements, strict=True)
    ]
    command = [
        tool,
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--no-build",
        "--python-platform",
        "linux",
    ]
    ended = subprocess.run(
        [*command, "--python-version", str(newest.python), "-"],
        input="\n".join(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        said = " ".join(ended.stderr.split())
        raise PasstimeError(f"no wheels that go together with Python {newest.python} yet ({said[:200]})")
    pins = dict(line.split("==") for line in ended.stdout.splitlines() if "==" in line and ";" not in line)
    return tuple(f"{package}=={pins[package]}" for package in packages)
