"""Git repositories of small frameworks: one with a C++ extension, compiled by a build backend of its own, one in Julia.

The build does what CMake does with a compiler's launcher, and keeps in the wheel what it was given in its environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

_PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

_BACKEND = """
import json, os, subprocess, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    launcher = [os.environ[name] for name in ["CMAKE_CXX_COMPILER_LAUNCHER"] if name in os.environ]
    subprocess.run([*launcher, "c++", "-shared", "-fPIC", "tiny.cpp", "-o", "tiny.so"], check=True)
    name = "tinyframework-0-py3-none-any.whl"
    info = "tinyframework-0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("tiny.so", "tinyframework/_tiny.so")
        wheel.write("init.py", "tinyframework/__init__.py")
        wheel.writestr("tinyframework/environment.json", json.dumps(dict(os.environ)))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tinyframework\\nVersion: 0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""

_ASKING = """    import tinyframework
    with open("part.h", "w") as part:
        part.write(f"#define FOR {tinyframework.answer()}\\n")
    launcher ="""

_EXTENSION = """
#include "part/part.h"
#include <vector>
extern "C" int answer() {{ return std::vector<int>{{{answer}, PART}}.front(); }}
"""

_MODULE = """
import ctypes, json, pathlib
answer = ctypes.CDLL(str(pathlib.Path(__file__).with_name("_tiny.so"))).answer
environment = json.loads(pathlib.Path(__file__).with_name("environment.json").read_text())
__version__ = "0"
"""

_PROJECT = """
name = "Tiny"
uuid = "6b1cd2a0-54b6-4f0e-9d3c-2b6b5b0c7f11"
version = "0.1.0"
"""


class Source:
    """The repository; each commit's extension answers with its number, counted from 1."""

    files: ClassVar[Mapping[str, str]] = {
        "pyproject.toml": _PYPROJECT,
        "backend.py": _BACKEND,
        "init.py": _MODULE,
        "part/part.h": "#define PART 0\n",
    }
    answering = ("tiny.cpp", _EXTENSION)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        for name, text in self.files.items():
            (path / name).parent.mkdir(exist_ok=True)
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
        name, text = self.answering
        (self.path / name).write_text(text.format(answer=self.count), "utf-8")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", f"answer {self.count}", date=date)
        return self.git("rev-parse", "HEAD")


class Companion(Source):
    """A package that is built for a build of the framework: its build asks it for its answer."""

    files: ClassVar[Mapping[str, str]] = {
        "pyproject.toml": _PYPROJECT,
        "backend.py": _BACKEND.replace("tinyframework", "tinycompanion").replace("    launcher =", _ASKING),
        "init.py": _MODULE,
    }
    answering = ("tiny.cpp", '#include "part.h"\nextern "C" int answer() {{ return FOR; }}\n')


class JuliaSource(Source):
    """The same as a package of Julia, `Tiny`, that needs no other."""

    files: ClassVar[Mapping[str, str]] = {"Project.toml": _PROJECT, "src/part.jl": ""}
    answering = ("src/Tiny.jl", "module Tiny\nanswer() = {answer}\nend\n")
