"""`passtime timeline`: the releases there are."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Column, Table

from passtime import places, terminal
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


@timeline.command("update")
@click.option("--framework", default="torch", show_default=True, help="The framework whose releases to append.")
def update(framework: str) -> None:
    """Append the releases that the package index has and the manifest lacks."""
    added = index.update(places.shipped_releases(), framework, lambda line: click.echo(line, err=True))
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
