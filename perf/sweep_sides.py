"""The two sides of `sweep_cost.py`: runs of asv, of our suite and of a plain one, and what they recorded."""

from __future__ import annotations

import ast
import itertools
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asv_runner
import harness
from asv.results import iter_results

from passtime.asv.suite import JUST_DISCOVER
from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes.store import Runtime
from passtime.timeline.manifest import Release
from passtime.worker.driver import cores, start
from passtime.worker.inside import sampler

# A total is a forward and a backward pass again: what was recorded is not counted twice.
COUNTED = ("forward", "backward", "inference")
PASSES = (*COUNTED, "total")
ROUNDS = 2  # in both suites; asv's own default

# Where our side's time goes.
INSIDE, BETWEEN, WARMUP, BUILDING, AROUND, PROCESSES, WORKER, ASV = (
    "inside recorded passes",
    "sampling, between passes",
    "warm-up",
    "building models and layers",
    "the rest of sessions: the fork, provenance",
    "asv's process for each cell, sessions' ends",
    "the worker's start and end",
    "asv: its start, listing, saving",
)
_SECONDS = "provenance.{}_seconds"
_SPENT = ("build", "warmup", "sampling", "session")


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
class Piece:
    """A run of asv over some of the workloads: its wall time, what it recorded, and, of ours, causes of the time."""

    wall_seconds: float
    cells: Sequence[Cell]
    rounds: int = ROUNDS
    causes: Mapping[str, float] = field(default_factory=dict)

    def samples_a_round(self, *passes: str) -> dict[str, int]:
        """By workload, the number of samples in one of asv's rounds; passes of one session have the same."""
        return {
            cell.workload: max(1, round(len(cell.samples) / self.rounds))
            for cell in self.cells
            if cell.measured_pass in passes
        }


@dataclass(frozen=True)
class Sweep:
    """All pieces of one side as if one run of asv had measured them, with all rounds.

    `starts` is what each piece spent before its first cell, and so is counted once; a round that was not measured
    counts as the one that was.
    """

    pieces: Sequence[Piece]
    starts: Mapping[str, float] = field(default_factory=dict)

    @property
    def cells(self) -> list[Cell]:
        return [cell for piece in self.pieces for cell in piece.cells]

    @property
    def wall_seconds(self) -> float:
        start = sum(self.starts.values())
        return start + sum((piece.wall_seconds - start) * ROUNDS / piece.rounds for piece in self.pieces)

    @property
    def recorded_seconds(self) -> float:
        """The time inside forward, backward and inference passes."""
        return sum(_counted_seconds(piece.cells) * ROUNDS / piece.rounds for piece in self.pieces)

    @property
    def cost(self) -> float:
        return self.wall_seconds / self.recorded_seconds

    @property
    def precision(self) -> float:
        """The median over cells of half the width of their medians' 95 % intervals, over the medians."""
        return statistics.median(sampler.precision(list(cell.samples)) for cell in self.cells)

    @property
    def spread(self) -> float:
        """The median over cells of half the interquartile range of the samples, over their median."""
        quartiles = [statistics.quantiles(cell.samples, n=4, method="inclusive") for cell in self.cells]
        return statistics.median((high - low) / 2 / median for low, median, high in quartiles)

    @property
    def causes(self) -> dict[str, float]:
        """Seconds of the wall time by cause, all together the wall time."""
        found = {cause: sum(piece.causes[cause] for piece in self.pieces) for cause in self.pieces[0].causes}
        found[WORKER] = self.starts[WORKER]
        return {**found, ASV: self.wall_seconds - sum(found.values())}


def our_starts(release: Release, runtime: Runtime, folder: Path) -> dict[str, float]:
    """What each run of asv spends before its first cell, and a worker's end."""
    folder.mkdir(exist_ok=True)
    harness.project(folder)
    asv_seconds = harness.run_asv(["run", f"{release.name}^!", "-b", *JUST_DISCOVER], folder)
    began = time.monotonic()
    with start.worker(frameworks.get(release.framework), runtime, cores.threads()):
        pass
    return {ASV: asv_seconds, WORKER: time.monotonic() - began}


def measure_ours(release: Release, workloads: Sequence[str], folder: Path) -> Piece:
    """`asv run` as a user would type it, for so many rounds, in a project whose results lie in `folder`."""
    folder.mkdir(exist_ok=True)
    harness.project(folder)
    alternatives = "|".join(repr(name) for name in workloads)
    selection = rf"\((?:{alternatives}), 'cpu'\)$"
    options = ["-a", f"rounds={ROUNDS}", "-b", rf"time_\w+{selection}"]
    seconds = harness.run_asv(["run", f"{release.name}^!", *options], folder)
    lines = [line for line in sessions(folder / "results") if line["params"][0] in workloads]
    cells = recorded(folder / "results", workloads, batch_sizes(lines))
    return Piece(seconds, cells, causes=causes(lines, _counted_seconds(cells)))


def plain_starts(runtime: Runtime, folder: Path) -> dict[str, float]:
    """What each run of asv spends before its first cell: most of it, importing torch to list the benchmarks."""
    return {ASV: run_plain(runtime, folder, {}, ["-b", *JUST_DISCOVER])}


def measure_plain(runtime: Runtime, workloads: Sequence[str], ours: Piece, rounds: int, folder: Path) -> Piece:
    """The plain suite, by stock asv in the runtime's interpreter, with as many samples a round as ours took."""
    variables = {
        "PLAIN_SUITE_WORKLOADS": json.dumps(workloads),
        "PLAIN_SUITE_TRAINING_SAMPLES": json.dumps(ours.samples_a_round("forward")),
        "PLAIN_SUITE_INFERENCE_SAMPLES": json.dumps(ours.samples_a_round("inference")),
    }
    seconds = run_plain(runtime, folder, variables, ["--record-samples", "-a", f"rounds={rounds}"])
    return Piece(seconds, recorded(folder / "results", workloads, {}), rounds)


def run_plain(runtime: Runtime, folder: Path, variables: Mapping[str, str], arguments: Sequence[str]) -> float:
    """Runs stock asv in a new project, since it forgets the workloads that are not in the suite any more."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(harness.HERE / "plain_suite", folder)
    _commit(folder)
    # The runtime gets asv's runner for this run alone; nothing is installed in it.
    libraries = folder / "libraries"
    libraries.mkdir()
    (libraries / "asv_runner").symlink_to(Path(asv_runner.__file__).parent)
    # asv keeps what it knows of machines in the home folder, and asks questions about one that it does not know.
    environment = {**harness.environment(), **variables, "HOME": str(folder), "PYTHONPATH": str(libraries)}
    (folder / ".asv-machine.json").write_text('{"version": 1, "here": {"machine": "here"}}', "utf-8")
    options = ["-E", f"existing:{runtime.interpreter}", "--set-commit-hash", "HEAD", "--machine", "here"]
    return harness.run_asv(["run", *options, *arguments], folder, environment)


def _commit(folder: Path) -> None:
    """asv saves results under a commit."""
    git = ["git", "-c", "user.name=perf", "-c", "user.email=perf@localhost", "-C", str(folder)]
    for arguments in (["init", "--quiet"], ["add", "benchmarks"], ["commit", "--quiet", "-m", "The plain suite"]):
        subprocess.run([*git, *arguments], check=True)


def sessions(results: Path) -> list[dict[str, Any]]:
    """The lines of provenance in a folder of our results: one for each cell and session."""
    paths = results.glob("*/*.provenance.jsonl")
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def batch_sizes(lines: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """By workload and pass, the passes in a sample: the mean over the sessions' samples."""
    sizes: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        if "passes_per_sample" in line:
            of_cell = sizes.setdefault((line["workload"], line["pass"]), [])
            of_cell += [line["passes_per_sample"]] * line.get("samples", 1)
    return {key: statistics.mean(values) for key, values in sizes.items()}


def causes(lines: Sequence[Mapping[str, Any]], inside_seconds: float) -> dict[str, float]:
    """Seconds by cause of the cells that the lines are of; `inside_seconds` of them were inside recorded passes.

    None where the worker does not tell.
    """
    # Every cell of a session tells the same of it; no two sessions take the same time to a tenth of a millisecond.
    spent = {tuple(line.get(_SECONDS.format(name), 0.0) for name in _SPENT) for line in lines}
    if (0.0,) * len(_SPENT) in spent:
        return {}
    build, warmup, sampling_, session = (sum(values) for values in zip(*spent, strict=True))
    return {
        INSIDE: inside_seconds,
        BETWEEN: sampling_ - inside_seconds,
        WARMUP: warmup,
        BUILDING: build,
        AROUND: session - sampling_ - warmup - build,
        PROCESSES: sum(line["seconds"] for line in lines) - session,
    }


def recorded(results: Path, workloads: Sequence[str], sizes: Mapping[tuple[str, str], float]) -> list[Cell]:
    """The cells of these workloads in a folder of asv's results. Raises PasstimeError where one was not measured."""
    cells = []
    for result in iter_results(str(results)):
        for key in result.get_all_result_keys():
            measured_pass = key.rpartition(".time_")[2]
            params = result.get_result_params(key)
            samples = result.get_result_samples(key, params)
            stats = result.get_result_stats(key, params)
            for values, cell_samples, cell_stats in zip(itertools.product(*params), samples, stats, strict=True):
                workload = ast.literal_eval(values[0])
                if workload not in workloads or "'gpu'" in values:
                    continue
                if not cell_samples:
                    raise PasstimeError(f"{measured_pass} of {workload} was not measured; asv's output says why")
                passes_per_sample = sizes.get((workload, measured_pass), cell_stats["number"])
                cells.append(Cell(workload, measured_pass, cell_samples, passes_per_sample))
    if len(cells) != len(workloads) * len(PASSES):
        raise PasstimeError(f"{len(cells)} results instead of {len(workloads) * len(PASSES)}; asv's output says why")
    return cells


def _counted_seconds(cells: Iterable[Cell]) -> float:
    return sum(cell.seconds for cell in cells if cell.measured_pass in COUNTED)
