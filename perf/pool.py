"""Pools of real sessions: several arms measured in turn, so that questions about verdicts can be asked of them later.

A pool is a file of JSON lines, one a session, in the order taken. Rounds are taken as a whole, with workers of their
own, each workload's arms in turn, forwards in one round and backwards in the next: A B B A. A pool that is there grows;
an interrupt costs a round.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import harness

from passtime.catalog import frameworks, sampling
from passtime.catalog.place import Item
from passtime.measure import take
from passtime.runtimes.store import Runtime
from passtime.timeline.manifest import Release
from passtime.worker.driver import cores, start
from passtime.worker.driver.supervisor import Worker


@dataclass(frozen=True)
class Session:
    """One session of one arm: how long it and the start of its worker took, its samples in seconds by pass."""

    round: int
    workload: str
    session: str
    arm: str
    started_at: str
    seconds: float
    start_seconds: float
    samples: Mapping[str, Sequence[float]]


def read(path: Path) -> list[Session]:
    """The whole rounds of a pool, in the order taken."""
    text = path.read_text("utf-8") if path.exists() else ""
    return [Session(**json.loads(line)) for line in text.splitlines()]


def as_sampled_now(session: Session) -> Session:
    """The session as it would have been by today's policy, where it was taken by one with more samples, and longer.

    What is left out are the last samples, each as long as its longest pass.
    """
    policy = sampling.policy_for_verdict()
    steps = [max(sample) for sample in zip(*session.samples.values(), strict=True)]
    spent = list(itertools.accumulate(steps))
    count = next(
        (
            number
            for number in range(int(policy["minimum_samples"]), len(steps))
            if spent[number - 1] >= policy["maximum_seconds"]
        ),
        len(steps),
    )
    return dataclasses.replace(
        session,
        seconds=session.seconds - sum(steps[count:]),
        samples={name: samples[:count] for name, samples in session.samples.items()},
    )


def grow(
    path: Path,
    release: Release,
    arms: Mapping[str, Runtime],
    items: Sequence[Item],
    rounds: int,
    minutes: float,
    rounds_of: Mapping[str, int] = MappingProxyType({}),
) -> list[Session]:
    """Adds rounds until the pool has so many or the minutes are over; gives all of it.

    `rounds_of` names arms that are only part of the first so many rounds.
    """
    there = read(path)
    done = max((one.round for one in there), default=-1) + 1
    deadline = time.monotonic() + 60 * minutes
    if done >= rounds:
        return there
    framework = frameworks.get(release.framework)
    workers = {arm: start.worker(framework, runtime, cores.threads()) for arm, runtime in arms.items()}
    try:
        for number in range(done, rounds):
            if time.monotonic() >= deadline:
                harness.progress.print(f"{number} of {rounds} rounds; the same command goes on")
                break
            turn = [arm for arm in arms if number < rounds_of.get(arm, rounds)]
            for arm in arms.keys() - turn:
                workers[arm].stop()
            starts = {arm: _restart(workers[arm]) for arm in turn}
            taken = []
            for item in items:
                for arm in turn if number % 2 == 0 else turn[::-1]:
                    one = take.take(workers[arm], item, sampling.policy_for_verdict())
                    taken.append(session(number, item, arm, one, starts[arm]))
            append(path, taken)
            harness.progress.print(
                f"round {number + 1} of {rounds}: {sum(starts.values()) + sum(one.seconds for one in taken):.0f} s"
            )
    finally:
        for worker in workers.values():
            worker.stop()
    return read(path)


def _restart(worker: Worker) -> float:
    started = time.monotonic()
    worker.restart()
    return time.monotonic() - started


def session(number: int, item: Item, arm: str, taken: take.Taken, start_seconds: float) -> Session:
    """A pool's line for what was taken; `number` is the round."""
    samples = {
        name: [float(f"{value:.5g}") for value in elapsed_seconds]
        for name, elapsed_seconds in taken.elapsed_seconds.items()
    }
    started_at = taken.started_at.isoformat(timespec="seconds")
    lengths = round(taken.seconds, 2), round(start_seconds, 2)
    return Session(number, item.workload, item.session, arm, started_at, *lengths, samples)


def append(path: Path, sessions: Iterable[Session]) -> None:
    """Adds lines to a pool."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as pool:
        pool.write("".join(json.dumps(asdict(one), separators=(",", ":")) + "\n" for one in sessions))
