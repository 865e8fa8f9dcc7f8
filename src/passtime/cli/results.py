"""`passtime results`: what was measured, as files."""

from __future__ import annotations

import click

from passtime import places
from passtime.results import merging


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
