"""What is doubtful in the tables of 2018: known from the scripts that made them, or found in the numbers themselves.

docs/history-2018.md says where in the scripts each is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from passtime.results.history.markdown import Cell

# The parts of a step were timed together or are differences; over this fraction of the total they were not of one step.
SUM_TOLERANCE = 0.01

_REPEATED_FORWARD = "the time of the last training step's forward pass, recorded again instead of inference"
_FIRST_KEPT = "the least of all steps but the second; the first was meant to be left out"
_FIRST_IN_MEAN = "a mean of all steps but the second; the first was meant to be left out"
_DIFFERENCE = "not timed: the total less the forward pass"
_OTHER_MODEL = "another model than torchvision's of that name"
_DOUBLE = "the input was of 64-bit numbers, not 32-bit"


def of_cells(cells: Sequence[Cell]) -> dict[Cell, list[str]]:
    """The doubts about each cell that holds a number and has any."""
    found: dict[Cell, list[str]] = defaultdict(list)
    for cell in cells:
        if cell.seconds is not None:
            found[cell] += _from_scripts(cell)
    for cell, doubt in (*_wrong_sums(cells), *_repetitions(cells)):
        found[cell].append(doubt)
    return {cell: doubts for cell, doubts in found.items() if doubts}


def _from_scripts(cell: Cell) -> Iterator[str]:
    if cell.release == "torch-0.4.0":
        if cell.measured_pass == "inference":
            yield _REPEATED_FORWARD
        else:
            yield _FIRST_IN_MEAN if cell.is_layer else _FIRST_KEPT
        return
    if cell.measured_pass == "backward" and cell.machine.device == "gpu":
        yield _DIFFERENCE
    if cell.machine.device == "cpu":
        yield _DOUBLE
    if not cell.is_layer and cell.workload not in ("vgg16", "vgg19"):
        yield _OTHER_MODEL


def _wrong_sums(cells: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    steps: dict[tuple[str, str, str], dict[str, Cell]] = defaultdict(dict)
    for cell in cells:
        steps[cell.machine.name, cell.release, cell.workload][cell.measured_pass] = cell
    for step in steps.values():
        forward, backward, total = (step[name].seconds for name in ("forward", "backward", "total"))
        if forward is None or backward is None or total is None:
            continue
        excess = total - (forward + backward)
        if abs(excess) > SUM_TOLERANCE * total:
            said = f"{abs(excess) * 1000:.4g} ms {'more' if excess > 0 else 'less'} than forward and backward together"
            yield step["total"], said


def _repetitions(cells: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    """The same number, to the last digit, in two rows: one of the two was copied. Short numbers repeat by chance."""
    same: dict[tuple[str, str, str, float], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.seconds is not None and _digits(cell.seconds) >= 4:
            same[cell.machine.name, cell.release, cell.measured_pass, cell.seconds].append(cell)
    for alike in same.values():
        for cell in alike:
            others = [other.workload for other in alike if other is not cell]
            if others:
                yield cell, f"the same number as that of {' and '.join(others)}"


def _digits(seconds: float) -> int:
    return len(f"{seconds:.10g}".replace(".", "").lstrip("0").rstrip("0"))
