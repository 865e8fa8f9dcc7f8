"""Why a worker ended before its hello, by its exit status and what it printed."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import NamedTuple

from passtime.worker import protocol

_TRACE_BACK = "Traceback (most recent call last):"

# What lines that say why have in common, whatever wrote them; a warning is none.
_TELLING = re.compile(
    r"error|fail|fatal|cannot|can't|could not|unable|no such|not found|missing|denied|refused|died|abort|panic"
    r"|unknown|unrecogni[sz]ed|invalid|illegal|undefined",
    re.IGNORECASE,
)
_WARNING = re.compile("warn", re.IGNORECASE)

# Exit statuses of a runtime that cannot do its part: the framework is not loaded, or the shell or the dynamic loader
# cannot run the interpreter.
_OF_A_RUNTIME = (protocol.NOT_LOADED, 126, 127)

# Of a line that is not our own.
_LONGEST_CHARACTERS = 300


class LastWords(NamedTuple):
    """`cause` is one line. `is_of_runtime` says whether another installation of the release may do better."""

    cause: str
    is_of_runtime: bool


def read(printed: str, status: int) -> LastWords:
    """What ended a worker that printed this; `status` is `subprocess.Popen.returncode`, negative for a signal."""
    lines = [line.rstrip() for line in printed.splitlines()]
    is_of_runtime = status in _OF_A_RUNTIME or "Fatal Python error" in printed
    own = [line for line in lines if line.startswith(protocol.LAST_WORDS)]
    if own:
        return LastWords(own[-1][len(protocol.LAST_WORDS) :], is_of_runtime)
    end = f"died of {_signal_name(-status)}" if status < 0 else f"exit status {status}"
    line = _exception(lines) if status >= 0 else None
    if line:
        return LastWords(_short(line), is_of_runtime)
    line = _telling(lines)
    return LastWords(f"{_short(line)} ({end})" if line else end, is_of_runtime)


def _exception(lines: Sequence[str]) -> str | None:
    """The exception of the last trace-back; of one that says nothing, that of the trace-back before it."""
    starts = [number for number, line in enumerate(lines) if line.strip() == _TRACE_BACK]
    found = None
    for start in reversed(starts):
        # The frames are indented.
        line = next((line for line in lines[start + 1 :] if line and not line[0].isspace()), None)
        if line and not line.endswith(":"):
            return line
        found = found or line
    return found


def _telling(lines: Sequence[str]) -> str | None:
    said = [line for line in lines if line.strip()]
    telling = (line for line in said if _TELLING.search(line) and not _WARNING.search(line))
    return next(telling, said[0] if said else None)


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST_CHARACTERS else line[:_LONGEST_CHARACTERS] + "..."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
