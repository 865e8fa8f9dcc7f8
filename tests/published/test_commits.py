"""Commits of a framework's own repository, on the site beside its releases."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake.project import Project
from playwright.sync_api import Browser, expect

from passtime.site.serving import serving

from .conftest import Visit, visiting

REPOSITORY = "https://example.org/fake"
RELEASES = ("fake-2.0", "fake-3.0")
# One between the releases, and one after them, which is slower.
COMMITS = {"fake-1.aaaa": ("a" * 40, "2022-06-01"), "fake-4.bbbb": ("b" * 40, "2024-06-01")}
OLD, NEW = COMMITS


def page_of(commit: str) -> str:
    return f"{REPOSITORY}/commit/{COMMITS[commit][0]}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two releases and two commits of a branch beside theirs, measured and published."""
    project = Project(tmp_path_factory.mktemp("commits"))
    with (project.root / "releases.toml").open("a", encoding="utf-8") as manifest:
        for name, (revision, day) in COMMITS.items():
            manifest.write(
                f'\n[[release]]\nframework = "fake"\nversion = "{name.partition("-")[2]}"\ndate = {day}T00:00:00Z\n'
                f'branch = "fake-main"\ninterpreter = "{sys.executable}"\n'
                f'repository = "{REPOSITORY}.git"\nrevision = "{revision}"\n'
            )
    project.asv("run", " ".join((*RELEASES, *COMMITS)), "-b", "time_forward")
    project.asv("publish")
    return project


@pytest.fixture
def html(project: Project) -> Path:
    return project.root / "html"


@pytest.fixture
def visit(html: Path, browser: Browser) -> Iterator[Visit]:
    with visiting(html, browser) as open_page:
        yield open_page


def test_commits_are_by_date_beside_releases(visit: Visit) -> None:
    """A history has a line for each branch, and below it all by date; a commit leads to its page."""
    page = visit("?view=history&workload=dense&passes=forward")
    expect(page.locator(".lines li")).to_have_text(["fake forward", "fake-main forward"])
    names = page.locator("details tbody th")
    expect(names).to_have_text([RELEASES[0], OLD, RELEASES[1], NEW])
    for commit in COMMITS:
        expect(names.get_by_role("link", name=commit)).to_have_attribute("href", page_of(commit))
    expect(names.get_by_role("link")).to_have_count(len(COMMITS))


def test_a_branch_alone_is_chosen(visit: Visit) -> None:
    """Commits of a few days are drawn over those days, and the address keeps it; a workload that they lack is told."""
    page = visit("?view=history&workload=dense")
    page.get_by_label("Branch").select_option("fake-main")
    expect(page.locator("details tbody th")).to_have_text([OLD, NEW])
    assert "branch=fake-main" in page.url
    page.get_by_label("Workload").select_option("all models")
    expect(page.get_by_text("There are no times of a model’s total on fake-main")).to_be_visible()
    page.get_by_label("Pass").select_option("forward")
    expect(page.locator(".multiples figure")).to_have_count(2)
    page.get_by_label("Branch").select_option("all branches")
    expect(page.locator(".lines li")).to_have_count(2)
    assert "branch" not in page.url


def test_without_a_choice_releases_are_shown(visit: Visit) -> None:
    """A newer commit is no release: tables begin with a framework's newest release, an upgrade stays on a branch."""
    page = visit("")
    expect(page.locator(".chosen li")).to_have_count(1)
    expect(page.locator(".chosen li")).to_contain_text(RELEASES[1])
    page.get_by_label("Add").select_option(NEW)
    expect(page.locator("table.times").first.get_by_role("link", name=NEW).first).to_have_attribute(
        "href", page_of(NEW)
    )
    page = visit(f"?view=upgrade&to={RELEASES[1]}")
    expect(page.get_by_label("From")).to_have_value(RELEASES[0])


def test_the_tables_in_the_terminal_begin_with_releases(project: Project) -> None:
    """A newer commit is shown where it is asked for."""
    shown = {row["release"] for row in json.loads(project.passtime("tables", "--format", "json"))}
    assert shown == {RELEASES[1]}
    asked = json.loads(project.passtime("tables", "--releases", NEW, "--format", "json"))
    assert {row["release"] for row in asked} == {NEW}


def test_two_commits_lead_to_what_lies_between_them(visit: Visit) -> None:
    """An upgrade from one to the other links to their repository's comparison; one from a release does not."""
    page = visit(f"?view=upgrade&from={OLD}&to={NEW}")
    between = page.get_by_role("link", name="The commits from")
    expect(between).to_have_attribute("href", f"{REPOSITORY}/compare/{'a' * 40}...{'b' * 40}")
    page.get_by_label("From").select_option(RELEASES[0])
    expect(page.locator("table.changes")).to_be_visible()
    expect(between).to_have_count(0)


def test_asvs_pages_lead_to_a_commits_page(project: Project, html: Path, browser: Browser) -> None:
    """A point of theirs, a commit of the timeline, opens the framework's own commit, or else the release's tables."""
    link = json.loads((html / "index.json").read_text("utf-8"))["show_commit_url"]
    with serving(html) as address, browser.new_context() as context:
        context.route(f"{REPOSITORY}/**", lambda route: route.fulfill(body="the commit"))
        page = context.new_page()
        page.goto(address + link + project.commit_of(NEW)[:8])
        page.wait_for_url(page_of(NEW))
        page.goto(address + link + project.commit_of(RELEASES[0]))
        expect(page.locator(".chosen li")).to_contain_text(RELEASES[0])
        expect(page).to_have_url(re.compile(f"releases={RELEASES[0]}"))
