"""`passtime sweep`: many releases measured by one command, within a time and a disk budget.

Measuring is `asv run RELEASE... --skip-existing-successful --interleave-rounds`: a sweep that was interrupted goes on
where it was, and of releases that are measured together none has an hour of the machine to itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from passtime import places
from passtime.amounts import duration
from passtime.asv import outlook
from passtime.asv import process as asv_process
from passtime.asv.budget import BUDGET_VARIABLE
from passtime.asv.patterns import compiled
from passtime.asv.survey import Survey
from passtime.cli import options as amounts
from passtime.cli.options import machine_option
from passtime.errors import PasstimeError
from passtime.results.pace import Estimate
from passtime.runtimes import room
from passtime.timeline.manifest import Release


@click.command()
@click.argument("releases", nargs=-1, required=True, metavar="RELEASE...")
@click.option(
    "--bench", "-b", "patterns", multiple=True, metavar="REGEX", help="Only these, as asv's; may be repeated."
)
@click.option("--budget", type=amounts.Duration(), help="How long to measure, at the most: 90s, 20m, 1.5h.")
@click.option("--disk", type=amounts.Size(), default="20GB", show_default=True, help="What runtimes may take on disk.")
@machine_option
@click.option("--dry-run", is_flag=True, help="Say what it would do and cost, and do nothing.")
def sweep(
    releases: Sequence[str],
    patterns: Sequence[str],
    budget: float | None,
    disk: int,
    machine: str | None,
    dry_run: bool,
) -> None:
    """Install, measure and prune each RELEASE, a name or one of git's ranges, within a time and a disk budget.

    Says first what there is to do and what it will cost. What is measured is not measured again, so the same command
    goes on after an interrupt. With --budget, what is left of it once all is measured goes into further sessions where
    intervals are widest.
    """
    asv_process.end_when_told()
    root = places.root()
    for pattern in patterns:
        compiled(pattern)
    survey = Survey(root, patterns, machine)
    found = outlook.make(survey, survey.releases(releases), has_budget=budget is not None)
    for line in outlook.lines(found, Estimate(root / "results"), budget, disk):
        _say(line)
    if dry_run:
        return
    options = [word for pattern in patterns for word in ("--bench", pattern)]
    options += ["--machine", machine] if machine else []
    going = _Sweep(root, survey, options, budget)
    going.failed.extend(found.refused)
    with room.cache_that_goes(is_needed=found.most_bytes > disk):
        going.through(list(found.waiting), found.more, disk)
    if going.failed:
        raise PasstimeError(f"not measured in full, as said above: {', '.join(going.failed)}; start it again to go on")


class _Sweep:
    """What is left of the budget, and which releases failed."""

    def __init__(self, root: Path, survey: Survey, options: Sequence[str], budget_seconds: float | None) -> None:
        self._root = root
        self._survey = survey
        self._options = options  # asv run's
        self._seconds_left = budget_seconds
        self.failed: list[str] = []

    def through(self, waiting: list[Release], more: Sequence[Release], disk_bytes: int) -> None:
        """Measures all that wait, group by group; then those that may have more sessions, if they are still there."""
        while waiting:
            if self._is_spent():
                _say(f"The budget is spent: {', '.join(release.name for release in waiting)} not begun")
                break
            group, failed = room.install_group(waiting, disk_bytes, _say, self._survey.install_timeout_seconds)
            self.failed.extend(failed)
            if group:
                self._measure(group, len(waiting))
        there = [release for release in more if room.is_there(release)]
        if there and not self._is_spent():
            self._measure(there, 0)

    def _measure(self, group: Sequence[Release], to_come: int) -> None:
        names = [release.name for release in group]
        within = {}
        if self._seconds_left is not None:
            # Each release's share is the same, whatever its group.
            within = {BUDGET_VARIABLE: str(self._seconds_left * len(group) / (len(group) + to_come))}
        started = time.monotonic()
        command = ["run", " ".join(names), *self._options, "--skip-existing-successful", "--interleave-rounds"]
        status = asv_process.run(self._root, *command, **within)
        seconds = time.monotonic() - started
        if self._seconds_left is not None:
            self._seconds_left -= seconds
        _say(f"{', '.join(names)}: took {duration(seconds)}")
        if status != 0:
            self._note_failures(group)

    def _is_spent(self) -> bool:
        return self._seconds_left is not None and self._seconds_left <= 0

    def _note_failures(self, group: Sequence[Release]) -> None:
        """Which release it was that asv complained of; all of them where nothing tells."""
        left = {release.name: self._survey.left(release) for release in group}
        # What a budget left out has not failed.
        failed = [name for name, one in left.items() if one.failed or (one.cells and self._seconds_left is None)]
        for name in failed or left:
            count = len(left[name].failed)
            _say(f"{name}: {f'{count} failed' if count else 'not measured in full'}, as said above")
            self.failed.append(name)


def _say(line: str) -> None:
    click.echo(line, err=True)
