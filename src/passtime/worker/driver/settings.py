"""The variables that a user sets: a wrong one is told before anything is installed or measured."""

from __future__ import annotations

from passtime.worker.driver import cores, limits, memory


def check() -> None:
    """Raises PasstimeError for the first variable whose value makes no sense."""
    cores.threads()
    limits.start_seconds()
    limits.session_seconds()
    memory.variables()
