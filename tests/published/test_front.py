"""The first page in a real browser, over the results that git has: what a visitor sees is what the files hold."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake.project import ROOT
from playwright.sync_api import Browser, Locator, Page, expect

from passtime import cli, places
from passtime.catalog.place import Place
from passtime.measure.analysis import Analysis
from passtime.results import stored
from passtime.site import data
from passtime.site.serving import serving
from passtime.timeline import repository

from .conftest import Visit, visiting

MACHINE = "amd-epyc-family25-model1-2cpu"  # the one with heats
OLD = "amd-epyc-family25-model17-2cpu"  # measured before there were heats, with Flux
LONG = "intel-xeon-family6-model167-2cpu"  # the one with the longest history
BASE, OTHER = "torch-2.14.1", "torch-2.15.0"
UPGRADE = f"?view=upgrade&machine={MACHINE}&from={BASE}&to={OTHER}"
TABLES = f"?view=tables&machine={MACHINE}&releases={BASE},{OTHER}"
HISTORY = f"?view=history&machine={OLD}"

# Whether there is data on a canvas: lines and points are coloured, while frame, grid and labels are grey.
DRAWN = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((red, at) => at % 4 === 0 && pixels[at + 3] > 200 && Math.abs(red - pixels[at + 2]) > 60);
}"""


@pytest.fixture
def visit(own_site: Path, browser: Browser) -> Iterator[Visit]:
    """Opens a page of the site of the results that git has, as `visiting` does."""
    with visiting(own_site, browser) as open_page:
        yield open_page


def stored_times(release: str) -> dict[tuple[str, str], float]:
    """The CPU times in a release's result file, read without the project's own reader: by workload and pass."""
    commit = repository.commit_of(places.timeline_repository(ROOT), release)
    content = json.loads((ROOT / f"results/{MACHINE}/{commit[:8]}-passtime.json").read_text("utf-8"))
    times = {}
    for name, columns in content["results"].items():
        row = dict(zip(content["result_columns"], columns, strict=False))
        _, is_time, measured_pass = name.rpartition(".time_")
        if is_time:
            cells = itertools.product(*row["params"])
            for (workload, device), seconds in zip(cells, row["result"], strict=True):
                if device == "'cpu'" and seconds is not None and not math.isnan(seconds):
                    times[workload.strip("'"), measured_pass] = seconds
    return times


def exported(page: Page, title: str) -> str:
    """The file that an export button hands over."""
    with page.expect_download() as download:
        page.get_by_role("button", name=title, exact=True).click()
    return Path(download.value.path()).read_text("utf-8")


def cells(row: Locator) -> list[str]:
    return row.locator("th, td").all_inner_texts()


def test_the_tables_numbers_are_those_of_the_files(visit: Visit) -> None:
    """Every time of both releases, and nothing else, is in the tables, as it is in the result files."""
    records = json.loads(exported(visit(TABLES), "JSON"))
    for release in (BASE, OTHER):
        shown = {
            (record["workload"], record["pass"]): record["seconds"]
            for record in records
            if record["release"] == release and isinstance(record["seconds"], float)
        }
        assert shown == stored_times(release)


def test_a_cell_reads_as_its_number(visit: Visit) -> None:
    """A time is shown to three digits with its spread, and the ratio to the base's is that of the heats."""
    page = visit(TABLES)
    other = stored_times(OTHER)["vgg16", "total"]
    change = Analysis.of(stored.read(ROOT, MACHINE)).change(Place("vgg16", "cpu", "total"), BASE, OTHER)
    assert change is not None
    rows = page.locator("table.times tbody tr", has=page.get_by_role("rowheader", name="vgg16", exact=True))
    expect(rows).to_have_count(2)
    shown = cells(rows.nth(1))
    assert shown[:2] == ["vgg16", OTHER]
    assert shown[6].startswith(f"{other:#.3g} ± ")
    assert float(shown[7].rstrip("×")) == pytest.approx(change.ratio, rel=0.005)


def test_the_machine_whose_heats_tell_most_comes_first() -> None:
    """More sessions in heats go before more heats, those before a longer history, and all before what is imported."""
    facts = {
        "few heats of six": (False, 10, 60, 6),
        "many heats of two": (False, 20, 40, 2),
        "long": (False, 0, 0, 9),
        "short": (False, 0, 0, 3),
        "imported": (True, 0, 0, 20),
    }
    machines = [
        {"name": name, "imported": imported, "heats": heats, "sessions_in_heats": sessions,
         "devices": {"cpu": {"releases": ["torch"] * releases}}}
        for name, (imported, heats, sessions, releases) in reversed(facts.items())
    ]  # fmt: skip
    assert [one["name"] for one in sorted(machines, key=data._by_interest)] == [*facts]


def test_without_a_choice_the_newest_of_each_framework_is_shown(visit: Visit) -> None:
    """The bare address shows the machine with the most sessions in heats; each framework's newest, torch first."""
    page = visit("")
    expect(page.get_by_label("Machine")).to_have_value(MACHINE)
    expect(page.locator(".chosen li")).to_have_count(1)
    page = visit(f"?machine={LONG}")
    expect(page.locator(".chosen li")).to_have_count(3)
    chosen = page.locator(".chosen li").all_inner_texts()
    first, *others = [name.partition("-")[0] for name in chosen]
    assert (first, sorted(others)) == ("torch", ["flux", "tinygrad"])


def test_other_releases_and_another_base_are_chosen(visit: Visit) -> None:
    """Adding, removing and changing the base changes the address, and the browser's back button undoes it."""
    page = visit(TABLES)
    page.get_by_label("Add").select_option("torch-2.5.1")
    expect(page.locator(".chosen li")).to_have_count(3)
    page.get_by_label("Base").select_option("torch-2.5.1")
    expect(page.locator("table.times caption").first).to_contain_text("torch-2.5.1’s")
    assert "base=torch-2.5.1" in page.url
    page.get_by_role("button", name=f"remove {BASE}").click()
    expect(page.locator(".chosen li")).to_have_count(2)
    page.go_back()
    expect(page.locator(".chosen li")).to_have_count(3)


def test_the_machine_and_its_device_are_chosen(visit: Visit) -> None:
    """Choosing the Titan of 2018 shows its GPU's table."""
    page = visit("")
    page.get_by_label("Machine").select_option("titan-1080ti")
    expect(page.get_by_label("Device")).to_have_value("gpu")
    expect(page.locator("table.times tbody tr").first).to_contain_text("24.5 ms")


def test_doubtful_numbers_have_their_reason(visit: Visit) -> None:
    """A number of 2018 leads to a note that says what is doubtful in it."""
    page = visit("?machine=titan-1080ti")
    cell = page.locator("table.times tbody tr").first.locator("td.number").nth(0)
    cell.locator("sup a").first.click()
    expect(page.locator(":target")).to_contain_text("the first was meant to be left out")
    assert page.url.endswith("#note-models-1")
    page.reload()
    expect(page.locator("table.times").first).to_be_visible()


def test_frameworks_that_were_never_compared_are_marked(visit: Visit) -> None:
    """Between frameworks without parity a row says so, and has no ratio."""
    page = visit("?machine=titan-1080ti")
    row = page.locator("table.times tbody tr").nth(1)
    expect(row.locator("td").first.locator("sup a")).to_have_attribute("title", "never shown to do the same work as "
        "torch-0.4.0: passtime parity checks it")  # fmt: skip
    expect(row.locator("td.ratio")).to_have_count(0)


def test_what_no_heat_connects_is_not_compared(visit: Visit) -> None:
    """Releases that were measured at other hours have times and no change, and the page says what measures them."""
    page = visit(f"?view=upgrade&machine={OLD}&from={BASE}&to={OTHER}")
    expect(page.locator(".answer")).to_have_text(
        f"No heat connects {BASE} and {OTHER}, so they are not compared: "
        f"passtime measure {BASE} {OTHER} measures them together."
    )
    records = json.loads(exported(page, "JSON"))
    assert {(record["reading"], record["ratio"]) for record in records} == {("not compared", None)}
    page = visit(f"?view=tables&machine={OLD}&releases={BASE},{OTHER}")
    expect(page.locator("table.times tbody tr").first).to_be_visible()
    expect(page.locator("table.times td.ratio")).to_have_count(0)


@pytest.mark.parametrize("pass_name", ["forward", "total"])
def test_a_table_is_sorted_by_a_pass(visit: Visit, pass_name: str) -> None:
    """A click on a pass sorts by its time, another one the other way round; the address keeps it."""
    page = visit(TABLES)
    heading = page.locator("table.times").first.get_by_role("columnheader", name=pass_name)
    expected = sorted((stored_times(r)[w, pass_name] for r in (BASE, OTHER) for w, p in stored_times(r)
                       if p == pass_name and ("net" in w or "vgg" in w)))  # fmt: skip
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert f"sort={pass_name}" in page.url
    records = [one for one in json.loads(exported(page, "JSON")) if one["pass"] == pass_name]
    models = [one for one in records if "net" in one["workload"] or "vgg" in one["workload"]]
    times = [one["seconds"] for one in models if one["seconds"] is not None]
    assert times == expected
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")


def test_each_export_has_the_same_records(visit: Visit) -> None:
    """CSV, JSON and Markdown hold the same rows."""
    page = visit(UPGRADE)
    records = json.loads(exported(page, "JSON"))
    lines = list(csv.DictReader(io.StringIO(exported(page, "CSV"))))
    table = exported(page, "Markdown").splitlines()
    assert len(records) == len(lines) == len(table) - 2 > 20
    for record, line, row in zip(records, lines, table[2:], strict=True):
        assert line["workload"] == record["workload"]
        assert float(line["ratio"]) == record["ratio"]
        assert row.startswith(f"| {record['workload']} | {record['pass']} |")


def test_an_upgrade_is_every_change_with_its_interval(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest change comes first; each has the ratio, the interval and the verdict of `passtime verdict`."""
    page = visit(UPGRADE)
    records = json.loads(exported(page, "JSON"))
    monkeypatch.chdir(ROOT)
    told = CliRunner().invoke(cli.main, ["verdict", BASE, OTHER, "--machine", MACHINE, "--format", "json"])
    said = {(row["workload"], row["pass"]): row for row in json.loads(told.output)["rows"]}
    both = stored_times(BASE).keys() & stored_times(OTHER).keys()
    assert {(record["workload"], record["pass"]) for record in records} == both == said.keys()
    sizes = [abs(math.log(record["ratio"])) for record in records]
    assert sizes == sorted(sizes, reverse=True)
    for record in records:
        row = said[record["workload"], record["pass"]]
        assert record["ratio"] == pytest.approx(row["ratio"], rel=1e-4)
        assert (record["ratio_low"], record["ratio_high"]) == pytest.approx((row["low"], row["high"]), rel=1e-4)
        assert (record["reading"], record["heats"]) == (row["verdict"], row["heats"])
        assert record["too_noisy"] is False


def test_a_bookmark_answers_a_question(visit: Visit) -> None:
    """Who trains ResNet-50 faster, by how much and whether to believe it is one row of one address."""
    page = visit(f"{UPGRADE}&filter=resnet50+total")
    rows = page.locator("table.changes tbody tr").filter(has=page.get_by_role("rowheader", name="resnet50", exact=True))
    expect(rows).to_have_count(1)
    workload, measured_pass, *_, change, reading = cells(rows)
    assert (workload, measured_pass) == ("resnet50", "total")
    assert " % to " in change
    assert reading in ("slower", "faster", "same", "cannot tell")
    expect(page.locator(".answer")).to_contain_text(f"{OTHER} takes")


def test_the_filter_keeps_the_keyboard(visit: Visit) -> None:
    """Typing narrows the rows letter by letter without leaving the box."""
    page = visit(UPGRADE)
    page.get_by_role("searchbox").click()
    page.keyboard.type("resnet50", delay=20)
    expect(page.locator("table.changes tbody tr")).to_have_count(4)
    expect(page.get_by_role("searchbox")).to_have_value("resnet50")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_the_mean_is_the_geometric_one(visit: Visit) -> None:
    """The first sentence has the geometric mean of the models' training steps."""
    page = visit(UPGRADE)
    records = json.loads(exported(page, "JSON"))
    ratios = [
        r["ratio"] for r in records if r["pass"] == "total" and ("net" in r["workload"] or "vgg" in r["workload"])
    ]
    said = page.locator(".answer b").nth(1).inner_text()
    assert float(said.rstrip("×")) == pytest.approx(statistics.geometric_mean(ratios), rel=0.005)


def test_a_history_is_drawn(visit: Visit) -> None:
    """A workload's chart has lines, and the table below it has every release by date, those of 2018 first."""
    page = visit(f"{HISTORY}&workload=vgg16")
    canvas = page.locator(".chart canvas")
    expect(canvas).to_have_count(1)
    page.wait_for_function(DRAWN, arg=canvas.element_handle())
    rows = page.locator("details tbody tr")
    releases = rows.locator("th").all_inner_texts()
    assert {*releases[:2]} == {"torch-0.4.0", "flux-master-2018-07"}
    assert {"torch-1.0.1", "flux-0.12.1", BASE, OTHER} < {*releases}
    dates = rows.locator("td:nth-child(2)").all_inner_texts()
    assert dates == sorted(dates)


def test_values_are_read_under_the_pointer(visit: Visit) -> None:
    """Over a release the chart says its name and times."""
    page = visit(f"{HISTORY}&workload=vgg16&passes=total")
    over = page.locator(".u-over")
    expect(over).to_be_visible()
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + box["height"] / 2)
    expect(page.locator(".tooltip")).to_contain_text(OTHER)
    expect(page.locator(".tooltip")).to_contain_text("torch total")


def test_a_history_keeps_its_choices_in_the_address(visit: Visit) -> None:
    """Passes, scale and machines that are chosen are in the address, and are as chosen when it is opened."""
    page = visit(f"{HISTORY}&workload=resnet18")
    page.get_by_label("inference", exact=True).uncheck()
    page.get_by_label("Scale").select_option("linear")
    expect(page.locator("details thead th")).to_have_text(
        ["Release", "Date", "Machine", "forward", "backward", "total"]
    )
    page.get_by_label("xeon-silver-4114", exact=True).uncheck()
    expect(page.get_by_label("xeon-silver-4114", exact=True)).not_to_be_checked()
    again = visit(page.url.partition("/?")[2] and "?" + page.url.partition("/?")[2])
    expect(again.get_by_label("Scale")).to_have_value("linear")
    expect(again.get_by_label("inference", exact=True)).not_to_be_checked()
    expect(again.locator("details tbody tr", has_text="xeon-silver-4114")).to_have_count(0)


def test_all_models_are_small_charts(visit: Visit) -> None:
    """All models of a pass are charts of their own, each leading to its workload's."""
    page = visit(f"{HISTORY}&workload=all+models&passes=inference")
    charts = page.locator(".multiples figure")
    expect(charts.first).to_be_visible()
    assert charts.count() >= 9
    for canvas in charts.locator("canvas").all():
        page.wait_for_function(DRAWN, arg=canvas.element_handle())
    charts.get_by_role("link", name="resnet152").click()
    expect(page.get_by_label("Workload")).to_have_value("resnet152")


@pytest.mark.parametrize(
    ("system", "address", "is_dark"),
    [("light", "", False), ("dark", "", True), ("light", "?theme=dark", True), ("dark", "?theme=light", False)],
)
def test_light_and_dark(own_site: Path, browser: Browser, system: str, address: str, is_dark: bool) -> None:
    """The page is as light or dark as the system, unless its address says otherwise."""
    with visiting(own_site, browser, color_scheme=system) as visit:
        page = visit(address)
        expect(page.locator("table.times").first).to_be_visible()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background != "rgb(255, 255, 255)") == is_dark
        page.get_by_role("button", name="Light" if is_dark else "Dark").click()
        expect(page).to_have_url(re.compile(f"theme={'light' if is_dark else 'dark'}"))


@pytest.mark.parametrize("address", [TABLES, UPGRADE, f"{HISTORY}&workload=vgg16"])
def test_a_narrow_screen_needs_no_sideways_scrolling(own_site: Path, browser: Browser, address: str) -> None:
    """On 380 pixels the page is as wide as the screen; wide tables scroll by themselves."""
    with visiting(own_site, browser, viewport={"width": 380, "height": 700}) as visit:
        page = visit(address)
        expect(page.locator("table").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_the_keyboard_reaches_everything(visit: Visit) -> None:
    """Tab comes to every link, choice and button, in the order in which they stand; Enter follows a view's link."""
    page = visit(TABLES)
    expect(page.locator("table.times").first).to_be_visible()
    seen = []
    for _ in range(16):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.name || document.activeElement.innerText || ''"))
    assert seen[:7] == ["To the content", "Tables", "Upgrade", "History", "Why believe it", "asv’s pages", "Dark"]
    assert {"Machine", "Device", "Add", "Base", "sort by forward"} <= {name.strip() for name in seen}
    page.get_by_role("link", name="Upgrade").focus()
    page.keyboard.press("Enter")
    expect(page.locator("table.changes")).to_be_visible()


def test_the_keyboard_stays_where_it_was(visit: Visit) -> None:
    """Sorting and ticking keep the focus; a release that is removed gives it to what adds one, not to another's ×."""
    page = visit(f"{TABLES},torch-2.5.1")
    page.get_by_role("button", name="total").nth(1).press("Enter")
    expect(page.locator("th[aria-sort=ascending]").nth(1)).to_be_visible()
    expect(page.get_by_role("button", name="total").nth(1)).to_be_focused()
    page.get_by_role("button", name="remove torch-2.5.1").press("Enter")
    expect(page.locator("ul.chosen li")).to_have_count(2)
    expect(page.get_by_role("combobox", name="Add")).to_be_focused()
    page = visit(HISTORY)
    page.get_by_role("checkbox", name="backward").press("Space")
    expect(page.get_by_role("checkbox", name="backward")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="backward")).to_be_focused()


def test_a_table_holds_six_releases(visit: Visit) -> None:
    """At the sixth the choice of one more goes, and the keyboard to the base; what is asked for beyond is named."""
    names = [f"torch-{version}" for version in ("1.0.1", "1.1.0", "1.2.0", "1.3.1", "1.4.0", "1.5.1", "1.6.0")]
    address = f"?machine={LONG}&releases="
    page = visit(address + ",".join(names[:5]))
    page.get_by_role("combobox", name="Add").focus()
    page.get_by_role("combobox", name="Add").select_option(names[5])
    expect(page.locator("ul.chosen li")).to_have_count(6)
    expect(page.get_by_role("combobox", name="Add")).to_have_count(0)
    expect(page.get_by_role("combobox", name="Base")).to_be_focused()
    expect(page.get_by_role("status")).to_have_count(0)
    page = visit(address + ",".join(names))
    expect(page.get_by_role("status")).to_have_text(f"A table holds 6 releases: {names[6]} left out.")


def test_tables_are_tables(visit: Visit) -> None:
    """Each table has a caption, heads of columns and heads of rows, as a screen reader needs them."""
    for address in (TABLES, UPGRADE, f"{HISTORY}&workload=vgg16"):
        page = visit(address)
        expect(page.locator("table").first).to_be_visible()
        for table in page.locator("table").all():
            assert table.locator("caption").inner_text()
            assert table.locator("thead th[scope=col]").count() > 1
            assert table.locator("tbody th[scope=row]").count() == table.locator("tbody tr").count()


@pytest.mark.parametrize("bookmark", ["#/summarylist", "#/regressions", "#models.VGG.time_total?p-model='vgg16'"])
def test_old_bookmarks_lead_to_asvs_pages(visit: Visit, bookmark: str) -> None:
    """A link into asv's own pages, which were at this address, is forwarded to where they are."""
    page = visit(f"index.html{bookmark}")
    page.wait_for_url("**/asv.html#**")
    expect(page.locator("#nav")).to_be_visible()
    expect(page.locator("#title, #summarylist-body, #regressions-body").first).to_be_attached()


def test_an_unknown_state_shows_what_there_is(visit: Visit) -> None:
    """A view, machine or release in the address that does not exist is passed over, and the page says so."""
    page = visit("?view=poem&machine=cray-1&device=abacus&releases=torch-99&base=x&sort=y")
    expect(page.locator("table.times").first).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("There is no machine cray-1")
    expect(page.get_by_role("status")).to_contain_text("has no times on abacus: these are on cpu")
    expect(page.get_by_role("status")).to_contain_text("torch-99: no times here")
    page = visit("?view=upgrade&from=torch-99&to=torch-98&sort=__proto__")
    expect(page.locator("table.changes")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("torch-99, torch-98: no times here")
    page = visit(UPGRADE)
    expect(page.locator("table.changes")).to_be_visible()
    expect(page.get_by_role("status")).to_have_count(0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 404}, "is missing: run asv publish again"),
        ({"status": 200, "body": "<html>"}, "is not what asv publish wrote"),
    ],
)
def test_missing_numbers_are_explained(own_site: Path, browser: Browser, answer: dict, said: str) -> None:
    """Where a file of numbers is missing, or a host sends a page in its place, the page says which and what to do."""
    with serving(own_site) as address, browser.new_context() as context:
        page = context.new_page()
        page.route("**/releases/*.json", lambda route: route.fulfill(**answer))
        page.goto(address)
        expect(page.get_by_role("alert")).to_contain_text(said)
        page.close()


def test_a_missing_view_is_explained(own_site: Path, browser: Browser) -> None:
    """Where a view's script did not come along, the page says which, and the other views work."""
    with serving(own_site) as address, browser.new_context() as context:
        page = context.new_page()
        page.route("**/front/history.js", lambda route: route.fulfill(status=404))
        page.goto(f"{address}{HISTORY}")
        expect(page.get_by_role("alert")).to_have_text(
            "front/history.js cannot be loaded: run asv publish again, and copy all of html/"
        )
        page.get_by_role("link", name="Tables").click()
        expect(page.locator("table.times").first).to_be_visible()


def test_only_what_is_shown_is_loaded(own_site: Path, browser: Browser) -> None:
    """Tables of two releases load the index and those two; no chart library, no other numbers."""
    with serving(own_site) as address, browser.new_context() as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.removeprefix(address).partition("?")[0]))
        page.goto(address + TABLES)
        expect(page.locator("table.times").first).to_be_visible()
        data = {path for path in asked if path.startswith("data/")}
        assert data == {"data/index.json", *(f"data/{MACHINE}/releases/{release}.json" for release in (BASE, OTHER))}
        assert not [path for path in asked if path.startswith("vendor/")]
        assert len(asked) == len({*asked})
