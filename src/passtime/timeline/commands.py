"""`passtime timeline`: the releases there are."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
from rich.table import Column, Table

from passtime import places, terminal
from passtime.errors import PasstimeError
from passtime.timeline import index, local, manifest, repository


@click.group()
def timeline() -> None:
    """Releases: the commits that asv measures."""


@timeline.command("build")
def build() -> None:
    """Make the timeline's git repository; asv's plugin does it by itself."""
    click.echo(_build())


@timeline.command("list")
@click.option("--branch", help="Only this branch's releases.")
def list_(branch: str | None) -> None:
    """Show the releases, oldest first."""
    from passtime.runtimes import store

    installed = {runtime.release for runtime in store.installed()}
    table = Table(Column("release", no_wrap=True), "date", "branch", "runs on", "pins", "installed", box=None)
    for release in manifest.load(places.root()).releases:
        if branch in (None, release.branch):
            pins = ", ".join(
                pin for pin in release.requirements if not pin.lower().startswith(f"{release.framework}==")
            )
            there = "its own" if release.interpreter else "yes" if release.name in installed else ""
            table.add_row(release.name, f"{release.date:%Y-%m-%d}", release.branch, release.runs_on, pins, there)
    terminal.show(table)


@timeline.command("new")
@click.option("--days", type=click.IntRange(0, 36500), default=90, show_default=True, help="How long a release is new.")
def new(days: int) -> None:
    """Name the releases that a machine should have measured: what `make sweep` measures.

    Of each branch the newest that this machine can run, and all that it can run of the last DAYS days.
    """
    from passtime.runtimes import store

    known = manifest.load(places.root())
    start = datetime.now(timezone.utc) - timedelta(days=days)
    chosen, reasons = [], []
    for branch in known.branches:
        has_one = False
        for release in sorted(known.of_branch(branch), key=lambda release: release.date, reverse=True):
            if has_one and release.date < start:
                break
            if (reason := store.runnable(release)) is None:
                chosen.append(release.name)
                has_one = True
            else:
                reasons.append(reason)
                if release.date >= start:
                    click.echo(f"{release.name} is left out: {reason}", err=True)
    if not chosen:
        raise PasstimeError(f"this machine can run no release: {reasons[0] if reasons else 'there is none'}")
    click.echo("\n".join(chosen))


@timeline.command("update")
@click.option("--framework", help="Only this framework's releases.")
def update(framework: str | None) -> None:
    """Append the releases that the package index has and the manifest lacks."""
    path = places.shipped_releases()
    added = [
        name
        for one in ([framework] if framework else index.frameworks(path))
        for name in index.update(path, one, lambda line: click.echo(line, err=True))
    ]
    _build()
    click.echo(f"added {', '.join(added)}" if added else "nothing new")


@timeline.command("add")
@click.argument("framework")
@click.option("--python", required=True, type=click.Path(path_type=Path), help="An interpreter that has your build.")
@click.option("--name", required=True, help="What to call it: the release is FRAMEWORK-NAME.")
def add(framework: str, python: Path, name: str) -> None:
    """Make an interpreter with your own build of FRAMEWORK a release of this checkout."""
    release = local.add(places.root(), framework, python, name)
    _build()
    click.echo(f"{release.name} is on the branch {release.branch}: asv run {release.name}^!")


def _build() -> Path:
    root = places.root()
    path = places.timeline_repository(root)
    repository.build(manifest.load(root), path)
    return path
