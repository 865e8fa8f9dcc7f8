"""Cells of old tables become asv results: of the machines, releases and benchmarks that new ones have, no samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from asv import util
from asv.benchmarks import Benchmarks
from asv.machine import Machine as AsvMachine

from passtime import places
from passtime.errors import PasstimeError
from passtime.results.history import doubts
from passtime.results.history.markdown import Cell, Machine
from passtime.results.machine import FILE
from passtime.results.sessions import DOUBTS, IMPORTED, cells_of
from passtime.results.sessions import Cell as ResultCell
from passtime.results.store import milliseconds, store_of
from passtime.timeline import manifest, repository
from passtime.timeline.manifest import Release

_FACTS = ("os", "arch", "cpu", "num_cpu", "ram")


def import_cells(root: Path, cells: Sequence[Cell], source: str) -> tuple[int, int]:
    """Stores the cells' numbers in the project at `root`; gives how many are new and how many a real result kept out.

    Importing again changes no byte. `source` is kept beside each number. Raises PasstimeError for a release that the
    timeline does not have, and where the project has no list of benchmarks yet.
    """
    known = manifest.load(root)
    timeline = places.timeline_repository(root)
    repository.build(known, timeline)
    benchmarks = _benchmarks(root / "results")
    doubtful = doubts.of_cells(cells)
    numbers: dict[tuple[Machine, Release], list[tuple[Cell, dict, ResultCell]]] = defaultdict(list)
    for cell in cells:
        if cell.seconds is not None:
            numbers[cell.machine, known.get(cell.release)].append((cell, *_place(benchmarks, cell)))
    new = kept_out = 0
    for (machine, release), placed in numbers.items():
        facts = _keep_machine(root / "results", machine)
        with store_of(root, facts, release).changing() as stored:
            for cell, benchmark, place in placed:
                lines = stored.sessions.of(place)
                value = stored.value(benchmark, place)
                if value is not None and not any(IMPORTED in line for line in lines):
                    kept_out += 1
                    continue
                line = {
                    "benchmark": place.benchmark,
                    "version": benchmark["version"],
                    "params": list(place.params),
                    "release": release.name,
                    IMPORTED: source,
                    DOUBTS: doubtful.get(cell, []),
                }
                if value == cell.seconds and lines == [line]:
                    continue
                # asv wants to know when it was measured. The tables do not tell; the release's date is always the same.
                stored.add(benchmark, place, [line], cell.seconds, started_at=milliseconds(release.date))
                new += 1
    return new, kept_out


def _benchmarks(results: Path) -> dict[str, dict]:
    path = results / "benchmarks.json"
    try:
        found = util.load_json(str(path), Benchmarks.api_version)
    except util.UserError as error:
        raise PasstimeError(f"{error}: `asv run --bench just-discover` writes the list of benchmarks") from None
    return {name: benchmark for name, benchmark in found.items() if isinstance(benchmark, dict)}


def _place(benchmarks: dict[str, dict], cell: Cell) -> tuple[dict, ResultCell]:
    """The benchmark and the place in it where this number belongs."""
    wanted = (cell.workload, cell.machine.device)
    for name, benchmark in benchmarks.items():
        if name.endswith(f".time_{cell.measured_pass}"):
            for place in cells_of(benchmark):
                if place.params == wanted:
                    return benchmark, place
    raise PasstimeError(f"no benchmark times {cell.measured_pass} of {cell.workload} on {cell.machine.device}")


def _keep_machine(results: Path, machine: Machine) -> dict[str, str]:
    facts = {**dict.fromkeys(_FACTS, "unknown"), **dict(machine.facts), "machine": machine.name}
    path = results / machine.name / FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        util.write_json(str(path), dict(sorted(facts.items())), AsvMachine.api_version)
    return facts
