"""Finds uv, which installs runtimes, finds Pythons and works out pins."""

from __future__ import annotations

import functools
import shutil
import subprocess


@functools.cache
def find() -> str | None:
    """The uv that came with passtime, or the one on PATH; None where there is none that runs."""
    try:
        from uv import find_uv_bin

        found: str | None = find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None or subprocess.run([found, "--version"], capture_output=True, check=False).returncode != 0:
        return None
    return found
