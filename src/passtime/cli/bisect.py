"""`passtime bisect`: the release, or the commit, that made a benchmark slower, by what `passtime measure` says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click

from passtime import places
from passtime.asv.commands import end_by_interrupt
from passtime.asv.patterns import compiled
from passtime.asv.project import Project
from passtime.cli import formats, output
from passtime.cli.options import Duration, machine_option
from passtime.errors import PasstimeError
from passtime.measure.compare import compare
from passtime.measure.report import Report, Row
from passtime.results.store import NotKept
from passtime.stats import judge
from passtime.timeline import manifest
from passtime.timeline.manifest import Release

# Whether a release is as slow as the bad one, or as fast as the good one; None where it cannot be told, or run.
IsSlow = Callable[[Release], "bool | None"]


@dataclass(frozen=True)
class Found:
    """The last release that is as fast as the good one, and the first that is as slow as the bad one.

    `between` has those of which it cannot be told.
    """

    good: Release
    bad: Release
    between: tuple[Release, ...]


@click.command()
@click.argument("good")
@click.argument("bad")
@click.argument("bench")
@click.option(
    "--budget", type=Duration(), default="10m", show_default=True, help="How long to measure each, at the most."
)
@machine_option
def bisect(good: str, bad: str, bench: str, budget: float, machine: str | None) -> None:
    """Find which release between GOOD and BAD made BENCH slower.

    BENCH is a regular expression, as asv's `-b`. Of what matches, the pass that is slowest in BAD is followed. Only the
    releases that are visited are installed. Both are of one branch: of a framework's releases, or of its commits.
    """
    end_by_interrupt()
    root = places.root()
    line = between(manifest.load(root), good, bad)
    progress = output.progress()
    suite = Project(root, machine=machine).suite()
    evidence: dict[str, str] = {}

    def tell(release: Release, row: Row) -> None:
        evidence[release.name] = _evidence(release, row)
        click.echo(evidence[release.name])

    def measured(release: Release, pattern: re.Pattern[str], margin: float) -> Report:
        progress.print(f"{line[0].name} against {release.name} ...", highlight=False)
        (made,), failures = compare(suite, line[0], [release], pattern, None, budget, margin, progress)
        for failure in failures:
            progress.print(failure, highlight=False)
        return made

    whole = _slowest(measured(line[-1], compiled(bench), 0.02))
    tell(line[-1], whole)
    followed = re.compile(re.escape(f"{whole.base.benchmark}('{whole.place.workload}', '{whole.place.device}')") + "$")
    # Halfway between as fast as the good one and as slow as the bad one, on the scale of ratios.
    margin = math.sqrt(whole.ratio) - 1

    def is_slow(release: Release) -> bool | None:
        try:
            rows = measured(release, followed, margin).rows
        except NotKept:
            raise
        except PasstimeError as error:
            progress.print(f"{release.name} is passed over: {error}", highlight=False)
            return None
        if not rows:
            return None
        tell(release, rows[0])
        return slow_by(rows[0], margin)

    click.echo(_conclusion(search(line, is_slow), evidence))


def between(known: manifest.Manifest, good: str, bad: str) -> list[Release]:
    """The releases of a branch from the one to the other. Raises PasstimeError where they are not in this order."""
    first, last = known.get(good), known.get(bad)
    branch = known.of_branch(first.branch)
    if last not in branch or branch.index(last) <= branch.index(first):
        raise PasstimeError(f"{bad} does not come after {good} on one branch: `passtime timeline list` shows branches")
    return list(branch[branch.index(first) : branch.index(last) + 1])


def search(line: Sequence[Release], is_slow: IsSlow) -> Found:
    """Halves the line until the good and the bad are neighbours, but for those of which it cannot be told.

    The first of the line is good, the last bad. Where it cannot be told of the middle, the nearest to it is asked.
    """
    low, high = 0, len(line) - 1
    unknown: set[int] = set()
    while True:
        unasked = [place for place in range(low + 1, high) if place not in unknown]
        if not unasked:
            return Found(line[low], line[high], tuple(line[low + 1 : high]))
        place = min(unasked, key=lambda one: abs(one - (low + high) / 2))
        answer = is_slow(line[place])
        if answer is None:
            unknown.add(place)
        elif answer:
            high = place
        else:
            low = place


def slow_by(row: Row, margin: float) -> bool | None:
    """Whether a release is nearer to the bad one; None where its interval holds the middle."""
    if row.change is None:
        return None
    if row.verdict == judge.SAME or row.change.high < 1 + margin:
        return False
    return True if row.change.low > 1 + margin else None


def _slowest(made: Report) -> Row:
    slower = [row for row in made.rows if row.verdict == judge.SLOWER]
    if not slower:
        raise PasstimeError(
            f"{made.other} is not shown to be slower than {made.base} ({made.outcome}): there is nothing to look for, "
            "or --budget is too small to see it"
        )
    return max(slower, key=lambda row: row.ratio)


def _evidence(release: Release, row: Row) -> str:
    return f"{release.name}: {row.place}, {formats.shown(row.change)}"


def _conclusion(found: Found, evidence: Mapping[str, str]) -> str:
    """The first bad release, or the narrowest range; with the framework's own commits, and where they are compared.

    And with the evidence of both, but for the good one that all were measured against.
    """
    one, two = found.good, found.bad
    if found.between:
        names = ", ".join(release.name for release in found.between)
        said = f"it came after {one.name}, with {two.name} at the latest; of {names} it cannot be told"
    else:
        said = f"{two.name} is the first that is slower; {one.name}, before it, is not"
    if one.revision and two.revision:
        said += f"\n{two.revision}"
        if page := one.comparison(two):
            said += f"\n{page}"
    return "\n".join((said, *(evidence[release.name] for release in (one, two) if release.name in evidence)))
