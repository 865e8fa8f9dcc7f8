"""Releases compared in heats: their workers, the campaign over them, and what is kept and said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from passtime.catalog import frameworks, sampling, workloads
from passtime.catalog.place import Item, Place
from passtime.errors import PasstimeError
from passtime.measure import heat, keeping, report, room
from passtime.measure.analysis import Analysis
from passtime.measure.campaign import Campaign, Next
from passtime.measure.parity import check_all
from passtime.measure.progress import Progress
from passtime.results import stored
from passtime.results.computer import computer
from passtime.results.heats import Heat
from passtime.results.parity import UNCHECKED, Parity, Record
from passtime.results.store import Store, Suite
from passtime.results.stored import Stored
from passtime.runtimes import store
from passtime.timeline.manifest import Release
from passtime.worker import protocol
from passtime.worker.driver import alone, cores, settings, start
from passtime.worker.driver.supervisor import Worker

# A change within it is none, unless one says otherwise.
MARGIN = 0.02


def compare(
    suite: Suite,
    base: Release,
    others: Sequence[Release],
    pattern: re.Pattern[str],
    device: str | None,
    budget_seconds: float,
    margin: float,
    progress: Console,
) -> tuple[list[report.Report], list[str]]:
    """Measures releases in heats and judges each of the others beside `base`; gives the reports, and what failed.

    `pattern` says which benchmarks, as asv's `-b` does; `suite` where they are kept. All are installed first if need
    be. Raises PasstimeError where that fails, where nothing is to be measured, and where results cannot be kept.
    """
    computer()  # what is wrong with it is said before anything is installed
    settings.check()
    with alone.alone(progress.print):
        runtimes = [store.ensure(release, progress.print) for release in (base, *others)]
        failures = measure(
            suite, dict(zip((base, *others), runtimes, strict=True)), pattern, device, budget_seconds, margin, progress
        )
    return reports(suite, base, others, pattern, device, margin), failures


def measure(
    suite: Suite,
    runtimes: Mapping[Release, store.Runtime],
    pattern: re.Pattern[str],
    device: str | None,
    budget_seconds: float,
    margin: float,
    progress: Console,
    is_settling: bool = True,
    is_on_this_computer: bool = True,
) -> list[str]:
    """Takes heats of the releases, the first of which is the reference, within so much time; gives what failed.

    Not `is_settling`, it ends once each row's interval is narrow enough to read. Not `is_on_this_computer`, what other
    computers have measured is not measured again here. A release that does not start is left
    out and among what failed, unless it is the reference or the only other.
    """
    threads = cores.threads()
    failures: list[str] = []
    with ExitStack() as workers:
        sides: dict[str, _Side] = {}
        for release, runtime in runtimes.items():
            worker = start.worker(frameworks.get(release.framework), runtime, threads)
            try:
                workers.enter_context(worker)
            except PasstimeError as error:
                if not sides or len(runtimes) == 2:
                    raise
                failures.append(str(error))
                progress.print(str(error), highlight=False)
                continue
            sides[release.name] = _Side(release, worker, suite.store(release))
        rows = _rows(suite, sides, device, pattern)
        if not rows or len(sides) < 2:
            raise PasstimeError(
                f"nothing to measure matches {pattern.pattern or 'that'} on a device that these releases see"
            )
        _check_parity(suite.root, [*sides.values()], rows, progress)
        campaign = _campaign(suite, rows, [*sides], margin, is_settling, computer() if is_on_this_computer else None)
        return failures + _Heats(suite, sides, campaign, progress).run(budget_seconds)


def outlook(
    suite: Suite,
    base: Release,
    others: Sequence[Release],
    pattern: re.Pattern[str],
    device: str | None,
    is_settling: bool,
) -> Campaign:
    """The campaign that `measure` will run, as far as can be told before any release was asked which devices it sees.

    Raises PasstimeError where nothing is asked about, and for a variable of the environment that makes no sense.
    """
    computer()
    settings.check()
    devices = [one for one in workloads.DEVICES if device in (None, one) and (one == "cpu" or store.has_gpu())]
    rows = {item: names for item in suite.cells if item.device in devices and (names := _asked(suite, item, pattern))}
    if not rows:
        raise PasstimeError(f"no benchmark of a device that is here matches {pattern.pattern or 'that'}")
    return _campaign(suite, rows, [base.name, *(one.name for one in others)], MARGIN, is_settling, None)


def reports(
    suite: Suite,
    base: Release,
    others: Sequence[Release],
    pattern: re.Pattern[str],
    device: str | None,
    margin: float,
) -> list[report.Report]:
    """What all stored heats say of each of the others beside `base`, of what is asked about."""
    asked = {
        Place(item.workload, item.device, name)
        for item in suite.cells
        for name in _asked(suite, item, pattern)
        if device in (None, item.device)
    }
    names = [release.name for release in (base, *others)]
    everything = stored.read(suite.root, suite.machine, names)
    by_name = {one.release.name: one for one in everything}
    if missing := [name for name in names if name not in by_name]:
        raise PasstimeError(f"nothing of {' and '.join(missing)} was measured")
    analysis, record = Analysis.of(everything), Record(suite.root / "results")
    return [
        report.make(
            suite.machine, analysis, by_name[base.name], by_name[other.name], record,
            margin=margin, is_wanted=lambda place, time: place in asked,
        )
        for other in others
    ]  # fmt: skip


class _Side:
    """One of the releases: its worker, and what is kept of it."""

    def __init__(self, release: Release, worker: Worker, results: Store) -> None:
        self.release = release
        self.worker = worker
        self.results = results


def _rows(
    suite: Suite, sides: Mapping[str, _Side], device: str | None, pattern: re.Pattern[str]
) -> dict[Item, tuple[str, ...]]:
    """What is asked about: by item its passes, on the devices that the reference and another release see."""
    reference, *others = ({*side.worker.hello["devices"]} for side in sides.values())
    seen = reference & set().union(*others)
    rows = {}
    for item in suite.cells:
        if item.device in seen and device in (None, item.device):
            names = _asked(suite, item, pattern)
            if names:
                rows[item] = names
    return rows


def _asked(suite: Suite, item: Item, pattern: re.Pattern[str]) -> tuple[str, ...]:
    cells = suite.cells[item]
    return tuple(
        name
        for name in item.passes
        if f"time_{name}" in cells
        and pattern.search(f"{cells[f'time_{name}'][1].benchmark}('{item.workload}', '{item.device}')")
    )


def _check_parity(root: Path, sides: list[_Side], rows: dict[Item, tuple[str, ...]], progress: Console) -> None:
    """Frameworks must do the same work before their times are compared; what was never checked is checked now."""
    record = Record(root / "results")
    base = sides[0]
    for other in sides[1:]:
        if base.release.framework == other.release.framework:
            continue
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


class _Heats:
    """A campaign's heats: taken, kept and shown."""

    def __init__(
        self,
        suite: Suite,
        sides: Mapping[str, _Side],
        campaign: Campaign,
        progress: Console,
    ) -> None:
        self._suite = suite
        self._sides = sides
        self._console = progress
        self._policy = sampling.policy_for_heats()
        self._here = computer()
        self._failures: list[str] = []
        self.campaign = campaign

    def run(self, budget_seconds: float) -> list[str]:
        """Measures until no row is open or the budget is spent; gives what failed, a line each.

        A heat that was begun is ended.
        """
        with Progress(self._console, self.campaign, budget_seconds) as progress:
            while following := self.campaign.next(progress.seconds_left):
                progress.begin(following.item, following.releases)
                try:
                    taken = self._take(following)
                except heat.Unmeasured as failed:
                    self._note(failed, following.item)
                    self.campaign.leave_out(following.item, failed.release)
                else:
                    self._keep(taken)
                    self.campaign.took(taken)
                progress.show()
        return self._failures

    def _take(self, following: Next) -> heat.Taken:
        if following.is_new_round:
            restart([side.worker for side in self._sides.values()])
        workers = {name: self._sides[name].worker for name in following.releases}
        for worker in workers.values():
            worker.start()  # again, where it died
        return heat.take(workers, following.item, self._policy, following.plan, following.first)

    def _note(self, failed: heat.Unmeasured, item: Item) -> None:
        if failed.error.kind != protocol.UNAVAILABLE:
            self._failures.append(str(failed))
        self._console.print(f"{item} is left out: {failed}", highlight=False)

    def _keep(self, taken: heat.Taken) -> None:
        """Adds the sessions to the releases' results, and the heat to the analysis."""
        cells = self._suite.cells[taken.item]
        sides = {name: (side.release, side.results) for name, side in self._sides.items()}
        name = keeping.keep(taken, sides, cells, self._policy)
        kept = [turn for turn in range(taken.turns) if turn not in taken.left_out]
        for measured_pass in taken.item.passes:
            method = f"time_{measured_pass}"
            if method in cells and kept:
                seconds = {
                    release: tuple(session.samples[measured_pass][turn] for turn in kept)
                    for release, session in taken.sessions.items()
                }
                place = Place(taken.item.workload, taken.item.device, measured_pass)
                self.campaign.analysis.add(place, Heat(name, self._here, cells[method][0]["version"], seconds))


def _campaign(
    suite: Suite,
    rows: Mapping[Item, tuple[str, ...]],
    names: Sequence[str],
    margin: float,
    is_settling: bool,
    here: str | None,
) -> Campaign:
    """A campaign that goes on from what is stored; the first name is the reference's."""
    everything = _stored(suite)
    known = room.peaks(everything)
    return Campaign(
        Analysis.of(everything),
        rows,
        names[0],
        names[1:],
        margin,
        lambda item: room.most_together(item, known.get(item), room.available_bytes()),
        is_settling,
        here,
    )


def restart(workers: Sequence[Worker]) -> None:
    """Starts all workers anew, side by side: they spend most of it loading their frameworks from disk."""
    with ThreadPoolExecutor(len(workers)) as pool:
        for _ in pool.map(Worker.restart, workers):
            pass


def _stored(suite: Suite) -> list[Stored]:
    """What the machine has, of the benchmarks' versions of today."""
    if suite.machine not in stored.machines(suite.root):
        return []
    versions = {
        Place(item.workload, item.device, name): cells[f"time_{name}"][0]["version"]
        for item, cells in suite.cells.items()
        for name in item.passes
        if f"time_{name}" in cells
    }
    found = []
    for one in stored.read(suite.root, suite.machine):
        times = {
            place: time
            for place, time in one.times.items()
            if all(line.get("version") == versions.get(Place(*place)) for line in time.provenance)
        }
        found.append(Stored(one.release, times, one.peaks))
    return found
