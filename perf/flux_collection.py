"""What does keeping Julia's garbage collector out of passes do to Flux's numbers? `perf/flux_collection.py RELEASE`"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import click
import harness
from rich.table import Table

from passtime.catalog import frameworks, sampling, workloads
from passtime.worker.driver import client, cores, start
from passtime.worker.driver.supervisor import Worker

WORKLOADS = ("conv3x3/1", "dense", "batchnorm", "resnet18")
PASSES = ("forward", "backward", "total", "inference")
SHARE_VARIABLE = "PASSTIME_FLUX_GARBAGE_SHARE"


@click.command()
@click.argument("release_name", metavar="RELEASE")
@click.option("--workload", "chosen", multiple=True, type=click.Choice(workloads.MODELS + tuple(workloads.LAYERS)))
@click.option("--rounds", default=6, show_default=True, help="Sessions of each kind, for each workload.")
def main(release_name: str, chosen: Sequence[str], rounds: int) -> None:
    """Compare sessions whose passes hold no collection with sessions in which Julia collects when it likes."""
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    threads = cores.threads()
    framework = frameworks.get(release.framework)
    outside, inside = (
        start.worker(framework, runtime, threads),
        start.worker(framework, runtime, threads, {SHARE_VARIABLE: "0"}),
    )
    table = Table("workload", "pass", "outside", "inside", "ratio", "rounds", "collection a pass", "faults a pass")
    table.title = f"{release.name}, {threads} threads: no collection in a pass over collection in passes"
    with outside, inside:
        for workload in chosen or WORKLOADS:
            harness.progress.print(workload)
            request = {
                **workloads.request_fields(workload, "cpu"),
                **sampling.policy(),
                "threads": threads,
                "request": "sample",
            }
            ours, theirs = harness.alternate(
                rounds, lambda r=request: _ask(outside, r), lambda r=request: _ask(inside, r)
            )
            for measured_pass in PASSES:
                sides = [[replies[measured_pass] for replies in side] for side in (ours, theirs)]
                seconds = [[reply.seconds for reply in side] for side in sides]
                ratios = harness.per_round(*seconds)
                comparison = harness.Comparison(workload, measured_pass, ratios, goal=float("inf"), counted=False)
                table.add_row(
                    workload,
                    measured_pass,
                    *map(harness.milliseconds, seconds),
                    *comparison.shown(),
                    " / ".join(harness.milliseconds([reply.collection_seconds for reply in side]) for side in sides),
                    " / ".join(f"{statistics.median(reply.page_faults for reply in side):.0f}" for side in sides),
                )
    harness.show(table)
    click.echo("flux collection: no goal: the figures say what the choice does")


class _Reply(NamedTuple):
    """A session's median seconds of a pass, and its seconds of collection and page faults for each pass or step."""

    seconds: float
    collection_seconds: float
    page_faults: float


def _ask(worker: Worker, request: dict) -> dict[str, _Reply]:
    """Both sessions of a workload, by pass."""
    replies = {name: client.ask(worker.address, {**request, "pass": name}) for name in PASSES}
    return {
        name: _Reply(
            statistics.median(reply["elapsed_seconds"]),
            reply["provenance.collection_seconds_per_pass"],
            reply["provenance.page_faults_per_pass"],
        )
        for name, reply in replies.items()
    }


if __name__ == "__main__":
    harness.run(main)
