"""`passtime machine check`: whether this computer may add to a machine's history, by one release measured again.

Computers of the same kind are not equally fast, and a history that is taken in several sittings should be of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

import click

from passtime import places
from passtime.asv.commands import end_by_interrupt
from passtime.asv.project import Project
from passtime.catalog import frameworks, sampling
from passtime.catalog.place import Item, Place
from passtime.cli import formats, output
from passtime.cli.options import Percent
from passtime.errors import PasstimeError
from passtime.measure.take import take
from passtime.results import stored
from passtime.results.stored import Stored
from passtime.runtimes import store
from passtime.stats import judge, uncertainty
from passtime.stats.judge import Change
from passtime.stats.uncertainty import Prior
from passtime.timeline import manifest
from passtime.worker.driver import alone, client, cores, start
from passtime.worker.driver.supervisor import Worker
from passtime.worker.protocol import SESSIONS

# What fits into the processor's caches and what does not: what else runs on a computer may slow one and not the other.
WORKLOADS = ("resnet50", "resnet18", "conv3x3/1", "conv5x5/2", "batchnorm", "dense")
ROUNDS = 3

# Of a session's passes the whole one: the others are parts of the same steps, and no evidence of their own.
_WHOLE = frozenset(passes[-1] for passes in SESSIONS.values())

# As `passtime verdict`: 1 and 2 are errors.
EXITS: Mapping[bool | None, int] = {True: 0, False: 3, None: 4}
SAID: Mapping[bool | None, str] = {
    True: "may add to the history of",
    False: "may not add to the history of",
    None: "cannot be told from, nor shown to be as fast as,",
}


@click.group()
def machine() -> None:
    """This computer, among those with results."""


@machine.command("check")
@click.option("--release", "name", metavar="NAME", help="The reference; by default the newest that has results here.")
@click.option("--machine", "machine_name", metavar="M", help="By default this machine.")
@click.option("--rounds", type=click.IntRange(2), default=ROUNDS, show_default=True, help="Workers to measure with.")
@click.option("--margin", type=Percent(), default=5.0, show_default=True,
              help="Percent by which the mean of all workloads, and each of them, may differ.")  # fmt: skip
@click.pass_context
def check(ctx: click.Context, name: str | None, machine_name: str | None, rounds: int, margin: float) -> None:
    """Measure a release again, and say whether this computer is as fast as the one that measured it before.

    Nothing is kept. Exits with 0 if it may add to that machine's history, 3 if it may not, 4 if that cannot be told.
    """
    end_by_interrupt()
    root = places.root()
    known = manifest.load(root)
    machine_name = machine_name or Project(root).machine
    everything = stored.read(root, machine_name)
    reference = _reference(everything, known.get(name) if name else None, machine_name)
    with alone.alone(output.progress().print):
        changes = measured(reference, everything, rounds)
    for (workload, _, measured_pass), change in changes.items():
        click.echo(f"{workload} {measured_pass}: {formats.shown(change)}")
    workloads = by_workload(changes)
    for workload, change in workloads.items():
        click.echo(f"{workload}: {formats.shown(change)}")
    mean = judge.mean(list(workloads.values()))
    answer = agrees(mean, list(workloads.values()), margin / 100)
    click.echo(f"all workloads: {formats.shown(mean)}")
    click.echo(f"This computer {SAID[answer]} {machine_name}, by {reference.release.name} measured again")
    if answer is False:
        apart = _free_name(machine_name, stored.machines(root))
        click.echo(f"Keep what it measures apart: asv run and passtime sweep, measure, bisect take `--machine {apart}`")
    ctx.exit(EXITS[answer])


def measured(reference: Stored, everything: Sequence[Stored], rounds: int) -> dict[Place, Change]:
    """The change of each pass on the CPU from what is stored to now; each round has a worker of its own."""
    release = reference.release
    progress = output.progress()
    runtime = store.ensure(release, progress.print)
    worker = start.worker(frameworks.get(release.framework), runtime, cores.threads())
    items = [Item(name, "cpu", session) for name in WORKLOADS for session in SESSIONS]
    items = [item for item in items if all(_has(reference, item, name) for name in item.passes)]
    if not items:
        raise PasstimeError(f"{release.name} has none of {', '.join(WORKLOADS)} on that machine: name another release")
    sessions: dict[Place, list[list[float]]] = {}
    try:
        for number in range(rounds):
            progress.print(f"round {number + 1} of {rounds}", highlight=False)
            worker.restart()
            for item in items:
                for measured_pass, samples in _taken(release.name, worker, item).items():
                    sessions.setdefault(Place(item.workload, item.device, measured_pass), []).append(samples)
    finally:
        worker.stop()
    usual = uncertainty.usual(one.times for one in everything)
    return {place: _change(reference, place, found, usual) for place, found in sessions.items()}


def _taken(name: str, worker: Worker, item: Item) -> dict[str, list[float]]:
    try:
        return take(worker, item, sampling.policy()).elapsed_seconds
    except client.WorkerError as error:
        raise PasstimeError(f"{item} of {name} could not be measured again: {error}") from None


def by_workload(changes: Mapping[Place, Change]) -> dict[str, Change]:
    """The mean change of each workload's training step and inference."""
    found: dict[str, list[Change]] = {}
    for (workload, _, measured_pass), change in changes.items():
        if measured_pass in _WHOLE:
            found.setdefault(workload, []).append(change)
    return {workload: judge.mean(both) for workload, both in found.items()}


def agrees(mean: Change, workloads: Sequence[Change], margin: float) -> bool | None:
    """Whether the mean change is shown to lie within the margin; None where that cannot be told.

    False where the mean, or any workload's own change, is shown to lie beyond it.
    """
    if any(one.low > 1 + margin or one.high < 1 / (1 + margin) for one in (mean, *workloads)):
        return False
    return True if mean.lies_within(margin) else None


def _free_name(machine_name: str, taken: Collection[str]) -> str:
    """The machine's name with the first number from 2 on that no machine has."""
    return next(name for number in itertools.count(2) if (name := f"{machine_name}-{number}") not in taken)


def _reference(everything: Sequence[Stored], release: manifest.Release | None, machine_name: str) -> Stored:
    having = [one for one in everything if "cpu" in one.devices]
    if release is None:
        having = [one for one in having if store.runnable(one.release) is None]
    else:
        having = [one for one in having if one.release == release]
    if not having:
        raise PasstimeError(f"no release that runs here has times on the CPU of {machine_name}")
    return max(having, key=lambda one: one.release.date)


def _has(reference: Stored, item: Item, measured_pass: str) -> bool:
    time = reference.times.get(Place(item.workload, item.device, measured_pass))
    return time is not None and time.is_available and bool(time.sessions)


def _change(
    reference: Stored, place: Place, sessions: list[list[float]], usual: Mapping[tuple[str, bool], Prior | None]
) -> Change:
    before = reference.times[place]
    prior = usual[uncertainty.kind(place)]
    then, now = (uncertainty.typical_seconds(one) for one in (before.sessions, sessions))
    if prior is None:
        return judge.change(then, now, None, None)
    errors = (uncertainty.log_error(one, prior) for one in (before.sessions, sessions))
    return judge.change(then, now, *errors)
