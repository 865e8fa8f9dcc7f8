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
from passtime.asv.project import Project, land
from passtime.asv.results import KeptResults
from passtime.catalog import frameworks, sampling
from passtime.catalog.place import Item, Place
from passtime.errors import PasstimeError
from passtime.measure import report
from passtime.measure.campaign import Campaign, Row, Step
from passtime.measure.parity import check_all
from passtime.measure.take import Taken, take
from passtime.results import stored
from passtime.results.parity import UNCHECKED, Parity, Record
from passtime.results.sessions import PAIR, STARTED_AT, WORKER, said_of_release
from passtime.runtimes import store
from passtime.stats import judge
from passtime.timeline.manifest import Release
from passtime.worker import protocol
from passtime.worker.driver import client, cores, start
from passtime.worker.driver.supervisor import Worker


def compare(
    root: Path,
    base: Release,
    other: Release,
    pattern: re.Pattern[str],
    device: str | None,
    budget_seconds: float,
    margin: float,
    progress: Console,
    machine: str | None = None,
) -> tuple[report.Report, list[str]]:
    """Measures two releases in turn and judges them; gives the report, and what could not be measured, a line each.

    `pattern` says which benchmarks, as asv's `-b` does; `machine`, under which name results are kept, by default this
    machine's. Both are installed first if need be. Raises PasstimeError where that fails, and where nothing is to be
    measured.
    """
    releases = [base, other]
    runtimes = [store.ensure(release, progress.print) for release in releases]
    project = Project(root, machine=machine)
    threads = cores.threads()
    with ExitStack() as workers:
        sides = [
            _Side(
                release,
                workers.enter_context(start.worker(frameworks.get(release.framework), runtime, threads)),
                project.results_to_extend(release),
            )
            for release, runtime in zip(releases, runtimes, strict=True)
        ]
        rows = _rows(project, sides, device, pattern)
        if not rows:
            raise PasstimeError(
                f"nothing to measure matches {pattern.pattern or 'that'} on a device that both releases see"
            )
        if base.framework != other.framework:
            _check_parity(root, sides, rows, progress)
        failures = _measure(project, sides, rows, margin, budget_seconds, root, progress)
    return _report(root, project.machine, releases, rows, margin), failures


class _Side:
    """One of the two releases: its worker, and what is kept of it."""

    def __init__(self, release: Release, worker: Worker, results: KeptResults) -> None:
        self.release = release
        self.worker = worker
        self.results = results


def _rows(
    project: Project, sides: list[_Side], device: str | None, pattern: re.Pattern[str]
) -> dict[Item, tuple[str, ...]]:
    """What is asked about: by item its passes, on the devices that both releases see."""
    seen = {*sides[0].worker.hello["devices"]} & {*sides[1].worker.hello["devices"]}
    rows = {}
    for key, cells in project.cells.items():
        item = Item(*key)
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
    project: Project,
    sides: list[_Side],
    rows: dict[Item, tuple[str, ...]],
    margin: float,
    budget_seconds: float,
    root: Path,
    progress: Console,
) -> list[str]:
    """Runs the campaign with its progress on stderr; gives what failed, a line each."""
    failures: list[str] = []
    policy = sampling.policy_for_verdict()

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
            STARTED_AT: taken.started_at.isoformat(timespec="seconds"),
            "seconds": round(taken.seconds, 2),
            WORKER: one.worker.identity,
            PAIR: pair,
        }
        land(one.results, project.cells[item.workload, item.device, item.session], taken.replies, said)
        return taken

    def renew() -> None:
        for one in sides:
            one.worker.restart()

    name = datetime.now(timezone.utc).isoformat(timespec="seconds")
    there = dict(_pairs(root, project, [side.release for side in sides], rows))
    campaign = Campaign(rows, margin, name, there)
    for step in _shown(campaign, campaign.run(take_session, renew, budget_seconds), budget_seconds, progress):
        for (item, measured_pass), (verdict, change) in step.settled.items():
            place = f"{item.workload} {measured_pass} on {item.device}"
            progress.print(f"{place}: {verdict}, {percent(change.ratio)}, {step.pairs} pairs", highlight=False)
    return failures


def _pairs(
    root: Path, project: Project, releases: list[Release], rows: dict[Item, tuple[str, ...]]
) -> Iterator[tuple[Row, list[tuple[float, float]]]]:
    """The pairs that are stored of each row, by its benchmark's version of today: a campaign goes on from them."""
    machine = project.machine
    by_name = {one.release.name: one for one in stored.read(root, machine)} if machine in stored.machines(root) else {}
    if not {release.name for release in releases} <= by_name.keys():
        return
    base, other = (by_name[release.name].times for release in releases)
    for item, names in rows.items():
        for name in names:
            place = Place(item.workload, item.device, name)
            if place not in base or place not in other:
                continue
            version = project.cells[item.workload, item.device, item.session][f"time_{name}"][0]["version"]
            if all(line.get("version") == version for one in (base, other) for line in one[place].provenance):
                yield (item, name), report.medians_of_pairs(base[place], other[place])


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


def _report(
    root: Path, machine: str, releases: list[Release], rows: dict[Item, tuple[str, ...]], margin: float
) -> report.Report:
    asked = {Place(item.workload, item.device, name) for item, names in rows.items() for name in names}
    everything = stored.read(root, machine)
    by_name = {one.release.name: one for one in everything}
    missing = [release.name for release in releases if release.name not in by_name]
    if missing:
        raise PasstimeError(f"nothing of {' and '.join(missing)} was measured")
    base, other = (by_name[release.name] for release in releases)
    record = Record(root / "results")
    return report.make(
        machine, everything, base, other, record, margin=margin, is_wanted=lambda place, time: place in asked
    )
