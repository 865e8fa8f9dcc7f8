"""How much wall time does a recorded second cost? `python perf/sweep_cost.py`; the README says how."""

from __future__ import annotations

import ast
import itertools
import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asv_runner
import click
import harness
from asv.results import iter_results
from rich.table import Table

from passtime.errors import PasstimeError
from passtime.runtimes.store import Runtime

WORKLOADS = ("resnet18", "resnet50", "conv3x3/1", "dense")
# A total is a forward and a backward pass again: what was recorded is not counted twice.
COUNTED = ("forward", "backward", "inference")
PASSES = (*COUNTED, "total")
GOAL = 2.5
ROUNDS = 2  # asv's, in both suites


@dataclass(frozen=True)
class Cell:
    """What was recorded for one pass of one workload."""

    workload: str
    measured_pass: str
    samples: Sequence[float]  # seconds per pass
    passes_per_sample: float

    @property
    def seconds(self) -> float:
        """The time inside passes."""
        return sum(self.samples) * self.passes_per_sample


@dataclass(frozen=True)
class Sweep:
    """One run of asv: its wall time, and what it recorded."""

    wall_seconds: float
    cells: Sequence[Cell]

    @property
    def recorded_seconds(self) -> float:
        """The time inside forward, backward and inference passes."""
        return sum(cell.seconds for cell in self.cells if cell.measured_pass in COUNTED)

    @property
    def cost(self) -> float:
        return self.wall_seconds / self.recorded_seconds

    def samples_a_round(self, *passes: str) -> dict[str, int]:
        """By workload, the number of samples in one of asv's rounds; passes of one session have the same."""
        return {
            cell.workload: max(1, round(len(cell.samples) / ROUNDS))
            for cell in self.cells
            if cell.measured_pass in passes
        }


def sweep_ours(release_name: str, folder: Path) -> Sweep:
    """`asv run` as a user would type it, in a project whose results lie in `folder`."""
    harness.project(folder)
    alternatives = "|".join(repr(name) for name in WORKLOADS)
    selection = rf"time_\w+\(({alternatives}), 'cpu'\)$"
    seconds = harness.run_asv(["run", f"{release_name}^!", "-b", selection], folder)
    return Sweep(seconds, recorded(folder / "results", batch_sizes(folder / "results")))


def sweep_plain(runtime: Runtime, ours: Sweep, folder: Path) -> Sweep:
    """The plain suite, by stock asv in the runtime's interpreter, with as many samples as ours took."""
    shutil.copytree(harness.HERE / "plain_suite", folder, dirs_exist_ok=True)
    _commit(folder)
    # The runtime gets asv's runner for this run alone; nothing is installed in it.
    libraries = folder / "libraries"
    libraries.mkdir()
    (libraries / "asv_runner").symlink_to(Path(asv_runner.__file__).parent)
    environment = {
        **harness.environment(),
        "HOME": str(folder),  # asv keeps what it knows of machines there
        "PYTHONPATH": str(libraries),
        "PLAIN_SUITE_TRAINING_SAMPLES": json.dumps(ours.samples_a_round("forward")),
        "PLAIN_SUITE_INFERENCE_SAMPLES": json.dumps(ours.samples_a_round("inference")),
    }
    # asv asks questions about a machine that it does not know.
    (folder / ".asv-machine.json").write_text('{"version": 1, "here": {"machine": "here"}}', "utf-8")
    arguments = ["run", "-E", f"existing:{runtime.interpreter}", "--set-commit-hash", "HEAD", "--machine", "here"]
    seconds = harness.run_asv([*arguments, "--record-samples"], folder, environment)
    return Sweep(seconds, recorded(folder / "results", {}))


def _commit(folder: Path) -> None:
    """asv saves results under a commit."""
    git = ["git", "-c", "user.name=perf", "-c", "user.email=perf@localhost", "-C", str(folder)]
    for arguments in (["init", "--quiet"], ["add", "benchmarks"], ["commit", "--quiet", "-m", "The plain suite"]):
        subprocess.run([*git, *arguments], check=True)


def batch_sizes(results: Path) -> dict[tuple[str, str], float]:
    """By workload and pass, the passes in a sample: the mean over the sessions, which provenance has a line each of."""
    sizes: dict[tuple[str, str], list[int]] = {}
    for path in results.glob("*/*.provenance.jsonl"):
        for line in map(json.loads, path.read_text("utf-8").splitlines()):
            if "passes_per_sample" in line:
                sizes.setdefault((line["workload"], line["pass"]), []).append(line["passes_per_sample"])
    return {key: statistics.mean(values) for key, values in sizes.items()}


def recorded(results: Path, sizes: Mapping[tuple[str, str], float]) -> list[Cell]:
    """The cells in a folder of asv's results. Raises PasstimeError where one was not measured."""
    cells = []
    for result in iter_results(str(results)):
        for key in result.get_all_result_keys():
            measured_pass = key.rpartition(".time_")[2]
            params = result.get_result_params(key)
            samples = result.get_result_samples(key, params)
            stats = result.get_result_stats(key, params)
            for values, cell_samples, cell_stats in zip(itertools.product(*params), samples, stats, strict=True):
                workload = ast.literal_eval(values[0])
                if workload not in WORKLOADS or "'gpu'" in values:
                    continue
                if not cell_samples:
                    raise PasstimeError(f"{measured_pass} of {workload} was not measured; asv's output says why")
                passes_per_sample = sizes.get((workload, measured_pass), cell_stats["number"])
                cells.append(Cell(workload, measured_pass, cell_samples, passes_per_sample))
    if len(cells) != len(WORKLOADS) * len(PASSES):
        raise PasstimeError(f"{len(cells)} results instead of {len(WORKLOADS) * len(PASSES)}; asv's output says why")
    return cells


@click.command()
@harness.release_option
@click.option("--plain/--no-plain", default=True, help="Run the plain suite, too: most of the time.")
def main(release_name: str | None, plain: bool) -> None:
    """Compare asv runs' wall time with the time inside recorded passes, in our suite and in a plain one."""
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    with tempfile.TemporaryDirectory(prefix="passtime-perf-") as temporary:
        places = [Path(temporary, name) for name in ("ours", "plain")]
        for place in places:
            place.mkdir()
        ours = sweep_ours(release.name, places[0])
        theirs = sweep_plain(runtime, ours, places[1]) if plain else None
    sweeps = {"passtime": ours, **({"plain asv": theirs} if theirs else {})}
    harness.show(table(release.name, sweeps))
    line = f"sweep cost: {ours.cost:.2f} ({ours.wall_seconds:.0f} s for {ours.recorded_seconds:.0f} s)"
    if theirs:
        line += f", a plain suite {theirs.cost:.1f} ({theirs.wall_seconds:.0f} s for {theirs.recorded_seconds:.0f} s)"
    met = "pass" if ours.cost <= GOAL else f"missed by {ours.cost - GOAL:.2f}"
    click.echo(f"{line}; to be {GOAL} or less: {met}")


def table(release_name: str, sweeps: Mapping[str, Sweep]) -> Table:
    made = Table("suite", "workload", "samples", *(f"in {name}" for name in COUNTED), "in total, not counted")
    made.title = f"{release_name}: seconds inside recorded passes"
    for suite, sweep in sweeps.items():
        for workload in WORKLOADS:
            cells = {cell.measured_pass: cell for cell in sweep.cells if cell.workload == workload}
            counts = "+".join(str(len(cells[name].samples)) for name in PASSES)
            made.add_row(suite, workload, counts, *(f"{cells[name].seconds:.2f} s" for name in PASSES))
        made.add_section()
    return made


if __name__ == "__main__":
    harness.run(main)
