"""Old tables as asv results: what is written, and what is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from asv.results import Results
from asv.runner import BenchmarkResult
from click.testing import CliRunner

from passtime import cli, places
from passtime.asv.results import KeptResults
from passtime.results.sessions import cells_of
from passtime.timeline import repository

from .conftest import ROOT, TABLES


def run(*arguments):
    return CliRunner().invoke(cli.main, ["history", "import", *map(str, arguments)])


def content(project):
    return {path.relative_to(project): path.read_bytes() for path in (project / "results").rglob("*") if path.is_file()}


def stored(project, machine, release):
    commit = repository.commit_of(places.timeline_repository(project), release)
    return Results.load(str(project / f"results/{machine}/{commit[:8]}-passtime.json"), machine_name=machine)


def test_numbers_become_results_of_their_machine_and_release(project):
    """Each number stands under asv's benchmark, workload and device; blanks are not there at all."""
    ended = run(TABLES)
    assert ended.exit_code == 0, ended.output
    assert "132 numbers of 216 cells" in ended.output
    results = stored(project, "titan-1080ti", "flux-master-2018-07")
    params = results.get_result_params("models.ResNet.time_total")
    assert params == [["'resnet18'", "'resnet34'", "'resnet50'", "'resnet101'"], ["'gpu'"]]
    assert results.get_result_value("models.ResNet.time_total", params) == [0.1527, 0.3361, 2.206, 0.7646]
    assert {path.name for path in (project / "results").iterdir()} == {
        "benchmarks.json",
        "titan-1080ti",
        "xeon-silver-4114",
    }
    layers = stored(project, "titan-1080ti", "torch-0.4.0")
    assert layers.get_result_value("layers.Dense.time_forward", [["'dense'"], ["'gpu'"]]) == [0.0000887]


def test_importing_twice_changes_no_byte(project):
    """A second import finds everything there."""
    run(TABLES)
    before = content(project)
    ended = run(TABLES)
    assert "0 imported, 132 were here" in ended.output
    assert content(project) == before


def test_a_refused_file_leaves_nothing(project):
    """Where one line is wrong, no machine and no result is written, and the exit is not zero."""
    file = project / "tables.md"
    file.write_text(TABLES.read_text("utf-8").replace("||Flux|0.0975 s", "||Flux|0.0975 h"), "utf-8")
    before = content(project)
    ended = run(file)
    assert ended.exit_code == 1
    assert "unknown unit in '0.0975 h'" in ended.output
    assert content(project) == before


def test_what_was_measured_is_never_replaced(project):
    """A number that passtime measured on such a machine stays, and the import says so."""
    run(TABLES)
    results = stored(project, "titan-1080ti", "torch-0.4.0")
    kept = KeptResults(results.params, {}, results.commit_hash, results.date, results._python, "passtime", {})
    kept.load_data(str(project / "results"))
    known = json.loads((project / "results/benchmarks.json").read_text("utf-8"))["layers.Dense.time_forward"]
    benchmark = {**known, "params": [["'dense'"], ["'gpu'"]]}
    place = cells_of(benchmark)[0]
    line = {
        "benchmark": place.benchmark,
        "version": benchmark["version"],
        "params": list(place.params),
        "release": "torch-0.4.0",
    }
    measured = BenchmarkResult([0.5], [[0.5] * 6], [1], 0, "", None)
    kept.put(benchmark, place, measured, [line], started_at=datetime.now(timezone.utc))
    ended = run(TABLES)
    assert "1 were not taken" in ended.output
    again = stored(project, "titan-1080ti", "torch-0.4.0")
    assert again.get_result_value(benchmark["name"], benchmark["params"]) == [0.5]


def test_doubts_are_kept_beside_the_numbers(project):
    """A number's session line says where it is from and what is doubtful in it."""
    run(TABLES)
    path = next((project / "results/xeon-silver-4114").glob("*.provenance.jsonl"))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(line["imported"] == "2018.md" for line in lines)
    assert any(line["doubts"] for line in lines)


def test_a_damaged_result_is_one_line(project):
    """A file that cannot be read is named, and stays as it is."""
    run(TABLES)
    path = next((project / "results/titan-1080ti").glob("*-passtime.json"))
    path.write_text("{", "utf-8")
    ended = run(TABLES)
    assert ended.exit_code == 1
    assert path.name in ended.output
    assert "Traceback" not in ended.output
    assert path.read_text("utf-8") == "{"


@pytest.mark.parametrize("command", [["compare", "torch-0.4.0", "flux-master-2018-07"], ["show", "torch-0.4.0"]])
def test_asv_takes_them_for_results(command):
    """asv's own commands show the committed numbers of 2018."""
    shown = subprocess.run(
        [sys.executable, "-m", "asv", *command, "--machine", "titan-1080ti"], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "vgg16" in shown.stdout
    assert "24.5" in shown.stdout  # milliseconds of PyTorch's forward pass of VGG16
    is_compared = "compare" in command
    assert ("models.VGG.time_forward('vgg16', 'gpu') [parity unchecked]" in shown.stdout) == is_compared
