"""`passtime tables`, from the results that git has."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner
from history.conftest import ROOT, TABLES

from passtime import cli
from passtime.results.history import markdown
from passtime.results.tables import FIRST_LAYERS, FIRST_MODELS


def run(*arguments):
    return CliRunner().invoke(cli.main, ["tables", *arguments])


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    """The command runs where the committed results are."""
    monkeypatch.chdir(ROOT)


def numbers(text):
    """Every row of Markdown tables: whether it is a model's, the row's name and framework, and its numbers or None."""
    rows, name = [], ""
    for line in text.splitlines():
        cells = [cell.strip(" *") for cell in line.strip()[1:-1].split("|")]
        if not line.startswith("|") or cells[0] in ("Model", "Layer") or cells[0].startswith(":"):
            continue
        name = cells[0] or name
        found = [re.match(r"\*{0,2}([\d.]+) m?s", cell) for cell in cells[2:]]
        rows.append((name.lower().replace(" ", "_"), [float(match[1]) if match else None for match in found]))
    return rows


def section(text, device):
    """The original's tables of one device."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return "".join(f"## {part}" for part in parts if part.startswith(f"{device} USED"))


@pytest.mark.parametrize(("machine", "device"), [("titan-1080ti", "GPU"), ("xeon-silver-4114", "CPU")])
def test_the_tables_of_2018_come_out_as_they_went_in(machine, device):
    """Every cell of both original tables is the same number, and blank where it was blank."""
    shown = run("--machine", machine, "--format", "md")
    assert shown.exit_code == 0, shown.output
    original = numbers(section(TABLES.read_text("utf-8"), device))
    ours = numbers(shown.output)
    assert len(original) == 2 * (len(FIRST_MODELS) + len(FIRST_LAYERS))
    assert ours == original


def test_each_format_has_the_same_times():
    """Markdown, CSV and JSON agree on every time; the terminal's has the releases and units."""
    records = json.loads(run("--machine", "titan-1080ti", "--format", "json").output)
    lines = list(csv.DictReader(io.StringIO(run("--machine", "titan-1080ti", "--format", "csv").output)))
    assert len(lines) == len(records) == 2 * (len(FIRST_MODELS) * 4 + len(FIRST_LAYERS) * 3)
    for line, record in zip(lines, records, strict=True):
        assert float(line["seconds"] or "nan") == pytest.approx(record["seconds"] or float("nan"), nan_ok=True)
    cells = {
        (c.workload, c.release, c.measured_pass): c.seconds for c in markdown.read(TABLES) if c.machine.device == "gpu"
    }
    assert {(r["workload"], r["release"], r["pass"]): r["seconds"] for r in records} == cells
    shown = run("--machine", "titan-1080ti").output
    assert "torch-0.4.0" in shown
    assert "0.0245 s" in shown


def test_the_best_of_a_workload_is_marked():
    """The faster release's value is bold in Markdown, the other's is not."""
    shown = run("--machine", "titan-1080ti", "--format", "md").output
    assert "| **0.0245 s**" in shown
    assert "| 0.0802 s" in shown


def test_frameworks_that_were_never_compared_are_marked():
    """A row whose work was never shown to be the same has a mark, and a line below says what it means."""
    shown = run("--machine", "titan-1080ti", "--format", "md").output
    assert "| flux-master-2018-07 ? |" in shown
    assert "`passtime parity` checks it" in shown


def test_doubtful_numbers_are_marked():
    """A number that is doubted has a mark that leads to the page that says why."""
    shown = run("--machine", "xeon-silver-4114", "--format", "md").output
    assert "49.282 s (!)" in shown
    assert "docs/history-2018.md" in shown
    assert (ROOT / "docs/history-2018.md").is_file()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--machine", "cray-1"], "no results of machine cray-1: there are "),
        (["--machine", "titan-1080ti", "--device", "cpu"], "no cpu times on titan-1080ti"),
        (["--machine", "titan-1080ti", "--releases", "torch-9.9"], "unknown release torch-9.9"),
        (["--machine", "titan-1080ti", "--releases", "torch-2.5.1"], "no results of torch-2.5.1 on titan-1080ti"),
        (["--machine", "titan-1080ti", "--workloads", "vgg17"], "unknown workload vgg17: passtime has vgg11, "),
    ],
)
def test_what_is_not_there_is_one_line(arguments, reason):
    """An unknown machine, device or release is said in one line that names what there is."""
    ended = run(*arguments)
    assert ended.exit_code == 1
    assert reason in ended.output
    assert ended.output.count("\n") == 1


def test_releases_are_taken_in_the_order_given():
    """`--releases A B` shows those two, A first."""
    records = json.loads(
        run("--machine", "titan-1080ti", "--format", "json", "--releases", "flux-master-2018-07", "torch-0.4.0").output
    )
    assert [record["release"] for record in records[:8]] == ["flux-master-2018-07"] * 4 + ["torch-0.4.0"] * 4


def test_rows_are_chosen():
    """`--workloads A B` shows those two, in the table's order."""
    chosen = ("--workloads", "dense", "vgg16", "--releases", "torch-0.4.0")
    records = json.loads(run("--machine", "titan-1080ti", "--format", "json", *chosen).output)
    assert [record["workload"] for record in records] == ["vgg16"] * 4 + ["dense"] * 3
