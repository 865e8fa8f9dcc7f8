"""A runtime whose passes are slower by a known share: what a real regression of that size would look like.

It is a virtual environment that borrows an installed runtime's packages. Its start-up wraps the outermost call of a
module and `Tensor.backward`: when either has returned, the wrapper waits for a share of the time that it took. The
framework itself, its memory and its threads are as they were, and the slowdown is in the pass, not in the sample.
"""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

from passtime.runtimes.store import Runtime

# Read at the start of the interpreter, so it must not import the framework itself.
_START_UP = """
import sys, time
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

SHARE = {share!r}


def wrapped(function):
    depth = 0

    def call(*args, **kwargs):
        nonlocal depth
        if depth:
            return function(*args, **kwargs)
        depth = 1
        start = time.perf_counter()
        try:
            result = function(*args, **kwargs)
        finally:
            depth = 0
        end = time.perf_counter()
        until = end + SHARE * (end - start)
        while time.perf_counter() < until:
            pass
        return result

    return call


class Finder(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.nn.Module.__call__ = wrapped(module.nn.Module.__call__)
            module.Tensor.backward = wrapped(module.Tensor.backward)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
"""


def make(runtime: Runtime, share: float, folder: Path) -> Runtime:
    """The runtime in `folder` whose forward, backward and inference passes take 1 + `share` times as long."""
    interpreter = folder / "bin/python"
    if not interpreter.exists():
        subprocess.run([str(runtime.interpreter), "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    asked = [str(runtime.interpreter), "-c", "import torch; print(torch.__path__[0])"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()).parent
    (site / "a_borrowed.pth").write_text(f"{packages}\n", "utf-8")
    (site / "b_slowed.pth").write_text("import passtime_slowed\n", "utf-8")
    (site / "passtime_slowed.py").write_text(_START_UP.format(share=share), "utf-8")
    return dataclasses.replace(runtime, path=None, interpreter=interpreter)
