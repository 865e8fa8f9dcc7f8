"""The first look: two releases measured, compared and published by one command.

Everything here is what a user could type: runtimes are installed, then `asv run`, `asv publish` and `asv compare` do
the rest. Started again after an interrupt, it measures only what is missing. What another computer measured is missing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from passtime import places
from passtime.asv import process as asv_process
from passtime.catalog import workloads
from passtime.errors import PasstimeError
from passtime.results.computer import computer
from passtime.runtimes import store
from passtime.timeline import manifest, repository

BRANCH = "torch"
MODELS = ("resnet18", "resnet50", "vgg16")
WORKLOADS = (*workloads.LAYERS, *MODELS)
RESULTS_PER_WORKLOAD = 6  # four passes, and the peak memory of training and of inference

# For the plan's one line: `make dashboard` took 7 min 25 s for 132 results on 2 cores of an EPYC. Once asv runs, it
# says how much is left from the pace so far.
SECONDS_PER_RESULT = 3.4


@click.command()
@click.option("--releases", nargs=2, metavar="OLD NEW", help="Compare these, not the two newest that run here.")
@click.option("--quick", is_flag=True, help="One sample of each pass: to see it work, not to compare.")
def dashboard(releases: Sequence[str] | None, quick: bool) -> None:
    """Measure a first look at two releases, and publish and compare them."""
    asv_process.end_when_told()
    root = places.root()
    computer()  # what is wrong with it is said before anything is installed
    known = manifest.load(root)
    chosen = [known.get(name) for name in releases] if releases else newest_runnable(known)
    devices = [device for device in workloads.DEVICES if device == "cpu" or store.has_gpu()]
    _say(plan([release.name for release in chosen], devices, quick))

    repository.build(known, places.timeline_repository(root))
    for release in chosen:
        store.ensure(release, _say)

    names = [release.name for release in chosen]
    run = ["run", " ".join(names), "-b", selection(devices), "--skip-existing-successful", "--interleave-rounds"]
    status = asv_process.run(root, *run, *(["--quick"] if quick else []))
    if status not in (0, asv_process.SOME_FAILED):
        raise PasstimeError("measuring stopped, as said above; `make dashboard` goes on from here")
    for command in (["publish"], ["compare", *names]):
        if asv_process.run(root, *command) != 0:
            raise PasstimeError(f"`asv {' '.join(command)}` failed, as said above")
    asv = Path(sys.executable).with_name("asv")
    _say(f"\nThe site is in html/. To browse it: {asv.relative_to(root) if asv.is_relative_to(root) else asv} preview")
    if status == asv_process.SOME_FAILED:
        raise PasstimeError("some benchmarks failed and are not in the site; `make dashboard` tries them again")


def newest_runnable(known: manifest.Manifest) -> list[manifest.Release]:
    """The two newest releases, older first, that this machine can run. Raises PasstimeError where there are not two."""
    runnable, reason = [], None
    for release in sorted(known.of_branch(BRANCH), key=lambda release: release.date, reverse=True):
        problem = store.runnable(release)
        if problem is None:
            runnable.append(release)
        reason = reason or problem
        if len(runnable) == 2:
            return runnable[::-1]
    raise PasstimeError(f"this machine can run {len(runnable)} {BRANCH} release(s), a comparison takes two: {reason}")


def selection(devices: Iterable[str]) -> str:
    """The regular expression for `asv run -b` that picks the first look on `devices`.

    asv matches it against names like `layers.Convolution.time_forward('conv3x3/1', 'cpu')`.
    """
    workload, device = ("|".join(re.escape(repr(name)) for name in names) for names in (WORKLOADS, devices))
    return rf"\(({workload}), ({device})\)$"


def plan(releases: Sequence[str], devices: Sequence[str], quick: bool) -> str:
    """One line that says what will be measured, and for roughly how long."""
    results = len(releases) * len(devices) * len(WORKLOADS) * RESULTS_PER_WORKLOAD
    minutes = max(1, round(results * SECONDS_PER_RESULT / 60))
    time = "a single sample each" if quick else f"roughly {minutes} minutes on 2 cores once the releases are installed"
    return (
        f"First look at {' and '.join(releases)} on {' and '.join(devices)}: {len(workloads.LAYERS)} layers and "
        f"{', '.join(MODELS)}, {results} results, {time}. What this computer has measured already is kept."
    )


def _say(line: str) -> None:
    click.echo(line, err=True)
