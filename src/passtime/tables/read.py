"""A machine's stored results, by release, workload, device and pass."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asv import util
from asv.results import Results

from passtime import places
from passtime.asv_plugin.results import Sessions, cells_of
from passtime.errors import PasstimeError
from passtime.history.importing import DOUBTS
from passtime.timeline import manifest, repository
from passtime.timeline.manifest import Release

PASSES = ("forward", "backward", "total", "inference")

# Workload, device, pass.
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Measured:
    """A stored time: median seconds of a pass, half the interquartile range of its samples, and what is doubtful in it.

    `seconds` is NaN where the release or the machine cannot have it; `spread_seconds` None where no samples are stored.
    """

    seconds: float
    spread_seconds: float | None = None
    doubts: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        return not math.isnan(self.seconds)


@dataclass(frozen=True)
class Stored:
    """What one release has on the machine. A place that was never measured is not in `times`."""

    release: Release
    times: Mapping[Place, Measured] = field(default_factory=dict)

    @property
    def devices(self) -> set[str]:
        """The devices on which something was timed."""
        return {device for (_, device, _), measured in self.times.items() if measured.is_available}


def machines(root: Path) -> list[str]:
    """The machines that have results."""
    return sorted(path.parent.name for path in (root / "results").glob("*/machine.json"))


def read(root: Path, machine: str) -> list[Stored]:
    """What each release has on a machine, by date. Raises PasstimeError where it has nothing, or a file is damaged."""
    if machine not in machines(root):
        there = ", ".join(machines(root)) or "none yet"
        raise PasstimeError(f"no results of machine {machine}: there are {there}; `--machine` names one")
    known = manifest.load(root)
    timeline = places.timeline_repository(root)
    repository.build(known, timeline)
    found = []
    for path in sorted((root / "results" / machine).glob("*.json")):
        if path.name != "machine.json":
            try:
                results = Results.load(str(path), machine_name=machine)
                doubts = _doubts(path)
            except util.UserError as error:
                raise PasstimeError(str(error)) from None
            release = known.get(repository.release_name(timeline, results.commit_hash))
            found.append(Stored(release, _times(results, doubts)))
    return sorted(found, key=lambda stored: stored.release.date)


def _doubts(path: Path) -> dict[tuple[str, tuple[str, ...]], tuple[str, ...]]:
    sessions = Sessions.load(path.with_suffix(".provenance.jsonl"))
    return {
        (line["benchmark"], tuple(line["params"])): tuple(line[DOUBTS]) for line in sessions.lines() if DOUBTS in line
    }


def _times(results: Results, doubts: Mapping[tuple[str, tuple[str, ...]], tuple[str, ...]]) -> dict[Place, Measured]:
    times = {}
    for name, measured_pass in itertools.product(results.get_all_result_keys(), PASSES):
        if not name.endswith(f".time_{measured_pass}"):
            continue
        params = results.get_result_params(name)
        values = results.get_result_value(name, params)
        stats = results.get_result_stats(name, params)
        for cell, seconds, spread in zip(cells_of({"name": name, "params": params}), values, stats, strict=True):
            if seconds is not None:
                workload, device = cell.params
                times[workload, device, measured_pass] = Measured(
                    seconds, _half_quartile_range(spread), doubts.get((name, cell.params), ())
                )
    return times


def _half_quartile_range(stats: dict | None) -> float | None:
    if not stats or stats.get("q_25") is None:
        return None
    return (stats["q_75"] - stats["q_25"]) / 2
