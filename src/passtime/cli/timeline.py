"""`passtime timeline`: the releases there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
from rich.table import Column, Table

from passtime import places
from passtime.catalog import frameworks
from passtime.cli import output
from passtime.errors import PasstimeError
from passtime.timeline import index, local, manifest, nightly, repository, source
from passtime.timeline.manifest import Release


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
            own = f"{frameworks.to_install(release.framework).package}=="
            pins = ", ".join(pin for pin in release.requirements if not pin.startswith(own))
            there = "its own" if release.interpreter else "yes" if release.name in installed else ""
            table.add_row(release.name, f"{release.date:%Y-%m-%d}", release.branch, release.runs_on, pins, there)
    output.show(table)


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
        for name in index.update(path, one, lambda line: output.say(line, err=True))
    ]
    _build()
    click.echo(f"added {', '.join(added)}" if added else "nothing new")


@timeline.command("add")
@click.argument("framework")
@click.option("--python", type=click.Path(path_type=Path), help="An interpreter that has your build.")
@click.option("--wheel", "wheels", multiple=True, metavar="FILE_OR_URL", help="Your build's wheel; repeatable.")
@click.option("--git", "repository", metavar="URL_OR_PATH", help="The framework's repository, with --rev.")
@click.option("--rev", "revisions", metavar="A..B", help="The commits to add, as git writes a range.")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Of the commits every N-th.")
@click.option("--merges", is_flag=True, help="Of the commits the merges.")
@click.option("--nightly", "days", metavar="DATE[..DATE]", help="The framework's nightlies of these days.")
@click.option("--index", "address", metavar="URL", help="The index of nightlies, where the framework's own is not it.")
@click.option("--pin", "pins", multiple=True, metavar="NAME==VERSION", help="Installed with each commit; repeatable.")
@click.option("--runs-on", metavar="3.11", help="The Python for wheels, commits and nightlies, or the Julia.")
@click.option("--name", help="What to call an interpreter or wheels: FRAMEWORK-NAME.")
@click.option(
    "--shipped", "is_shipped", is_flag=True, help="Write to the shipped releases, for results that are to be committed."
)
def add(
    framework: str,
    python: Path | None,
    wheels: Sequence[str],
    repository: str | None,
    revisions: str | None,
    every: int,
    merges: bool,
    days: str | None,
    address: str | None,
    pins: Sequence[str],
    runs_on: str | None,
    name: str | None,
    is_shipped: bool,
) -> None:
    """Make a build of FRAMEWORK a release of this checkout: an interpreter, wheels, commits of a source, nightlies."""
    root = places.root()
    if sum(map(bool, (python, wheels, repository, days))) != 1:
        raise PasstimeError("say what to add by one of --python, --wheel, --git and --nightly")
    if is_shipped and (python or wheels):
        raise PasstimeError("only commits and nightlies can be had by others: no --shipped")
    language = frameworks.to_install(framework).language
    if language != "python" and repository is None:
        raise PasstimeError(
            f"{framework} runs on {language.capitalize()}: name its commits, by --git, --rev and --runs-on"
        )
    if repository is not None:
        if revisions is None or runs_on is None or name is not None:
            raise PasstimeError("commits take --rev and --runs-on, and are called by their hashes: no --name")
        added = source.add(root, framework, repository, revisions, runs_on, pins, every, merges,
                           lambda line: output.say(line, err=True), is_shipped)  # fmt: skip
    elif days:
        if name is not None:
            raise PasstimeError("nightlies are called by their versions: no --name")
        added = _add_nightlies(root, framework, days, address, runs_on, is_shipped)
    elif name is None:
        raise PasstimeError("say what to call it by --name")
    elif wheels:
        added = [local.add_wheels(root, framework, wheels, name, runs_on)]
    else:
        assert python is not None
        added = [local.add(root, framework, python, name)]
    _build()
    if not added:
        click.echo("nothing new")
    elif len(added) == 1:
        click.echo(f"{added[0].name} is on the branch {added[0].branch}: asv run {added[0].name}^!")
    else:
        first, last = added[0], added[-1]
        click.echo(f"{len(added)} releases are on the branch {first.branch}: asv run {first.name}^..{last.name}")


def _add_nightlies(
    root: Path, framework: str, days: str, address: str | None, runs_on: str | None, is_shipped: bool
) -> list[Release]:
    known = frameworks.get(framework)
    index_of_nightlies = address or os.environ.get(nightly.INDEX_VARIABLE) or known.nightly_index
    if index_of_nightlies is None:
        raise PasstimeError(f"passtime knows of no nightlies of {framework}: name their index by --index")
    return nightly.add(root, framework, days, index_of_nightlies, known.companions, runs_on,
                       lambda line: output.say(line, err=True), is_shipped)  # fmt: skip


def _build() -> Path:
    root = places.root()
    path = places.timeline_repository(root)
    repository.build(manifest.load(root), path)
    return path
