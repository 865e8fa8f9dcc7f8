"""Tables for people: as wide as the terminal, and never cut where they go into a file or a pipe."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from passtime.errors import plain

_WIDTH_IN_A_FILE = 200


class _Plain(Console):
    """What it prints is text of others, never markup."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(plain(text), **options)


def show(table: Table) -> None:
    """Prints a table to stdout."""
    _Plain(width=None if sys.stdout.isatty() else _WIDTH_IN_A_FILE).print(table)


def progress() -> Console:
    """Where a command that takes long says what it does: on stderr."""
    return _Plain(stderr=True)


def say(line: str, *, err: bool = False) -> None:
    """Prints a line to stdout, or to stderr, that may quote text of others."""
    click.echo(plain(line), err=err)
