"""Small wheels, made on the spot, that stand in for releases of gigabytes."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

PLATFORM = "manylinux2014_x86_64"


def wheel(
    folder: Path, name: str, version: str, needs: str = "", platform: str = PLATFORM, python: str = "py3-none"
) -> Path:
    """A wheel in `folder` whose module only knows its version, and whose metadata says what it needs."""
    path = folder / f"{name}-{version}-{python}-{platform}.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-{platform}\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        record = "".join(
            f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
            f"{len(text)}\n"
            for file, text in files.items()
        )
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path
