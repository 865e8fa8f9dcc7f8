"""The two tables, models and layers, arranged: a workload's releases one under the other, the best of them marked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from passtime.catalog import workloads
from passtime.catalog.place import PASSES, Place
from passtime.results.parity import HOLDS, Record
from passtime.results.stored import Measured, Stored

# The rows of the tables that passtime grew from, in their order; what else was measured follows.
FIRST_MODELS = (
    *("vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
)
FIRST_LAYERS = ("conv3x3/1", "conv5x5/1", "conv3x3/2", "conv5x5/2", "dense", "batchnorm")

# All workloads, those first.
MODELS = (*FIRST_MODELS, *(name for name in workloads.MODELS if name not in FIRST_MODELS))
LAYERS = (*FIRST_LAYERS, *(name for name in workloads.LAYERS if name not in FIRST_LAYERS))

MODEL_PASSES = PASSES
LAYER_PASSES = ("forward", "backward", "total")


@dataclass(frozen=True)
class Row:
    """A workload in one release: a time for each pass of its table, None where it was never measured.

    `best` are the passes in which no other release of the table is faster. `parity` tells whether the row's release is
    known to do the same work as the workload's first in the table: `holds`, `differs`, or, between frameworks,
    `unchecked`.
    """

    workload: str
    release: str
    times: tuple[Measured | None, ...]
    best: frozenset[str]
    parity: str


@dataclass(frozen=True)
class Table:
    """`kind` is `Model` or `Layer`; times are shown in `unit`, so many of which make a second."""

    kind: str
    device: str
    passes: tuple[str, ...]
    unit: str
    units_per_second: int
    rows: tuple[Row, ...]


def tables(stored: Sequence[Stored], device: str, record: Record, chosen: Collection[str] = ()) -> tuple[Table, Table]:
    """Both tables of the releases, in the order given, on one device; with `chosen`, of these workloads only."""
    measured = {workload for one in stored for workload, place, _ in one.times if place == device}

    def table(
        kind: str, first: Sequence[str], names: Iterable[str], passes: tuple[str, ...], unit: tuple[str, int]
    ) -> Table:
        there = [name for name in names if name in first or name in measured]
        shown = [name for name in there if name in chosen or not chosen]
        rows = [row for workload in shown for row in _rows(workload, passes, stored, device, record)]
        return Table(kind, device, passes, *unit, tuple(rows))

    return (
        table("Model", FIRST_MODELS, MODELS, MODEL_PASSES, ("s", 1)),
        table("Layer", FIRST_LAYERS, LAYERS, LAYER_PASSES, ("ms", 1000)),
    )


def _rows(
    workload: str, passes: tuple[str, ...], stored: Sequence[Stored], device: str, record: Record
) -> Iterator[Row]:
    reference = stored[0].release
    fastest = {}
    for measured_pass in passes:
        times = [one.times.get(Place(workload, device, measured_pass)) for one in stored]
        there = [time.seconds for time in times if time is not None and time.is_available]
        # The best of one is none.
        fastest[measured_pass] = min(there) if len(there) > 1 else None
    for one in stored:
        times = [one.times.get(Place(workload, device, measured_pass)) for measured_pass in passes]
        best = frozenset(
            measured_pass
            for measured_pass, time in zip(passes, times, strict=True)
            if time is not None and time.seconds == fastest[measured_pass]
        )
        is_compared = any(time is not None and time.is_available for time in times)
        state = record.between(reference, one.release, workload, device) if is_compared else HOLDS
        yield Row(workload, one.release.name, tuple(times), best, state)
