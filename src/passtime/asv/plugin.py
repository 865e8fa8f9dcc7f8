"""All that touches asv's inside. Pinned with asv and asv_runner; `tests/asv_plugin` fails when asv changes under it.

asv finds by itself, as subclasses: our environment (environment.py) and our repository (repo.py). What it does not
offer to replace is replaced here, by name, and each replacement says what asv does and why that loses something:

- commands.py: what happens before a command: the timeline is built, options are filled in, failures become one line;
- suite.py:    runtimes are installed before the first measurement, and finding the benchmarks needs no release;
- lean.py:     what a process that asks a worker does not import;
- runner.py:   what is measured, cell by cell, and how much is left;
- together.py: the releases of a run, measured in heats;
- results.py:  what is kept of it;
- comparing.py: what `asv compare` lists;
- machine.py:  what this computer is called.
"""

from __future__ import annotations

from passtime.asv import commands, environment, repo
from passtime.asv.publishing import doubtful, front, measured, offline

__all__ = ["commands", "doubtful", "environment", "front", "measured", "offline", "repo", "setup"]


def setup() -> None:
    """Called by asv once it has read asv.conf.json, before it runs a command."""
    commands.install()
