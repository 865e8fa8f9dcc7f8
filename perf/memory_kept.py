"""What does keeping memory do to time, spread and page faults? `python perf/memory_kept.py`; the README says how."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import click
import harness
from rich.table import Table

from passtime.catalog import frameworks, sampling, workloads
from passtime.runtimes.store import Runtime
from passtime.timeline.manifest import Release
from passtime.worker.driver import client, cores, memory, start
from passtime.worker.driver.supervisor import Worker

WORKLOADS = ("conv3x3/1", "conv5x5/2", "dense", "resnet18", "resnet50", "vgg16")
TURNS = 20
PROCESSES = 3


@dataclass(frozen=True)
class Taken:
    """The median seconds of a training step in each process, and the median page faults and peak of a process."""

    medians_seconds: tuple[float, ...]
    page_faults: float
    peak_bytes: float

    @property
    def seconds(self) -> float:
        return statistics.median(self.medians_seconds)

    @property
    def spread(self) -> float:
        """How far apart the processes are: the largest over the smallest, less 1."""
        return max(self.medians_seconds) / min(self.medians_seconds) - 1


def workers_of(release: Release, runtime: Runtime, stack: ExitStack) -> dict[str, Worker]:
    """A worker of the release that keeps memory, and one that does not."""
    framework = frameworks.get(release.framework)
    settings = (memory.KEPT, memory.SYSTEM)
    workers = {}
    for setting in settings:
        chosen = {**dict.fromkeys(memory.KEEPING, ""), **memory.variables({memory.VARIABLE: setting})}
        workers[setting] = stack.enter_context(start.worker(framework, runtime, cores.threads(), chosen))
    return workers


def measured(workers: dict[str, Worker], workload: str, turns: int, processes: int) -> dict[str, Taken]:
    """Sessions of both workers in turn, a training step's sample each; the order changes from turn to turn."""
    fields = {**workloads.request_fields(workload, "cpu"), **sampling.policy(), "threads": cores.threads()}
    medians: dict[str, list[float]] = {name: [] for name in workers}
    closed: dict[str, list[dict]] = {name: [] for name in workers}
    for _ in range(processes):
        with ExitStack() as stack:
            held = {
                name: stack.enter_context(client.Session(worker.address, {**fields, "pass": "total"}))
                for name, worker in workers.items()
            }
            samples: dict[str, list[float]] = {name: [] for name in workers}
            for turn in range(turns):
                for name in list(held) if turn % 2 else [*held][::-1]:
                    samples[name] += held[name].step(1, 1)["elapsed_seconds.total"]
            for name, session in held.items():
                medians[name].append(statistics.median(samples[name]))
                closed[name].append(session.close())
    return {
        name: Taken(
            tuple(medians[name]),
            statistics.median(one["provenance.page_faults_per_pass"] for one in closed[name]),
            statistics.median(one["peak_bytes"] for one in closed[name]),
        )
        for name in workers
    }


@click.command()
@harness.release_option
@click.option("--turns", default=TURNS, show_default=True, help="Samples of each process.")
@click.option("--processes", default=PROCESSES, show_default=True, help="Of each setting.")
@click.argument("names", nargs=-1)
def main(release_name: str | None, turns: int, processes: int, names: Sequence[str]) -> None:
    """Compare a training step with memory kept and with the system's default, workload by workload."""
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    table = Table("workload", "memory", "step", "processes differ by", "page faults a pass", "peak")
    table.title = f"{release.name}: {processes} processes of each, {turns} turns"
    ratios = {}
    with ExitStack() as stack:
        workers = workers_of(release, runtime, stack)
        for workload in names or WORKLOADS:
            harness.progress.print(f"{workload} ...")
            found = measured(workers, workload, turns, processes)
            for name, taken in found.items():
                table.add_row(workload, name, harness.milliseconds(taken.medians_seconds), f"{taken.spread:.1%}",
                              f"{taken.page_faults:,.0f}", f"{taken.peak_bytes / 1e6:,.0f} MB")  # fmt: skip
            ratios[workload] = found[memory.KEPT].seconds / found[memory.SYSTEM].seconds
    harness.show(table)
    said = ", ".join(f"{ratio:.2f} ({workload})" for workload, ratio in ratios.items())
    click.echo(f"memory kept: the step takes {said} of the time that it takes with the system's default")


if __name__ == "__main__":
    harness.run(main)
