"""A time that was measured while the GPU was throttled says so, from the worker to the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake import adapter as fake
from fake.project import BENCHMARKS, Project
from playwright.sync_api import Browser, expect

from .conftest import visiting

TOLD = f"the GPU was throttled: {fake.THROTTLED}"
RELEASES = ("fake-2.0", "fake-3.0")


@pytest.fixture(scope="module")
def throttled_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases of a layer, measured on the CPU and on a GPU that is throttled meanwhile."""
    project = Project(tmp_path_factory.mktemp("throttled"))
    (project.root / "benchmarks/nets.py").write_text(BENCHMARKS.replace("tpu", "gpu"), "utf-8")
    mishaps = {fake.MISHAPS: json.dumps({"dense": "throttled"})}
    project.passtime("measure", *RELEASES, "--bench", "Layer.time_forward", expect=3, **mishaps)
    project.asv("publish")
    return project.root / "html"


@pytest.mark.parametrize(
    "view",
    [
        f"view=tables&releases={','.join(RELEASES)}",
        f"view=upgrade&from={RELEASES[0]}&to={RELEASES[1]}",
        "view=history&workload=dense",
    ],
    ids=["tables", "upgrade", "history"],
)
def test_a_throttled_time_is_marked_wherever_it_is_shown(throttled_site: Path, browser: Browser, view: str) -> None:
    """Each view of the GPU has a note beside the number that says what slowed it down; the CPU's has none."""
    with visiting(throttled_site, browser) as visit:
        page = visit(f"?{view}&device=gpu")
        expect(page.get_by_role("listitem").filter(has_text=TOLD).first).to_be_visible()
        page.locator("table td.number").get_by_role("link", name=TOLD).first.click()
        expect(page.locator(":target")).to_contain_text(TOLD)
        page = visit(f"?{view}&device=cpu")
        expect(page.locator("table td.number").first).to_be_visible()
        expect(page.get_by_text(TOLD)).to_have_count(0)
