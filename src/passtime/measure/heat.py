"""One heat: sessions of two or more releases on one workload, alive at once, that take turns sample by sample."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from passtime.catalog import requests, workloads
from passtime.catalog.place import Item
from passtime.results.marks import MARKS
from passtime.worker import protocol
from passtime.worker.driver import client, cores, pinning
from passtime.worker.driver.idle import Meter
from passtime.worker.driver.supervisor import Worker

# A pass that is shorter than this finds its data in no cache after the others' turns: it runs once untimed.
UNTIMED_BELOW_SECONDS = 0.25

# A session that waits may use this share of a turn's time, or this much where the turn is short.
_IDLE_SHARE, _IDLE_SECONDS = 0.1, 0.01

# From the seconds that it took to open the sessions, and those of one turn of all of them, the number of turns.
Plan = Callable[[float, float], int]

# Holds processes on one CPU by the number of the heat; gives which, or None where it cannot.
Hold = Callable[[Sequence[int], int], AbstractContextManager[int | None]]


class Unmeasured(Exception):
    """A release of the heat could not be measured: `error` says why."""

    def __init__(self, release: str, error: client.WorkerError) -> None:
        super().__init__(f"{release}: {error}")
        self.release = release
        self.error = error


@dataclass
class Session:
    """What a release's session gave: its samples by pass, a turn each, in seconds; and what its close said."""

    worker: str
    started_at: datetime
    samples: dict[str, list[float]] = field(default_factory=dict)
    passes_per_sample: int = 1
    waiting_cpu_seconds: float = 0.0
    closed: dict[str, Any] = field(default_factory=dict)

    def replies(self, item: Item, marks: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The session's replies by the name of the benchmark's method that records them, as if each had been asked."""
        told = {name: value for name, value in self.closed.items() if name not in ("reply", "peak_bytes")}
        found = {}
        for method, (request, name) in requests.REQUESTS.items():
            if name not in item.passes:
                continue
            if request == "sample":
                measured = {"elapsed_seconds": self.samples[name], "passes_per_sample": self.passes_per_sample}
            elif "peak_bytes" in self.closed:
                measured = {"peak_bytes": self.closed["peak_bytes"]}
            else:  # this device's cannot be told
                continue
            found[method] = {"pass": name, **measured, **told, MARKS: [*marks]}
        return found


@dataclass
class Taken:
    """A heat that was measured. `left_out` are its turns that were disturbed and count for no release.

    Where most turns were disturbed all of them count, and `marks` says by what they were. `cpu` is the one that all
    sessions were held on; None where they were not.
    """

    item: Item
    seconds: float
    opening_seconds: float
    turns: int
    sessions: dict[str, Session]
    left_out: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()
    cpu: int | None = None

    @property
    def turn_seconds(self) -> float:
        """What a turn of all sessions took, on average."""
        return max(0.0, self.seconds - self.opening_seconds) / max(1, self.turns)


def take(
    workers: Mapping[str, Worker],
    item: Item,
    policy: Mapping[str, float],
    plan: Plan,
    first: int = 0,
    samples: int = 1,
    hold: Hold = pinning.on_one_cpu,
    clock: Callable[[], float] = time.monotonic,
) -> Taken:
    """Measures one heat of the releases whose workers these are; the `first` of them is opened first.

    Each turn has so many `samples` of each. On a GPU, `hold` holds all sessions while they take turns. Raises
    Unmeasured where one of them cannot run the workload, or fails.
    """
    started = clock()
    fields = {**workloads.request_fields(item.workload, item.device), **policy, "threads": cores.threads()}
    asked = {**fields, "pass": item.passes[-1]}
    held: dict[str, client.Session] = {}
    with ExitStack() as stack:
        taken = Taken(item, 0.0, 0.0, 0, {})
        for name in _rotated([*workers], first):
            session = Session(workers[name].identity, datetime.now(timezone.utc))
            with _telling(name):
                held[name] = stack.enter_context(client.Session(workers[name].address, asked))
            session.passes_per_sample = held[name].opened["passes_per_sample"]
            taken.sessions[name] = session
        taken.opening_seconds = clock() - started
        # The least: what disturbed one session while it opened says nothing of the turns.
        turn_seconds = len(held) * min(
            one.opened["step_seconds"] * one.opened["passes_per_sample"] for one in held.values()
        )
        taken.turns = plan(taken.opening_seconds, turn_seconds)
        if item.device == "gpu":
            processes = [one.opened["process_id"] for one in held.values()]
            taken.cpu = stack.enter_context(hold(processes, first))
        disturbed = _turns(held, taken, samples)
        for name, one in held.items():
            with _telling(name):
                taken.sessions[name].closed = one.close()
    taken.seconds = clock() - started
    # Where most turns were disturbed, those that were not are too few to tell of the others.
    if 2 * len(disturbed) <= taken.turns:
        taken.left_out = tuple(sorted(disturbed))
    else:
        taken.marks = tuple(mark for mark in protocol.MARKS if any(mark in found for found in disturbed.values()))
    return taken


def _turns(held: Mapping[str, client.Session], taken: Taken, samples: int) -> dict[int, set[str]]:
    """Has the sessions take their turns; gives what disturbed which turn."""
    meters = {name: Meter(session.opened["process_id"]) for name, session in held.items()}
    untimed = int(min(session.opened["step_seconds"] for session in held.values()) < UNTIMED_BELOW_SECONDS)
    disturbed: dict[int, set[str]] = {}
    for turn in range(taken.turns):
        for name in order(list(held), turn):
            before = {other: meter.seconds() for other, meter in meters.items() if other != name}
            began = time.monotonic()
            with _telling(name):
                stepped = held[name].step(samples, untimed)
            seconds = time.monotonic() - began
            marks = set(stepped.get(MARKS, ()))
            for other, used_before in before.items():
                used = meters[other].seconds() - used_before
                taken.sessions[other].waiting_cpu_seconds += used
                if used > max(_IDLE_SECONDS, _IDLE_SHARE * seconds):
                    marks.add(protocol.OTHERS)
            if marks:
                disturbed.setdefault(turn, set()).update(marks)
            for measured_pass in taken.item.passes:
                so_far = taken.sessions[name].samples.setdefault(measured_pass, [])
                so_far += stepped["elapsed_seconds." + measured_pass]
            meters[name].wait()
    return disturbed


def order(names: Sequence[str], turn: int) -> list[str]:
    """The order in a turn: over all turns each is first as often as the others, and before each as often as after."""
    rotated = _rotated(names, turn // 2)
    return rotated[::-1] if turn % 2 else rotated


def _rotated(names: Sequence[str], first: int) -> list[str]:
    first %= len(names)
    return [*names[first:], *names[:first]]


@contextlib.contextmanager
def _telling(name: str) -> Iterator[None]:
    """What goes wrong inside went wrong for the release of that name."""
    try:
        yield
    except client.WorkerError as error:
        raise Unmeasured(name, error) from None
