"""Do joint training steps time what passes measured apart do? `python perf/joint_steps.py`; the README says how."""

from __future__ import annotations

from collections.abc import Sequence

import click
import harness
from rich.table import Table

from passtime.catalog import sampling, workloads
from passtime.worker.driver import cores

WORKLOADS = ("resnet18", "resnet50", "conv3x3/1", "dense")
GOAL = 0.01

# Repeated alone it finds its weights in the cache, which a training step's does not: shown, and no bias of the method.
NOT_THE_SAME = ("forward",)


@click.command()
@harness.release_option
@click.option("--workload", "chosen", multiple=True, type=click.Choice(WORKLOADS), help="Only this; repeatable.")
@click.option("--device", type=click.Choice(workloads.DEVICES), default="cpu", show_default=True)
@click.option("--rounds", default=20, show_default=True, help="Rounds for each workload, at the least.")
@click.option("--seconds", default=40.0, show_default=True, help="Time for each workload, at the least.")
def main(release_name: str | None, chosen: Sequence[str], device: str, rounds: int, seconds: float) -> None:
    """Compare the medians of joint training steps with those of forward, backward and total measured apart."""
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    threads = cores.threads()
    table = Table("workload", "pass apart", "joint", "apart", "ratio", "rounds", "goal")
    table.title = f"{release.name}, {device}, {threads} threads: joint steps over passes measured apart"
    comparisons = []
    for workload in chosen or WORKLOADS:
        harness.progress.print(workload)
        request = {
            **workloads.request_fields(workload, device),
            **sampling.policy(),
            "threads": threads,
            "rounds": rounds,
            "seconds": seconds,
        }
        answer = harness.ask_runtime(runtime, "steps_side.py", request)
        for name, apart in answer["apart"].items():
            joint = answer["joint"][name.partition(",")[0]]
            counted = name not in NOT_THE_SAME
            comparison = harness.Comparison(workload, name, harness.per_round(joint, apart), GOAL, counted)
            seconds_shown = harness.milliseconds(joint), harness.milliseconds(apart)
            goal = f"within {GOAL:.0%}" if counted else "none: not the same pass"
            table.add_row(workload, name, *seconds_shown, *comparison.shown(), goal)
            comparisons.append(comparison)
    harness.show(table)
    click.echo(harness.verdict("joint steps", comparisons))


if __name__ == "__main__":
    harness.run(main)
