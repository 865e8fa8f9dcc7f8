"""A git repository of a small framework with a C extension, which a build backend of its own compiles."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

_BACKEND = """
import subprocess, sysconfig, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    include = sysconfig.get_path("include")
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "tiny.c", "-o", "tiny.so"], check=True)
    name = "tinyframework-0-py3-none-any.whl"
    info = "tinyframework-0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("tiny.so", "tinyframework/_tiny.so")
        wheel.write("init.py", "tinyframework/__init__.py")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tinyframework\\nVersion: 0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""

_EXTENSION = "int answer(void) {{ return {answer}; }}\n"

_MODULE = """
import ctypes, pathlib
answer = ctypes.CDLL(str(pathlib.Path(__file__).with_name("_tiny.so"))).answer
__version__ = "0"
"""


class Source:
    """The repository; each commit's extension answers with its number, counted from 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        for name, text in (("pyproject.toml", _PYPROJECT), ("backend.py", _BACKEND), ("init.py", _MODULE)):
            (path / name).write_text(text, "utf-8")

    def git(self, *arguments: str, date: str = "2026-01-01T00:00:00Z") -> str:
        """What git says; a commit is made at `date`."""
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "tiny"), ("EMAIL", "tiny@localhost"), ("DATE", date))}  # fmt: skip
        ran = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **identity},
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    def commit(self, date: str) -> str:
        """Commits the next answer; gives the commit's hash."""
        self.count += 1
        (self.path / "tiny.c").write_text(_EXTENSION.format(answer=self.count), "utf-8")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", f"answer {self.count}", date=date)
        return self.git("rev-parse", "HEAD")
