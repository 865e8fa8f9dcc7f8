"""The torch adapter on a GPU that is not there: its layers are cold, its models are as they come."""

from __future__ import annotations

import pytest
from fake import adapter as fake
from fake import torch_on_gpu
from fake.torch_on_gpu import BACKWARD_SECONDS, FORWARD_SECONDS, Gpu

from passtime.catalog import sampling
from passtime.worker.inside import sampler

from .conftest import request_of

SESSIONS = {"training": "total", "inference": "inference"}


@pytest.fixture
def build(monkeypatch):
    """Builds a workload, with torch on an accelerator whose L2 has this size; gives adapter, workload and GPU."""

    def built(workload, session="training", l2_bytes=50 << 20, is_l2_told=True):
        gpu = Gpu(l2_bytes, is_l2_told)
        adapter = torch_on_gpu.adapter_on(gpu, monkeypatch)
        return (
            adapter,
            adapter.ADAPTER.build(request_of("sample", SESSIONS[session], workload, device="gpu"), session),
            gpu,
        )

    return built


def medians(workload, session, gpu):
    samples = sampler.sample(workload, session, dict(sampling.POLICY), gpu.clock)
    return {name: sampler.median(seconds) for name, seconds in samples.elapsed_seconds.items()}


def expected(session, warm=1.0):
    """The seconds of passes of which the first is cold; the second, if there is one, takes so much of its time."""
    launch = fake.LAUNCH_SECONDS
    if session == "inference":
        return {"inference": pytest.approx(FORWARD_SECONDS + launch)}
    forward, backward = FORWARD_SECONDS + launch, BACKWARD_SECONDS * warm + launch
    return {name: pytest.approx(value) for name, value in (
        ("forward", forward), ("backward", backward), ("total", forward + backward))}  # fmt: skip


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize(
    ("l2_bytes", "is_l2_told"), [(4 << 20, True), (50 << 20, True), (400 << 20, True), (128 << 20, False)]
)
def test_a_layer_finds_nothing_in_the_cache(build, session, l2_bytes, is_l2_told):
    """Every sample of a layer starts cold, whatever the cache's size, and holds no part of the flush."""
    _, workload, gpu = build("dense", session, l2_bytes, is_l2_told)
    assert medians(workload, session, gpu) == expected(session, fake.WARM)


@pytest.mark.parametrize("session", SESSIONS)
def test_a_layer_that_is_not_flushed_is_found_out(build, session, monkeypatch):
    """Without the flush a layer's passes find what the ones before them left."""
    adapter, workload, gpu = build("dense", session)
    monkeypatch.setattr(adapter.GpuLayer, "prepare", adapter.GpuWorkload.prepare)
    assert medians(workload, session, gpu) != expected(session, fake.WARM)


@pytest.mark.parametrize("session", SESSIONS)
def test_a_model_is_not_flushed(build, session):
    """A model's passes follow each other as they come, with no memory held for a flush."""
    adapter, workload, gpu = build("resnet18", session)
    held_bytes = gpu.held_bytes
    assert medians(workload, session, gpu) == expected(session)
    assert gpu.device.flushes == 0
    assert workload.peak_bytes() == held_bytes + torch_on_gpu.WORKING_BYTES
    told = adapter.ADAPTER.provenance(workload)
    assert told["l2_flushed"] is False
    assert "l2_flush_bytes" not in told


def test_what_is_flushed_is_told_and_is_not_in_the_memory(build):
    """A layer's session records how much is written before each pass, and its peak is that of the layer alone."""
    adapter, workload, gpu = build("dense")
    medians(workload, "training", gpu)
    told = adapter.ADAPTER.provenance(workload)
    assert (told["l2_flushed"], told["l2_flush_bytes"]) == (True, 256 << 20)
    layer_bytes = gpu.held_bytes - told["l2_flush_bytes"]
    assert 0 < layer_bytes < 5_000_000
    assert workload.peak_bytes() == layer_bytes + torch_on_gpu.WORKING_BYTES


def test_the_gpu_is_watched_around_the_samples(build, monkeypatch):
    """What the driver says before and after the samples is in the provenance, where it says anything."""
    adapter, workload, gpu = build("dense")
    medians(workload, "training", gpu)
    assert not any(name.startswith("gpu_") and "." in name for name in adapter.ADAPTER.provenance(workload))
    monkeypatch.setattr(workload.watched, "provenance", lambda: {"gpu_before.sm_clock_mhz": 1410})
    assert adapter.ADAPTER.provenance(workload)["gpu_before.sm_clock_mhz"] == 1410
