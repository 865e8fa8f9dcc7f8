"""What do all looks err together, if each errs so much? `python perf/looks.py`; the README says how."""

from __future__ import annotations

import math

import click
import harness
import numpy as np
from rich.table import Table
from scipy.special import stdtr

from passtime.stats import judge, moderated

P_VALUES = (0.05, 0.02, 0.005, 0.002, 5e-4)
DRAWS = 40_000
_AT_ONCE = 5_000

# What is usual is worth so many degrees of freedom: none, as in a lone row, up to as many as it may be.
USUAL_FREEDOMS = (0.0, judge.USUAL_FREEDOM, moderated.MOST_FREEDOM)


@click.command()
@click.option("--draws", default=DRAWS, show_default=True, help="Of rows, for each worth of what is usual.")
def main(draws: int) -> None:
    """Compare the bound that verdicts use with the error of looking after every heat, which is simulated."""
    table = Table("usual worth", "least p-value", "error", "bound", "bound / error")
    table.title = f"a look after each of {judge.LEAST_HEATS} to {judge.MOST_HEATS} heats, {draws} rows each"
    ratios = []
    for freedom in USUAL_FREEDOMS:
        found = least_p_values(freedom, draws)
        for p_value in P_VALUES:
            error, bound = float(np.mean(found <= p_value)), judge.overall(p_value, freedom)
            ratios.append(bound / error)
            table.add_row(f"{freedom:.0f}", f"{p_value:g}", f"{error:.3g}", f"{bound:.3g}", f"{ratios[-1]:.2f}")
    harness.show(table)
    click.echo(f"looks: the bound is at least {min(ratios):.2f} times the error; to be at least 1: "
               f"{'pass' if min(ratios) >= 1 else 'missed'}")  # fmt: skip


def least_p_values(usual_freedom: float, draws: int, seed: int = 1) -> np.ndarray:
    """The least p-value that any look at a row finds, for rows without a change.

    Each row's heats have a normal difference; its variance is drawn towards what is usual, which is the true one, worth
    so many degrees of freedom.
    """
    random = np.random.default_rng(seed)
    counts = np.arange(judge.LEAST_HEATS, judge.MOST_HEATS + 1)
    found = []
    for start in range(0, draws, _AT_ONCE):
        logs = random.standard_normal((min(_AT_ONCE, draws - start), judge.MOST_HEATS))
        sums, squares = np.cumsum(logs, 1), np.cumsum(logs**2, 1)
        means = sums[:, counts - 1] / counts
        left = squares[:, counts - 1] - counts * means**2
        freedoms = usual_freedom + counts - 1
        variances = (usual_freedom + left) / freedoms
        with np.errstate(divide="ignore"):
            t_values = np.abs(means) * np.sqrt(counts / variances)
        found.append((2 * stdtr(freedoms, -t_values)).min(1))
    return np.concatenate(found)


def standard_error(error: float, draws: int) -> float:
    """That of a share of so many draws."""
    return math.sqrt(error * (1 - error) / draws)


if __name__ == "__main__":
    harness.run(main)
