"""Prints the README's first table: seconds of a few models, release by release, from the results that git has.

python docs/make_table.py            print it
python docs/make_table.py --write    put it into the README, and what other commands print where a page names them
"""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from asv.util import load_json

from passtime.catalog.place import Place
from passtime.measure.analysis import Analysis
from passtime.results import store, stored
from passtime.results.sessions import HEAT
from passtime.results.stored import Measured, Stored

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/why-to-believe-a-verdict.md")
FRAMEWORK = "torch"
DEVICE = "cpu"
MODELS = ("resnet18", "resnet50", "vgg16")
PASSES = ("forward", "backward", "total", "inference")
# What fits beside each other on a page; the site has all.
MOST_RELEASES = 8
MARKERS = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- /table -->)", re.DOTALL)


def table(root: Path = ROOT) -> str:
    """The Markdown table of a framework's releases on the machine of `tracked`; empty where there are none.

    The newest release's time over the oldest's is from heats, as `passtime verdict` has it.
    """
    machine = tracked(root)
    if machine is None:
        return ""
    everything = [one for one in stored.read(root, machine) if one.release.framework == FRAMEWORK]
    in_heats = [one for one in everything if any(map(has_heats, one.times.values()))]
    releases = spread(in_heats or [one for one in everything if one.devices], MOST_RELEASES)
    if not releases:
        return ""
    facts = load_json(str(root / "results" / machine / "machine.json"))
    analysis = Analysis.of(everything)
    oldest, newest = releases[0].release, releases[-1].release
    lines = [
        ["model", "pass", *(one.release.name for one in releases), f"{newest.version} / {oldest.version}"],
        ["---", "---", *["---:"] * (len(releases) + 1)],
    ]
    for model, measured_pass in itertools.product(MODELS, PASSES):
        place = Place(model, DEVICE, measured_pass)
        times = [one.times.get(place) for one in releases]
        if any(times):
            change = analysis.change(place, oldest.name, newest.name)
            ratio = "" if change is None else f"{change.ratio:.2f}"
            lines.append([model, measured_pass, *map(_shown, times), ratio])
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return (
        f"Median seconds of a pass over 8 images on {DEVICE.upper()} ({facts['cpu']}, {facts['num_cpu']} CPUs), "
        f"and the newest release's time over the oldest's, from heats:\n\n{rows}"
    )


def _shown(time: Measured | None) -> str:
    return "" if time is None or not time.is_available else f"{time.seconds:#.3g}".rstrip(".")


def has_heats(time: Measured) -> bool:
    """Whether a session of it took turns with another release's."""
    return any(HEAT in line for line in time.provenance)


def spread(releases: Sequence[Stored], most: int) -> Sequence[Stored]:
    """So many of them at the most, evenly spread, the oldest and the newest among them."""
    last = len(releases) - 1
    return [releases[round(last * index / (most - 1))] for index in range(most)] if last >= most else releases


def tracked(root: Path) -> str | None:
    """The machine with the most sessions in heats in git, else the most of all.

    What else was measured is not the README's.
    """
    listed = subprocess.run(
        ["git", "ls-files", f"results/*/*{store.PROVENANCE}"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    found: dict[str, tuple[int, int]] = {}
    for path in (root / name for name in listed):
        text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
        heats, sessions = found.get(path.parent.name, (0, 0))
        found[path.parent.name] = heats + text.count(f'"{HEAT}": '), sessions + text.count("\n")
    return max(found, key=lambda machine: (found[machine], machine)) if found else None


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
