"""Campaigns over sessions that were taken before, and what is told from pools of them; nothing is measured."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import detection
import false_alarms
import numpy as np
import pool
import pytest
import replay
import slowed
import workers
from pool import Session

from passtime.catalog.place import Item
from passtime.stats import judge

ITEM = Item("resnet18", "cpu", "inference")


def session(seconds, number=0, arm="one", samples=3, lasting=2.0):
    """A session of the item with so many equal samples; its worker took a second to start."""
    taken = {"inference": [seconds] * samples}
    return Session(number, "resnet18", "inference", arm, "2026-11-25T01:00:00+00:00", lasting, 1.0, taken)


def noisy(count, seed=0, slowdown=0.0, deviation=0.02):
    random = np.random.default_rng(seed)
    return [session((1 + slowdown) * math.exp(deviation * random.standard_normal())) for _ in range(count)]


def test_a_campaign_is_run_over_the_sessions_in_order():
    """Pairs are used as they come, until the change is settled; the time is that of the sessions that were used."""
    pairs = [(session(1.0 + 0.001 * number), session(1.2)) for number in range(20)]
    verdicts, changes, seconds = replay.campaign({ITEM: pairs})
    assert verdicts == {(ITEM, "inference"): judge.SLOWER}
    assert changes[ITEM, "inference"].ratio == pytest.approx(1.2 / 1.0025, rel=1e-3)
    assert seconds == judge.LOOKS[0] * 2 * (2.0 + 1.0)


def test_what_is_open_when_sessions_end_is_judged_once_more():
    """Eight pairs are two more than the first look: they count."""
    pairs = list(zip(noisy(8, 1, deviation=0.2), noisy(8, 2, deviation=0.2), strict=True))
    verdicts, changes, seconds = replay.campaign({ITEM: pairs})
    assert verdicts == {(ITEM, "inference"): judge.CANNOT_TELL}
    assert changes[ITEM, "inference"].freedom == 7
    assert seconds == 8 * 6.0


def test_stretches_of_a_pool_are_disjoint():
    """Each session is part of one comparison; what is left over is part of none."""
    found = list(false_alarms.families({ITEM: [(session(n), session(n)) for n in range(1, 8)]}, 3))
    assert [[pair[0].samples["inference"][0] for pair in one[ITEM]] for one in found] == [[1, 2, 3], [4, 5, 6]]


def test_a_release_against_itself_is_rarely_called_changed():
    """passtime's rules stay at 1 % where asv's, on few noisy sessions, does not."""
    pairs = {ITEM: list(zip(noisy(600, 3), noisy(600, 4), strict=True))}
    ours, rows = false_alarms.tallied(false_alarms.by_measure, false_alarms.families(pairs, 6))
    theirs, _ = false_alarms.tallied(false_alarms.by_asv(1.01), false_alarms.families(pairs, 6))
    assert rows == 100
    assert ours <= 2
    assert theirs > 5


def test_a_known_slowdown_is_detected():
    """All trials find 5 %; the machine time of a trial is that of its sessions."""
    found = detection.by_measure(*as_training(noisy(40, 5), noisy(40, 6, slowdown=0.05)), trials=10)
    assert found.share == 1.0
    assert found.seconds >= judge.LOOKS[0] * 6.0


def as_training(*arms):
    return [
        [
            Session(0, "resnet18", "training", "", one.started_at, one.seconds, one.start_seconds,
                    dict.fromkeys(detection.ITEM.passes, one.samples["inference"]))
            for one in arm
        ]
        for arm in arms
    ]  # fmt: skip


def test_a_share_has_its_interval():
    """Clopper and Pearson's: none of 300 may still be 1.2 %."""
    assert false_alarms.interval(0, 300) == "0.00% to 1.22%"


def test_variance_between_workers_is_told_from_that_within():
    """Workers that differ by 10 %, with sessions that differ by 1 %."""
    random = np.random.default_rng(7)
    taken = [
        session(math.exp(level + 0.01 * random.standard_normal()), number, str(index))
        for number, level in enumerate(0.1 * random.standard_normal(400))
        for index in range(2)
    ]
    ((within, between, count),) = workers.deviations(taken).values()
    assert (within, between) == (pytest.approx(0.01, rel=0.1), pytest.approx(0.1, rel=0.1))
    assert count == 400


def test_a_pool_is_read_as_it_was_written(tmp_path):
    """A line a session; a pool that is not there is empty."""
    path = tmp_path / "pools" / "some.jsonl"
    assert pool.read(path) == []
    pool.append(path, [session(1.0)])
    pool.append(path, [session(2.0)])
    assert pool.read(path) == [session(1.0), session(2.0)]


def test_a_longer_session_is_cut_to_what_is_sampled_now():
    """Two samples that lasted long enough are kept, and the time of what is left out is not spent; short ones stay."""
    assert pool.as_sampled_now(session(0.2)) == session(0.2, samples=2, lasting=1.8)
    assert pool.as_sampled_now(session(0.01, samples=9)) == session(0.01, samples=9)


class Clock:
    """Each look at it takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1.0
        return self.now


def test_a_slowed_call_takes_its_share_longer():
    """The outermost call waits for a share of what it took; calls within it do not."""
    space: dict = {"__name__": "passtime_slowed"}
    finders = list(sys.meta_path)
    exec(slowed._START_UP.format(share=4.0), space)
    sys.meta_path[:] = finders
    clock = space["time"] = Clock()
    call = space["wrapped"](lambda depth: call(depth - 1) if depth else "done")
    assert call(3) == "done"
    # Two looks around the call, a second apart; then until 4 s more have gone by.
    assert clock.now == 2.0 + 4.0


def test_the_wrapper_is_put_around_the_framework_when_it_is_imported(tmp_path):
    """A module's call and a tensor's backward are wrapped, whoever imports the framework."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(
        "class nn:\n    class Module:\n        def __call__(self): return 'called'\n"
        "class Tensor:\n    def backward(self): return 'went back'\n"
    )
    (tmp_path / "passtime_slowed.py").write_text(slowed._START_UP.format(share=0.0))
    program = (
        "import json, passtime_slowed, torch\n"
        "both = torch.nn.Module.__call__, torch.Tensor.backward\n"
        "print(json.dumps([torch.nn.Module()(), torch.Tensor().backward(), *(one.__name__ for one in both)]))\n"
    )
    asked = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(asked.stdout) == ["called", "went back", "call", "call"]


def test_times_of_asvs_processes_are_told_from_its_start(monkeypatch):
    """Six rounds less two are four processes; the rest of two rounds is asv's own start and end."""
    walls = iter([20.0, 40.0])
    monkeypatch.setattr(detection.sweep_sides, "run_plain", lambda *_: next(walls))
    found = detection.asv_process_seconds(SimpleNamespace(interpreter="python"))
    assert found == {"samples": 2, "process_seconds": 5.0, "start_seconds": 10.0}
