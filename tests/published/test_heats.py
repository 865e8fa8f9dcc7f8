"""What the site says of releases that were measured in heats is what `passtime verdict` says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fake.project import Project
from playwright.sync_api import Browser, expect

from .conftest import Visit, visiting
from .test_front import exported

BASE, OTHER, LAST = "fake-1.0", "fake-2.0", "fake-3.0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three fake releases in heats with the last, but for one workload that was measured alone; published."""
    project = Project(tmp_path_factory.mktemp("heats"))
    project.passtime("sweep", BASE, OTHER, LAST, "--bench", r"time_.*'(resnet18|dense)'")
    for release in (BASE, OTHER):
        project.asv("run", release, "-b", "time_.*'resnet50', 'cpu'")
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
    """Each row has what `passtime verdict` says, also of releases that are compared through a third."""
    said = json.loads(project.passtime("verdict", BASE, OTHER, "--format", "json", expect=3))
    found = changes(visit, BASE, OTHER)
    assert len(said["rows"]) == len(found) == 3 * 4
    for row in said["rows"]:
        shown = found[row["workload"], row["pass"]]
        assert (shown["reading"], shown["heats"]) == (row["verdict"], row["heats"])
        assert (row["verdict"] == "not compared") == (row["workload"] == "resnet50")
        if row["ratio"] is not None:
            assert shown["ratio"] == pytest.approx(row["ratio"], rel=1e-4)
            assert (shown["ratio_low"], shown["ratio_high"]) == pytest.approx((row["low"], row["high"]), rel=1e-4)


def test_the_other_way_round_is_the_inverse(visit: Visit) -> None:
    """A downgrade reads the same heats: ratios and their intervals are turned round, and so are the words."""
    there, back = changes(visit, BASE, LAST), changes(visit, LAST, BASE)
    for place, row in there.items():
        if row["ratio"] is not None:
            assert back[place]["ratio"] == pytest.approx(1 / row["ratio"], rel=1e-4)
            assert back[place]["ratio_low"] == pytest.approx(1 / row["ratio_high"], rel=1e-4)
            assert (row["reading"], back[place]["reading"]) == ("slower", "faster")


def test_it_says_how_many_heats_there_are(visit: Visit) -> None:
    """The legend tells from how many heats the changes are, and what measures more."""
    legend = visit(f"?view=upgrade&from={BASE}&to={LAST}").locator("p.legend").inner_text()
    assert "3 of each workload" in legend
    assert f"passtime measure {BASE} {LAST} takes more heats" in legend


def test_means_are_the_verdicts(project: Project, visit: Visit) -> None:
    """Of models and of layers the page has the command's means."""
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
            abs(one - value) <= (0.06 if abs(value) < 9.95 else 0.51) for one, value in zip(found, values, strict=True)
        )


def test_the_tables_have_the_same_ratios(visit: Visit) -> None:
    """A table's ratio to its base is the upgrade's; where no heat connects the two there is none."""
    rows = json.loads(exported(visit(f"?view=tables&releases={BASE},{OTHER}"), "JSON"))
    found = changes(visit, BASE, OTHER)
    for row in rows:
        if row["release"] == OTHER:
            expected = found[row["workload"], row["pass"]]["ratio"]
            assert row["ratio"] == (None if expected is None else pytest.approx(expected, rel=1e-4))


def test_what_is_too_noisy_says_so(visit: Visit) -> None:
    """An interval that tells nothing is words in its place."""
    page = visit(f"?view=upgrade&from={BASE}&to={OTHER}")
    found = [
        page.evaluate(
            """async (found) => {
                const numbers = await import("./front/numbers.js");
                return numbers.interval(found, numbers.change);
            }""",
            one,
        )
        for one in (
            {"low": None, "high": None, "isTooNoisy": True},
            {"low": None, "high": None, "isTooNoisy": False},
            {"low": 1.01, "high": 1.02, "isTooNoisy": False},
        )
    ]
    assert found == ["too noisy to compare", "interval unknown", "+1.0 % to +2.0 %"]
