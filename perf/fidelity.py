"""Does a worker time what `torch.utils.benchmark.Timer` times? `python perf/fidelity.py`; the README says how."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import click
import harness
from rich.table import Table

from passtime import frameworks, sampling, workloads
from passtime.runtimes.store import Runtime
from passtime.worker import client
from passtime.worker.supervisor import Worker

GOALS = {"resnet18": 0.02, "vgg16": 0.02, "conv3x3/1": 0.05, "dense": 0.05}
SESSIONS = {"training": ("forward", "backward", "total"), "inference": ("inference",)}

Medians = dict[str, float]  # seconds, by pass


class Sides:
    """The worker and Timer on one session of one workload. The worker has to be asked first: Timer takes as many
    passes for a sample as it does."""

    def __init__(self, worker: Worker, runtime: Runtime, session: str, fields: dict[str, object], seconds: float):
        self._worker = worker
        self._runtime = runtime
        self._session = session
        self._fields = fields
        self._seconds = seconds
        self._passes_per_sample = 1
        self.not_the_same: list[str] = []

    def worker(self) -> Medians:
        """Of a fresh session: each reply is handed out once, so asking again measures again."""
        medians = {}
        for name in SESSIONS[self._session]:
            reply = client.ask(self._worker.address, {"request": "sample", "pass": name, **self._fields})
            medians[name] = statistics.median(reply["elapsed_seconds"])
            self._passes_per_sample = reply["passes_per_sample"]
        return medians

    def timer(self) -> Medians:
        """Of a fresh process; a pass that Timer cannot express is missing."""
        request = {
            **self._fields,
            "session": self._session,
            "passes_per_sample": self._passes_per_sample,
            "seconds": self._seconds,
        }
        answer = harness.ask_runtime(self._runtime, "timer_side.py", request)
        self.not_the_same = answer["not_the_same"]
        return answer["seconds"]


@click.command()
@harness.release_option
@click.option("--workload", "chosen", multiple=True, type=click.Choice(list(GOALS)), help="Only this; repeatable.")
@click.option("--device", type=click.Choice(workloads.DEVICES), default="cpu", show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Rounds of each, alternating: A B B A.")
@click.option("--seconds", default=1.0, show_default=True, help="Timer's time for each pass in a round, at the least.")
def main(release_name: str | None, chosen: Sequence[str], device: str, rounds: int, seconds: float) -> None:
    """Compare a worker's times with those of torch's own Timer, in one release, at one number of threads."""
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    threads = sampling.threads()
    framework = frameworks.get(release.framework)
    table = Table("workload", "pass", "worker", "Timer", "ratio", "of the rounds", "goal")
    table.title = f"{release.name}, {device}, {threads} threads: worker over Timer in {rounds} rounds"
    comparisons = []

    def command(socket: Path) -> list[str]:
        return framework.worker_command(runtime, socket)

    with Worker(release.name, command, harness.environment()) as worker:
        for workload in chosen or GOALS:
            fields = {**workloads.request_fields(workload, device), **sampling.policy(), "threads": threads}
            for session, passes in SESSIONS.items():
                harness.progress.print(f"{workload}, {session}")
                sides = Sides(worker, runtime, session, fields, seconds)
                ours, theirs = harness.alternate(rounds, sides.worker, sides.timer)
                for name in passes:
                    our_seconds = [medians[name] for medians in ours]
                    shown = [workload, name, harness.milliseconds(our_seconds)]
                    if name not in theirs[0]:
                        table.add_row(*shown, "-", "-", "-", "Timer cannot express it")
                        continue
                    their_seconds = [medians[name] for medians in theirs]
                    ratios = harness.per_round(our_seconds, their_seconds)
                    counted = name not in sides.not_the_same
                    comparison = harness.Comparison(workload, name, ratios, GOALS[workload], counted)
                    goal = f"within {comparison.goal:.0%}" if counted else "none: not the same pass"
                    table.add_row(*shown, harness.milliseconds(their_seconds), *comparison.shown(), goal)
                    comparisons.append(comparison)
    harness.show(table)
    click.echo(harness.verdict("fidelity", comparisons))


if __name__ == "__main__":
    harness.run(main)
