"""Does a worker time what `torch.utils.benchmark.Timer` times? `python perf/fidelity.py`; the README says how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import harness
from rich.table import Table

from passtime.catalog import frameworks, sampling, workloads
from passtime.catalog.place import SESSIONS
from passtime.worker.driver import client, cores, start
from passtime.worker.driver.supervisor import Worker

PASSES = [name for passes in SESSIONS.values() for name in passes]
GOALS = {"resnet18": 0.02, "vgg16": 0.02, "conv3x3/1": 0.05, "dense": 0.05}


@click.command()
@harness.release_option
@click.option("--workload", "chosen", multiple=True, type=click.Choice(list(GOALS)), help="Only this; repeatable.")
@click.option("--pass", "only", multiple=True, type=click.Choice(PASSES), help="Only this; repeatable.")
@click.option("--device", type=click.Choice(workloads.DEVICES), default="cpu", show_default=True)
@click.option("--pairs", default=20, show_default=True, help="Pairs of samples for each pass, at the least.")
@click.option("--seconds", default=4.0, show_default=True, help="Timer's own time for each pass, at the least.")
def main(
    release_name: str | None, chosen: Sequence[str], only: Sequence[str], device: str, pairs: int, seconds: float
) -> None:
    """Compare a worker's times with those of torch's own Timer, in one release, at one number of threads."""
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    threads = cores.threads()
    framework = frameworks.get(release.framework)
    table = Table("workload", "pass", "worker, alone", "worker", "Timer", "ratio", "pairs", "goal")
    table.title = f"{release.name}, {device}, {threads} threads: a worker's samples over Timer's, in turn"
    comparisons = []

    def command(socket: Path) -> list[str]:
        return start.command(framework, runtime, socket)

    with Worker(release.name, command, harness.environment()) as worker:
        for workload in chosen or GOALS:
            fields = {**workloads.request_fields(workload, device), **sampling.policy(), "threads": threads}
            for session in SESSIONS:
                passes = [name for name in SESSIONS[session] if name in (only or PASSES)]
                if not passes:
                    continue
                harness.progress.print(f"{workload}, {session}")
                alone = {name: client.ask(worker.address, {"request": "sample", "pass": name, **fields})
                         for name in passes}  # fmt: skip
                (passes_per_sample,) = {reply["passes_per_sample"] for reply in alone.values()}
                beside = {
                    **fields,
                    "session": session,
                    "passes": passes,
                    "passes_per_sample": passes_per_sample,
                    "pairs": pairs,
                    "seconds": seconds,
                }
                answer = harness.ask_runtime(runtime, "timer_side.py", beside)
                for name in passes:
                    shown = [workload, name, harness.milliseconds(alone[name]["elapsed_seconds"])]
                    if name not in answer["pairs"]:
                        table.add_row(*shown, "-", "-", "-", "-", "Timer cannot express it")
                        continue
                    ours, theirs = zip(*answer["pairs"][name], strict=True)
                    counted = name not in answer["not_the_same"]
                    comparison = harness.Comparison(
                        workload, name, harness.per_round(ours, theirs), GOALS[workload], counted
                    )
                    goal = f"within {comparison.goal:.0%}" if counted else "none: not the same pass"
                    table.add_row(
                        *shown, harness.milliseconds(ours), harness.milliseconds(theirs), *comparison.shown(), goal
                    )
                    comparisons.append(comparison)
    harness.show(table)
    click.echo(harness.verdict("fidelity", comparisons))


if __name__ == "__main__":
    harness.run(main)
