"""`passtime history`: results from before passtime."""

from __future__ import annotations

from pathlib import Path

import click

from passtime import places
from passtime.asv import importing
from passtime.results.history import markdown


@click.group()
def history() -> None:
    """Results from before passtime."""


@history.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Import tables of FILE as results of their machines and releases; all of it, or nothing."""
    cells = markdown.read(file)
    new, kept_out = importing.import_cells(places.root(), cells, file.name)
    numbers = sum(cell.seconds is not None for cell in cells)
    click.echo(
        f"{numbers} numbers of {len(cells)} cells in {file}: {new} imported, {numbers - new - kept_out} were here"
    )
    if kept_out:
        click.echo(f"{kept_out} were not taken: passtime has measured these itself")
