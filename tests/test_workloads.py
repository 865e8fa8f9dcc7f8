"""Sizes and the sampling policy."""

from __future__ import annotations

import pytest

from passtime.catalog import sampling, workloads
from passtime.errors import PasstimeError
from passtime.worker.driver import cores


@pytest.mark.parametrize(
    ("workload", "device", "batch"),
    [("resnet50", "cpu", 8), ("resnet50", "gpu", 8), ("resnet101", "cpu", 8), ("resnet101", "gpu", 4)],
)
def test_batches_are_those_of_the_original_tables(workload, device, batch):
    """Models take a batch of 8, but for ResNet 101 and 152 on the GPU, which take 4."""
    assert workloads.request_fields(workload, device)["input_shape"] == [batch, 3, 224, 224]


@pytest.mark.parametrize("workload", [*workloads.MODELS, *workloads.LAYERS])
def test_requests_are_flat(workload):
    """A request holds strings, numbers and lists of numbers only, so that any language can read it."""
    for value in workloads.request_fields(workload, "cpu").values():
        assert isinstance(value, (str, int)) or all(isinstance(size, int) for size in value)


def test_convolutions_keep_or_halve_the_image():
    """Padding keeps the size of the image at stride 1 and halves it at stride 2."""
    for name, layer in workloads.CONVOLUTIONS.items():
        size = (layer.input_shape[-1] + 2 * layer.padding - layer.kernel) // layer.stride + 1
        assert size == {1: 224, 2: 112}[layer.stride], name


def test_threads_default_to_physical_cores(monkeypatch):
    """Without the setting, a worker uses every physical core, and with it, exactly so many threads."""
    monkeypatch.delenv("PASSTIME_THREADS", raising=False)
    assert cores.threads() == cores.physical_cores() >= 1
    monkeypatch.setenv("PASSTIME_THREADS", "3")
    assert cores.threads() == 3


@pytest.mark.parametrize("setting", ["two", "0", "-1", "1.5"])
def test_a_bad_thread_count_is_one_clear_line(monkeypatch, setting):
    """A PASSTIME_THREADS that is no whole number of at least one is refused with the way out."""
    monkeypatch.setenv("PASSTIME_THREADS", setting)
    with pytest.raises(PasstimeError, match="set it to a whole number of threads, or unset it"):
        cores.threads()


def test_two_sessions_give_asv_enough_samples_to_call_a_difference():
    """Two rounds at the minimum avoid six a side or fewer, with which asv's rank test can never speak."""
    policy = sampling.policy()
    assert 2 * policy["minimum_samples"] >= 10
    assert 2 * policy["minimum_long_samples"] > 6
