"""How many passes are run and what is kept: warm-up, batches, samples, the stop rule. No framework, no device.

The numbers come with the request (`passtime.catalog.sampling` says why those); the operations are those of
`adapter.Workload`, which may return before their work is done: the clock is read only after `synchronize()`.
"""
# ruff: noqa: UP006, UP035

import math
from typing import Callable, Dict, List, Tuple

from passtime.worker.inside.adapter import Workload
from passtime.worker.protocol import SESSIONS

# Runs so many passes and gives each pass's mean seconds.
Batch = Callable[[int], Dict[str, float]]

DEVICE_CLOCK_PASSES = 5


class Samples:
    """What a session measured: `elapsed_seconds` by pass, each a list of seconds per pass in the order taken.

    `warmup_seconds` and `sampling_seconds` are what warm-up and sampling took in all, between passes included.
    """

    def __init__(self, passes_per_sample: int, warmup_passes: int, warmup_seconds: float) -> None:
        self.passes_per_sample = passes_per_sample
        self.warmup_passes = warmup_passes
        self.warmup_seconds = warmup_seconds
        self.sampling_seconds = 0.0
        self.elapsed_seconds: Dict[str, List[float]] = {}

    @property
    def passes(self) -> int:
        """How many times the workload was run, warm-up included; a training step counts once."""
        taken = max(map(len, self.elapsed_seconds.values()))
        return self.warmup_passes + taken * self.passes_per_sample


def sample(
    workload: Workload,
    session: str,
    policy: dict,
    clock: Callable[[], float],
    observe: Callable[[], None] = lambda: None,
) -> Samples:
    """Warms up, then samples until the medians are tight enough or a bound is reached.

    `session` is `training` or `inference`; `policy` a request's sampling fields; `clock` gives seconds. `observe` is
    called right before the first sample, again where that was none yet, and right after the last.
    """
    batch = batches(workload, session, clock)
    warmup_start = clock()
    count, warmup_passes, _ = warm_up(batch, policy, clock)
    workload.observe()
    observe()
    start = clock()
    elapsed_seconds = _none_of(session)
    while not is_enough(elapsed_seconds, policy, clock() - start):
        means = batch(count)
        if is_too_short(means, count, policy):
            # Warm-up ended too early: what looked like samples were the rest of it.
            warmup_passes += count * (1 + max(map(len, elapsed_seconds.values())))
            count *= 2
            elapsed_seconds = _none_of(session)
            observe()
            start = clock()
            continue
        for name, seconds in means.items():
            elapsed_seconds[name].append(seconds)
    samples = Samples(count, warmup_passes, start - warmup_start)
    samples.elapsed_seconds = elapsed_seconds
    samples.sampling_seconds = clock() - start
    observe()
    workload.observe()
    return samples


class Held:
    """A session that is warm and takes its samples when it is asked to.

    `samples` has all that it measured so far, `step_seconds` what one whole pass took in the last batch of warm-up.
    """

    def __init__(self, workload: Workload, session: str, policy: dict, clock: Callable[[], float]) -> None:
        self._workload, self._clock = workload, clock
        self._batch = batches(workload, session, clock)
        start = clock()
        count, passes, means = warm_up(self._batch, policy, clock)
        while is_too_short(means, count, policy):
            count *= 2
            means = self._batch(count)
            passes += count
        self.samples = Samples(count, passes, clock() - start)
        self.samples.elapsed_seconds = _none_of(session)
        self.step_seconds = means[SESSIONS[session][-1]]
        workload.observe()

    def step(self, samples: int, untimed_passes: int, observe: Callable[[], None]) -> Dict[str, List[float]]:
        """Takes so many samples, after passes that are not timed; gives each pass's seconds.

        `observe` is called right before the first sample and right after the last.
        """
        if untimed_passes:
            self._batch(untimed_passes)
            self.samples.warmup_passes += untimed_passes
        taken: Dict[str, List[float]] = {name: [] for name in self.samples.elapsed_seconds}
        observe()
        start = self._clock()
        for _ in range(samples):
            for name, seconds in self._batch(self.samples.passes_per_sample).items():
                taken[name].append(seconds)
        self.samples.sampling_seconds += self._clock() - start
        observe()
        for name, found in taken.items():
            self.samples.elapsed_seconds[name] += found
        return taken


def batches(workload: Workload, session: str, clock: Callable[[], float]) -> Batch:
    """The function that runs and times passes of this workload.

    Each pass is timed on its own and synchronised before and after, also inside a batch: that is what splits a
    training step into its forward and its backward pass.
    """
    prepare, synchronize = workload.prepare, workload.synchronize
    forward, backward, infer = workload.forward, workload.backward, workload.infer

    def training(count: int) -> Dict[str, float]:
        forward_seconds = backward_seconds = 0.0
        for _ in range(count):
            prepare()
            synchronize()
            start = clock()
            output = forward()
            synchronize()
            between = clock()
            backward(output)
            synchronize()
            end = clock()
            output = None  # the graph is freed outside the clock
            forward_seconds += between - start
            backward_seconds += end - between
        forward_seconds /= count
        backward_seconds /= count
        return {"forward": forward_seconds, "backward": backward_seconds, "total": forward_seconds + backward_seconds}

    def inference(count: int) -> Dict[str, float]:
        seconds = 0.0
        for _ in range(count):
            prepare()
            synchronize()
            start = clock()
            output = infer()
            synchronize()
            end = clock()
            output = None  # noqa: F841  freed outside the clock
            seconds += end - start
        return {"inference": seconds / count}

    return {"training": training, "inference": inference}[session]


def warm_up(batch: Batch, policy: dict, clock: Callable[[], float]) -> Tuple[int, int, Dict[str, float]]:
    """Runs the workload until it is steady; gives the passes per sample, the passes that it took and its last batch.

    A batch grows, by doubling, until the shortest of its passes adds up to `batch_seconds`: each pass is a result of
    its own, and the forward pass of a small layer is far shorter than its step. From then on, warm-up ends with the
    first batch that is not faster than the best before it by `warmup_tolerance`; or when `warmup_seconds` are over.
    """
    count, passes, best = 1, 0, math.inf
    start = clock()
    while True:
        means = batch(count)
        passes += count
        slowest, shortest = max(means.values()), min(means.values())
        is_long_enough = shortest * count >= policy["batch_seconds"]
        if clock() - start >= policy["warmup_seconds"]:
            return count, passes, means
        if is_long_enough:
            if slowest >= best * (1 - policy["warmup_tolerance"]):
                return count, passes, means
            best = slowest
        else:
            count *= 2


def is_too_short(means: Dict[str, float], count: int, policy: dict) -> bool:
    """Whether a batch of so many passes, which took these seconds each, is not half as long as it should be.

    Warm-up ends with its time, and then the length of a batch was taken from passes that were slow: the first one of a
    short layer can take seconds, and so does any pass while another program has the cores. A batch as long as warm-up
    may be is long enough, so a pass that stays too short beside its step does not make batches without end.
    """
    shortest, longest = min(means.values()) * count, max(means.values()) * count
    return shortest < policy["batch_seconds"] / 2 and longest < policy["warmup_seconds"]


def is_enough(elapsed_seconds: Dict[str, List[float]], policy: dict, spent_seconds: float) -> bool:
    """Whether sampling may end: the least number is there, and every pass is tight enough or a bound is reached.

    The lower least number, `minimum_long_samples`, holds where every pass of the session lasts `long_pass_seconds`:
    a step whose forward pass is short still owes that pass its samples.
    """
    taken = min(len(samples) for samples in elapsed_seconds.values())
    if taken == 0:
        return False
    is_long = all(median(samples) >= policy["long_pass_seconds"] for samples in elapsed_seconds.values())
    if taken < policy["minimum_long_samples" if is_long else "minimum_samples"]:
        return False
    if taken >= policy["maximum_samples"] or spent_seconds >= policy["maximum_seconds"]:
        return True
    return all(precision(samples) <= policy["target_precision"] for samples in elapsed_seconds.values())


def _none_of(session: str) -> Dict[str, List[float]]:
    return {name: [] for name in SESSIONS[session]}


def median(values: List[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def precision(values: List[float]) -> float:
    """Half the width of the median's 95 % confidence interval, over the median; infinite for fewer than 6 values.

    The interval lies between order statistics, so it assumes no distribution: the k-th smallest and the k-th largest
    of n values enclose the median with probability 1 - 2 P(B < k), B binomial with n trials of 1/2. Source: David and
    Nagaraja, Order Statistics, 3rd edition, section 7.1; Hollander and Wolfe, Nonparametric Statistical Methods, 3.6.
    With 5 values even the extremes enclose it with 0.9375 only, hence the 6.
    """
    ordered = sorted(values)
    rank = _interval_rank(len(ordered))
    if rank == 0:
        return math.inf
    return (ordered[-rank] - ordered[rank - 1]) / 2 / median(ordered)


def _interval_rank(count: int) -> int:
    """The largest k whose interval holds the median with 95 %; 0 where none does."""
    rank, ways, below = 0, 1, 0  # ways: binomial coefficient (count, rank); below: their sum up to `rank`
    while True:
        below += ways
        if 2 * below > 0.05 * 2**count:
            return rank
        ways = ways * (count - rank) // (rank + 1)
        rank += 1


def device_clock_seconds(workload: Workload, samples: Samples) -> Dict[str, float]:
    """The median seconds of a pass by the device's own clock, by pass; empty where the device has none.

    Taken from passes after the samples, so that no mark is inside a sample. Near the sampled seconds where the device
    is the bottleneck; what is missing is launch cost: nothing was running yet when the first mark was made.
    """
    if workload.mark() is None:
        return {}
    synchronize, mark = workload.synchronize, workload.mark
    measured: Dict[str, List[float]] = {name: [] for name in samples.elapsed_seconds}
    for _ in range(DEVICE_CLOCK_PASSES):
        workload.prepare()
        synchronize()
        start = mark()
        if "inference" in measured:
            workload.infer()
            end = mark()
            synchronize()
            measured["inference"].append(workload.seconds_between(start, end))
            continue
        output = workload.forward()
        forward_end = mark()
        synchronize()
        backward_start = mark()
        workload.backward(output)
        end = mark()
        synchronize()
        measured["forward"].append(workload.seconds_between(start, forward_end))
        measured["backward"].append(workload.seconds_between(backward_start, end))
        measured["total"].append(measured["forward"][-1] + measured["backward"][-1])
    return {name: median(seconds) for name, seconds in measured.items()}
