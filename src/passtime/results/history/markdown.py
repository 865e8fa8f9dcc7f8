"""Tables in the form that passtime grew from: a heading that names the machine, and under it a row per framework.

| Model | Framework | Forward Pass | Backward Pass | Total Time | Inference |

A row without a model belongs to the one above it. A cell is a number with its unit, or blank: not measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType

from passtime.catalog import workloads
from passtime.errors import PasstimeError

_HEADING = re.compile(r"##\s*(GPU|CPU) USED\s*-+\s*(.*)")
_PASSES = MappingProxyType(
    {"Forward Pass": "forward", "Backward Pass": "backward", "Total Time": "total", "Inference": "inference"}
)
_FIRST_COLUMNS = MappingProxyType({"Model": workloads.MODELS, "Layer": tuple(workloads.LAYERS)})
_SECONDS = MappingProxyType({"s": Decimal(1), "ms": Decimal("1e-3")})


@dataclass(frozen=True)
class Machine:
    """A machine of such tables, and the device that was timed on it."""

    name: str
    device: str
    facts: tuple[tuple[str, str], ...]


# What headings say, and what asv is to call it. Another table's machine is one line here.
MACHINES = MappingProxyType(
    {
        "Titan 1080Ti 12 GB": Machine("titan-1080ti", "gpu", (("gpu", "Titan 1080Ti 12 GB"),)),
        "Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz": Machine(
            "xeon-silver-4114", "cpu", (("cpu", "Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz"),)
        ),
    }
)

# What rows say, and the release that it was.
RELEASES = MappingProxyType({"Pytorch 0.4": "torch-0.4.0", "Flux": "flux-master-2018-07"})


@dataclass(frozen=True)
class Cell:
    """One number of a table; `seconds` is None where the cell is blank. `is_layer` tells which of the two tables."""

    machine: Machine
    release: str
    workload: str
    measured_pass: str
    seconds: float | None
    is_layer: bool


def read(path: Path) -> list[Cell]:
    """All cells of a file. Raises PasstimeError, with the line, for anything in a table that is not known."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise PasstimeError(f"{path} is not there") from None
    except UnicodeDecodeError:
        raise PasstimeError(f"{path} is no text") from None
    cells = list(_Reader(path).cells(lines))
    if not cells:
        raise PasstimeError(f"{path} has no table under a heading like '## CPU USED --- {list(MACHINES)[-1]}'")
    return cells


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = ""
        self._machine: Machine | None = None
        self._names: tuple[str, ...] = ()
        self._passes: list[str] = []
        self._workload: str | None = None

    def cells(self, lines: list[str]) -> Iterator[Cell]:
        for number, line in enumerate(lines, start=1):
            self._place = f"{self._path}, line {number}"
            heading = _HEADING.match(line)
            if heading:
                self._machine, self._passes = self._machine_of(*heading.groups()), []
            elif not line.startswith("|"):
                self._passes = []
            elif not self._passes:
                self._begin(_split(line))
            elif not re.fullmatch(r"[|:\- ]+", line):
                yield from self._row(_split(line))

    def _machine_of(self, device: str, said: str) -> Machine:
        machine = MACHINES.get(said.strip())
        if machine is None or machine.device != device.lower():
            raise self._refusal(f"unknown {device} {said.strip()!r}: known are {', '.join(MACHINES)}")
        return machine

    def _begin(self, columns: list[str]) -> None:
        first, second, *others = [*columns, "", ""][: max(2, len(columns))]
        if self._machine is None:
            raise self._refusal("a table before any heading that names a machine")
        if first not in _FIRST_COLUMNS or second != "Framework":
            raise self._refusal(f"unknown table {first!r}, {second!r}: it begins with Model or Layer, then Framework")
        for column in others:
            if column not in _PASSES:
                raise self._refusal(f"unknown column {column!r}: known are {', '.join(_PASSES)}")
        self._names, self._workload = _FIRST_COLUMNS[first], None
        self._passes = [_PASSES[column] for column in others]

    def _row(self, columns: list[str]) -> Iterator[Cell]:
        if len(columns) != 2 + len(self._passes):
            raise self._refusal(f"{len(columns)} cells, where the table has {2 + len(self._passes)} columns")
        said, framework, *values = columns
        if said:
            self._workload = said.lower().replace(" ", "_")
        if self._workload not in self._names:
            raise self._refusal(f"unknown row {said!r}: known are {', '.join(self._names)}")
        if framework not in RELEASES:
            raise self._refusal(f"unknown framework {framework!r}: known are {', '.join(RELEASES)}")
        assert self._machine is not None
        for measured_pass, value in zip(self._passes, values, strict=True):
            yield Cell(
                self._machine,
                RELEASES[framework],
                self._workload,
                measured_pass,
                self._seconds(value),
                self._workload in workloads.LAYERS,
            )

    def _seconds(self, value: str) -> float | None:
        if not value:
            return None
        number, _, unit = value.partition(" ")
        if unit.strip() not in _SECONDS:
            raise self._refusal(f"unknown unit in {value!r}: known are {', '.join(_SECONDS)}")
        try:
            # Decimal, so that 0.2312 ms is the float nearest to 0.0002312 s.
            seconds = Decimal(number) * _SECONDS[unit.strip()]
        except InvalidOperation:
            raise self._refusal(f"{value!r} is no number") from None
        if not seconds.is_finite() or seconds <= 0:
            raise self._refusal(f"{value!r} is no time")
        return float(seconds)

    def _refusal(self, reason: str) -> PasstimeError:
        return PasstimeError(f"{self._place}: {reason}; nothing was imported")


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
