"""`passtime sweep`: many releases measured by one command, in heats with a reference, within time and disk budgets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

import click
from rich.console import Console

from passtime import places
from passtime.amounts import duration, gigabytes
from passtime.asv.commands import end_by_interrupt
from passtime.asv.patterns import compiled
from passtime.asv.project import Project
from passtime.catalog import workloads
from passtime.cli import options as amounts
from passtime.cli import output
from passtime.cli.options import machine_option
from passtime.errors import PasstimeError
from passtime.measure import compare
from passtime.measure.campaign import Campaign
from passtime.results.store import NotKept, Suite
from passtime.runtimes import room, store
from passtime.timeline import manifest
from passtime.timeline.manifest import Release
from passtime.worker.driver import alone


@click.command()
@click.argument("releases", nargs=-1, required=True, metavar="RELEASE...")
@click.option(
    "--bench", "-b", "patterns", multiple=True, metavar="REGEX", help="Only these, as asv's; may be repeated."
)
@click.option("--reference", metavar="NAME", help="In every heat; by default the newest of the releases.")
@click.option("--device", type=click.Choice(workloads.DEVICES), help="Only this device.")
@click.option("--budget", type=amounts.Duration(), help="How long to measure, at the most: 90s, 20m, 1.5h.")
@click.option("--disk", type=amounts.Size(), default="20GB", show_default=True, help="What runtimes may take on disk.")
@machine_option
@click.option("--dry-run", is_flag=True, help="Say what it would do and cost, and do nothing.")
def sweep(
    releases: Sequence[str],
    patterns: Sequence[str],
    reference: str | None,
    device: str | None,
    budget: float | None,
    disk: int,
    machine: str | None,
    dry_run: bool,
) -> None:
    """Install, measure and prune each RELEASE, a name or one of git's ranges, within a time and a disk budget.

    All are measured in heats with one reference, so any two of them can be compared. Says first what there is to do and
    what it will cost. Stored heats count, also those of another day or computer, so the same command goes on after an
    interrupt. Without --budget it ends when each interval is narrow enough to read; with it, when the time is spent or
    all is settled.
    """
    end_by_interrupt()
    root = places.root()
    pattern = compiled("|".join(f"(?:{one})" for one in patterns) if patterns else None)
    project = Project(root, machine)
    chosen = project.releases(releases)
    base = manifest.load(root).get(reference) if reference else _newest(chosen)
    suite = project.suite()
    going = _Sweep(suite, base, pattern, device, budget, project.install_timeout_seconds, output.progress())
    refused = {one.name: reason for one in chosen if (reason := _refusal(one)) is not None}
    if base.name in refused:
        raise PasstimeError(room.told(base.name, refused[base.name]))
    waiting = [one for one in chosen if one != base and one.name not in refused]
    # What is installed already needs no room.
    waiting.sort(key=lambda one: not room.is_there(one))
    if not waiting:
        why = ", ".join(refused.values()) or "name more releases"
        raise PasstimeError(f"nothing to compare {base.name} with: {why}")
    campaign = compare.outlook(suite, base, waiting, pattern, device, is_settling=budget is not None)
    needing = campaign.needing()
    done = [one.name for one in waiting if one.name not in needing]
    waiting = [one for one in waiting if one.name in needing]
    for line in _outlook(going, campaign, waiting, done, disk):
        output.say(line, err=True)
    for name, reason in refused.items():
        output.say(room.told(name, reason), err=True)
    if dry_run:
        return
    going.failed.extend(refused)
    needed = room.taken_bytes() + sum(not room.is_there(one) for one in (base, *waiting)) * store.NEEDED_BYTES
    with alone.alone(output.progress().print), room.cache_that_goes(is_needed=needed > disk):
        going.through(waiting, disk)
    if going.failed:
        failed = ", ".join(dict.fromkeys(going.failed))
        raise PasstimeError(f"not measured in full, as said above: {failed}; start it again to go on")


class _Sweep:
    """What is left of the budget, and what failed."""

    def __init__(
        self,
        suite: Suite,
        base: Release,
        pattern: re.Pattern[str],
        device: str | None,
        budget_seconds: float | None,
        install_timeout_seconds: float,
        progress: Console,
    ) -> None:
        self.suite, self.base, self.pattern, self.device = suite, base, pattern, device
        self.seconds_left = budget_seconds
        self._install_timeout_seconds = install_timeout_seconds
        self._progress = progress
        self.failed: list[str] = []

    def through(self, waiting: list[Release], disk_bytes: int) -> None:
        """Measures all that wait beside the reference, as many at a time as the disk holds."""
        if not waiting:
            return
        runtime = store.ensure(self.base, self._progress.print, self._install_timeout_seconds)
        while waiting:
            if self.seconds_left is not None and self.seconds_left <= 0:
                self._progress.print(f"The budget is spent: {', '.join(one.name for one in waiting)} not begun")
                return
            to_come = len(waiting)
            group, failed = room.install_group(
                waiting, disk_bytes, self._progress.print, self._install_timeout_seconds, beside=[self.base]
            )
            self.failed.extend(failed)
            if not group:
                continue
            runtimes = {self.base: runtime, **{one: store.ensure(one, self._progress.print) for one in group}}
            self._measure(runtimes, len(group) / to_come)

    def _measure(self, runtimes: dict[Release, store.Runtime], share: float) -> None:
        names = ", ".join(one.name for one in runtimes)
        started = time.monotonic()
        # Each release's share of the time is the same, whatever its group.
        budget_seconds = float("inf") if self.seconds_left is None else self.seconds_left * share
        try:
            failures = compare.measure(
                self.suite, runtimes, self.pattern, self.device, budget_seconds, compare.MARGIN, self._progress,
                is_settling=self.seconds_left is not None, is_on_this_computer=False,
            )  # fmt: skip
        except NotKept:
            raise
        except PasstimeError as error:
            failures = [str(error)]
            self._progress.print(f"{names}: {error}", highlight=False)
        self.failed.extend(failures)
        seconds = time.monotonic() - started
        if self.seconds_left is not None:
            self.seconds_left -= seconds
        self._progress.print(f"{names}: took {duration(seconds)}", highlight=False)


def _newest(chosen: Sequence[Release]) -> Release:
    """The newest release that runs here. Raises PasstimeError where none does."""
    running = [one for one in chosen if _refusal(one) is None]
    if not running:
        raise PasstimeError(room.told(chosen[0].name, _refusal(chosen[0]) or "it does not run here"))
    return max(running, key=lambda one: one.date)


def _refusal(release: Release) -> str | None:
    """Why the release cannot be had here; None where it can."""
    return None if room.is_there(release) else store.runnable(release)


def _outlook(
    going: _Sweep, campaign: Campaign, waiting: Sequence[Release], done: Sequence[str], disk_bytes: int
) -> Iterator[str]:
    """What the sweep has to do, and about what it will cost."""
    if waiting:
        names = ", ".join(one.name for one in waiting)
        rows = sum(row.other in {one.name for one in waiting} for row in campaign.verdicts)
        seconds = campaign.seconds_to_least()
        long = f"about {duration(seconds)} until each can be read" if seconds else "not all are settled"
        yield f"To measure: {names}, in heats with {going.base.name}: {rows} passes, {long}"
    if done:
        yield f"Measured already: {', '.join(done)}"
    if going.seconds_left is not None:
        yield f"The budget: {duration(going.seconds_left)} of measuring"
    to_install = [one.name for one in (going.base, *waiting) if waiting and not room.is_there(one)]
    taken_bytes = room.taken_bytes()
    if to_install:
        most = taken_bytes + len(to_install) * store.NEEDED_BYTES
        peak = max(min(most, max(disk_bytes, store.NEEDED_BYTES)), taken_bytes)
        yield (
            f"To install: {', '.join(to_install)}: up to {gigabytes(store.NEEDED_BYTES)} each, on disk at most "
            f"{gigabytes(peak)} at a time, {gigabytes(taken_bytes)} of it now"
        )
        if most > disk_bytes:
            yield f"Runtimes that it does not need are removed where they leave no room in {gigabytes(disk_bytes)}"
