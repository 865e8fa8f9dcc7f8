"""The one registry of frameworks: which adapter times a framework, and how its worker is started.

A new framework is one adapter under `worker/` and one entry here, beside its releases in `timeline/releases.toml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.runtimes.store import Runtime

_WORKER = Path(__file__).parent / "worker"


def _python_worker(runtime: Runtime, adapter: Path, socket: Path) -> list[str]:
    return [str(runtime.python), str(_WORKER / "launch.py"), "--adapter", str(adapter), "--socket", str(socket)]


@dataclass(frozen=True)
class Framework:
    """A framework that passtime can time.

    `adapter` is the worker's code that knows the framework; `command` gives the command line of a worker in a
    runtime, which listens at a socket.
    """

    name: str
    adapter: Path
    command: Callable[[Runtime, Path, Path], list[str]] = _python_worker

    def worker_command(self, runtime: Runtime, socket: Path) -> list[str]:
        """The command line that starts this framework's worker in `runtime`, listening at `socket`."""
        return self.command(runtime, self.adapter, socket)


FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in [
        Framework("torch", _WORKER / "torch.py"),
    ]
}


def get(name: str) -> Framework:
    """The framework of that name. Raises PasstimeError for one that is not registered."""
    try:
        return FRAMEWORKS[name]
    except KeyError:
        raise PasstimeError(f"unknown framework {name!r}: passtime knows {', '.join(sorted(FRAMEWORKS))}") from None
