"""Prints the README's first table: median seconds of a few models, release by release, from the results that git has.

python docs/make_table.py            print it
python docs/make_table.py --write    put it into the README, and what other commands print where a page names them
"""

from __future__ import annotations

import itertools
import math
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from asv.results import Results
from asv.util import load_json

from passtime import places
from passtime.timeline import manifest, repository
from passtime.timeline.manifest import Release

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/why-to-believe-a-verdict.md")
FRAMEWORK = "torch"
DEVICE = "cpu"
BENCHMARKS = {"resnet18": "models.ResNet", "resnet50": "models.ResNet", "vgg16": "models.VGG"}
PASSES = ("forward", "backward", "total", "inference")
# What fits beside each other on a page; the site has all.
MOST_RELEASES = 8
MARKERS = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- /table -->)", re.DOTALL)


def table(root: Path = ROOT) -> str:
    """The Markdown table of a framework's releases on the machine with the most results; empty where there are none."""
    machine, results = tracked(root)
    known = manifest.load(root)
    timeline = places.timeline_repository(root)
    repository.build(known, timeline)
    columns = {}
    for result in results:
        measured, release = medians(result), known.get(repository.release_name(timeline, result.commit_hash))
        if measured and release.framework == FRAMEWORK:
            columns[release] = measured
    if not columns:
        return ""
    releases = spread(sorted(columns, key=lambda release: release.date), MOST_RELEASES)
    lines = [
        ["model", "pass", *(release.name for release in releases), f"{releases[-1].version} / {releases[0].version}"],
        ["---", "---", *["---:"] * (len(releases) + 1)],
    ]
    for cell in itertools.product(BENCHMARKS, PASSES):
        seconds = [columns[release].get(cell, math.nan) for release in releases]
        if not all(map(math.isnan, seconds)):
            ratio = seconds[-1] / seconds[0]
            lines.append([*cell, *map(_shown, seconds), "" if math.isnan(ratio) else f"{ratio:.2f}"])
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return (
        f"Median seconds of a pass over 8 images on {DEVICE.upper()} ({machine['cpu']}, {machine['num_cpu']} CPUs), "
        f"and the newest release's time over the oldest's:\n\n{rows}"
    )


def spread(releases: Sequence[Release], most: int) -> Sequence[Release]:
    """So many of them at the most, evenly spread, the oldest and the newest among them."""
    last = len(releases) - 1
    return [releases[round(last * index / (most - 1))] for index in range(most)] if last >= most else releases


def tracked(root: Path) -> tuple[dict, list[Results]]:
    """The machine with the most results in git, and those results: what else was measured here is not the README's."""
    listed = subprocess.run(
        ["git", "ls-files", "results/*/*.json"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    folders = Counter(Path(name).parent for name in listed)
    if not folders:
        return {}, []
    folder, _ = max(folders.items(), key=lambda item: (item[1], item[0]))
    machine = load_json(str(root / folder / "machine.json"))
    files = [name for name in listed if Path(name).parent == folder and Path(name).name != "machine.json"]
    return machine, [Results.load(str(root / name), machine["machine"]) for name in files]


def medians(result: Results) -> Mapping[tuple[str, str], float]:
    """Median seconds by (model, pass), of what a release has measured."""
    found = {}
    for (model, benchmark), measured_pass in itertools.product(BENCHMARKS.items(), PASSES):
        name = f"{benchmark}.time_{measured_pass}"
        if name not in result.get_all_result_keys():
            continue
        params = result.get_result_params(name)
        values = dict(zip(itertools.product(*params), result.get_result_value(name, params), strict=True))
        seconds = values.get((repr(model), repr(DEVICE)))
        if seconds is not None and not math.isnan(seconds):
            found[model, measured_pass] = seconds
    return found


def _shown(seconds: float) -> str:
    return "" if math.isnan(seconds) else f"{seconds:#.3g}".rstrip(".")


def made_by(command: str) -> str:
    """What a marker's command prints: this script, or `passtime tables`, whose headings become lower ones."""
    program, *arguments = shlex.split(command)
    if [program, *arguments] == ["python", "docs/make_table.py"]:
        return table()
    ours = Path(sys.executable).with_name(program)
    printed = subprocess.run([ours, *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return "\n" + printed.replace("## ", "### ")


def inert(printed: str) -> str:
    """Without HTML: results name machines and releases, and a marker in such a name would be a command of the page."""
    return printed.replace("<", "&lt;")


def main() -> None:
    if sys.argv[1:] == ["--write"]:
        for page in filter(Path.is_file, PAGES):
            text = page.read_text("utf-8")
            page.write_text(MARKERS.sub(lambda found: found[1] + inert(made_by(found[2])) + found[3], text), "utf-8")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()
