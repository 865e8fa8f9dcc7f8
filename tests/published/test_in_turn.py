"""What the site says of releases that were measured in turn is what `passtime verdict` says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake.project import Project
from playwright.sync_api import Browser, expect

from passtime.cli import formats
from passtime.site import data
from passtime.stats import judge

from .conftest import Visit, visiting
from .test_front import exported

BASE, OTHER = "fake-1.0", "fake-2.0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two fake releases, measured by `asv run`, then some of their passes by `passtime measure`; published."""
    project = Project(tmp_path_factory.mktemp("in-turn"))
    project.asv("run", f"{BASE} {OTHER}", "-b", r"time_.*'cpu'")
    project.passtime("measure", BASE, OTHER, "--bench", "time_.*resnet18", expect=3)
    project.asv("publish")
    return project


@pytest.fixture
def visit(project: Project, browser: Browser) -> Iterator[Visit]:
    """Opens a page of that project's site."""
    with visiting(project.root / "html", browser) as open_page:
        yield open_page


def changes(visit: Visit, base: str, other: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The exported rows of an upgrade, by workload and pass."""
    rows = json.loads(exported(visit(f"?view=upgrade&from={base}&to={other}"), "JSON"))
    return {(row["workload"], row["pass"]): row for row in rows}


def test_an_upgrades_changes_are_the_verdicts(project: Project, visit: Visit) -> None:
    """Of pairs as of sessions, the site has the ratio and the interval that `passtime verdict` prints."""
    said = json.loads(project.passtime("verdict", BASE, OTHER, "--format", "json", expect=3))
    found = changes(visit, BASE, OTHER)
    assert len(said["rows"]) == len(found) == 3 * 4
    for row in said["rows"]:
        shown = found[row["workload"], row["pass"]]
        assert shown["ratio"] == pytest.approx(row["ratio"], rel=1e-4)
        assert (shown["ratio_low"], shown["ratio_high"]) == pytest.approx((row["low"], row["high"]), rel=2e-3)


def test_the_other_way_round_is_the_inverse(visit: Visit) -> None:
    """A downgrade reads the same pairs."""
    there, back = changes(visit, BASE, OTHER), changes(visit, OTHER, BASE)
    for place, row in there.items():
        assert back[place]["ratio"] == pytest.approx(1 / row["ratio"], rel=1e-4)
        assert back[place]["ratio_low"] == pytest.approx(1 / row["ratio_high"], rel=1e-3)


def test_it_says_how_many_were_measured_in_turn(visit: Visit) -> None:
    """The legend tells of the rows that are judged by pairs."""
    page = visit(f"?view=upgrade&from={BASE}&to={OTHER}")
    assert (
        "Of 4 rows both are the mean over sessions of the two releases that were measured in turn"
        in page.locator("p.legend").inner_text()
    )


@pytest.mark.parametrize("counts", [(6,), (9, 30), (2, 100)])
def test_an_interval_pays_for_the_looks(visit: Visit, counts: tuple[int, ...]) -> None:
    """A change's interval, and that of a mean over several, is the judge's, whatever the numbers of pairs."""
    random = np.random.default_rng(7)
    made = [
        judge.change_of_pairs([(1.0, math.exp(random.normal(0.02, 0.01))) for _ in range(count)]) for count in counts
    ]
    looks = [min(count, judge.FULL_LOOK) for count in counts]
    turns = [
        {"turn": {"ratio": one.ratio, "error": one.error, "freedom": one.freedom, "look": look}}
        for one, look in zip(made, looks, strict=True)
    ]
    tables = [
        {"quantiles": [], "looks": {str(look): data.quantiles(judge.level_of_look(look, level)) for look in looks}}
        for level in (judge.LEVEL, judge.INNER_LEVEL)
    ]
    index = {**tables[0], "inner": tables[1]}
    found = visit(f"?view=upgrade&from={BASE}&to={OTHER}").evaluate(
        """async ([turns, index]) => (await import("./front/compare.js")).combined(turns, index)""", [turns, index]
    )
    expected = judge.mean(made)
    assert found["value"] == pytest.approx(expected.ratio)
    assert math.log(found["high"] / found["value"]) == pytest.approx(math.log(expected.high / expected.ratio), rel=0.02)
    assert found["margin"] == pytest.approx(expected.least_margin, rel=0.02)


def test_means_are_the_verdicts(project: Project, visit: Visit) -> None:
    """Of models, that were measured in turn, as of layers, that were not, the page has the command's means."""
    said = json.loads(project.passtime("verdict", BASE, OTHER, "--format", "json", expect=3))
    table = visit(f"?view=upgrade&from={BASE}&to={OTHER}").locator("section.summary table")
    expect(table.locator("tbody td")).to_have_count(2 * 4)  # the page asks for its data first
    passes = table.locator("thead th").all_inner_texts()[-4:]
    shown = {
        (row.locator("th").inner_text(), name): cell
        for row in table.locator("tbody tr").all()
        for name, cell in zip(passes, row.locator("td").all_inner_texts(), strict=True)
    }
    assert len(said["means"]) == len(shown) == 2 * 4
    for mean in said["means"]:
        values = [(mean[name] - 1) * 100 for name in ("ratio", "low", "high")]
        text = shown[mean["of"], mean["pass"]].replace("\N{MINUS SIGN}", "-")
        found = [float(one) for one in re.findall(r"([+-][\d.]+) %", text)]
        assert len(found) == len(values), text
        # One decimal below 9.95 %, none from there on.
        assert all(
            abs(one - value) <= (0.05 if abs(value) < 9.95 else 0.5) for one, value in zip(found, values, strict=True)
        )


def test_what_is_too_noisy_says_so(visit: Visit) -> None:
    """An interval that tells nothing is words in its place, at the width at which the judge's is."""
    page = visit(f"?view=upgrade&from={BASE}&to={OTHER}")
    for error in (0.5, 1.1, 1.2, 300.0):
        one = judge.Change(1.1, error, math.inf)
        text = page.evaluate(
            """async (found) => {
                const numbers = await import("./front/numbers.js");
                return numbers.interval(found, numbers.change);
            }""",
            {"value": one.ratio, "low": one.low, "high": one.high},
        )
        assert (text == formats.TOO_NOISY) == one.is_too_wide
        assert len(text) < 30
