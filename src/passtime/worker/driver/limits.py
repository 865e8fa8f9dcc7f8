"""How long a worker is waited for."""

from __future__ import annotations

import os

from passtime.catalog import sampling
from passtime.errors import PasstimeError

START_VARIABLE = "PASSTIME_START_SECONDS"
SESSION_VARIABLE = "PASSTIME_SESSION_SECONDS"

# Importing a framework from a cold disk takes most of a minute; a Julia that compiles Flux first takes several.
START_SECONDS = 600.0

# More than this is no time that a socket can wait.
LONGEST_SECONDS = 1e9


def start_seconds() -> float:
    """How long a worker may take from its start to its hello: PASSTIME_START_SECONDS, or ten minutes.

    Raises PasstimeError when the variable is no number of seconds.
    """
    return _chosen(START_VARIABLE) or START_SECONDS


def session_seconds() -> float:
    """How long a session may take: PASSTIME_SESSION_SECONDS, or half an hour. Raises as `start_seconds`."""
    return chosen_session_seconds() or sampling.SESSION_SECONDS


def chosen_session_seconds() -> float | None:
    """What PASSTIME_SESSION_SECONDS says; None where it is not set. Raises as `start_seconds`."""
    return _chosen(SESSION_VARIABLE)


def _chosen(variable: str) -> float | None:
    said = os.environ.get(variable, "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise PasstimeError(f"{variable} is {said!r}: set it to a number of seconds above 0, or unset it")
    return seconds
