"""The releases of one `asv run`, measured in heats: so what plain asv measured can be compared.

The first release that asv asks for opens a heat with the others of the run. As the heat ends, the sessions of all of
them are stored; asv is told of a release's when it asks for that release. A lone release is measured with the
reference, where one is installed.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from asv.console import log

from passtime import places
from passtime.asv.environment import PasstimeEnvironment
from passtime.asv.plan import Plan
from passtime.asv.results import KeptResults
from passtime.catalog import requests, sampling
from passtime.catalog.place import Item
from passtime.errors import PasstimeError
from passtime.measure import heat, keeping, room
from passtime.results import stored
from passtime.results.sessions import HEAT, Cell
from passtime.results.store import Cells, store_of
from passtime.runtimes import store
from passtime.timeline.manifest import Manifest, Release
from passtime.worker import protocol
from passtime.worker.driver.supervisor import Worker

# The release that a lone one is measured with, or `none`; by default the newest of its framework that is installed.
REFERENCE_VARIABLE = "PASSTIME_REFERENCE"
_NO_REFERENCE = "none"


class Together:
    """The heats of one run.

    `cells` are what the run measures, `facts` those of the machine, `plan_of` gives what is left to measure of another
    release or raises PasstimeError. With `turns`, each heat has so many.
    """

    def __init__(
        self,
        env: PasstimeEnvironment,
        cells: Mapping[Item, Cells],
        facts: Mapping[str, str],
        plan_of: Callable[[Release], Plan],
        turns: int | None = None,
    ) -> None:
        self._env = env
        self._cells = cells
        self._facts = facts
        self._plan_of = plan_of
        self._turns = turns
        self._policy = sampling.policy_for_heats()
        self._root = places.root()
        self._taken: Counter[tuple[str, Item]] = Counter()  # heats, by release
        self._handed: Counter[tuple[str, Cell]] = Counter()  # of these, how many asv was told of
        self._apart: set[tuple[str, Item]] = set()  # could not be measured in a heat
        self._out: set[str] = set()  # could not be had at all: its own turn says why
        self._openers: dict[Item, Release] = {}
        self._references: dict[str, Release | None] = {}  # by the lone release's name
        self._told: frozenset[str] = frozenset()
        self._news = ""

    def news(self) -> str:
        """With which releases the last heat was taken, where that was not told before."""
        news, self._news = self._news, ""
        return news

    def has(self, benchmark: dict, cell: Cell, results: KeptResults) -> bool:
        """Whether the next session of a cell is stored: of a heat that was taken before, or is taken now.

        The release is the one that asv asks for, `results` are its own. If not, it is to be measured alone. Raises
        heat.Unmeasured where the release failed in its heat, and as `store.Store.changing`.
        """
        release, item = self._env.release, requests.item_of(cell.benchmark, cell.params)
        assert release is not None
        if item is None or item not in self._cells:
            return False
        is_waiting = self._handed[release.name, cell] < self._taken[release.name, item]
        if not is_waiting and not self._take(release, item, results):
            return False
        self._handed[release.name, cell] += 1
        # Of a device that does not tell its memory, a heat has nothing for that cell.
        return results.value(benchmark, cell) is not None

    def _take(self, release: Release, item: Item, results: KeptResults) -> bool:
        """Takes a heat of the item; False where there is nothing to measure the release with."""
        while (release.name, item) not in self._apart and (workers := self._workers(release, item)):
            mates = [self._env.known.get(name) for name in workers if name != release.name]
            sides = {one.name: (one, store_of(self._root, self._facts, one)) for one in mates}
            try:
                taken = heat.take(workers, item, self._policy, self._plan(len(workers)), self._heats(item, results))
            except heat.Unmeasured as failed:
                self._apart.add((failed.release, item))
                if failed.release == release.name and failed.error.kind != protocol.UNAVAILABLE:
                    raise
                continue
            keeping.keep(taken, {release.name: (release, results), **sides}, self._cells[item], self._policy)
            self._taken.update((name, item) for name in workers)
            self._openers.setdefault(item, release)
            self._tell(frozenset(sides))
            return True
        return False

    def _heats(self, item: Item, results: KeptResults) -> int:
        """How many heats of the item are stored, of all runs: whoever is first in one is not first in the next."""
        _, cell = next(iter(self._cells[item].values()))
        return sum(HEAT in line for line in results.sessions.of(cell))

    def _plan(self, sessions: int) -> heat.Plan:
        """As many turns as a session alone takes samples at the most, by the same policy."""
        policy = self._policy

        def plan(opening_seconds: float, turn_seconds: float) -> int:
            if self._turns is not None:
                return self._turns
            sample_seconds = max(turn_seconds / sessions, 1e-6)
            is_long = sample_seconds >= policy["long_pass_seconds"]
            least = policy["minimum_long_samples" if is_long else "minimum_samples"]
            return round(max(least, min(policy["maximum_seconds"] / sample_seconds, policy["maximum_samples"])))

        return plan

    def _workers(self, release: Release, item: Item) -> dict[str, Worker]:
        """The workers of a heat's releases, in one order whoever asks; none where one would be alone."""
        mates = self._mates(release, item)
        members = [release, *mates]
        with ThreadPoolExecutor(len(members)) as pool:
            started = pool.map(self._worker, members)
            workers = {member.name: worker for member, worker in zip(members, started, strict=True)}
        found = {name: worker for name, worker in workers.items() if worker and item.device in worker.hello["devices"]}
        self._out.update(name for name, worker in workers.items() if worker is None)
        return dict(sorted(found.items())) if len(found) > 1 else {}

    def _tell(self, mates: frozenset[str]) -> None:
        if mates != self._told:
            self._told, self._news = mates, f", in heats with {', '.join(sorted(mates))}"

    def _worker(self, release: Release) -> Worker | None:
        try:
            return self._env.worker(release)
        except PasstimeError:
            if release == self._env.release:
                raise
            return None

    def _mates(self, release: Release, item: Item) -> Sequence[Release]:
        """Whom to measure the release with: those of the run that wait for the item, as many as memory holds.

        Where not all fit, each heat has the release that opened the first one.
        """
        most = room.most_together(item, self._peaks.get(item), room.available_bytes()) - 1
        first = self._openers.get(item, release)
        mates = [first] if first != release and self._can(first, item) else []
        # No more are asked than are needed: each starts its worker.
        waiting = (one for one in self._env.releases if one not in (release, first) and self._waits(one, item))
        mates += itertools.islice(waiting, most - len(mates))
        if not mates and (reference := self._reference(release)) and self._can(reference, item):
            mates = [reference]
        return mates

    def _can(self, release: Release, item: Item) -> bool:
        return release.name not in self._out and (release.name, item) not in self._apart

    def _waits(self, release: Release, item: Item) -> bool:
        """Whether a release needs more sessions of an item than heats have given it."""
        if not self._can(release, item):
            return False
        try:
            rounds = self._plan_of(release).rounds
        except PasstimeError:
            self._out.add(release.name)
            return False
        unheard = {
            cell: self._taken[release.name, item] - self._handed[release.name, cell]
            for _, cell in self._cells[item].values()
        }
        return any(rounds.get(cell, 0) > count for cell, count in unheard.items())

    def _reference(self, release: Release) -> Release | None:
        """What a lone release is measured with, looked up once; None where there is nothing."""
        if release.name not in self._references:
            found = reference(self._env.known) if os.environ.get(REFERENCE_VARIABLE) else self._newest_beside(release)
            self._references[release.name] = found if found not in (None, release) and self._is_kept(found) else None
        return self._references[release.name]

    def _newest_beside(self, release: Release) -> Release | None:
        alike = [one for one in self._env.known.releases if one.framework == release.framework and one.is_published]
        newest_first = sorted(alike, key=lambda one: one.date, reverse=True)
        return next((one for one in newest_first if one != release and _is_there(one)), None)

    def _is_kept(self, reference: Release) -> bool:
        """Whether sessions can be added to the reference's results: a damaged file is no other release's failure."""
        try:
            store_of(self._root, self._facts, reference).read()
        except PasstimeError as error:
            log.warning(f"{error}; {reference.name} is no reference")
            return False
        return True

    @cached_property
    def _peaks(self) -> Mapping[Item, float]:
        machine = self._facts["machine"]
        return room.peaks(stored.read(self._root, machine)) if machine in stored.machines(self._root) else {}


def reference(known: Manifest) -> Release | None:
    """The release that PASSTIME_REFERENCE names; None where it names none.

    Raises PasstimeError where it is not installed, or there is no such release.
    """
    name = os.environ.get(REFERENCE_VARIABLE, "")
    if name in ("", _NO_REFERENCE):
        return None
    release = known.get(name)
    if not _is_there(release):
        raise PasstimeError(
            f"{REFERENCE_VARIABLE} is {name}, which is not installed: `passtime runtimes install {name}`, or set it to "
            f"{_NO_REFERENCE}"
        )
    return release


def _is_there(release: Release) -> bool:
    try:
        return store.find(release) is not None
    except PasstimeError:
        return False
