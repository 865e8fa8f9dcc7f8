"""`passtime verdict`: whether a release is faster or slower than another, from what is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from passtime import places
from passtime.asv.patterns import compiled
from passtime.catalog import workloads
from passtime.catalog.place import Place
from passtime.cli import formats
from passtime.cli.options import Percent
from passtime.errors import PasstimeError
from passtime.measure import report
from passtime.measure.analysis import Analysis
from passtime.results import stored as results
from passtime.results.machine import this_machine
from passtime.results.parity import Record
from passtime.results.stored import Measured, Stored
from passtime.stats import judge
from passtime.timeline import manifest

# 1 and 2 are errors, as everywhere.
EXITS = {"not worse": 0, judge.CANNOT_TELL: 4, judge.NOT_COMPARED: 4, "worse": 3}


@click.command()
@click.argument("base")
@click.argument("other")
@click.option("--machine", metavar="M", help="By default this machine, or the only one with times of both.")
@click.option("--device", type=click.Choice(workloads.DEVICES), help="Only this device.")
@click.option("--bench", metavar="REGEX", help="Only these, as asv's: models.ResNet.time_total('resnet50', 'cpu').")
@click.option("--margin", type=Percent(), default=2.0, show_default=True,
              help="Percent within which a change counts as none.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(list(formats.FORMATS)), default="rich", show_default=True)
@click.pass_context
def verdict(
    ctx: click.Context,
    base: str,
    other: str,
    machine: str | None,
    device: str | None,
    bench: str | None,
    margin: float,
    form: str,
) -> None:
    """Say what is faster or slower in OTHER than in BASE, how sure that is, and what cannot be told.

    Exits with 0 if nothing is slower, 3 if something is, 4 if that cannot be told.
    """
    root = places.root()
    known = manifest.load(root)
    for name in (base, other):
        known.get(name)
    if base == other:
        raise PasstimeError(f"{base} against itself shows nothing: name two releases")
    pattern = compiled(bench)

    def is_wanted(place: Place, time: Measured) -> bool:
        workload, where, _ = place
        return device in (None, where) and bool(pattern.search(f"{time.benchmark}('{workload}', '{where}')"))

    machine, stored = _machine_with(root, machine, base, other)
    by_name = {one.release.name: one for one in stored}
    made = report.make(
        machine,
        Analysis.of(stored),
        by_name[base],
        by_name[other],
        Record(root / "results"),
        margin=margin / 100,
        is_wanted=is_wanted,
    )
    if not made.rows and not made.refused:
        raise PasstimeError(f"{base} and {other} have no such times in common on {machine}")
    formats.write([made], form)
    ctx.exit(exit_status([made]))


def exit_status(reports: Sequence[report.Report]) -> int:
    """3 where one of the reports has something slower, 4 where one cannot tell, 0 where none of them is worse."""
    found = {EXITS[made.outcome] for made in reports}
    return 3 if 3 in found else max(found)


def _machine_with(root: Path, machine: str | None, *names: str) -> tuple[str, list[Stored]]:
    """The machine asked for, this one, or the only other with times of all these releases; and what it has."""
    candidates = [machine] if machine else [this_machine(), *results.machines(root)]
    there = dict.fromkeys(name for name in candidates if machine or name in results.machines(root))
    having = {}
    for name in there:
        stored = results.read(root, name, names)
        if {*names} <= {one.release.name for one in stored if one.devices}:
            having[name] = stored
            if name == candidates[0]:  # this one, or the one asked for: no other matters
                break
    if not having:
        where = f"on {machine}" if machine else "on any one machine"
        raise PasstimeError(f"no times of both {' and '.join(names)} {where}: `passtime measure` measures them")
    if machine is None and this_machine() not in having and len(having) > 1:
        raise PasstimeError(f"several machines have times of both: `--machine` with one of {', '.join(having)}")
    return next(iter(having.items()))
