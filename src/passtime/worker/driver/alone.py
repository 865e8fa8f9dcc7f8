"""One measurement at a time on a computer: two would be in each other's numbers."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from passtime import places

_POLL_SECONDS = 0.5


@contextlib.contextmanager
def alone(say: Callable[[str], None]) -> Iterator[None]:
    """Inside, no other run of this user measures on this computer; waits for one that does, and says which it is.

    Where the computer has no place for such a lock, that is said and nothing is waited for.
    """
    # The folder may be one that several computers share.
    computer = re.sub(r"[^\w.-]", "_", platform.node() or "computer")
    path = places.home() / f"measuring-{computer}.lock"
    lock = FileLock(path)
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(lock.acquire(timeout=0))
            except Timeout:
                say(f"Waiting until {_holder(path)} has ended: it measures on this computer, too")
                held.enter_context(lock.acquire(poll_interval=_POLL_SECONDS))
            _describe(path)
        except (NotImplementedError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no locks"
            say(f"{path} cannot be locked ({reason}): make sure that nothing else measures here, or set PASSTIME_HOME")
        yield


def _describe(path: Path) -> None:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    if command.startswith("__main__.py"):  # python -m asv
        command = command.replace("__main__.py", Path(sys.argv[0]).parent.name, 1)
    began = datetime.now().isoformat(timespec="seconds")
    _beside(path).write_text(json.dumps({"pid": os.getpid(), "command": command, "began": began}), "utf-8")


def _holder(path: Path) -> str:
    try:
        said = json.loads(_beside(path).read_text("utf-8"))
        return f"process {said['pid']} (`{said['command']}`, since {said['began']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
