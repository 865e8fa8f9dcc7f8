"""`passtime results`: what was measured, as files."""

from __future__ import annotations

from pathlib import Path

import click

from passtime import places
from passtime.results import adding, merging


@click.group()
def results() -> None:
    """What was measured, as files in git."""


@results.command("merge")
def merge() -> None:
    """Unite the sessions of both sides where `git merge`, `git rebase` or `git cherry-pick` left results in conflict.

    Then go on as git says: `git commit`, or `git rebase --continue`.
    """
    for path in merging.merge(places.root()):
        click.echo(f"{path} has the sessions of both sides")


@results.command("add")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
def add(folders: tuple[Path, ...]) -> None:
    """Add the results of other checkouts to those of this one; each FOLDER has a results/.

    What both have stays as it is. All is read before anything is written: a damaged file adds nothing.
    """
    count = sum(1 for _ in adding.add(places.root(), folders))
    click.echo(f"{count} files have more results than before")
