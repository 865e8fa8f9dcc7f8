"""A site that asv published from fake releases, and a browser that reaches no other computer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake.project import ROOT, Project
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from passtime.site.serving import CHROMIUMS, FLAGS, chromium, serving

Visit = Callable[[str], Page]

# What was still loading when the page was left for another.
LEFT = "net::ERR_ABORTED"


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two fake releases, the newer one slower, measured in heats and published: plain `asv publish`."""
    project = Project(tmp_path_factory.mktemp("published"))
    project.passtime("measure", "fake-2.0", "fake-3.0", "--bench", "time_forward", expect=3)
    project.asv("publish")
    return project


@pytest.fixture(scope="package")
def site(project: Project) -> Path:
    """The published html/ of fake releases."""
    return project.root / "html"


@pytest.fixture(scope="package")
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the results that git has, published far from where html/ was."""
    html = tmp_path_factory.mktemp("own") / "html"
    command = [sys.executable, "-m", "asv", "publish", "--html-dir", str(html)]
    elsewhere = {**os.environ, "TZ": "Asia/Tokyo"}
    published = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=elsewhere)
    assert published.returncode == 0, published.stdout + published.stderr
    return html


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    executable = chromium()
    if executable is None:
        pytest.skip(f"no browser to look at the site with: none of {', '.join(CHROMIUMS)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(site: Path, browser: Browser) -> Iterator[Visit]:
    """Opens a page of the site of fake releases, as `visiting` does."""
    with visiting(site, browser) as open_page:
        yield open_page


@contextmanager
def visiting(site: Path, browser: Browser, **options: Any) -> Iterator[Visit]:
    """Opens a page of a site; nothing may go wrong on any of them, nor may anything else be asked for.

    `options` are those of a browser's context: colours, the size of the screen.
    """
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def answered(response: Response) -> None:
        if response.status >= 400:
            wrong.append(f"{response.status} {response.url}")

    def asked(request: Request) -> None:
        if not request.url.startswith((address, "data:")):
            wrong.append(f"left the site: {request.url}")

    def failed(request: Request) -> None:
        if request.failure != LEFT:
            wrong.append(f"{request.failure} {request.url}")

    with serving(site) as address, browser.new_context(**options) as context:
        context.on("console", heard)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        context.on("request", asked)
        context.on("response", answered)
        context.on("requestfailed", failed)

        def open_page(place: str) -> Page:
            page = context.new_page()
            page.goto(address + place)
            return page

        yield open_page
    assert wrong == []
