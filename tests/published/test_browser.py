"""asv's pages in a real browser that reaches nothing but the site's own server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from passtime.site.serving import serving

from .conftest import Visit
from .test_vendor import ASV_INDEX, FILES

# Whether there is data on flot's canvas: its lines and bars are coloured, while frame, grid and labels are grey.
DRAWN = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((red, at) => at % 4 === 0 && Math.abs(red - pixels[at + 2]) > 40);
}"""


def await_drawn(canvases: Locator, count: int = 1) -> None:
    """Until flot has drawn data on each of so many canvases."""
    expect(canvases).to_have_count(count)
    for canvas in canvases.all():
        canvas.page.wait_for_function(DRAWN, arg=canvas.element_handle())


def test_the_browser_has_no_network(browser: Browser) -> None:
    """asv's own index.html, which needs the network, ends on its error page here."""
    with serving(ASV_INDEX.parent) as address, browser.new_context() as context:
        page = context.new_page()
        page.goto(address + "index.html", wait_until="commit")
        page.wait_for_url("**/error.html")
        expect(page.locator("body")).to_contain_text("active internet connection")


def test_the_grid_shows_the_benchmarks(visit: Visit) -> None:
    """asv's first page has a small graph for each benchmark that was measured, and leads to the full one."""
    page = visit("asv.html")
    tiles = page.locator("#summarygrid-display .benchmark-container")
    expect(tiles).to_have_count(8)
    await_drawn(tiles.locator("canvas.flot-base"), count=8)
    tiles.filter(has_text="Net.time_forward").click()
    expect(page.locator("#title")).to_have_text("nets.Net.time_forward")
    await_drawn(page.locator("#main-graph canvas.flot-base"))


def test_no_button_was_added(visit: Visit) -> None:
    """The navigation has asv's three pages."""
    links = visit("asv.html").locator("#nav li[id] > a")
    expect(links).to_have_text(["Benchmark grid", "Benchmark list", "Regressions"])


@pytest.mark.parametrize(
    ("view", "label"),
    [("", "fake-3.0"), ("?x-axis-scale=date", "Dec"), ("?x-axis=model&p-device='cpu'", "resnet50")],
    ids=["releases", "dates", "bars"],
)
def test_a_graph_is_drawn(visit: Visit, view: str, label: str) -> None:
    """A bookmarked graph is drawn by release, by date, and as bars by model."""
    page = visit(f"asv.html#nets.Net.time_forward{view}")
    await_drawn(page.locator("#main-graph canvas.flot-base"))
    expect(page.locator("#main-graph")).to_contain_text(label)


def test_a_part_of_the_graph_is_chosen(visit: Visit) -> None:
    """Dragging over the overview narrows the graph to those releases."""
    page = visit("asv.html#nets.Net.time_forward")
    overview = page.locator("#overview")
    await_drawn(overview.locator("canvas.flot-base"))
    box = overview.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], middle)
    page.mouse.up()
    # What is left is one release.
    expect(page.locator("#range")).to_have_value(re.compile(r"[0-9a-f]{8}\^!"))


def test_the_list_is_sorted(visit: Visit) -> None:
    """The list has a row for each benchmark and its parameters; a click on the heading reverses it."""
    page = visit("asv.html#/summarylist")
    names = page.locator("#summarylist-body tbody tr td:first-child")
    expect(names).to_have_count(24)
    before = names.all_text_contents()
    page.locator("#summarylist-body thead th").first.click()
    expect(names).to_have_text(list(reversed(before)))


def test_a_regression_is_listed_and_ignored(visit: Visit) -> None:
    """What became slower is listed; what the visitor ignores leaves the list."""
    page = visit("asv.html#/regressions")
    # The memory of a process may be more by chance.
    slower = page.locator("#regressions-body tr", has_text="time_")
    ignore = slower.get_by_text("Ignore", exact=True)
    expect(ignore).to_have_count(9)
    ignore.first.click()
    expect(ignore).to_have_count(8)


def test_a_missing_script_is_explained(site: Path, browser: Browser) -> None:
    """An incomplete copy says so, and asks for no network."""
    (missing,) = [path for path in FILES if path.endswith("jquery.min.js")]
    with serving(site) as address, browser.new_context() as context:
        page = context.new_page()
        page.route(f"**/{missing}", lambda route: route.abort())
        page.goto(address + "asv.html", wait_until="commit")
        page.wait_for_url("**/error.html")
        expect(page.locator("h1")).to_have_text("This site is incomplete")


@pytest.mark.parametrize("place", ["index.html", "asv.html", "index.html#/summarylist"])
def test_a_site_opened_from_a_folder_says_how_to_serve_it(site: Path, browser: Browser, place: str) -> None:
    """Opened as a file, the first page and asv's say at once that they need a server, and which commands start one."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.as_uri()}/{place}", wait_until="commit")
        told = page.get_by_role("alert")
        expect(told).to_contain_text("This page needs a web server")
        expect(told.locator("code")).to_have_text(["asv preview", "python3 -m http.server"])
        expect(page.locator("#content")).not_to_contain_text("Loading")


@pytest.mark.parametrize("missing", ["page.js", "data.js"])
def test_a_first_page_without_its_scripts_says_so(site: Path, browser: Browser, missing: str) -> None:
    """Where a script of the first page does not load, the page does not go on loading: it says what to do."""
    with serving(site) as address, browser.new_context() as context:
        page = context.new_page()
        page.route(f"**/front/{missing}", lambda route: route.abort())
        page.goto(address + "index.html")
        expect(page.get_by_role("alert")).to_contain_text("did not load. Run asv publish again")
        expect(page.locator("#content")).not_to_contain_text("Loading")


@pytest.mark.parametrize("serve", [True, False])
def test_without_javascript_the_first_page_says_what_it_needs(site: Path, browser: Browser, serve: bool) -> None:
    """With scripts switched off, served or not, no page is said to be loading."""
    with serving(site) as address, browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((address if serve else f"{site.as_uri()}/") + "index.html")
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.locator("noscript p")).to_contain_text("need JavaScript, and a web server")
        expect(page.locator("#state")).to_be_hidden()
