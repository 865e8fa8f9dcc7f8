"""The page on verdicts, as the site shows it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from passtime.site import believing

from .conftest import visiting


def test_the_proof_is_a_page_of_the_site(own_site: Path, browser: Browser) -> None:
    """The first page leads to it, and its tables have the figures under the commands that made them."""
    with visiting(own_site, browser) as open_page:
        page = open_page("index.html")
        page.get_by_role("link", name="Why believe it").click()
        page.wait_for_url("**/why.html")
        assert page.get_by_role("heading", name="Why to believe a verdict").is_visible()
        for command in ("perf/looks.py", "perf/simulated.py"):
            assert page.get_by_text(f"python {command}").first.is_visible()
        assert page.get_by_role("cell", name="rarely fast", exact=True).first.is_visible()
        assert "<!--" not in page.locator("body").inner_text()


def test_a_project_without_that_page_has_no_link(tmp_path: Path) -> None:
    """What is not there is not linked to."""
    (tmp_path / "index.html").write_text("nothing", "utf-8")
    believing.write(tmp_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_failing_link_is_words() -> None:
    """Links to pages that only the repository has become their words; those to elsewhere stay."""
    text = "see [decision 0017](decisions/0017.md) and [asv](https://asv.readthedocs.io)"
    assert believing._without_markers(text) == "see decision 0017 and [asv](https://asv.readthedocs.io)"
