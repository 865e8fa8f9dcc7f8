"""Does the site stay fast with years of results? `python perf/site.py`; the README says how."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
import harness
from rich.table import Table

from passtime import places
from passtime.errors import PasstimeError
from passtime.site.serving import CHROMIUMS, FLAGS, chromium, serving
from passtime.timeline import manifest, repository

MACHINES = 4
PUBLISH_GOAL = 1.5
USABLE_SECONDS_GOAL = 1.0

# asv publish without what passtime adds to the site.
STOCK = """
import passtime.asv.plugin
from asv import main, util
every = util.iter_subclasses
own = "passtime.asv.publishing"
util.iter_subclasses = lambda cls: (one for one in every(cls) if not one.__module__.startswith(own))
main.main()
"""

VIEWS = {
    "tables": ("", "table.times tbody tr"),
    "upgrade": ("?view=upgrade", "table.changes tbody tr"),
    "history": ("?view=history&workload=resnet50", ".chart canvas"),
    "all models": ("?view=history&workload=all+models", ".multiples canvas"),
}


@click.command()
@click.option("--releases", default=300, show_default=True, help="So many releases on each machine, in two frameworks.")
@click.option("--visits", default=5, show_default=True, help="Of each view, in a browser that has nothing cached.")
def main(releases: int, visits: int) -> None:
    """Publish many generated results with and without passtime's pages, and time the pages."""
    harness.warn_if_busy()
    publishing = Table("results", "asv's own pages", "with ours", "ratio", title=f"asv publish, {MACHINES} machines")
    with tempfile.TemporaryDirectory(prefix="passtime-perf-") as temporary:
        for count in (releases // 4, releases // 2, releases):
            folder = Path(temporary) / str(count)
            environment = generate(folder, count)
            harness.progress.print(f"{count} releases on {MACHINES} machines")
            stock = _publish(folder, environment, "-c", STOCK)
            ours = _publish(folder, environment, "-m", "asv")
            ratio = ours / stock
            publishing.add_row(str(count * MACHINES), f"{stock:.1f} s", f"{ours:.1f} s", f"{ratio:.2f}")
            if count != releases:
                shutil.rmtree(folder)
        harness.show(publishing)
        visited = Table("view", "usable after", "loaded", title=f"the first page, {releases * MACHINES} results")
        slowest = 0.0
        for view, (seconds, loaded_bytes) in _visit(folder / "html", visits):
            visited.add_row(view, f"{seconds * 1000:.0f} ms", f"{loaded_bytes / 1000:.0f} kB")
            slowest = max(slowest, seconds if view == "tables" else 0.0)
        harness.show(visited)
    misses = [
        said
        for said, is_missed in (
            (f"publish takes {ratio:.2f} times the stock one's time", ratio > PUBLISH_GOAL),
            (f"the first page is usable after {slowest:.2f} s", slowest > USABLE_SECONDS_GOAL),
        )
        if is_missed
    ]
    click.echo(f"site: {'missed: ' + ', '.join(misses) if misses else 'pass'}")


def generate(folder: Path, count: int) -> dict[str, str]:
    """A project with results of `count` releases on each machine, made of one real release's; its environment."""
    folder.mkdir()
    harness.project(folder)
    (folder / ".passtime").unlink()
    first = datetime(2016, 1, 1, tzinfo=timezone.utc)
    names = [("flux" if number % 3 == 2 else "torch", f"1.{number}", first + timedelta(days=12 * number))
             for number in range(count)]  # fmt: skip
    releases = folder / "releases.toml"
    releases.write_text(
        "".join(
            f'[[release]]\nframework = "{framework}"\nversion = "{version}"\ndate = {date:%Y-%m-%dT%H:%M:%SZ}\n\n'
            for framework, version, date in names
        ),
        "utf-8",
    )
    environment = {**os.environ, places.RELEASES_VARIABLE: str(releases)}
    os.environ[places.RELEASES_VARIABLE] = str(releases)
    try:
        timeline = places.timeline_repository(folder)
        repository.build(manifest.load(folder), timeline)
    finally:
        del os.environ[places.RELEASES_VARIABLE]
    source = _fullest_result()
    (folder / "results").mkdir()
    shutil.copyfile(harness.ROOT / "results/benchmarks.json", folder / "results/benchmarks.json")
    for number in range(MACHINES):
        _write_machine(folder, source, f"machine{number}", names, repository.tags(timeline), random.Random(number))
    return environment


def _fullest_result() -> Path:
    return max((path for path in (harness.ROOT / "results").glob("*/*-passtime.json")), key=lambda p: p.stat().st_size)


def _write_machine(
    folder: Path, source: Path, machine: str, names: list, commits: Mapping[str, str], chance: random.Random
) -> None:
    place = folder / "results" / machine
    place.mkdir()
    facts = json.loads((source.parent / "machine.json").read_text("utf-8"))
    (place / "machine.json").write_text(json.dumps({**facts, "machine": machine}), "utf-8")
    template = json.loads(source.read_text("utf-8"))
    sessions = [json.loads(line) for line in source.with_suffix(".provenance.jsonl").read_text("utf-8").splitlines()]
    value, samples, low, high = (
        template["result_columns"].index(name) for name in ("result", "samples", "stats_q_25", "stats_q_75")
    )
    for framework, version, date in names:
        release = f"{framework}-{version}"
        content = json.loads(json.dumps(template))
        factor = chance.lognormvariate(0, 0.05)
        for row in content["results"].values():
            for column in (value, low, high):
                if column < len(row) and row[column] is not None:
                    row[column] = [v if v is None else v * factor for v in row[column]]
            if samples < len(row) and row[samples] is not None:
                row[samples] = [v and [s * factor * chance.lognormvariate(0, 0.02) for s in v] for v in row[samples]]
        content.update(commit_hash=commits[release], date=int(date.timestamp() * 1000))
        content["params"]["machine"] = machine
        path = place / f"{commits[release][:8]}-passtime.json"
        path.write_text(json.dumps(content), "utf-8")
        path.with_suffix(".provenance.jsonl").write_text(
            "".join(json.dumps({**line, "release": release}) + "\n" for line in sessions), "utf-8"
        )


def _publish(folder: Path, environment: Mapping[str, str], *program: str) -> float:
    start = time.monotonic()
    command = [sys.executable, *program, "publish"]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if ended.returncode != 0:
        raise PasstimeError(f"asv publish failed: {(ended.stderr or ended.stdout).strip().splitlines()[-1]}")
    return time.monotonic() - start


def _visit(html: Path, visits: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """Each view, after how many seconds it is there, and how many bytes it loaded: medians."""
    from playwright.sync_api import sync_playwright

    executable = chromium()
    if executable is None:
        raise PasstimeError(f"no browser to visit the site with: none of {', '.join(CHROMIUMS)} is on PATH")
    with serving(html) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        browser.new_page().goto(address + "error.html")  # the browser's own start is not the page's
        for view, (place, awaited) in VIEWS.items():
            times, sizes = [], []
            for _ in range(visits):
                with browser.new_context() as context:
                    page = context.new_page()
                    start = time.monotonic()
                    page.goto(address + place, wait_until="commit")
                    page.locator(awaited).first.wait_for()
                    times.append(time.monotonic() - start)
                    sizes.append(page.evaluate(
                        "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.decodedBodySize, 0)"
                    ))  # fmt: skip
            yield view, (statistics.median(times), statistics.median(sizes))
        browser.close()


if __name__ == "__main__":
    harness.run(main)
