"""What do the sessions of one worker share? `python perf/workers.py`; the README says how."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median, variance

import click
import harness
import pool
from pool import Session
from rich.table import Table

from passtime.catalog import frameworks, sampling
from passtime.catalog.place import Item
from passtime.measure.take import take
from passtime.worker.driver import cores, start

POOL = harness.HERE / "pools" / "workers.jsonl"
WORKLOADS = ("dense", "maxpool", "batchnorm", "conv3x3/1", "resnet18")
SESSIONS_A_WORKER = 2


@click.command()
@harness.release_option
@click.option("--pool", "path", type=click.Path(path_type=Path), default=POOL, show_default=True)
@click.option("--workers", default=0, help="Measure until the pool has so many workers.")
def main(release_name: str | None, path: Path, workers: int) -> None:
    """Tell how much sessions differ within a worker, and how much workers differ beyond that."""
    for number in range(len({one.round for one in pool.read(path)}), workers):
        harness.progress.print(f"worker {number + 1} of {workers}")
        measure_worker(release_name, path, number)
    found = deviations(pool.read(path))
    table = Table("workload", "pass", "within a worker", "between workers", "workers")
    table.title = "Standard deviation of a session's log median"
    for (workload, name), (within, between, count) in found.items():
        table.add_row(workload, name, f"{within:.1%}", f"{between:.1%}", str(count))
    harness.show(table)
    larger = sum(between > within for within, between, _ in found.values())
    click.echo(f"workers: in {larger} of {len(found)} passes workers differ by more than the sessions of one")


def measure_worker(release_name: str | None, path: Path, number: int) -> None:
    """Adds a worker's sessions of each workload to the pool."""
    release, runtime = harness.runtime_of(release_name)
    with start.worker(frameworks.get(release.framework), runtime, cores.threads()) as worker:
        taken = [
            pool.session(number, item, str(index), take(worker, item, sampling.policy_for_verdict()), 0.0)
            for item in (Item(workload, "cpu", "training") for workload in WORKLOADS)
            for index in range(SESSIONS_A_WORKER)
        ]
    pool.append(path, taken)


def deviations(sessions: Sequence[Session]) -> dict[tuple[str, str], tuple[float, float, int]]:
    """By workload and pass: the standard deviation within a worker, that between workers beyond it, and the workers.

    Analysis of variance with one random factor: the mean square between workers holds that within them, divided by
    the sessions of each.
    """
    logs: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in sessions:
        for name, samples in one.samples.items():
            logs[one.workload, name][one.round].append(math.log(median(samples)))
    found = {}
    for row, by_worker in logs.items():
        within = fmean(variance(values) for values in by_worker.values())
        between = variance([fmean(values) for values in by_worker.values()]) - within / SESSIONS_A_WORKER
        found[row] = (math.sqrt(within), math.sqrt(max(0.0, between)), len(by_worker))
    return found


if __name__ == "__main__":
    harness.run(main)
