"""What runs in a runtime, with a scripted Timer and a scripted clock; no framework is needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import steps_side
import timer_side

from passtime.catalog import sampling
from passtime.worker.inside import sampler


class Measurement:
    def __init__(self, raw_times: list[float], number_per_run: int):
        self.raw_times = raw_times
        self.number_per_run = number_per_run


class ScriptedTimer:
    """Takes blocks of so many passes; its passes last 1 s, 3 s, 1 s, 3 s ..."""

    def __init__(self, number_per_run: int = 1):
        self._number_per_run = number_per_run
        self._seconds = itertools.cycle([1.0, 3.0])
        self.asked: list[float] = []

    def blocked_autorange(
        self, callback: Callable[[int, float], None] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        self.asked.append(min_run_time)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(sum(next(self._seconds) for _ in range(self._number_per_run)))
            if callback:
                callback(self._number_per_run, times[-1])
        return Measurement(times, self._number_per_run)


class ScriptedBatch:
    """A worker's batches: forward takes 2 s a pass."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __call__(self, count: int) -> dict[str, float]:
        self.counts.append(count)
        return {"forward": 2.0}


def test_the_worker_takes_turns_with_each_pass_of_a_model():
    """Where a sample is one pass, Timer is asked once, and a worker's sample follows each pass of it."""
    timer, batch = ScriptedTimer(), ScriptedBatch()
    pairs = timer_side.pairs_of_passes(timer, batch, "forward", 1, seconds=6.0, least=1)
    assert pairs == [[2.0, 1.0], [2.0, 3.0], [2.0, 1.0], [2.0, 3.0]]
    assert timer.asked == [6.0]
    assert set(batch.counts) == {1}


def test_a_long_pass_is_owed_its_pairs():
    """A pass of which few fit into the time is timed for longer."""
    timer = ScriptedTimer()
    pairs = timer_side.pairs_of_passes(timer, ScriptedBatch(), "forward", 1, seconds=0.1, least=7)
    assert timer.asked == [14.0]
    assert len(pairs) >= 7


def test_timer_takes_as_many_single_passes_of_a_layer_as_the_worker():
    """Where a sample is several passes, each of Timer's is asked for alone, so that each is set up; both are means."""
    timer, batch = ScriptedTimer(), ScriptedBatch()
    assert timer_side.pairs_of_passes(timer, batch, "forward", 4, seconds=6.0, least=1) == [[2.0, 2.0]]
    assert timer.asked == [timer_side.NO_SECONDS] * 4
    assert batch.counts == [1, 4]


@pytest.mark.parametrize("count", [1, 4])
def test_a_block_of_several_passes_is_refused(count):
    """A block that Timer made longer would have set up its first pass alone: no ratio is made of it."""
    timer = ScriptedTimer(number_per_run=10)
    with pytest.raises(SystemExit, match="blocks of 10 passes, not of one"):
        timer_side.pairs_of_passes(timer, ScriptedBatch(), "forward", count, seconds=1.0, least=1)


def test_the_worker_takes_as_many_passes_as_a_block_of_timers():
    """A short pass's blocks are as long as Timer chooses, and divided by their number of passes."""
    timer, batch = ScriptedTimer(number_per_run=10), ScriptedBatch()
    assert timer_side.pairs_of_blocks(timer, batch, "forward", seconds=40.0) == [[2.0, 2.0]] * 2
    assert batch.counts == [1, 10, 1, 10]


class ScriptedWorkload:
    """Forward takes 2 s of a clock that only it moves, or 3 s right after a backward pass; backward takes 5 s."""

    def __init__(self) -> None:
        self.now = 0.0
        self._forward_seconds = 2.0

    def prepare(self) -> None:
        """Nothing to clear."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def forward(self) -> str:
        self.now += self._forward_seconds
        self._forward_seconds = 2.0
        return "output"

    infer = forward

    def backward(self, output: str) -> None:
        self.now += 5.0
        self._forward_seconds = 3.0


def test_joint_steps_are_told_from_what_a_backward_pass_leaves_behind(monkeypatch):
    """A forward pass slower after a backward pass differs from one repeated alone, and not from one after it."""
    workload = ScriptedWorkload()
    monkeypatch.setattr(steps_side, "clock", lambda: workload.now)
    measured = steps_side.measure(workload, sampler, sampling.policy(), rounds=3, seconds=0.0)
    assert measured["joint"] == {"forward": [3.0] * 3, "backward": [5.0] * 3, "total": [8.0] * 3}
    assert measured["apart"]["forward"] == [2.0] * 3
    assert measured["apart"]["forward, in a step"] == [3.0] * 3
    assert measured["apart"]["backward"] == [5.0] * 3
    assert measured["apart"]["total"] == [8.0] * 3
