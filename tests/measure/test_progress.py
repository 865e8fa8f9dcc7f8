"""How far a campaign is, as a file and a terminal are told."""

from __future__ import annotations

import io
import math

from rich.console import Console

from passtime.catalog.place import Item
from passtime.measure.analysis import Analysis
from passtime.measure.campaign import Campaign
from passtime.measure.progress import LINE_SECONDS, Progress
from passtime.results.heats import Heat
from passtime.stats import judge

DENSE = Item("dense", "cpu", "inference")


def campaign():
    return Campaign(Analysis({}), {DENSE: DENSE.passes}, "old", ["new"], margin=0.02)


def settle(one):
    for number in range(judge.LEAST_HEATS + 1):
        seconds = {"old": (1.0, 1.0), "new": (1.5 + 1e-6 * number, 1.5)}
        one.analysis.add(DENSE.places[0], Heat(str(number), "here", "2", seconds))
    one.look()


def told(budget_seconds, *moments, is_settled=False):
    """The lines that a file gets of a campaign that is shown at these moments."""
    now, out, one = [0.0], io.StringIO(), campaign()
    with Progress(Console(file=out, width=200), one, budget_seconds, lambda: now[0]) as progress:
        for moment in moments:
            now[0] = moment
            if is_settled:
                settle(one)
            progress.begin(DENSE, ["old", "new"])
            progress.show()
    return out.getvalue().splitlines()


def test_a_file_gets_a_line_now_and_then():
    """The first and the last line, and one each half minute: what is settled, and at most how much time is left."""
    lines = told(600.0, 1.0, LINE_SECONDS + 2, LINE_SECONDS + 3)
    assert lines == [
        "0 of 1 passes settled, at most 10 min left",
        "0 of 1 passes settled, at most 9 min left",
        "0 of 1 passes settled, at most 9 min left",
    ]


def test_what_is_settled_is_told_at_once():
    """A row that is settled is a line, with its change."""
    lines = told(600.0, 1.0, is_settled=True)
    assert lines[1] == "dense inference on cpu, new: slower, +50 %"
    assert lines[-1].startswith("1 of 1 passes settled (1 slower), at most ")


def test_without_a_budget_no_time_is_told():
    """A campaign that ends by itself has no end that is known."""
    assert told(math.inf, 1.0)[-1] == "0 of 1 passes settled"


def test_a_terminal_gets_a_bar():
    """On a terminal a line that changes says what is measured."""
    out = io.StringIO()
    with Progress(Console(file=out, width=200, force_terminal=True), campaign(), 60.0, lambda: 0.0) as progress:
        progress.begin(DENSE, ["old", "new"])
        progress.show()
    assert "dense inference on cpu: old, new" in out.getvalue()
