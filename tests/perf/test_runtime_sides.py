"""What runs in a runtime, with a scripted Timer and a scripted clock; no framework is needed."""

from __future__ import annotations

import pytest
import steps_side
import timer_side

from passtime import sampling
from passtime.worker import sampler


class Measurement:
    def __init__(self, raw_times: list[float], number_per_run: int = 1):
        self.raw_times = raw_times
        self.number_per_run = number_per_run
        self.mean = sum(raw_times) / len(raw_times) / number_per_run


class ScriptedTimer:
    """Gives passes of 1 s, 3 s, 1 s, 3 s ... each in a block of its own, and blocks of 2 s a pass."""

    def __init__(self, number_per_run: int = 1):
        self._number_per_run = number_per_run
        self._next = 1.0
        self.asked: list[float] = []

    def blocked_autorange(self, min_run_time: float) -> Measurement:
        self.asked.append(min_run_time)
        times = [self._next]
        while sum(times) < min_run_time:
            times.append(4.0 - times[-1])
        self._next = 4.0 - times[-1]
        return Measurement(times, self._number_per_run)

    def timeit(self, number: int) -> Measurement:
        return Measurement([2.0 * number], number)


def test_a_sample_is_a_mean_over_as_many_passes_as_the_workers():
    """Single passes are averaged by the worker's number; an incomplete batch is left out."""
    assert timer_side.batch_means([1.0, 3.0, 5.0, 7.0, 100.0], 2) == [2.0, 6.0]
    assert timer_side.batch_means([1.0, 3.0], 8) == [2.0]


def test_timer_is_asked_once_for_a_model():
    """Where a sample is one pass, Timer itself repeats it for the time that was asked for."""
    timer = ScriptedTimer()
    assert timer_side.single_passes(timer, 1, 6.0) == [1.0, 3.0, 1.0, 3.0]
    assert timer.asked == [6.0]


def test_timer_is_asked_for_single_passes_of_a_layer():
    """Where a sample is several passes, each is asked for alone, so that each is set up."""
    timer = ScriptedTimer()
    assert timer_side.single_passes(timer, 4, 6.0) == [1.0, 3.0, 1.0, 3.0]
    assert timer.asked == [timer_side.NO_SECONDS] * 4


def test_a_block_of_several_passes_is_refused():
    """A block that Timer made longer would have set up its first pass alone: no ratio is made of it."""
    with pytest.raises(SystemExit, match="blocks of 10 passes"):
        timer_side.single_passes(ScriptedTimer(number_per_run=10), 1, 1.0)


def test_blocks_give_seconds_per_pass():
    """A short pass's blocks are divided by their number of passes."""
    assert timer_side.block_median(ScriptedTimer(), 100, 1000.0) == pytest.approx(2.0)


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
    assert measured["apart"]["forward, a backward before it"] == [3.0] * 3
    assert measured["apart"]["backward"] == [5.0] * 3
    assert measured["apart"]["total"] == [8.0] * 3
