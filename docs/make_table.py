"""Prints the README's table: median seconds of a few models in every measured release, from the committed results.

python docs/make_table.py            print it
python docs/make_table.py --write    put it into the README
"""

from __future__ import annotations

import itertools
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from asv.results import Results, iter_results_for_machine
from asv.util import load_json

from passtime import places
from passtime.timeline import manifest, repository

ROOT = Path(__file__).resolve().parents[1]
DEVICE = "cpu"
BENCHMARKS = {"resnet18": "models.ResNet", "resnet50": "models.ResNet", "vgg16": "models.VGG"}
PASSES = ("forward", "backward", "total", "inference")
MARKERS = re.compile(r"(<!-- table: .*? -->\n).*?(<!-- /table -->)", re.DOTALL)


def table(root: Path = ROOT) -> str:
    """The Markdown table of the machine with the most results; empty where there are none."""
    machines = sorted((root / "results").glob("*/machine.json"), key=lambda path: len(list(path.parent.iterdir())))
    if not machines:
        return ""
    machine = load_json(str(machines[-1]))
    known = manifest.load(root)
    timeline = places.timeline_repository(root)
    repository.build(known, timeline)
    columns = {}
    for result in iter_results_for_machine(str(root / "results"), machine["machine"]):
        seconds = medians(result)
        if seconds:
            columns[known.get(repository.release_name(timeline, result.commit_hash))] = seconds
    releases = sorted(columns, key=lambda release: release.date)
    if not releases:
        return ""
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
    return "" if math.isnan(seconds) else f"{seconds:.3g}"


def main() -> None:
    if sys.argv[1:] == ["--write"]:
        readme = ROOT / "README.md"
        text = readme.read_text("utf-8")
        readme.write_text(MARKERS.sub(lambda found: found[1] + table() + found[2], text), "utf-8")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()
