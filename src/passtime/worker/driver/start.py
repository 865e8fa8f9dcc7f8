"""Starts a release's worker: the command line and the variables that its framework needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from passtime import places
from passtime.catalog.frameworks import Framework
from passtime.runtimes.store import Runtime
from passtime.worker.driver import memory
from passtime.worker.driver.supervisor import Worker

# Tells the worker which release it is of, where nothing in its runtime does.
RELEASE_VARIABLE = "PASSTIME_RELEASE"

_ROOM = Path(__file__).parent.parent
_LAUNCH = str(_ROOM / "inside" / "launch.py")
_ADAPTERS = _ROOM / "adapters"


def worker(framework: Framework, runtime: Runtime, threads: int, variables: Mapping[str, str] | None = None) -> Worker:
    """A worker of the framework in `runtime`, not started yet, with `variables` beside those that it needs."""
    environment = {**os.environ, **environment_of(framework, runtime, threads), **(variables or {})}
    logs = places.home() / "logs"
    return Worker(runtime.release, lambda socket: command(framework, runtime, socket), environment, logs=logs)


def command(framework: Framework, runtime: Runtime, socket: Path) -> list[str]:
    """The command line of a worker of the framework in `runtime`, listening at `socket`."""
    adapter = str(_ADAPTERS / framework.adapter)
    if framework.is_resident:
        resident = [str(runtime.interpreter), "--startup-file=no", adapter]
        return [sys.executable, _LAUNCH, "--socket", str(socket), "--resident", *resident]
    return [str(runtime.interpreter), _LAUNCH, "--socket", str(socket), "--adapter", adapter]


def environment_of(framework: Framework, runtime: Runtime, threads: int) -> dict[str, str]:
    """The variables that the worker needs beside those that are inherited."""
    threads_of_libraries = dict.fromkeys(framework.thread_variables, str(threads))
    kept = memory.variables({**os.environ, **runtime.environment})
    return {RELEASE_VARIABLE: runtime.release, **threads_of_libraries, **kept, **runtime.environment}
