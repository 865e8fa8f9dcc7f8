"""How much wall time does a recorded second cost? `python perf/sweep_cost.py`; the README says how."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import harness
import sweep_sides
from rich.table import Table
from sweep_sides import COUNTED, PASSES, Cell, Piece, Sweep

from passtime.catalog import workloads
from passtime.errors import PasstimeError

WORKLOADS = ("resnet18", "resnet50", "conv3x3/1", "dense")
ALL_WORKLOADS = (*workloads.LAYERS, *workloads.MODELS)
GOAL = 2.5  # wall time over recorded time
FULL_GOAL = 5.0  # the plain suite's wall time over ours

OURS, PLAIN = "passtime", "plain asv"


class Kept:
    """What was measured of each side, in one file, written anew after each piece."""

    def __init__(self, path: Path, release_name: str) -> None:
        """Raises PasstimeError where the file has another release's."""
        self._path = path
        content: dict[str, Any] = {"release": release_name, "starts": {}, "pieces": {}}
        self._content = json.loads(path.read_text("utf-8")) if path.is_file() else content
        if self._content["release"] != release_name:
            there = self._content["release"]
            raise PasstimeError(f"{path} has pieces of {there}: name that release, or another folder")

    def starts(self, side: str, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """What the side spends at each start; measured where that is not kept."""
        if side not in self._content["starts"]:
            self._content["starts"][side] = measure()
            self._save()
        found: dict[str, float] = self._content["starts"][side]
        return found

    def piece(self, side: str, name: str) -> Piece | None:
        found = self._content["pieces"].get(f"{side}: {name}")
        return Piece(**{**found, "cells": [Cell(**cell) for cell in found["cells"]]}) if found else None

    def put(self, side: str, name: str, piece: Piece) -> None:
        self._content["pieces"][f"{side}: {name}"] = dataclasses.asdict(piece)
        self._save()

    def _save(self) -> None:
        part = self._path.with_name(self._path.name + ".part")
        part.write_text(json.dumps(self._content), "utf-8")
        part.replace(self._path)


@click.command()
@harness.release_option
@click.option("--plain/--no-plain", default=True, help="Run the plain suite, too: most of the time.")
@click.option("--full", is_flag=True, help="All models and layers, a piece of either suite for each.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Of --full: pieces are kept here.")
@click.option("--minutes", type=float, default=math.inf, help="Of --keep: begin no piece after so many minutes.")
@click.option("--plain-rounds", type=click.IntRange(1, 2), default=2, help="1: the plain suite's round counts twice.")
def main(
    release_name: str | None, plain: bool, full: bool, keep: Path | None, minutes: float, plain_rounds: int
) -> None:
    """Compare asv runs' wall time with the time inside recorded passes, in our suite and in a plain one."""
    if (keep and not full) or (math.isfinite(minutes) and not keep):
        raise click.UsageError("--minutes needs --keep, and that --full")
    end = time.monotonic() + 60 * minutes
    release, runtime = harness.runtime_of(release_name)
    harness.warn_if_busy()
    pieces = [(name,) for name in ALL_WORKLOADS] if full else [WORKLOADS]
    with tempfile.TemporaryDirectory(prefix="passtime-perf-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        kept = Kept(folder / "sweep.json", release.name)
        found: dict[str, list[Piece]] = {OURS: [], **({PLAIN: []} if plain else {})}
        starts = {OURS: kept.starts(OURS, lambda: sweep_sides.our_starts(release, runtime, folder / "ours"))}
        if plain:
            starts[PLAIN] = kept.starts(PLAIN, lambda: sweep_sides.plain_starts(runtime, folder / "plain"))
        for piece in pieces:
            for side, measured in found.items():
                name = ", ".join(piece)
                one = kept.piece(side, name)
                if one is None:
                    if time.monotonic() >= end:
                        click.echo(said_of_the_rest(found, len(pieces)))
                        return
                    if side == OURS:
                        one = sweep_sides.measure_ours(release, piece, folder / "ours")
                    else:
                        ours = found[OURS][-1]
                        one = sweep_sides.measure_plain(runtime, piece, ours, plain_rounds, folder / "plain")
                    kept.put(side, name, one)
                measured.append(one)
    sweeps = {side: Sweep(measured, starts[side]) for side, measured in found.items()}
    harness.show(recorded_table(release.name, sweeps))
    if all(piece.causes for piece in found[OURS]):
        harness.show(causes_table(sweeps[OURS]))
    click.echo(precision_line(sweeps))
    click.echo(full_verdict(sweeps) if full else verdict(sweeps))


def said_of_the_rest(found: Mapping[str, list[Piece]], pieces: int) -> str:
    done = sum(len(measured) for measured in found.values())
    return f"{done} of {pieces * len(found)} pieces are measured; the same command goes on with the others"


def recorded_table(release_name: str, sweeps: Mapping[str, Sweep]) -> Table:
    made = Table("suite", "workload", "samples", *(f"in {name}" for name in COUNTED), "in total, not counted")
    made.title = f"{release_name}: seconds inside recorded passes"
    for suite, sweep in sweeps.items():
        for workload in dict.fromkeys(cell.workload for cell in sweep.cells):
            cells = {cell.measured_pass: cell for cell in sweep.cells if cell.workload == workload}
            counts = "+".join(str(len(cells[name].samples)) for name in PASSES)
            made.add_row(suite, workload, counts, *(f"{cells[name].seconds:.2f} s" for name in PASSES))
        made.add_section()
    return made


def causes_table(ours: Sweep) -> Table:
    """Where our side's wall time went."""
    made = Table("cause", "seconds", "share", title=f"{OURS}: wall time by cause")
    for cause, seconds in ours.causes.items():
        made.add_row(cause, f"{seconds:.1f} s", f"{seconds / ours.wall_seconds:.1%}")
    return made


def precision_line(sweeps: Mapping[str, Sweep]) -> str:
    """How well each side knows its medians."""
    said = []
    for suite, sweep in sweeps.items():
        precision = sweep.precision
        interval = f"± {precision:.2%}" if math.isfinite(precision) else "too few samples for an interval"
        said.append(f"{suite} {interval}, samples' half interquartile range {sweep.spread:.2%}")
    return f"precision, the median over all cells: {'; '.join(said)}"


def verdict(sweeps: Mapping[str, Sweep]) -> str:
    ours = sweeps[OURS]
    line = f"sweep cost: {cost(ours)}" + (f", a plain suite {cost(sweeps[PLAIN])}" if PLAIN in sweeps else "")
    met = "pass" if ours.cost <= GOAL else f"missed by {ours.cost - GOAL:.2f}"
    return f"{line}{counted_twice(sweeps)}; to be {GOAL} or less: {met}"


def full_verdict(sweeps: Mapping[str, Sweep]) -> str:
    line = f"sweep cost of all models and layers: {cost(sweeps[OURS])}"
    if PLAIN not in sweeps:
        return line
    ratio = sweeps[PLAIN].wall_seconds / sweeps[OURS].wall_seconds
    met = "pass" if ratio >= FULL_GOAL else f"missed by {FULL_GOAL - ratio:.2f}"
    said = f"{line}; a plain suite {cost(sweeps[PLAIN])}{counted_twice(sweeps)}, {ratio:.2f} times the wall time"
    return f"{said}; to be {FULL_GOAL:.0f} or more: {met}"


def cost(sweep: Sweep) -> str:
    return f"{sweep.cost:.2f} ({sweep.wall_seconds:.0f} s for {sweep.recorded_seconds:.0f} s)"


def counted_twice(sweeps: Mapping[str, Sweep]) -> str:
    pieces = sweeps[PLAIN].pieces if PLAIN in sweeps else []
    once = sum(piece.rounds < sweep_sides.ROUNDS for piece in pieces)
    return f" (in {once} of its {len(pieces)} pieces one round, counted twice)" if once else ""


if __name__ == "__main__":
    harness.run(main)
