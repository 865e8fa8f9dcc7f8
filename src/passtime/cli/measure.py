"""`passtime measure`: releases in heats, until it is settled what is faster, slower or the same."""

from __future__ import annotations

import click

from passtime import places
from passtime.asv.commands import end_by_interrupt
from passtime.asv.patterns import compiled
from passtime.asv.project import Project
from passtime.catalog import workloads
from passtime.cli import formats, output
from passtime.cli.options import Duration, Percent, machine_option
from passtime.cli.verdict import exit_status
from passtime.errors import PasstimeError
from passtime.measure.compare import compare
from passtime.timeline import manifest


@click.command()
@click.argument("base")
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
@click.option("--bench", metavar="REGEX", help="Only these, as asv's: models.ResNet.time_total('resnet50', 'cpu').")
@click.option("--device", type=click.Choice(workloads.DEVICES), help="Only this device.")
@click.option("--budget", type=Duration(), default="20m", show_default=True, help="How long to measure, at the most.")
@click.option("--margin", type=Percent(), default=2.0, show_default=True,
              help="Percent within which a change counts as none.")  # fmt: skip
@machine_option
@click.option("--format", "form", type=click.Choice(list(formats.FORMATS)), default="rich", show_default=True)
@click.pass_context
def measure(
    ctx: click.Context,
    base: str,
    others: tuple[str, ...],
    bench: str | None,
    device: str | None,
    budget: float,
    margin: float,
    machine: str | None,
    form: str,
) -> None:
    """Measure BASE and each OTHER in heats, spend the time where it settles most, and say what became of them.

    What is measured is kept as asv's results, and the same command goes on from it. Exits as `passtime verdict`: 0 if
    nothing is slower, 3 if something is, 4 if that cannot be told.
    """
    end_by_interrupt()
    root = places.root()
    known = manifest.load(root)
    releases = [known.get(name) for name in (base, *others)]
    for name in others:
        if (base, *others).count(name) > 1:
            raise PasstimeError(f"{name} against itself shows nothing: name each release once")
    pattern = compiled(bench)
    suite = Project(root, machine=machine).suite()
    made, failures = compare(suite, releases[0], releases[1:], pattern, device, budget, margin / 100, output.progress())
    formats.write(made, form)
    if failures:
        raise PasstimeError(f"{len(failures)} could not be measured: {'; '.join(failures)}")
    ctx.exit(exit_status(made))
