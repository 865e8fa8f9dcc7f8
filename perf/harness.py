"""What the scripts here share: the release and its runtime, a process in it, and the verdict over ratios."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from asv import util
from rich.console import Console
from rich.table import Table

from passtime import places, worker
from passtime.asv.together import REFERENCE_VARIABLE
from passtime.cli import dashboard
from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.timeline import manifest
from passtime.worker.driver import client, cores
from passtime.worker.inside import sampler

Figure = TypeVar("Figure")

HERE = Path(__file__).parent
ROOT = HERE.parent
WORKER = Path(worker.__file__).parent

# Above this many running processes a CPU, in the last minute, a ratio says more about the others.
BUSY_LOAD_PER_CPU = 0.5

progress = Console(stderr=True)
release_option = click.option("--release", "release_name", metavar="NAME", help="Default: the newest that runs here.")


def run(command: click.Command) -> None:
    """Runs a script's command as a program: what the user can act on is one line and exit status 1."""
    try:
        command()
    except (PasstimeError, client.WorkerError) as error:
        sys.exit(f"Error: {error}")


def runtime_of(release_name: str | None) -> tuple[manifest.Release, store.Runtime]:
    """The release, and its runtime, installed if need be. Raises PasstimeError where that fails."""
    known = manifest.load(places.root(ROOT))
    release = known.get(release_name) if release_name else dashboard.newest_runnable(known)[-1]
    return release, store.ensure(release, progress.print)


def warn_if_busy() -> None:
    """Says so when something else ran on this machine in the last minute."""
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > BUSY_LOAD_PER_CPU * cpus:
        progress.print(
            f"[yellow]Warning: the load of the last minute is {load:.1f} on {cpus} CPUs. For figures to rely on, run "
            "this alone, a minute after the last thing that ran."
        )


def environment() -> dict[str, str]:
    """What asv's plugin gives a worker: the threads of the libraries under the framework."""
    threads = str(cores.threads())
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return {**inherited, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def ask_runtime(runtime: store.Runtime, script: str, request: Mapping[str, object]) -> dict[str, Any]:
    """The answer of one of the scripts beside this, run by the runtime's interpreter in a process of its own.

    Raises PasstimeError with the last line that the script printed when it fails.
    """
    ended = subprocess.run(
        [str(runtime.interpreter), str(HERE / script), str(WORKER)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env=environment(),
    )
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise PasstimeError(f"perf/{script} failed in {runtime.release}: {last}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def project(folder: Path) -> None:
    """Makes `folder` a project like this checkout, with a `results/` of its own, so that no figure ends in ours."""
    settings = util.load_json(str(ROOT / "asv.conf.json"), js_comments=True)
    settings.update(results_dir="results", html_dir="html")
    (folder / "asv.conf.json").write_text(json.dumps(settings), "utf-8")
    (ROOT / ".passtime").mkdir(exist_ok=True)  # asv makes the timeline in it
    for name in ("benchmarks", ".passtime"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name, target_is_directory=True)


def run_asv(arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> float:
    """Runs asv in `folder`, its output on stderr, and gives its wall time in seconds; a release is measured alone.

    Raises PasstimeError when it fails.
    """
    alone = {**(os.environ if environment is None else environment), REFERENCE_VARIABLE: "none"}
    start = time.monotonic()
    ended = subprocess.run([sys.executable, "-m", "asv", *arguments], cwd=folder, env=alone, stdout=sys.stderr)
    seconds = time.monotonic() - start
    if ended.returncode != 0:
        raise PasstimeError(f"`asv {arguments[0]}` failed, as said above")
    return seconds


def alternate(rounds: int, a: Callable[[], Figure], b: Callable[[], Figure]) -> tuple[list[Figure], list[Figure]]:
    """What `a` and `b` give in each round, called in the order A B B A A B ..."""
    of_a, of_b = [], []
    for index in range(rounds):
        if index % 2:
            of_b.append(b())
            of_a.append(a())
        else:
            of_a.append(a())
            of_b.append(b())
    return of_a, of_b


@dataclass(frozen=True)
class Comparison:
    """The ratios of one pass of one workload, one for each round."""

    workload: str
    measured_pass: str
    ratios: tuple[float, ...]
    goal: float  # how far from 1 the ratio may be
    counted: bool = True  # False: shown, but not part of the verdict

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def miss(self) -> float:
        """How far beyond its goal the ratio is; negative within it."""
        return abs(self.ratio - 1) - self.goal

    @property
    def precision(self) -> float:
        """Half the width of the ratio's 95 % interval, over the ratio; infinite for fewer than 6 rounds."""
        return sampler.precision(list(self.ratios))

    def __str__(self) -> str:
        return f"{self.ratio:.3f}" + (f" ± {self.precision:.1%}" if math.isfinite(self.precision) else "")

    def shown(self) -> tuple[str, str]:
        """The ratio with its 95 % interval, and of how many rounds it is the median."""
        return str(self), str(len(self.ratios))


def per_round(ours: Iterable[float], theirs: Iterable[float]) -> tuple[float, ...]:
    """The ratio of each round: what drifts from round to round cancels."""
    return tuple(a / b for a, b in zip(ours, theirs, strict=True))


def show(table: Table) -> None:
    """Prints a table; into a file or a pipe as Markdown, which the documentation takes as it is."""
    console = Console()
    if console.is_terminal:
        console.print(table)
    else:
        print(markdown(table))


def markdown(table: Table) -> str:
    """A table as Markdown, under its title."""
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    heading, *rows = (" | ".join(cells) for cells in zip(*columns, strict=True))
    lines = [heading, " | ".join("---" for _ in columns), *rows]
    return f"{table.title}\n\n" * bool(table.title) + "".join(f"| {line} |\n" for line in lines)


def milliseconds(seconds: Sequence[float]) -> str:
    """The median of the rounds, for a table."""
    return f"{statistics.median(seconds) * 1000:.4g} ms"


def verdict(question: str, comparisons: Iterable[Comparison]) -> str:
    """The final line: for each goal, the ratio that is worst against it, and whether all are met."""
    counted = [comparison for comparison in comparisons if comparison.counted]
    worst = {
        goal: max((c for c in counted if c.goal == goal), key=lambda c: c.miss)
        for goal in sorted({c.goal for c in counted})
    }
    said = "; ".join(
        f"worst {c} ({c.workload} {c.measured_pass}) of those to be within {goal:.0%}" for goal, c in worst.items()
    )
    missed = [c for c in counted if c.miss > 0]
    if not missed:
        return f"{question}: {said}: pass"
    misses = ", ".join(f"{c.workload} {c.measured_pass} by {c.miss:.1%}" for c in missed)
    return f"{question}: {said}: missed by {misses}"
