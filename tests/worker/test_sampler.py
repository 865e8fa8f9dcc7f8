"""The sampler over passes whose length is known exactly."""

from __future__ import annotations

import ast
import inspect
import itertools
import math

import pytest
from fake import adapter as fake

from passtime.catalog import sampling
from passtime.worker.inside import sampler

SECONDS = {"forward": 0.05, "backward": 0.09, "inference": 0.04}
SESSIONS = ("training", "inference")


def workload_on(device, seconds=SECONDS, noise=0.0, is_layer=False):
    clock = fake.Clock()
    device = fake.Device(clock, asynchronous=device == "gpu")
    return fake.Workload(seconds, device, noise=noise, is_layer=is_layer), clock


def sampled(device="cpu", session="training", seconds=SECONDS, noise=0.0, module=sampler, is_layer=False, **policy):
    workload, clock = workload_on(device, seconds, noise, is_layer)
    return module.sample(workload, session, {**sampling.POLICY, **policy}, clock)


def expected(device, session, is_layer=False):
    """The seconds of each pass: on the accelerator, its launch and its work; a layer's backward finds its forward's."""
    launch = fake.LAUNCH_SECONDS if device == "gpu" else 0.0
    if session == "inference":
        return {"inference": SECONDS["inference"] + launch}
    found = fake.WARM if is_layer and device == "gpu" else 1.0
    forward, backward = SECONDS["forward"] + launch, SECONDS["backward"] * found + launch
    return {"forward": forward, "backward": backward, "total": forward + backward}


def are_right(samples, device, session, is_layer=False):
    passes = expected(device, session, is_layer)
    return samples.elapsed_seconds.keys() == passes.keys() and all(
        samples.elapsed_seconds[name] == pytest.approx([seconds] * len(samples.elapsed_seconds[name]), rel=1e-9)
        for name, seconds in passes.items()
    )


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("is_layer", [False, True], ids=["model", "layer"])
def test_a_sample_is_the_pass_and_nothing_else(device, session, is_layer):
    """Neither the slow first passes nor what prepares a pass is in a sample, also where work outlasts its call."""
    assert are_right(sampled(device, session, is_layer=is_layer), device, session, is_layer)


class _LeaveOut(ast.NodeTransformer):
    """Takes the n-th statement `synchronize()` out of a module."""

    def __init__(self, number):
        self.number, self.seen = number, 0

    def visit_Expr(self, node):
        if ast.unparse(node) != "synchronize()":
            return node
        self.seen += 1
        return ast.Pass() if self.seen - 1 == self.number else node


def sampler_without(number):
    """The sampler's functions with one synchronisation of `batches` left out, and how many there are."""
    source = ast.parse(inspect.getsource(sampler))
    batches = next(node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "batches")
    change = _LeaveOut(number)
    change.visit(batches)
    module = type(sampler)("sampler_without_one")
    exec(compile(ast.fix_missing_locations(source), "sampler_without_one", "exec"), vars(module))
    return module, change.seen


def test_the_samplers_synchronisations_are_all_tried():
    """A training step is synchronised three times and an inference twice; the next test takes each of them out."""
    assert sampler_without(-1)[1] == len(LEFT_OUT)


LEFT_OUT = {
    "before the forward pass": (0, "training"),
    "after the forward pass": (1, "training"),
    "after the backward pass": (2, "training"),
    "before inference": (3, "inference"),
    "after inference": (4, "inference"),
}


@pytest.mark.parametrize(("number", "session"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_a_sampler_that_leaves_out_a_synchronisation_is_found_out(number, session):
    """Without any one synchronisation, the accelerator's times are wrong."""
    module, _ = sampler_without(number)
    assert not are_right(sampled("gpu", session, module=module), "gpu", session)


def test_the_time_between_passes_is_told():
    """Warm-up and sampling take their passes, and what prepares each; their seconds are told apart."""
    samples = sampled()
    step = sum(samples.elapsed_seconds["total"]) / len(samples.elapsed_seconds["total"]) + fake.PREPARE_SECONDS
    taken = samples.passes - samples.warmup_passes
    assert samples.sampling_seconds == pytest.approx(taken * step)
    assert samples.warmup_seconds > samples.warmup_passes * step  # the first passes are slower


@pytest.mark.parametrize("session", SESSIONS)
def test_a_flush_that_is_not_waited_for_is_found_out(session):
    """Without the synchronisation before a pass, a layer's times hold the flush."""
    module, _ = sampler_without(LEFT_OUT["before the forward pass" if session == "training" else "before inference"][0])
    assert not are_right(sampled("gpu", session, module=module, is_layer=True), "gpu", session, is_layer=True)


@pytest.mark.parametrize("session", SESSIONS)
def test_the_device_is_observed_around_the_samples(session):
    """Once when all is warm, before the first sample, and once after the last."""
    workload, clock = workload_on("gpu")
    samples = sampler.sample(workload, session, dict(sampling.POLICY), clock)
    assert workload.observed == [samples.warmup_passes, samples.passes]


def test_forward_and_backward_are_the_total():
    """Every total is exactly the sum of the forward and the backward pass of the same steps."""
    passes = sampled(noise=0.2, maximum_samples=10).elapsed_seconds
    assert passes["total"] == [f + b for f, b in zip(passes["forward"], passes["backward"], strict=True)]
    assert len(set(passes["total"])) == 10


@pytest.mark.parametrize("session", SESSIONS)
def test_short_passes_are_batched_by_their_shortest(session):
    """A sample covers enough passes that even the shortest of them adds up to the batch's length, and no more."""
    short = {"forward": 1e-4, "backward": 5e-4, "inference": 2e-4}
    samples = sampled(session=session, seconds=short)
    shortest = min(seconds[0] for seconds in samples.elapsed_seconds.values())
    assert (
        sampling.POLICY["batch_seconds"] <= samples.passes_per_sample * shortest < 2 * sampling.POLICY["batch_seconds"]
    )
    assert shortest == pytest.approx(short["forward" if session == "training" else "inference"])


def test_warm_up_goes_on_while_passes_get_faster():
    """Warm-up ends with the first step that is not faster than the one before it."""
    assert sampled().warmup_passes == len(fake.FIRST_PASSES) + 2


def test_warm_up_ends_with_its_time():
    """A workload whose first step outlasts the warm-up's time is sampled from its second step on."""
    assert sampled(warmup_seconds=0.1).warmup_passes == 1


# As few samples as may be, in little time.
FEW = {**sampling.policy(), "minimum_samples": 2, "minimum_long_samples": 2, "maximum_seconds": 0.25}


class Slow:
    """Passes of 1 ms, of which the first ones take as long as is scripted, in seconds."""

    def __init__(self, *first_seconds, seconds=0.001):
        self.now, self.passes = 0.0, 0
        self._first, self._seconds = list(first_seconds), seconds
        self.observed = []

    def infer(self, *_):
        self.passes += 1
        self.now += self._first.pop(0) if self._first else self._seconds

    forward = backward = infer

    def prepare(self):
        pass

    synchronize = prepare

    def observe(self):
        self.observed.append(self.passes)


@pytest.mark.parametrize("first_seconds", [(4.0,), (30.0,), (0.5, 4.0), (2.0, 1.5, 2.5), (4.0, 4.0), (0.01,) * 10])
@pytest.mark.parametrize("policy", [sampling.POLICY, FEW], ids=["run", "few"])
def test_slow_first_passes_do_not_fix_the_batch(first_seconds, policy):
    """However long the first passes take, a short layer's samples are batches of passes at its own speed."""
    workload = Slow(*first_seconds)
    samples = sampler.sample(workload, "inference", dict(policy), lambda: workload.now)
    assert samples.passes_per_sample * 0.001 >= policy["batch_seconds"] / 2
    assert samples.elapsed_seconds["inference"] == pytest.approx([0.001] * len(samples.elapsed_seconds["inference"]))
    assert len(samples.elapsed_seconds["inference"]) >= policy["minimum_samples"]
    assert samples.passes == workload.passes
    assert samples.warmup_seconds + samples.sampling_seconds == pytest.approx(workload.now)


def test_a_long_workload_takes_no_pass_more():
    """Where the first pass outlasts the warm-up's time and so do the others, the second one is a sample."""
    workload = Slow(seconds=4.0)
    samples = sampler.sample(workload, "inference", FEW, lambda: workload.now)
    assert (samples.warmup_passes, samples.passes, samples.passes_per_sample) == (1, 3, 1)


def test_batches_do_not_grow_without_end():
    """A pass that takes no time beside its step does not make a batch longer than the warm-up may be."""
    samples = sampled(seconds={"forward": 1e-9, "backward": 0.5, "inference": 1.0})
    assert samples.passes_per_sample <= 8


def test_sampling_ends_when_every_median_is_tight():
    """Passes without noise take the fewest samples that an interval needs, passes with noise take more."""
    assert len(sampled().elapsed_seconds["total"]) == 6
    noisy = sampled(noise=0.02, maximum_samples=1000, maximum_seconds=1000.0).elapsed_seconds
    assert len(noisy["total"]) > 20
    assert max(sampler.precision(seconds) for seconds in noisy.values()) <= sampling.POLICY["target_precision"]


def test_sampling_ends_at_its_bounds():
    """Noise does not keep sampling past its largest number of samples or its time."""
    assert (
        len(sampled(noise=0.3, maximum_seconds=1000.0).elapsed_seconds["total"]) == sampling.POLICY["maximum_samples"]
    )
    in_time = sampled(noise=0.3, maximum_samples=1000, maximum_seconds=2.0).elapsed_seconds["total"]
    assert 5 < len(in_time) <= 2.0 / 0.14 * 1.5


@pytest.mark.parametrize(
    ("forward", "count"),
    [(1.5, "minimum_long_samples"), (0.5, "minimum_samples")],
)
def test_only_passes_that_are_all_long_take_fewer_samples(forward, count):
    """A short forward pass gets its samples even where the whole step is long."""
    samples = sampled(seconds={"forward": forward, "backward": 3.0, "inference": 1.0})
    assert len(samples.elapsed_seconds["forward"]) == sampling.POLICY[count]


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_an_exact_number_of_samples_is_kept(count):
    """`--quick` and its like get exactly the samples that they ask for."""
    assert len(sampled(**sampling.policy(count)).elapsed_seconds["total"]) == count


def test_one_sample_takes_one_warm_up_step():
    """A quick look spends one step on warming up and one on its sample."""
    samples = sampled(**sampling.policy(1))
    assert (samples.warmup_passes, samples.passes_per_sample) == (1, 1)


# David and Nagaraja's and others' tables of the sign interval at 95 %.
@pytest.mark.parametrize(
    ("count", "rank"), [(5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (12, 3), (15, 4), (20, 6), (25, 8)]
)
def test_the_interval_is_the_published_one(count, rank):
    """The interval of the median runs between the order statistics of the published tables."""
    values = [100.0 + place for place in range(count)]
    width = math.inf if rank == 0 else values[-rank] - values[rank - 1]
    assert sampler.precision(values[::-1]) == pytest.approx(width / 2 / sampler.median(values))


def test_the_devices_own_clock_agrees_with_the_samples():
    """An accelerator's own time is the sampled time but for the launches, and the CPU has none."""
    for session, is_layer in itertools.product(SESSIONS, (False, True)):
        workload, clock = workload_on("gpu", is_layer=is_layer)
        samples = sampler.sample(workload, session, dict(sampling.POLICY), clock)
        seconds = sampler.device_clock_seconds(workload, samples)
        assert seconds == {
            name: pytest.approx(sampler.median(sampled), rel=0.01) for name, sampled in samples.elapsed_seconds.items()
        }
    workload, clock = workload_on("cpu")
    assert sampler.device_clock_seconds(workload, sampler.sample(workload, "training", sampling.POLICY, clock)) == {}
