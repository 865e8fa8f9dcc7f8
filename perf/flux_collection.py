"""What does keeping Julia's garbage collector out of passes do to Flux's numbers? `perf/flux_collection.py RELEASE`"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import click
import harness
from rich.table import Table

from passtime import frameworks, sampling, workloads
from passtime.worker import client
from passtime.worker.supervisor import Worker

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
    threads = sampling.threads()
    framework = frameworks.get(release.framework)
    outside, inside = framework.worker(runtime, threads), framework.worker(runtime, threads, {SHARE_VARIABLE: "0"})
    table = Table("workload", "pass", "outside", "inside", "ratio", "rounds", "collection a pass", "faults a pass")
    table.title = f"{release.name}, {threads} threads: no collection in a pass over collection in passes"
    with outside, inside:
        for workload in chosen or WORKLOADS:
            for measured_pass in PASSES:
                harness.progress.print(f"{workload}, {measured_pass}")
                request = {
                    **workloads.request_fields(workload, "cpu"),
                    **sampling.policy(),
                    "threads": threads,
                    "request": "sample",
                    "pass": measured_pass,
                }
                ours, theirs = harness.alternate(
                    rounds, lambda r=request: _ask(outside, r), lambda r=request: _ask(inside, r)
                )
                ratios = harness.per_round([reply[0] for reply in ours], [reply[0] for reply in theirs])
                comparison = harness.Comparison(workload, measured_pass, ratios, goal=float("inf"), counted=False)
                table.add_row(
                    workload,
                    measured_pass,
                    harness.milliseconds([reply[0] for reply in ours]),
                    harness.milliseconds([reply[0] for reply in theirs]),
                    *comparison.shown(),
                    " / ".join(harness.milliseconds([reply[1] for reply in side]) for side in (ours, theirs)),
                    " / ".join(f"{statistics.median(reply[2] for reply in side):.0f}" for side in (ours, theirs)),
                )
    harness.show(table)
    click.echo("flux collection: no goal: the figures say what the choice does")


def _ask(worker: Worker, request: dict) -> tuple[float, float, float]:
    """Median seconds of the pass, seconds of collection a pass, and page faults a pass."""
    reply = client.ask(worker.address, request)
    return (
        statistics.median(reply["elapsed_seconds"]),
        reply["provenance.collection_seconds_per_pass"],
        reply["provenance.page_faults_per_pass"],
    )


if __name__ == "__main__":
    harness.run(main)
