"""Tables for people: as wide as the terminal, and never cut where they go into a file or a pipe."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

_WIDTH_IN_A_FILE = 200


def show(table: Table) -> None:
    """Prints a table to stdout."""
    (Console() if sys.stdout.isatty() else Console(width=_WIDTH_IN_A_FILE)).print(table)
