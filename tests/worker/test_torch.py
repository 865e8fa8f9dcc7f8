"""The torch adapter in real runtimes, an old release's and a new one's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from passtime.catalog import sampling, workloads
from passtime.runtimes import store
from passtime.timeline import manifest
from passtime.worker import adapters
from passtime.worker.driver import client, supervisor

from .conftest import children_of, request_of, worker_command

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
CHECKING = Path(__file__).with_name("checking_adapter.py")
RELEASES = ("torch-1.0.1", "torch-1.4.0", "torch-2.15.0")

# Parameters of torchvision's models, by its documentation; layers by hand: weights and biases.
PARAMETERS = {
    "resnet18": 11_689_512,
    "conv3x3/1": 64 * 3 * 9 + 64,
    "dense": 1024 * 512 + 512,
    "batchnorm": 6,
    "maxpool": 0,
    "meanpool": 0,
}
OUTPUT_SHAPES = {
    "resnet18": [8, 1000],
    "conv3x3/1": [1, 64, 224, 224],
    "dense": [1, 512],
    "batchnorm": [1, 3, 224, 224],
    "maxpool": [1, 3, 112, 112],
    "meanpool": [1, 3, 112, 112],
}


@pytest.fixture(scope="module", params=RELEASES)
def worker(request):
    runtime = store.find(manifest.load(ROOT).get(request.param))
    if runtime is None:
        pytest.skip(f"{request.param} is not installed: passtime runtimes install {request.param}")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "2",
        "PASSTIME_TEST_ADAPTER": str(Path(adapters.__file__).with_name("torch.py")),
    }
    with supervisor.Worker(
        request.param, lambda socket: worker_command(CHECKING, socket, runtime.interpreter), environment
    ) as worker:
        yield worker


def ask(worker, measured_pass, workload, request="sample", **fields):
    return client.ask(worker.address, request_of(request, measured_pass, workload, samples=1, **fields))


def test_the_parent_may_fork(worker):
    """After importing torch the parent has one thread, NumPy's BLAS included, and says which release it is."""
    assert os.listdir(f"/proc/{worker.process_id}/task") == [str(worker.process_id)]
    assert f"torch-{worker.hello['version']}" == worker.name
    assert worker.hello["devices"][0] == "cpu"


@pytest.mark.parametrize("workload", PARAMETERS)
def test_training_is_what_it_says(worker, workload):
    """Parameters and output are the workload's, gradients are cleared and fresh, numbers are finite and normal."""
    reply = ask(worker, "total", workload)
    told = {name.partition(".")[2]: value for name, value in reply.items()}
    assert told["parameters"] == PARAMETERS[workload]
    assert told["output_shape"] == OUTPUT_SHAPES[workload]
    assert told["threads"] == 2
    assert (told["check.denormals"], told["check.equal_rows"]) == (0, 0)
    assert told["check.cleared"]
    assert told["check.fresh"]
    assert told["check.finite"]
    assert told["check.graph"]
    assert told["check.input_gradient"] == (PARAMETERS[workload] == 0)
    forward, backward = (ask(worker, name, workload)["elapsed_seconds"] for name in ("forward", "backward"))
    assert [f + b for f, b in zip(forward, backward, strict=True)] == reply["elapsed_seconds"]
    assert min(forward + backward) > 0


@pytest.mark.parametrize("workload", ["resnet18", "dense", "meanpool"])
def test_inference_records_no_graph(worker, workload):
    """An inference session's output has no graph behind it, and its memory is less than training's."""
    reply = ask(worker, "inference", workload)
    assert not reply["provenance.check.graph"]
    assert reply["provenance.check.finite"]
    assert reply["elapsed_seconds"][0] > 0


@pytest.mark.parametrize("workload", workloads.LAYERS)
def test_every_layer_runs(worker, workload):
    """Each layer has all passes in every release."""
    for measured_pass in ("forward", "inference"):
        assert ask(worker, measured_pass, workload)["elapsed_seconds"][0] > 0


def test_memory_holds_weights_activations_and_gradients(worker):
    """ResNet 18's training peak is several times its weights; a dense layer's is near its own size."""
    weights = 4 * PARAMETERS["resnet18"]
    training = ask(worker, "total", "resnet18", request="memory")["peak_bytes"]
    inference = ask(worker, "inference", "resnet18", request="memory")["peak_bytes"]
    assert 2 * weights < inference < training < 20 * weights
    assert 4 * PARAMETERS["dense"] < ask(worker, "inference", "dense", request="memory")["peak_bytes"] < 20e6


def test_threads_are_as_asked(worker):
    """A session runs with the number of threads of its request."""
    assert ask(worker, "forward", "dense", threads=1)["provenance.threads"] == 1


def test_what_is_not_there_is_unavailable(worker):
    """A model that the release lacks, and a GPU that is not there, are n/a with a line that says so."""
    with pytest.raises(client.WorkerError, match=r"torch .* with torchvision .* has no resnet18x") as raised:
        client.ask(worker.address, {**request_of("sample", "forward", "resnet18"), "workload": "resnet18x"})
    assert raised.value.kind == "unavailable"
    if "gpu" not in worker.hello["devices"]:
        with pytest.raises(client.WorkerError, match=r"torch .* sees no gpu here") as raised:
            ask(worker, "forward", "dense", device="gpu")
        assert raised.value.kind == "unavailable"


def test_memory_that_does_not_suffice_is_out_of_memory(worker):
    """An input that no machine holds is told as out of memory, in the framework's words, and the worker goes on."""
    request = request_of("sample", "inference", "dense")
    with pytest.raises(client.WorkerError) as raised:
        client.ask(worker.address, {**request, "input_shape": [1 << 36, 1024]})
    assert raised.value.kind == "out_of_memory"
    assert ask(worker, "inference", "dense")["elapsed_seconds"]
    assert children_of(worker.process_id) == []


def test_a_whole_policy_is_kept_by_a_real_layer(worker):
    """With the policy that results are taken by, a layer's batch is as long as it must be."""
    reply = ask(worker, "inference", "dense", **{**sampling.POLICY, "maximum_samples": 6})
    samples = reply["elapsed_seconds"]
    assert len(samples) in (5, 6)
    assert min(samples) * reply["passes_per_sample"] > sampling.POLICY["batch_seconds"] / 4
