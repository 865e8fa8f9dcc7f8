"""Two releases compared by sessions in turn: their workers, the campaign over them, and what is kept and said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from passtime.amounts import percent
from passtime.catalog import frameworks, requests, sampling
from passtime.catalog.place import Item, Place
from passtime.errors import PasstimeError
from passtime.measure import report
from passtime.measure.campaign import Campaign, Row, Step
from passtime.measure.parity import check_all
from passtime.measure.take import Taken, take
from passtime.results import stored
from passtime.results.computer import computer, is_of_here
from passtime.results.parity import UNCHECKED, Parity, Record
from passtime.results.sessions import COMPUTER, PAIR, STARTED_AT, TURN, WORKER, said_of_release
from passtime.results.store import Store, Suite, land
from passtime.runtimes import store
from passtime.stats import judge
from passtime.timeline.manifest import Release
from passtime.worker import protocol
from passtime.worker.driver import alone, client, cores, start
from passtime.worker.driver.supervisor import Worker


def compare(
    suite: Suite,
    base: Release,
    other: Release,
    pattern: re.Pattern[str],
    device: str | None,
    budget_seconds: float,
    margin: float,
    progress: Console,
) -> tuple[report.Report, list[str]]:
    """Measures two releases in turn and judges them; gives the report, and what could not be measured, a line each.

    `pattern` says which benchmarks, as asv's `-b` does; `suite` where they are kept. Both are installed first if need
    be. Raises PasstimeError where that fails, where nothing is to be measured, and where results cannot be kept.
    """
    computer()  # what is wrong with it is said before anything is installed
    releases = [base, other]
    with alone.alone(progress.print), ExitStack() as workers:
        runtimes = [store.ensure(release, progress.print) for release in releases]
        threads = cores.threads()
        sides = [
            _Side(
                release,
                workers.enter_context(start.worker(frameworks.get(release.framework), runtime, threads)),
                suite.store(release),
            )
            for release, runtime in zip(releases, runtimes, strict=True)
        ]
        rows = _rows(suite, sides, device, pattern)
        if not rows:
            raise PasstimeError(
                f"nothing to measure matches {pattern.pattern or 'that'} on a device that both releases see"
            )
        if base.framework != other.framework:
            _check_parity(suite.root, sides, rows, progress)
        failures = _measure(suite, sides, rows, margin, budget_seconds, progress)
    return _report(suite, releases, rows, margin), failures


class _Side:
    """One of the two releases: its worker, and what is kept of it."""

    def __init__(self, release: Release, worker: Worker, results: Store) -> None:
        self.release = release
        self.worker = worker
        self.results = results


def _rows(
    suite: Suite, sides: list[_Side], device: str | None, pattern: re.Pattern[str]
) -> dict[Item, tuple[str, ...]]:
    """What is asked about: by item its passes, on the devices that both releases see."""
    seen = {*sides[0].worker.hello["devices"]} & {*sides[1].worker.hello["devices"]}
    rows = {}
    for item, cells in suite.cells.items():
        if item.device not in seen or device not in (None, item.device):
            continue
        names = tuple(
            name
            for name in item.passes
            if f"time_{name}" in cells
            and pattern.search(f"{cells[f'time_{name}'][1].benchmark}('{item.workload}', '{item.device}')")
        )
        if names:
            rows[item] = names
    return rows


def _check_parity(root: Path, sides: list[_Side], rows: dict[Item, tuple[str, ...]], progress: Console) -> None:
    """Two frameworks must do the same work before their times are compared; what was never checked is checked now."""
    record = Record(root / "results")
    base, other = sides
    for device in dict.fromkeys(item.device for item in rows):
        names = [
            name
            for name in dict.fromkeys(item.workload for item in rows if item.device == device)
            if record.between(base.release, other.release, name, device) == UNCHECKED
        ]
        for name, found in check_all(base.worker, other.worker, names, device):
            if isinstance(found, Parity):
                record.keep(base.release.name, other.release.name, found)
                progress.print(f"{name}: parity {found.difference or 'holds'}", highlight=False)
            elif found.kind != protocol.UNAVAILABLE:
                progress.print(f"{name}: parity could not be checked: {found}", highlight=False)


def _measure(
    suite: Suite,
    sides: list[_Side],
    rows: dict[Item, tuple[str, ...]],
    margin: float,
    budget_seconds: float,
    progress: Console,
) -> list[str]:
    """Runs the campaign with its progress on stderr; gives what failed, a line each."""
    failures: list[str] = []
    here = computer()
    policy = sampling.policy_for_verdict()
    begun: set[tuple[Item, str]] = set()

    def take_session(side: int, item: Item, pair: str) -> Taken:
        one = sides[side]
        try:
            one.worker.start()  # again, where it died
            taken = take(one.worker, item, policy)
        except client.WorkerError as error:
            if error.kind != protocol.UNAVAILABLE:
                failures.append(f"{one.release.name}: {error}")
            progress.print(f"{item} is left out: {one.release.name}: {error}", highlight=False)
            raise LookupError(str(item)) from None
        said = {
            **said_of_release(one.release),
            **requests.said_of_driver(policy),
            STARTED_AT: taken.started_at.isoformat(timespec="seconds"),
            "seconds": round(taken.seconds, 2),
            WORKER: one.worker.identity,
            COMPUTER: here,
            PAIR: pair,
            TURN: int((item, pair) in begun),
        }
        begun.add((item, pair))
        land(one.results, suite.cells[item], taken.replies, said)
        return taken

    def renew() -> None:
        for one in sides:
            one.worker.restart()

    name = datetime.now(timezone.utc).isoformat(timespec="seconds")
    campaign = Campaign(rows, margin, name)
    for (item, measured_pass), pairs, firsts in _pairs(suite, [side.release for side in sides], rows):
        campaign.pairs[item, measured_pass] = pairs
        campaign.firsts[item] = firsts
    for step in _shown(campaign, campaign.run(take_session, renew, budget_seconds), budget_seconds, progress):
        for (item, measured_pass), (verdict, change) in step.settled.items():
            place = f"{item.workload} {measured_pass} on {item.device}"
            progress.print(f"{place}: {verdict}, {percent(change.ratio)}, {step.pairs} pairs", highlight=False)
    return failures


def _pairs(
    suite: Suite, releases: list[Release], rows: dict[Item, tuple[str, ...]]
) -> Iterator[tuple[Row, list[tuple[float, float]], list[int]]]:
    """This computer's pairs of each row, by its benchmark's version of today, and which release came first in each.

    A campaign goes on from them.
    """
    root, machine = suite.root, suite.machine
    by_name = {one.release.name: one for one in stored.read(root, machine)} if machine in stored.machines(root) else {}
    if not {release.name for release in releases} <= by_name.keys():
        return
    base, other = (by_name[release.name].times for release in releases)
    for item, names in rows.items():
        for name in names:
            place = Place(item.workload, item.device, name)
            if place not in base or place not in other:
                continue
            version = suite.cells[item][f"time_{name}"][0]["version"]
            if all(line.get("version") == version for one in (base, other) for line in one[place].provenance):
                one, two = (side[place].only(is_of_here) for side in (base, other))
                yield (item, name), [*report.pairs_of(one, two).values()], report.first_of_pairs(one, two)


def _shown(campaign: Campaign, steps: Iterator[Step], budget_seconds: float, console: Console) -> Iterator[Step]:
    """The steps as they come, with a bar of the time that is spent and what it has brought."""
    count = sum(map(len, campaign.rows.values()))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("measuring", total=budget_seconds, said=f"{count} passes open")
        for step in steps:
            found = list(campaign.verdicts.values())
            said = ", ".join(
                f"{number} {verdict}"
                for verdict in (judge.SLOWER, judge.FASTER, judge.SAME)
                if (number := found.count(verdict))
            )
            open_rows = sum(map(len, campaign.rows.values())) - len(found)
            bar.update(
                task,
                completed=min(bar.tasks[0].elapsed or 0.0, budget_seconds),
                description=f"{step.item} ({step.pairs} pairs)",
                said=f"{open_rows} open" + (f", {said}" if said else ""),
            )
            yield step


def _report(suite: Suite, releases: list[Release], rows: dict[Item, tuple[str, ...]], margin: float) -> report.Report:
    asked = {Place(item.workload, item.device, name) for item, names in rows.items() for name in names}
    everything = stored.read(suite.root, suite.machine, [release.name for release in releases])
    by_name = {one.release.name: one for one in everything}
    missing = [release.name for release in releases if release.name not in by_name]
    if missing:
        raise PasstimeError(f"nothing of {' and '.join(missing)} was measured")
    base, other = (by_name[release.name] for release in releases)
    record = Record(suite.root / "results")
    return report.make(
        suite.machine, everything, base, other, record, margin=margin, is_wanted=lambda place, time: place in asked
    )
