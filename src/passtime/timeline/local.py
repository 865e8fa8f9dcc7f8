"""An interpreter with someone's own build of a framework becomes a release, on a branch of its own."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import tomlkit

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import manifest

_PROBE_SECONDS = 180
_PROBE = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
print(json.dumps({"version": str(getattr(module, "__version__", "")), "python": "%d.%d" % sys.version_info[:2]}))
"""


def add(root: Path, framework: str, python: Path, name: str) -> manifest.Release:
    """Writes the release `<framework>-<name>` to the checkout's own releases, and returns it.

    Adding the same again changes nothing. Raises PasstimeError for a name that is taken or cannot be a tag, and for an
    interpreter in which the framework does not import.
    """
    if not manifest.NAME.fullmatch(name):
        raise PasstimeError(f"{name!r} cannot be a release's name: use {manifest.NAME_RULE}")
    # Not resolved: a virtual environment's python is a link, and knows its packages by its own place.
    interpreter = Path(os.path.abspath(python.expanduser()))
    found = probe(framework, interpreter)
    known = {release.name: release for release in manifest.load(root).releases}
    before = known.get(f"{framework}-{name}")
    if before is not None:
        if before.interpreter == str(interpreter):
            return before
        raise PasstimeError(f"{before.name} is there already: choose another --name")
    path = places.local_releases(root)
    content = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    entry = tomlkit.table()
    entry.add("framework", framework)
    entry.add("version", name)
    entry.add("branch", f"{framework}-local")
    entry.add("date", datetime.now(timezone.utc).replace(microsecond=0))
    entry.add("python", found["python"])
    entry.add("interpreter", str(interpreter))
    content.setdefault("release", tomlkit.aot()).append(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(tomlkit.dumps(content), "utf-8")
    written.replace(path)
    return manifest.load(root).get(f"{framework}-{name}")


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
