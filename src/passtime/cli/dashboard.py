"""The first look: two releases measured in heats, compared and published by one command.

Everything here is what a user could type: `passtime measure`, then `asv publish`. Started again after an interrupt, it
goes on.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from passtime import places
from passtime.amounts import duration
from passtime.asv import process as asv_process
from passtime.asv.commands import end_by_interrupt
from passtime.asv.patterns import compiled
from passtime.asv.project import Project
from passtime.catalog import workloads
from passtime.catalog.place import PASSES
from passtime.cli import formats, output
from passtime.cli.options import Duration
from passtime.errors import PasstimeError
from passtime.measure.compare import MARGIN, compare
from passtime.results.computer import computer
from passtime.runtimes import store
from passtime.timeline import manifest

BRANCH = "torch"
MODELS = ("resnet18", "resnet50", "vgg16")
WORKLOADS = (*workloads.LAYERS, *MODELS)


@click.command()
@click.option("--releases", nargs=2, metavar="OLD NEW", help="Compare these, not the two newest that run here.")
@click.option("--budget", type=Duration(), default="12m", show_default=True, help="How long to measure, at the most.")
def dashboard(releases: Sequence[str] | None, budget: float) -> None:
    """Measure a first look at two releases, say what became faster or slower, and publish the site."""
    end_by_interrupt()
    root = places.root()
    computer()  # what is wrong with it is said before anything is installed
    known = manifest.load(root)
    base, other = [known.get(name) for name in releases] if releases else newest_runnable(known)
    if base == other:
        raise PasstimeError(f"{base.name} against itself shows nothing: name two releases")
    devices = [device for device in workloads.DEVICES if device == "cpu" or store.has_gpu()]
    output.say(plan(base.name, other.name, devices, budget), err=True)
    suite = Project(root).suite()
    (made,), failures = compare(
        suite, base, [other], compiled(selection(devices)), None, budget, MARGIN, output.progress()
    )
    formats.write([made], "rich")
    if asv_process.run(root, "publish") != 0:
        raise PasstimeError("`asv publish` failed, as said above")
    asv = Path(sys.executable).with_name("asv")
    shown = asv.relative_to(root) if asv.is_relative_to(root) else asv
    output.say(f"\nThe site is in html/. To browse it: {shown} preview", err=True)
    if failures:
        raise PasstimeError(f"{len(failures)} could not be measured: {'; '.join(failures)}")


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
    """The regular expression for `-b` that picks the first look on `devices`.

    It is matched against names like `layers.Convolution.time_forward('conv3x3/1', 'cpu')`.
    """
    workload, device = ("|".join(re.escape(repr(name)) for name in names) for names in (WORKLOADS, devices))
    return rf"\(({workload}), ({device})\)$"


def plan(base: str, other: str, devices: Sequence[str], budget_seconds: float) -> str:
    """One line that says what will be measured, and for how long at the most."""
    passes = len(devices) * len(WORKLOADS) * len(PASSES)
    return (
        f"First look at {base} and {other} on {' and '.join(devices)}: {len(workloads.LAYERS)} layers and "
        f"{', '.join(MODELS)}, {passes} passes, at most {duration(budget_seconds)} once the releases are installed. "
        "What was measured before counts."
    )
