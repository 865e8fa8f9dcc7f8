"""The site says which numbers are doubtful, and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser

from passtime.asv.publishing.doubtful import PAGE, DoubtfulNumbers
from passtime.site.serving import serving

DOUBT = "a mean <of> all steps"


@pytest.fixture
def publish(tmp_path: Path, site: Path):
    """Publishes results of one machine, each a benchmark, a workload and its doubts, over a copy of a site."""

    def published(*numbers: tuple[str, str, list[str]]) -> Path:
        html, folder = tmp_path / "html", tmp_path / "results/titan"
        shutil.copytree(site, html)
        shutil.copyfile(html / "asv.html", html / "index.html")  # as it is when this publisher's turn comes
        folder.mkdir(parents=True)
        lines = [
            {
                "benchmark": name,
                "version": "1",
                "params": [workload, "gpu"],
                "release": "torch-0.4.0",
                "imported": "t.md",
            }
            | {"doubts": doubts}
            for name, workload, doubts in numbers
        ]
        path = folder / "0123abcd-passtime.provenance.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        conf = SimpleNamespace(html_dir=str(html), results_dir=str(tmp_path / "results"))
        DoubtfulNumbers.publish(conf, None, None, None, None)
        return html

    return published


def test_the_navigation_leads_to_what_is_doubtful(publish, browser: Browser) -> None:
    """A visitor gets from asv's pages to a table of machine, release, pass, doubt and workloads."""
    html = publish(
        ("layers.Dense.time_total", "dense", [DOUBT]),
        ("layers.Convolution.time_total", "conv3x3/1", [DOUBT]),
        ("layers.Dense.time_forward", "dense", []),
    )
    with serving(html) as address:
        page = browser.new_page()
        page.goto(address)
        page.click("text=Doubtful numbers")
        assert page.text_content("h2") == "titan"
        rows = [row.locator("td").all_text_contents() for row in page.locator("tbody tr").all()]
        page.close()
    assert rows == [["torch-0.4.0", "total", DOUBT, "dense, conv3x3/1"]]


def test_without_doubts_nothing_is_added(publish, site: Path) -> None:
    """A site whose numbers have no doubts is as it was."""
    html = publish(("layers.Dense.time_total", "dense", []))
    assert not (html / PAGE).exists()
    assert (html / "index.html").read_bytes() == (site / "asv.html").read_bytes()
