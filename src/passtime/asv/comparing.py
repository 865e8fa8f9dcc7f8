"""What `asv compare` lists: what one of the releases has, and where the two were never shown to do the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from asv import util
from asv.commands import compare

from passtime.catalog import requests
from passtime.results.parity import DIFFERS, UNCHECKED, Record
from passtime.results.sessions import cells_of
from passtime.timeline.manifest import Release

_MARKS: Mapping[str, str] = MappingProxyType({UNCHECKED: " [parity unchecked]", DIFFERS: " [other work]"})


def install(
    ours: Release,
    theirs: Release,
    record: Record,
    unroll: Callable[..., Iterator[tuple]] = compare.unroll_result,
) -> None:
    """Replaces how asv lists the cells of a result, for a comparison of these two releases.

    What is not available, NaN, is left out: what neither release has, a GPU above all, would be half the table. What
    one of them has stays a row: asv says n/a for the other. A row whose work differs, or between frameworks was never
    compared, says so; asv calls both releases' rows alike, so the mark hangs on the row's name.
    """

    def listed(name: str, params: list, *columns: list | None) -> Iterator[tuple]:
        cells = cells_of({"name": name, "params": params})
        for cell, (row, value, *rest) in zip(cells, unroll(name, params, *columns), strict=True):
            if value is not None and util.is_na(value):
                continue
            item = requests.item_of(name, cell.params)
            mark = _MARKS.get(record.between(ours, theirs, item.workload, item.device), "") if item else ""
            yield (row + mark, value, *rest)

    compare.unroll_result = listed
