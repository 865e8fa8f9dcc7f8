"""What counts as recorded time, and that the plain suite times the same."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType
from unittest import mock

import harness
import pytest
import sweep_cost

from passtime import workloads


def test_a_total_is_not_counted_twice():
    """Recorded time is that of forward, backward and inference; a total is the first two again."""
    cells = [sweep_cost.Cell("dense", name, [0.5, 0.5], 2) for name in sweep_cost.PASSES]
    sweep = sweep_cost.Sweep(wall_seconds=12.0, cells=cells)
    assert sweep.recorded_seconds == pytest.approx(3 * 2.0)
    assert sweep.cost == pytest.approx(2.0)


def test_the_plain_suite_takes_half_of_the_samples_in_each_of_its_two_rounds():
    """Samples a round are those that ours recorded, over the rounds."""
    cells = [
        sweep_cost.Cell("dense", "forward", [0.1] * 50, 400),
        sweep_cost.Cell("dense", "inference", [0.1] * 10, 400),
        sweep_cost.Cell("resnet50", "forward", [0.1] * 8, 1),
    ]
    sweep = sweep_cost.Sweep(1.0, cells)
    assert sweep.samples_a_round("forward") == {"dense": 25, "resnet50": 4}
    assert sweep.samples_a_round("inference") == {"dense": 5}


def test_batch_sizes_are_means_over_sessions(tmp_path):
    """Each session's line of provenance counts; a failed attempt's has no batch."""
    lines = [
        {"workload": "dense", "pass": "forward", "passes_per_sample": 256},
        {"workload": "dense", "pass": "forward", "passes_per_sample": 512},
        {"benchmark": "layers.Dense.time_total", "params": ["dense", "cpu"], "failure": "it was killed"},
    ]
    path = tmp_path / "machine" / "0123abcd-passtime.provenance.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert sweep_cost.batch_sizes(tmp_path) == {("dense", "forward"): 384}


@pytest.fixture
def plain_suite(monkeypatch) -> ModuleType:
    """The plain suite's module, with stand-ins for torch and torchvision."""
    for name in ("torch", "torchvision"):
        monkeypatch.setitem(sys.modules, name, mock.MagicMock())
    path = harness.HERE / "plain_suite/benchmarks/passes.py"
    spec = importlib.util.spec_from_file_location("plain_suite_passes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plain_suite_times_the_same_workloads(plain_suite):
    """The plain suite's sizes, which it writes itself, are passtime's."""
    assert tuple(plain_suite.WORKLOADS) == sweep_cost.WORKLOADS
    for workload in sweep_cost.WORKLOADS:
        plain_suite.torch.randn.reset_mock()
        plain_suite.build(workload)
        shape = workloads.request_fields(workload, "cpu")["input_shape"]
        assert list(plain_suite.torch.randn.call_args.args) == shape
    convolution, dense = workloads.LAYERS["conv3x3/1"], workloads.LAYERS["dense"]
    plain_suite.torch.nn.Conv2d.assert_called_once_with(
        convolution.input_shape[1], convolution.output_channels, convolution.kernel, padding=convolution.padding
    )
    plain_suite.torch.nn.Linear.assert_called_once_with(dense.input_shape[1], dense.output_channels)


def test_the_plain_suite_takes_its_own_number_of_samples_when_run_alone(plain_suite):
    """Without the script's word, asv chooses."""
    benchmark = plain_suite.Training()
    benchmark.setup("dense")
    assert benchmark.repeat == 0
