"""The tinygrad adapter: its models as tables, and a real release's sessions where clang is here to compile kernels."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from passtime import worker as worker_room
from passtime.catalog import frameworks, workloads
from passtime.measure import parity
from passtime.runtimes import store
from passtime.timeline import manifest
from passtime.worker.driver import client, start
from passtime.worker.inside import models

from .conftest import request_of

ROOT = Path(__file__).parents[2]
RELEASE = "tinygrad-0.14.0"
OLD_RELEASE = "tinygrad-0.9.2"
THREADS = 2

# Parameters of torchvision's models, by its documentation.
PARAMETERS = {
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
}

needs_clang = pytest.mark.skipif(shutil.which("clang") is None, reason="tinygrad compiles its kernels by clang")


def through(layers, shape):
    """The shape of what the layers make of an input of `shape`; every layer's input must be what it is made for."""
    for layer in layers:
        if layer.kind in (models.CONV, models.DENSE, models.BATCHNORM):
            assert shape[1] == layer.inputs
        if layer.kind in (models.CONV, models.MAXPOOL, models.MEANPOOL):
            channels = layer.outputs if layer.kind == models.CONV else shape[1]
            sizes = ((size + 2 * layer.padding - layer.kernel) // layer.stride + 1 for size in shape[2:])
            shape = (shape[0], channels, *sizes)
        elif layer.kind == models.DENSE:
            shape = (shape[0], layer.outputs)
        elif layer.kind == models.AVERAGE:
            shape = shape[:2]
        elif layer.kind == models.FLATTEN:
            shape = (shape[0], math.prod(shape[1:]))
        elif layer.kind == models.RESIDUAL:
            block, shortcut = through(layer.block, shape), through(layer.shortcut, shape)
            assert block == shortcut
            shape = block
    return shape


@pytest.mark.parametrize("name", workloads.MODELS)
def test_models_are_torchvisions(name):
    """Every model has torchvision's number of parameters, and gives a number for each class."""
    fields = workloads.request_fields(name, "cpu")
    layers = models.of_request(fields)
    shapes = [shape for layer in layers for shape in models.parameter_shapes(layer)]
    assert sum(map(math.prod, shapes)) == PARAMETERS[name]
    assert through(layers, tuple(fields["input_shape"])) == (8, 1000)


def test_parameters_are_in_torchs_order():
    """A block's convolutions and normalisations come first, then its shortcut's; weights before biases."""
    layers = models.model("resnet50", 1000)
    residual = next(layer for layer in layers if layer.kind == models.RESIDUAL)
    assert models.parameter_shapes(residual) == [
        *((64, 64, 1, 1), (64,), (64,)),
        *((64, 64, 3, 3), (64,), (64,)),
        *((256, 64, 1, 1), (256,), (256,)),
        *((256, 64, 1, 1), (256,), (256,)),
    ]
    assert models.parameter_shapes(models.model("vgg11", 1000)[0]) == [(64, 3, 3, 3), (64,)]


@pytest.fixture(scope="module")
def release():
    """A worker of a real release, made with the first test that needs it."""
    runtime = store.ensure(manifest.load(ROOT).get(RELEASE), print)
    with start.worker(frameworks.get("tinygrad"), runtime, THREADS) as worker:
        yield worker


def ask(worker, measured_pass, workload, request="sample", **fields):
    return client.ask(worker.address, request_of(request, measured_pass, workload, samples=1, **fields))


@pytest.mark.real
def test_the_parent_may_fork(release):
    """After importing tinygrad the parent has one thread, and says which release it is."""
    assert os.listdir(f"/proc/{release.process_id}/task") == [str(release.process_id)]
    assert f"tinygrad-{release.hello['version']}" == release.name
    assert release.hello["devices"] == ["cpu"]


@pytest.mark.real
@needs_clang
@pytest.mark.parametrize(("workload", "parameters"), [("dense", 1024 * 512 + 512), ("conv3x3/1", 64 * 3 * 9 + 64)])
def test_sessions_answer_all_passes(release, workload, parameters):
    """A training session gives forward, backward, total and memory, an inference session its own."""
    total = ask(release, "total", workload)
    assert total["provenance.parameters"] == parameters
    assert total["provenance.threads"] == THREADS
    forward, backward = (ask(release, name, workload)["elapsed_seconds"][0] for name in ("forward", "backward"))
    assert min(forward, backward) > 0
    assert forward + backward == total["elapsed_seconds"][0]
    assert ask(release, "total", workload, "memory")["peak_bytes"] > 4 * parameters
    assert ask(release, "inference", workload)["elapsed_seconds"][0] > 0


@pytest.mark.real
@needs_clang
@pytest.mark.parametrize("workload", ["dense", "batchnorm"])
def test_a_step_is_torchs(release, workload):
    """The kernels that are timed give torch's output and gradients, from arrays that they were not captured with."""
    runtime = store.find(manifest.load(ROOT).get("torch-2.15.0"))
    if runtime is None:
        pytest.skip("torch-2.15.0 is not installed: passtime runtimes install torch-2.15.0")
    with start.worker(frameworks.get("torch"), runtime, THREADS) as torch:
        assert parity.check(torch, release, workload, "cpu").difference == ""


@pytest.mark.real
@needs_clang
def test_a_split_step_computes_nothing_twice():
    """Forward and backward pass together take no more operations than the same step captured as one function."""
    runtime = store.ensure(manifest.load(ROOT).get(RELEASE), print)
    worker = Path(worker_room.__file__).parent
    command = [str(runtime.interpreter), str(Path(__file__).with_name("tinygrad_split.py")), str(worker)]
    counted = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert 0 < counted["forward"] < counted["backward"]
    assert counted["forward"] + counted["backward"] <= 1.02 * counted["whole"]


@pytest.mark.real
def test_what_is_not_here_is_unavailable(release):
    """A GPU is n/a, and a release without what a step is split with, too, each with a line that says so."""
    with pytest.raises(client.WorkerError, match="on the CPU only") as raised:
        ask(release, "total", "dense", device="gpu")
    assert raised.value.kind == "unavailable"
    runtime = store.ensure(manifest.load(ROOT).get(OLD_RELEASE), print)
    with (
        start.worker(frameworks.get("tinygrad"), runtime, THREADS) as old,
        pytest.raises(client.WorkerError, match=r"tinygrad 0\.9\.2 has no Tensor\.gradient") as raised,
    ):
        ask(old, "total", "dense")
    assert raised.value.kind == "unavailable"


@pytest.mark.real
def test_a_compiler_that_is_missing_is_named(tmp_path):
    """Without a compiler every session is n/a, and the line says what to install."""
    runtime = store.ensure(manifest.load(ROOT).get(RELEASE), print)
    with (
        start.worker(frameworks.get("tinygrad"), runtime, THREADS, {"CC": "no-such-clang"}) as worker,
        pytest.raises(client.WorkerError, match="no-such-clang, which is not here: install clang") as raised,
    ):
        ask(worker, "total", "dense")
    assert raised.value.kind == "unavailable"
