"""What counts as recorded time, where the rest of it goes, and that the plain suite times the same."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from unittest import mock

import harness
import pytest
import sweep_cost
import sweep_sides
from click.testing import CliRunner, Result
from fake.project import Project
from sweep_sides import Cell, Piece, Sweep

from passtime.catalog import workloads
from passtime.errors import PasstimeError

STARTS = {sweep_sides.ASV: 2.0, sweep_sides.WORKER: 3.0}


def cells_of(workload: str, samples: int = 2) -> list[Cell]:
    return [Cell(workload, name, [0.5] * samples, 2) for name in sweep_sides.PASSES]


def test_a_total_is_not_counted_twice():
    """Recorded time is that of forward, backward and inference; a total is the first two again."""
    sweep = Sweep([Piece(12.0, cells_of("dense"))])
    assert sweep.recorded_seconds == pytest.approx(3 * 2.0)
    assert sweep.cost == pytest.approx(2.0)


def test_pieces_add_up_to_one_run_of_asv():
    """What every run of asv spends at its start counts once, however many pieces there are."""
    sweep = Sweep([Piece(15.0, cells_of("dense")), Piece(25.0, cells_of("vgg16"))], STARTS)
    assert sweep.wall_seconds == pytest.approx(5 + 10 + 20)
    assert len(sweep.cells) == 8


def test_a_round_that_was_not_measured_counts_as_the_one_that_was():
    """One round of two has half of the wall time after the start, and of the recorded time."""
    whole, half = Piece(25.0, cells_of("dense", 4)), Piece(15.0, cells_of("dense", 2), rounds=1)
    one, two = Sweep([whole], STARTS), Sweep([half], STARTS)
    assert one.wall_seconds == pytest.approx(two.wall_seconds)
    assert one.recorded_seconds == pytest.approx(two.recorded_seconds)
    assert half.samples_a_round("total") == whole.samples_a_round("total") == {"dense": 2}


def test_the_plain_suite_takes_half_of_the_samples_in_each_of_its_two_rounds():
    """Samples a round are those that ours recorded, over the rounds."""
    cells = [
        Cell("dense", "forward", [0.1] * 50, 400),
        Cell("dense", "inference", [0.1] * 10, 400),
        Cell("resnet50", "forward", [0.1] * 8, 1),
    ]
    piece = Piece(1.0, cells)
    assert piece.samples_a_round("forward") == {"dense": 25, "resnet50": 4}
    assert piece.samples_a_round("inference") == {"dense": 5}


def test_batch_sizes_are_means_over_the_sessions_samples(tmp_path):
    """Each session's line of provenance counts as often as it has samples; a failed attempt's has no batch."""
    lines = [
        {"workload": "dense", "pass": "forward", "passes_per_sample": 256, "samples": 15},
        {"workload": "dense", "pass": "forward", "passes_per_sample": 512, "samples": 5},
        {"benchmark": "layers.Dense.time_total", "params": ["dense", "cpu"], "failure": "it was killed"},
    ]
    path = tmp_path / "machine" / "0123abcd-passtime.provenance.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert sweep_sides.batch_sizes(sweep_sides.sessions(tmp_path)) == {("dense", "forward"): 320}


def test_precision_is_the_median_over_cells():
    """Half the width of a median's interval over the median; without the samples for one, the spread is still told."""
    sweep = Sweep([Piece(1.0, [Cell("dense", "total", [0.9, 1.0, 1.0, 1.0, 1.0, 1.1], 1)] * 3)])
    assert sweep.precision == pytest.approx(0.1)
    few = Sweep([Piece(1.0, [Cell("dense", "total", [0.8, 1.0, 1.0, 1.2], 1)])])
    assert few.precision == math.inf
    assert few.spread == pytest.approx(0.05)
    assert "too few samples for an interval" in sweep_cost.precision_line({"plain asv": few})


def line_of(measured_pass: str, seconds: float, spent: tuple[float, ...]) -> dict[str, object]:
    names = ("build", "warmup", "sampling", "session")
    told = {f"provenance.{name}_seconds": value for name, value in zip(names, spent, strict=True)}
    return {"pass": measured_pass, "seconds": seconds, **told}


def test_a_sessions_time_counts_once():
    """The causes are those of sessions, not of cells, and add up to the wall time."""
    training, inference = (1.0, 2.0, 5.0, 8.5), (0.5, 1.0, 3.0, 4.75)
    lines = [line_of("backward", 9.0, training), line_of("forward", 0.1, training), line_of("total", 0.1, training)]
    lines.append(line_of("inference", 5.0, inference))
    causes = sweep_sides.causes(lines, inside_seconds=7.0)
    assert causes == pytest.approx(
        {
            sweep_sides.INSIDE: 7.0,
            sweep_sides.BETWEEN: 1.0,
            sweep_sides.WARMUP: 3.0,
            sweep_sides.BUILDING: 1.5,
            sweep_sides.AROUND: 0.75,
            sweep_sides.PROCESSES: 0.95,
        }
    )
    sweep = Sweep([Piece(20.0, cells_of("dense"), causes=causes)] * 2, STARTS)
    assert sum(sweep.causes.values()) == pytest.approx(sweep.wall_seconds)
    assert sweep.causes[sweep_sides.WORKER] == 3.0


def test_the_lines_that_asv_leaves_tell_the_causes(tmp_path):
    """Of three passes, one training session tells two, in each round; both take as long, on the fake clock."""
    project = Project(tmp_path)
    project.asv("run", "fake-1.0", "-b", r"Layer\.time_(forward|total|inference)\(.*'cpu'")
    lines = sweep_sides.sessions(project.results)
    causes = sweep_sides.causes(lines, inside_seconds=0.0)
    spent = {line["provenance.session_seconds"] for line in lines}
    assert (len(lines), len(spent)) == (9, 2)
    assert sum(causes.values()) == pytest.approx(sum(line["seconds"] for line in lines))
    assert causes[sweep_sides.WARMUP] > 0
    assert project.survivors() == []


def test_a_worker_that_does_not_tell_has_no_causes():
    """A worker in another language need not say where its time went."""
    assert sweep_sides.causes([{"pass": "total", "seconds": 1.0}], 0.5) == {}


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """The pieces that were measured, in order; nothing runs."""
    pieces: list[str] = []

    def ours(release: object, workloads: tuple[str, ...], folder: object) -> Piece:
        pieces.append(f"passtime: {workloads[0]}")
        if len(pieces) == 9:
            raise PasstimeError("interrupted")
        return Piece(10.0, cells_of(workloads[0]))

    def plain(runtime: object, workloads: tuple[str, ...], ours: Piece, rounds: int, folder: object) -> Piece:
        pieces.append(f"plain asv: {workloads[0]}")
        return Piece(35.0, cells_of(workloads[0]), rounds)

    monkeypatch.setattr(harness, "runtime_of", lambda name: (SimpleNamespace(name=name or "torch-2"), None))
    monkeypatch.setattr(harness, "warn_if_busy", lambda: None)
    monkeypatch.setattr(sweep_sides, "our_starts", lambda *_: STARTS)
    monkeypatch.setattr(sweep_sides, "plain_starts", lambda *_: {sweep_sides.ASV: 5.0})
    monkeypatch.setattr(sweep_sides, "measure_ours", ours)
    monkeypatch.setattr(sweep_sides, "measure_plain", plain)
    return pieces


def run(*arguments: object) -> Result:
    return CliRunner().invoke(sweep_cost.main, [str(argument) for argument in arguments])


def test_a_full_sweep_goes_on_where_it_was(measured, tmp_path):
    """A piece that ended is never measured again; one that did not is."""
    arguments = ("--full", "--keep", tmp_path / "kept", "--plain-rounds", 1)
    assert isinstance(run(*arguments).exception, PasstimeError)
    printed = run(*arguments).output
    assert len(measured) == 2 * 26 + 1
    assert [name for name in measured if measured.count(name) > 1] == measured[8:10]
    wall, plain_wall = 5 + 26 * 5, 5 + 26 * 2 * 30
    assert f"{plain_wall / wall:.2f} times the wall time; to be 5 or more: pass" in printed
    assert "in 26 of its 26 pieces one round, counted twice" in printed
    assert run(*arguments).output == printed
    assert len(measured) == 2 * 26 + 1


def test_no_piece_begins_after_the_time_is_over(measured, tmp_path):
    """With its minutes over, a sweep says how far it is."""
    printed = run("--full", "--keep", tmp_path, "--minutes", 0).output
    assert measured == []
    assert printed == "0 of 52 pieces are measured; the same command goes on with the others\n"


def test_pieces_of_another_release_are_not_mixed_in(measured, tmp_path):
    """What is kept is one release's."""
    run("--full", "--keep", tmp_path, "--minutes", 0, "--release", "torch-1")
    failed = run("--full", "--keep", tmp_path, "--release", "torch-2").exception
    assert "has pieces of torch-1: name that release, or another folder" in str(failed)


def test_four_workloads_are_one_piece(measured):
    """Without an option, each side is one run of asv, and what it is held to is its own cost."""
    printed = run().output
    assert measured == ["passtime: resnet18", "plain asv: resnet18"]
    assert "to be 2.5 or less" in printed


@pytest.fixture
def plain_suite(monkeypatch) -> Iterator[ModuleType]:
    """The plain suite's module over all workloads, with stand-ins for torch and torchvision."""
    for name in ("torch", "torchvision"):
        monkeypatch.setitem(sys.modules, name, mock.MagicMock())
    monkeypatch.setenv("PLAIN_SUITE_WORKLOADS", json.dumps(sweep_cost.ALL_WORKLOADS))
    path = harness.HERE / "plain_suite/benchmarks/passes.py"
    spec = importlib.util.spec_from_file_location("plain_suite_passes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_full_sweep_has_every_workload():
    """All models and layers, each once."""
    assert sorted(sweep_cost.ALL_WORKLOADS) == sorted([*workloads.MODELS, *workloads.LAYERS])


@pytest.mark.parametrize("workload", sweep_cost.ALL_WORKLOADS)
def test_the_plain_suite_times_the_same_workloads(plain_suite, workload):
    """The plain suite's sizes, which it writes itself, are passtime's."""
    assert workload in plain_suite.WORKLOADS
    torch = plain_suite.torch
    plain_suite.build(workload)
    assert list(torch.randn.call_args.args) == workloads.request_fields(workload, "cpu")["input_shape"]
    if workload in workloads.MODELS:
        getattr(plain_suite.torchvision.models, workload).assert_called_once_with()
        torch.ones.assert_called_once_with(workloads.MODEL_BATCH, workloads.CLASSES)
        return
    layer = workloads.LAYERS[workload]
    channels = layer.input_shape[1]
    size, window = layer.kernel, {"stride": layer.stride, "padding": layer.padding}
    made = {
        "conv": mock.call.Conv2d(channels, layer.output_channels, size, **window),
        "dense": mock.call.Linear(channels, layer.output_channels),
        "batchnorm": mock.call.BatchNorm2d(channels),
        "maxpool": mock.call.MaxPool2d(size, **window),
        "meanpool": mock.call.AvgPool2d(size, **window),
    }
    assert torch.nn.mock_calls == [made[layer.kind]]
    assert torch.randn.call_args.kwargs.get("requires_grad", False) == layer.kind.endswith("pool")
    images = [(side + 2 * layer.padding - size) // layer.stride + 1 if size else side for side in layer.input_shape[2:]]
    torch.ones.assert_called_once_with(1, layer.output_channels or channels, *images)


def test_the_plain_suite_takes_its_own_number_of_samples_when_run_alone(plain_suite):
    """Without the script's word, asv chooses."""
    benchmark = plain_suite.Training()
    benchmark.setup("dense")
    assert benchmark.repeat == 0
