"""What do all looks err together, if each errs so much? `python perf/looks.py`; the README says how."""

from __future__ import annotations

import math
from dataclasses import dataclass

import click
import harness
import numpy as np
from rich.table import Table
from scipy.special import stdtrit

from passtime.stats import judge

P_VALUES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-12)
DRAWS = 20_000


@click.command()
@click.option("--draws", default=DRAWS, show_default=True, help="Of pairs, for each line.")
def main(draws: int) -> None:
    """Compare the bound that verdicts use with the error of looking after every pair, which is simulated."""
    table = Table("least p-value", "simulated", "one side, twice", "bound", "bound over simulated")
    table.title = f"Student's test after each of 2 to {judge.LOOKS[-1]} pairs, {draws} draws a line"
    ratios = []
    for p_value in P_VALUES:
        drawn = drawn_with(p_value, draws)
        (both, error), (one, _) = drawn.error(), drawn.error(is_one_sided=True)
        bound = judge.overall(p_value)
        ratios.append(bound / max(both, one))
        shown = f"{both:.3g} ± {100 * error / both:.1f} %"
        table.add_row(f"{p_value:g}", shown, f"{one:.3g}", f"{bound:.3g}", f"{ratios[-1]:.2f}")
    harness.show(table)
    click.echo(f"looks: the bound is at least {min(ratios):.3f} times the error; to be at least 1: "
               f"{'pass' if min(ratios) >= 1 else 'missed'}")  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """Pairs in which a look finds a p-value, a line each: Student's t at every look, and which look it was.

    `chances` is that of each look's own finding, `least` the t from which it finds.
    """

    t_values: np.ndarray
    look: np.ndarray
    chances: np.ndarray
    least: np.ndarray

    def error(self, is_one_sided: bool = False) -> tuple[float, float]:
        """The chance that any look finds, and that chance's standard error. Of one side only, it is twice the chance.

        Each draw is worth one over the looks that find such a value in it; the mean of that, times the sum of each
        look's own chance, is the chance of any (A. Owen, Y. Maximov and M. Chertkov, Importance sampling the union of
        rare events, Electronic Journal of Statistics 13, 2019).
        """
        found = (self.t_values if is_one_sided else np.abs(self.t_values)) >= self.least
        found[np.arange(len(found)), self.look] = True  # but for rounding it is
        worth = self.chances.sum() / found.sum(1)
        return float(worth.mean()), float(worth.std() / math.sqrt(len(worth)))


def simulated(p_value: float, draws: int, is_one_sided: bool = False, seed: int = 1) -> tuple[float, float]:
    """The chance that a look finds so small a p-value, over its share, where there is no change; and its error.

    Of one side only, it is twice the chance.
    """
    return drawn_with(p_value, draws, seed).error(is_one_sided)


def drawn_with(p_value: float, draws: int, seed: int = 1) -> Drawn:
    """Draws so that it happens: a look by chance, pairs with such a p-value at it, and the others as they come."""
    random = np.random.default_rng(seed)
    counts = np.arange(2, judge.LOOKS[-1] + 1)
    chances = p_value * judge.share_of_look(counts)
    look = random.choice(len(counts), draws, p=chances / chances.sum())
    count = counts[look][:, np.newaxis]
    wanted = -stdtrit(count - 1.0, chances[look][:, np.newaxis] * random.uniform(0, 0.5, (draws, 1)))
    logs = random.standard_normal((draws, counts[-1]))
    is_before = np.arange(counts[-1]) < count
    # Until the look: as long a vector, in a direction that has the wanted t beside the mean's direction.
    length = np.sqrt(np.where(is_before, logs**2, 0).sum(1, keepdims=True))
    across = np.where(is_before, random.standard_normal(logs.shape), 0)
    across = np.where(is_before, across - across.sum(1, keepdims=True) / count, 0)
    across /= np.sqrt((across**2).sum(1, keepdims=True))
    along = wanted / np.sqrt(wanted**2 + count - 1)
    logs = np.where(is_before, length * (along / np.sqrt(count) + np.sqrt(1 - along**2) * across), logs)
    means = np.cumsum(logs, 1)[:, 1:] / counts
    variances = np.maximum(np.cumsum(logs**2, 1)[:, 1:] - counts * means**2, 0.0) / (counts - 1)
    with np.errstate(divide="ignore"):  # two pairs whose t is beyond what rounding leaves of a variance
        t_values = means / np.sqrt(variances / counts)
    return Drawn(t_values, look, chances, -stdtrit(counts - 1.0, chances / 2))


if __name__ == "__main__":
    harness.run(main)
