"""Runs one of asv's scripts without what no worker's benchmark needs: `python lean.py ASV_SCRIPT ARGUMENTS...`.

A session answers several cells, and asv starts a process for each. Most of that process's time goes to importing

- pympler, for `mem_*` benchmarks, which measure objects of their own process; pympler imports NumPy. asv leaves such
  benchmarks out where there is no pympler, so they are found, and ordinary benchmarks run, without this;
- the metadata of all that is installed beside asv: its runner looks among it for further kinds of benchmarks. Here it
  finds none.
"""

import importlib
import os
import runpy
import sys
import types


def main() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))  # its modules would hide others
    sys.path[:] = [place for place in sys.path if place != folder]
    sys.modules["pympler"] = None  # type: ignore[assignment]  # importing it now fails
    nothing = types.ModuleType("importlib.metadata")
    nothing.distributions = tuple  # type: ignore[attr-defined]
    sys.modules[nothing.__name__] = nothing
    importlib.import_module("asv_runner.benchmarks")
    del sys.modules[nothing.__name__]  # a benchmark that asks for it has the real one
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
