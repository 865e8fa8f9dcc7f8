"""`passtime runtimes`: releases installed, listed, removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Column, Table

from passtime import places
from passtime.cli import options as amounts
from passtime.cli import output
from passtime.errors import PasstimeError
from passtime.runtimes import adopt, store
from passtime.timeline import manifest


@click.group()
def runtimes() -> None:
    """Releases installed on this machine, shared by all checkouts."""


@runtimes.command("install")
@click.argument("names", nargs=-1, required=True, metavar="RELEASE...")
def install(names: Sequence[str]) -> None:
    """Install releases, so that measuring starts at once later."""
    known = manifest.load(places.root())
    made = store.ensure_all([known.get(name) for name in names], lambda line: output.say(line, err=True))
    for name, runtime in made.items():
        if isinstance(runtime, PasstimeError):
            click.echo(str(runtime), err=True)
        else:
            click.echo(f"{name}: {runtime.interpreter}")
    failed = [name for name, runtime in made.items() if isinstance(runtime, PasstimeError)]
    if failed:
        raise PasstimeError(f"not installed, as said above: {', '.join(failed)}")


@runtimes.command("adopt")
@click.argument("name", metavar="RELEASE")
@click.option("--python", type=click.Path(path_type=Path), help="A Python that has the release.")
@click.option("--julia", type=click.Path(path_type=Path), help="A Julia, with --project and --depot that have it.")
@click.option("--project", type=click.Path(path_type=Path), help="The folder of a Project.toml.")
@click.option("--depot", metavar="DIR[:DIR...]", help="Julia's depots, the first one writable.")
@click.option("--load-path", metavar="DIR[:DIR...]", help="Where Julia finds packages beside the project.")
def adopt_(
    name: str, python: Path | None, julia: Path | None, project: Path | None, depot: str | None, load_path: str | None
) -> None:
    """Take what stands already for RELEASE: a Python, or a Julia with a project and a depot."""
    release = manifest.load(places.root()).get(name)
    runtime = adopt.adopt(release, python, julia, project, depot, load_path)
    click.echo(f"{name}: {runtime.interpreter}")


@runtimes.command("list")
def list_() -> None:
    """Show what is installed, and its size on disk."""
    table = Table(Column("release", no_wrap=True), "runs on", "build", "by", "installed", "used", box=None)
    table.add_column("GB", justify="right")
    table.add_column("own GB", justify="right")
    for runtime in store.installed():
        record = runtime.record
        table.add_row(
            runtime.release,
            f"Julia {record['julia']}" if record.get("julia") else f"Python {record.get('python', '')}",
            *(str(record.get(key, "")) for key in ("build", "installer")),
            str(record.get("installed", ""))[:10],
            f"{runtime.last_use:%Y-%m-%d}",
            f"{runtime.total_bytes / 1e9:.2f}",
            f"{runtime.own_bytes / 1e9:.2f}",
        )
    output.show(table)
    click.echo("Removing frees its own GB; the rest is in uv's cache, too, until `uv cache clean`.", err=True)


@runtimes.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="RELEASE...")
def remove(names: Sequence[str]) -> None:
    """Remove runtimes; results and history stay."""
    for name in names:
        store.remove(name)
        click.echo(f"removed {name}")


@runtimes.command("prune")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Keep the N that were used last.")
@click.option("--disk", type=amounts.Size(), help="Keep what fits, like 20GB; the least recently used go first.")
def prune(keep: int | None, disk: int | None) -> None:
    """Remove the runtimes that were not used for longest."""
    if keep is None and disk is None:
        raise click.UsageError("say how much to keep: --keep N, or --disk SIZE")
    removed = store.prune(keep, disk)
    click.echo(f"removed {', '.join(removed) or 'nothing'}")
