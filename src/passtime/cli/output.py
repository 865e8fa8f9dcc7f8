"""How commands write what they found: tables and lines for people, Markdown, CSV and JSON for pages and programs.

A table for people is as wide as the terminal, and never cut where it goes into a file or a pipe.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
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
    return _Plain(stderr=True, width=None if sys.stderr.isatty() else _WIDTH_IN_A_FILE)


def say(line: str, *, err: bool = False) -> None:
    """Prints a line to stdout, or to stderr, that may quote text of others."""
    click.echo(plain(line), err=err)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], rule: str = "---") -> str:
    """A table in Markdown, under each heading the `rule`. What a cell holds is text, a `|` and a line's end, too."""
    lines = [headings, [rule] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return plain(" ".join(text.split("\n"))).replace("|", "\\|")


def as_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """A line of headings and a line for each record; the records have the same keys."""
    written = io.StringIO()
    writer = csv.DictWriter(written, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return written.getvalue()


def as_json(content: object) -> str:
    """For programs; a number that JSON has not, such as infinity, is a mistake: ValueError."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
