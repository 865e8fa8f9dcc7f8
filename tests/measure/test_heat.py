"""A heat: sessions of several releases that take turns, over real workers of the fake framework."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake import adapter as fake

from passtime.catalog import sampling
from passtime.catalog.place import Item
from passtime.measure import heat, keeping
from passtime.worker import protocol
from passtime.worker.driver import client
from tests.worker.conftest import FakeWorker, nothing_survives  # noqa: F401  also of these workers nothing is left

DENSE = Item("dense", "cpu", "training")
RESNET = Item("resnet18", "cpu", "training")  # so long that it runs no untimed pass


@pytest.fixture
def workers(tmp_path: Path):
    """Starts the workers of some releases, each with these mishaps."""
    with ExitStack() as stack:

        def started(**mishaps: dict[str, str]) -> dict[str, FakeWorker]:
            found = {}
            for number, (name, scripted) in enumerate(mishaps.items(), start=1):
                environment = {fake.RELEASE: f"fake-{number}.0", fake.MISHAPS: json.dumps(scripted)}
                found[name] = stack.enter_context(FakeWorker(tmp_path / name, environment))
            return found

        yield started


def take(workers, item=DENSE, turns=6, **options):
    return heat.take(workers, item, sampling.policy_for_heats(), lambda opening, turn: turns, **options)


def test_each_session_has_a_sample_of_each_turn(workers):
    """All releases have as many samples of every pass as there are turns, and the same work is as much slower."""
    found = take(workers(old={}, new={}, newest={}))
    assert {*found.sessions} == {"old", "new", "newest"}
    for session in found.sessions.values():
        assert {name: len(samples) for name, samples in session.samples.items()} == dict.fromkeys(DENSE.passes, 6)
        assert session.closed["reply"] == "closed"
    old, newest = (found.sessions[name].samples["total"][3] for name in ("old", "newest"))
    assert newest / old == pytest.approx(1.2, rel=0.02)
    assert found.left_out == ()
    assert found.seconds >= found.opening_seconds > 0


def test_replies_are_as_if_each_had_been_asked(workers):
    """A heat's session has a reply for each of the benchmark's methods, the peak of memory among them."""
    session = take(workers(old={}, new={})).sessions["old"]
    replies = session.replies(DENSE, marks=["stolen"])
    assert {*replies} == {"time_forward", "time_backward", "time_total", "track_training_memory"}
    assert replies["time_total"]["elapsed_seconds"] == session.samples["total"]
    assert replies["time_total"]["provenance.framework"] == "fake"
    assert replies["track_training_memory"]["peak_bytes"] >= 0
    assert replies["time_forward"]["marks"] == ["stolen"]
    assert "peak_bytes" not in replies["time_forward"]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_orders_are_fair(count):
    """Over all orders each release is first as often as the others, and before each as often as after."""
    names = list("abcd")[:count]
    orders = [heat.order(names, turn) for turn in range(2 * count)]
    firsts = [order[0] for order in orders]
    assert {firsts.count(name) for name in names} == {2}
    for one in names:
        for two in names:
            if one != two:
                assert sum(order.index(one) < order.index(two) for order in orders) == count


def test_a_disturbed_turn_is_left_out_for_all(workers):
    """A turn in which one session was stopped counts for none; the samples stay."""
    found = take(workers(old={}, new={"resnet18": "stop"}), RESNET)
    assert found.left_out == (0,)
    assert found.marks == ()
    assert len(found.sessions["old"].samples["total"]) == 6


def test_where_all_is_disturbed_all_counts_and_is_marked(workers):
    """Where most turns were disturbed the rest would tell too little: all count, and the sessions are marked."""
    found = take(workers(old={}, new={"resnet18": "stop"}), RESNET, turns=1)
    assert found.left_out == ()
    assert found.marks == (protocol.SUSPENDED,)


def test_a_session_that_does_not_wait_idly_is_seen(workers, monkeypatch):
    """A session that computes while another has its turn disturbs that turn, and how long it did is told."""
    spent = iter(range(1000))
    busy = SimpleNamespace(seconds=lambda: float(next(spent)), wait=lambda: False)
    monkeypatch.setattr(heat, "Meter", lambda process_id: busy)
    found = take(workers(old={}, new={}))
    assert protocol.OTHERS in found.marks
    assert found.sessions["old"].waiting_cpu_seconds > 0


@pytest.mark.parametrize("mishap", ["unavailable", "crash", "out_of_memory"])
def test_a_release_that_cannot_is_named(workers, mishap):
    """What goes wrong in one session ends the heat, and is told of its release; no session is left."""
    there = workers(old={}, new={"dense": mishap})
    with pytest.raises(heat.Unmeasured, match="new: ") as raised:
        take(there)
    assert raised.value.release == "new"
    assert raised.value.error.kind == ("failed" if mishap == "crash" else mishap)
    children = Path(f"/proc/{there['old'].process_id}/task/{there['old'].process_id}/children").read_text().split()
    # The connection was closed; the worker ends its session as soon as it hears of that.
    assert client.ask(there["old"].address, {"request": "hello"})["framework"] == "fake"
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)


def test_the_first_to_open_rotates(workers, tmp_path):
    """Who is opened first is chosen from outside, so that it is another release in each heat."""
    there = workers(old={}, new={})
    assert [*take(there, first=0).sessions] == ["old", "new"]
    assert [*take(there, first=1).sessions] == ["new", "old"]


def test_sessions_on_a_gpu_are_held_on_one_cpu(workers, monkeypatch):
    """While they take turns on a GPU, all sessions may run on one CPU alone, another in the next heat; else on all."""
    seen = []

    class Watched(heat.Meter):
        def __init__(self, process_id: int) -> None:
            super().__init__(process_id)
            seen.append(os.sched_getaffinity(process_id))

    monkeypatch.setattr(heat, "Meter", Watched)
    there, cpus = workers(old={}, new={}), sorted(os.sched_getaffinity(0))
    for number in range(2):
        found = take(there, Item("dense", "gpu", "training"), first=number)
        assert found.cpu == cpus[number % len(cpus)]
        assert seen[-2:] == [{found.cpu}] * 2
    assert take(there).cpu is None
    assert seen[-2:] == [set(cpus)] * 2


@pytest.mark.parametrize(("cpu", "told"), [(3, {"held_on_cpu": 3}), (None, {})])
def test_the_cpu_that_held_a_heat_is_kept(monkeypatch, cpu, told):
    """Each session of a heat that was held on a CPU says on which; of one that was not, nothing."""
    kept = []
    monkeypatch.setattr(keeping, "land", lambda results, cells, replies, session: kept.append(session))
    sessions = {name: heat.Session(name, datetime.now(timezone.utc)) for name in ("old", "new")}
    taken = heat.Taken(Item("dense", "gpu", "inference"), 1.0, 0.5, 0, sessions, cpu=cpu)
    for one in sessions.values():
        one.samples["inference"] = []
    release = SimpleNamespace(name="fake-1.0", date=datetime.now(timezone.utc), revision=None)
    keeping.keep(taken, dict.fromkeys(sessions, (release, None)), {}, sampling.policy_for_heats())
    assert [{name: value for name, value in one.items() if name == "held_on_cpu"} for one in kept] == [told] * 2
