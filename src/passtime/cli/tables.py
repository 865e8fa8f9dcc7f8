"""`passtime tables`: releases side by side, in the form of the tables that passtime grew from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from passtime import places
from passtime.catalog import workloads
from passtime.cli import tables_formats as formats
from passtime.errors import PasstimeError
from passtime.results import machine as machine_of_results
from passtime.results import stored as results
from passtime.results.machine import this_machine
from passtime.results.parity import Record
from passtime.results.tables import tables as arranged
from passtime.timeline import manifest


class _Many(click.Command):
    """Takes `--releases A B C` as `--releases A --releases B --releases C`, and so `--workloads`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        listed = None
        for arg in args:
            if arg.startswith("-"):
                listed = arg if arg in ("--releases", "--workloads") else None
                spread += [] if listed else [arg]
            else:
                spread += [listed, arg] if listed else [arg]
        return super().parse_args(ctx, spread)


@click.command(cls=_Many)
@click.option("--machine", metavar="M", help="The machine's name; by default this one.")
@click.option("--device", type=click.Choice(workloads.DEVICES), help="Only this device; by default all with times.")
@click.option("--releases", "names", multiple=True, metavar="A B ...", help="By default each framework's newest.")
@click.option("--workloads", "chosen", multiple=True, metavar="W ...", help="Only these rows; by default all.")
@click.option("--format", "form", type=click.Choice(list(formats.FORMATS)), default="rich", show_default=True)
def tables(machine: str | None, device: str | None, names: Sequence[str], chosen: Sequence[str], form: str) -> None:
    """Print the times of models and layers, a row per release, best values marked."""
    root = places.root()
    machine = machine or this_machine()
    stored = _chosen(root, results.read(root, machine), names, machine)
    devices = [device] if device else [name for name in workloads.DEVICES if any(name in one.devices for one in stored)]
    for name in devices:
        if not any(name in one.devices for one in stored):
            raise PasstimeError(f"no {name} times on {machine}")
    for name in chosen:
        if name not in (*workloads.MODELS, *workloads.LAYERS):
            known = ", ".join((*workloads.MODELS, *workloads.LAYERS))
            raise PasstimeError(f"unknown workload {name}: passtime has {known}")
    record = Record(root / "results")
    both = [table for name in devices for table in arranged(stored, name, record, chosen)]
    facts = machine_of_results.described(root / "results", machine)
    text = formats.FORMATS[form](both, facts)
    if text is not None:
        click.echo(text, nl=False)


def _chosen(root: Path, stored: Sequence[results.Stored], names: Sequence[str], machine: str) -> list[results.Stored]:
    """The releases asked for, in that order; by default each framework's newest, frameworks in the timeline's order.

    A commit, a nightly or one's own build is that only of a framework that has nothing else.
    """
    if not names:
        timed = (one for one in stored if one.devices)
        newest = {one.release.framework: one for one in sorted(timed, key=lambda one: one.release.is_published)}
        if not newest:
            raise PasstimeError(f"no times on {machine} yet: `asv run` measures")
        order = list(dict.fromkeys(release.framework for release in manifest.load(root).releases))
        return [newest[name] for name in sorted(newest, key=order.index)]
    known = manifest.load(root)
    by_name = {one.release.name: one for one in stored}
    for name in names:
        known.get(name)
        if name not in by_name:
            raise PasstimeError(f"no results of {name} on {machine}: there are {', '.join(by_name)}")
    return [by_name[name] for name in names]
