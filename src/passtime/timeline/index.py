"""`timeline update`: the releases that the package index has and the manifest lacks, appended.

What exists and since when comes from the index (PEP 691 and 700); which pins go together is worked out by uv, from
the packages' own metadata.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from passtime import uv
from passtime.errors import PasstimeError
from passtime.timeline import entries, manifest

INDEX_VARIABLE = "PASSTIME_INDEX"
# Without it uv's own settings hold, so that one mirror serves both.
_UV_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_DEFAULT_INDEX = "https://pypi.org"
# uv's own first, then pip's.
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT")
_JSON = "application/vnd.pypi.simple.v1+json"
_SECONDS = 60
# torch's page has some MB. Answers are data of somebody else: one without an end must not fill the memory.
_MOST_BYTES = 64 * 2**20

_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Upload:
    """A version on the index, and when its first wheel came that Linux on x86-64 takes."""

    version: Version
    date: datetime


@dataclass(frozen=True)
class Answer:
    """What an index answered, in full, and the address that it came from in the end."""

    content: bytes
    address: str


def update(path: Path, framework: str, announce: Callable[[str], None]) -> list[str]:
    """Appends to the manifest at `path` what the index has beyond the framework's newest release; returns the names.

    New releases run on the newest release's Python and have its packages, each in the newest version that fits. One
    that cannot be resolved is left out, saying why. Raises PasstimeError when the index cannot be read, and for a
    framework that is on none.
    """
    listed = [release for release in manifest.read(path) if release.branch == framework]
    if not listed:
        raise PasstimeError(f"{path} has no release of {framework}: add its first by hand")
    newest = listed[-1]
    if newest.python is None:
        raise PasstimeError(f"{framework} is on no Python package index: add its new releases to {path} by hand")
    versions = {release.version for release in listed}
    added: list[manifest.Release] = []
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
        added.append(
            manifest.Release(newest.framework, str(upload.version), upload.date, newest.branch, newest.python,
                             requirements=requirements)
        )  # fmt: skip
    if added:
        entries.append(path, added)
    return [release.name for release in added]


def frameworks(path: Path) -> list[str]:
    """The frameworks of the manifest at `path` that are Python packages: an index can have more of their releases."""
    newest = {release.branch: release for release in manifest.read(path)}
    return [branch for branch, release in newest.items() if branch == release.framework and release.python is not None]


def uploads(package: str) -> list[Upload]:
    """The final versions of a package that have wheels for Linux on x86-64, or for any machine.

    Raises PasstimeError where the index cannot be read, or does not say when files were uploaded.
    """
    page = fetch(f"{_index()}/{package}/", _JSON, INDEX_VARIABLE, lambda answer: json.loads(answer.content))
    try:
        return _uploads(page)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise PasstimeError(
            f"the package index at {_index()} does not answer as one (PEP 691): take another by {INDEX_VARIABLE}"
        ) from None


def fetch(address: str, accept: str, setting: str, read: Callable[[Answer], _Content]) -> _Content:
    """What `read` makes of an index's answer, asked for as the media type `accept`.

    Raises PasstimeError, with the `setting` that chooses the index, where the answer does not come or has no end, and
    where `read` raises ValueError.
    """
    try:
        request = urllib.request.Request(address, headers={"Accept": accept})
        trusted = ssl.create_default_context(cafile=_first_set(_CERTIFICATE_VARIABLES))
        with urllib.request.urlopen(request, timeout=_SECONDS, context=trusted) as answer:
            content = answer.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 20} MiB")
        return read(Answer(content, answer.geturl()))
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise PasstimeError(
            f"the package index at {address} cannot be read ({reason}): check the network, or {setting}"
        ) from None


def _index() -> str:
    """The address of the index's simple pages: PASSTIME_INDEX names what lies above them."""
    base = os.environ.get(INDEX_VARIABLE)
    of_uv = None if base else _first_set(_UV_VARIABLES)
    return of_uv.rstrip("/") if of_uv else f"{(base or _DEFAULT_INDEX).rstrip('/')}/simple"


def _first_set(variables: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in variables if os.environ.get(name)), None)


def _uploads(page: Mapping[str, Any]) -> list[Upload]:
    dates: dict[Version, datetime] = {}
    for file in page.get("files", ()):
        if file.get("yanked") or not re.search(r"(linux.*x86_64|-none-any)\.whl$", file["filename"]):
            continue
        try:
            _, version, _, _ = parse_wheel_filename(file["filename"])
        except InvalidWheelFilename:
            continue
        # A version with an epoch, 1!2.0, can be no tag.
        if version.is_prerelease or version.local or not manifest.NAME.fullmatch(str(version)):
            continue
        if "upload-time" not in file:
            raise PasstimeError(f"the package index at {_index()} does not say when files were uploaded: take another")
        date = datetime.fromisoformat(file["upload-time"].replace("Z", "+00:00")).replace(microsecond=0)
        dates[version] = min(date.astimezone(timezone.utc), dates.get(version, date))
    return [Upload(version, date) for version, date in dates.items()]


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
        "--default-index",
        _index(),
    ]
    certificates = _first_set(_CERTIFICATE_VARIABLES)
    ended = subprocess.run(
        [*command, "--python-version", str(newest.python), "-"],
        input="\n".join(wanted),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SSL_CERT_FILE": certificates} if certificates else None,
    )
    if ended.returncode != 0:
        said = " ".join(ended.stderr.split())
        raise PasstimeError(f"no wheels that go together with Python {newest.python} yet ({said[:200]})")
    pins = dict(line.split("==") for line in ended.stdout.splitlines() if "==" in line and ";" not in line)
    return tuple(f"{package}=={pins[package]}" for package in packages)
