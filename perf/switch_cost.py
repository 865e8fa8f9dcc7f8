"""How long until another release is being timed? `python perf/switch_cost.py`; the README says how."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import harness
from rich.table import Table

from passtime import places
from passtime.errors import PasstimeError

SELECTION = r"time_forward\('conv3x3/1', 'cpu'\)$"


def first_sample(release_name: str) -> float:
    """Seconds of an `asv run` that takes one sample: more than to its first timed pass, since asv has to end, too."""
    with tempfile.TemporaryDirectory(prefix="passtime-perf-") as temporary:
        folder = Path(temporary)
        harness.project(folder)
        return harness.run_asv(["run", f"{release_name}^!", "--quick", "-b", SELECTION], folder)


def reinstall(release_name: str) -> float:
    """Seconds to install the release into a place of its own, from what the installer has in its cache."""
    # Beside the runtimes: across file systems nothing can be hard-linked.
    with tempfile.TemporaryDirectory(prefix="perf-", dir=places.home()) as home:
        start = time.monotonic()
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("passtime")), "runtimes", "install", release_name],
            cwd=harness.ROOT,
            env={**os.environ, places.HOME_VARIABLE: home},
            stdout=sys.stderr,
        )
        seconds = time.monotonic() - start
    if ended.returncode != 0:
        raise PasstimeError(f"{release_name} could not be installed again, as said above")
    return seconds


@click.command()
@harness.release_option
@click.option("--rounds", default=3, show_default=True, help="Of each, alternating; the medians count.")
def main(release_name: str | None, rounds: int) -> None:
    """Compare the time from `asv run` to a first sample with that of reinstalling the release."""
    release, _ = harness.runtime_of(release_name)
    harness.warn_if_busy()
    ours, theirs = harness.alternate(rounds, lambda: first_sample(release.name), lambda: reinstall(release.name))
    table = Table("", "median", "of the rounds", title=f"{release.name}: seconds")
    for name, seconds in (("from `asv run` to the end of a first sample", ours), ("reinstalling it", theirs)):
        table.add_row(name, f"{statistics.median(seconds):.1f}", f"{min(seconds):.1f} to {max(seconds):.1f}")
    harness.show(table)
    ratio = statistics.median(harness.per_round(theirs, ours))
    click.echo(
        f"switch cost: {statistics.median(ours):.1f} s to a first sample of an installed release, "
        f"{statistics.median(theirs):.1f} s to reinstall it: {ratio:.1f} times as long"
    )


if __name__ == "__main__":
    harness.run(main)
