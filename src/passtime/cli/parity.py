"""`passtime parity`: whether two releases do the same work, before a ratio of their times is believed."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.table import Column, Table

from passtime import places
from passtime.asv import process as asv_process
from passtime.catalog import frameworks, workloads
from passtime.cli import output
from passtime.errors import PasstimeError
from passtime.measure.parity import check_all
from passtime.results.parity import Parity, Record
from passtime.runtimes import store
from passtime.timeline import manifest
from passtime.worker import protocol
from passtime.worker.driver import alone, cores, start

_NAMES = (*workloads.MODELS, *workloads.LAYERS)


@click.command()
@click.argument("reference", metavar="RELEASE")
@click.argument("follower", metavar="OTHER")
@click.option("--workload", "chosen", multiple=True, metavar="NAME", help="Only this; repeatable.")
@click.option("--device", type=click.Choice(workloads.DEVICES), default="cpu", show_default=True)
def parity(reference: str, follower: str, chosen: Sequence[str], device: str) -> None:
    """Check that two releases do the same work: parameters, output and gradients, from the same weights and input."""
    asv_process.end_when_told()
    for name in chosen:
        if name not in _NAMES:
            raise PasstimeError(f"unknown workload {name}: passtime has {', '.join(_NAMES)}")
    root = places.root()
    known = manifest.load(root)
    releases = [known.get(name) for name in (reference, follower)]
    progress = output.progress()
    runtimes = [store.ensure(release, progress.print) for release in releases]
    record = Record(root / "results")
    table = Table(Column("workload", no_wrap=True), "parameters", "output", "output error", "gradient error", "parity")
    differing = failed = 0
    ours, theirs = (
        start.worker(frameworks.get(release.framework), runtime, cores.threads())
        for release, runtime in zip(releases, runtimes, strict=True)
    )
    names = list(chosen or _NAMES)
    with alone.alone(progress.print), ours, theirs:
        for number, (name, found) in enumerate(check_all(ours, theirs, names, device), start=1):
            if isinstance(found, Parity):
                record.keep(reference, follower, found)
                differing += not found.holds
                table.add_row(name, *_shown(found))
                said = found.difference or "holds"
            else:
                is_missing = found.kind == protocol.UNAVAILABLE
                failed += not is_missing
                said = f"{'n/a' if is_missing else 'failed'}: {found}"
                table.add_row(name, "", "", "", "", said)
            progress.print(f"{number} of {len(names)}: {name}: {said}", highlight=False)
    output.show(table)
    if differing or failed:
        raise PasstimeError(
            f"{reference} and {follower}: {differing} workload(s) differ, {failed} could not be checked, as said above"
        )


def _shown(found: Parity) -> tuple[str, ...]:
    shape = " x ".join(map(str, found.output_shape))
    errors = (f"{error:.1e}" for error in (found.output_error, found.gradient_error))
    return f"{found.parameters:,}", shape, *errors, found.difference or "holds"
