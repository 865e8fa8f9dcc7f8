"""asv as a process of its own, for commands that do what a user could type."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

PATIENCE_SECONDS = 20.0  # for an interrupted asv to save what it has
SOME_FAILED = 2  # asv run's exit status when benchmarks failed, and the others' results are saved


def run(root: Path, *arguments: str, **variables: str) -> int:
    """Runs asv in the root, with our output and these variables too, and returns its exit status."""
    # Its own process, and not its functions, so that what happens is what the same command does when typed.
    process = subprocess.Popen(
        [sys.executable, "-m", "asv", *arguments],
        cwd=root,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
    )
    try:
        return process.wait()
    except BaseException as ending:
        # Ctrl-C in a terminal reaches asv too, which then needs time to save; it knows of nothing else that ends us.
        if isinstance(ending, KeyboardInterrupt):
            _wait(process)
        process.terminate()
        _wait(process)
        process.kill()
        raise


def _wait(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)


def end_when_told() -> None:
    """A polite kill, or a closed terminal unless that is to be outlived (nohup), ends us and what we started."""
    handle_endings(lambda number, _: sys.exit(128 + number))


def handle_endings(handler: Callable[[int, FrameType | None], object]) -> None:
    """Has the handler called at each signal that ends a process politely, unless the process is to outlive it."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, handler)
