"""Results of another checkout come to those of this one, and nothing is lost of either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from passtime import cli
from passtime.results import store
from passtime.results.store import Store

from .test_content import BENCHMARK, HEADER, RESNET18, RESNET50, line

CHECK = {"releases": ["fake-1.0", "fake-1.1"], "workload": "vgg16", "device": "cpu", "difference": ""}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A project with a session in its results; `theirs` beside it has that one and one more."""
    project = tmp_path / "ours"
    project.mkdir()
    (project / "asv.conf.json").write_text("{}", "utf-8")
    monkeypatch.chdir(project)
    for root in (project, tmp_path / "theirs"):
        add_session(root, "2026-01-01T00:00:00+00:00", [1.0, 1.0])
        (root / "results/m/machine.json").write_text(json.dumps({"machine": "m", "ram": root.name}), "utf-8")
        (root / "results/parity.jsonl").write_text(json.dumps({**CHECK, "device": root.name}) + "\n", "utf-8")
        (root / "results/benchmarks.json").write_text(json.dumps({"both": root.name, root.name: 1}), "utf-8")
    add_session(tmp_path / "theirs", "2026-01-02T00:00:00+00:00", [2.0])
    return project


def add_session(root: Path, begun: str, samples: list[float], cell=RESNET18) -> None:
    with Store(root / "results/m", HEADER).changing() as stored:
        stored.add(BENCHMARK, cell, [line(cell, begun=begun)], None, samples)


def samples(root: Path) -> dict[str, list[float] | None]:
    (path,) = (root / "results/m").glob("*-passtime.json")
    entry = store.read(path).entries["nets.Net.time_forward"]
    return {params[0]: value.samples for params, value in entry.values.items()}


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def add(*folders: Path) -> Result:
    return CliRunner().invoke(cli.main, ["results", "add", *map(str, folders)])


def test_sessions_of_both_are_there_once(here: Path) -> None:
    """What was measured here meanwhile stays, and what is in both is there once; a second time adds nothing."""
    add_session(here, "2026-01-03T00:00:00+00:00", [3.0])
    add_session(here, "2026-01-03T00:00:00+00:00", [9.0], RESNET50)
    ended = add(here.parent / "theirs")
    assert ended.exit_code == 0, ended.output
    assert samples(here) == {"resnet18": [1.0, 1.0, 2.0, 3.0], "resnet50": [9.0]}
    before = content(here)
    assert "0 files" in add(here.parent / "theirs").output
    assert content(here) == before


def test_a_machine_that_is_new_comes_whole(here: Path) -> None:
    """Where nothing is here, all of theirs is here afterwards."""
    empty = here.parent / "empty"
    (empty / "results").mkdir(parents=True)
    before = content(here)
    assert add(empty).exit_code == 0
    assert content(here) == before
    for path in (here / "results").rglob("*.*"):
        path.unlink()
    assert add(here.parent / "theirs").exit_code == 0
    assert samples(here) == {"resnet18": [1.0, 1.0, 2.0]}
    assert json.loads((here / "results/m/machine.json").read_text("utf-8"))["ram"] == "theirs"


def test_descriptions_here_stay_and_checks_are_united(here: Path) -> None:
    """A machine is what it is called here; benchmarks and checks of both are there, ours where they differ."""
    assert add(here.parent / "theirs").exit_code == 0
    assert json.loads((here / "results/m/machine.json").read_text("utf-8"))["ram"] == "ours"
    benchmarks = json.loads((here / "results/benchmarks.json").read_text("utf-8"))
    assert benchmarks == {"both": "ours", "ours": 1, "theirs": 1}
    lines = (here / "results/parity.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(one)["device"] for one in lines] == ["ours", "theirs"]


@pytest.mark.parametrize("damage", ["{", '{"version": 2}', "[" * 100_000])
def test_what_the_reader_refuses_adds_nothing(here: Path, damage: str) -> None:
    """A damaged file of theirs is one line that names it, and nothing is written."""
    (path,) = (here.parent / "theirs/results/m").glob("*-passtime.json")
    path.write_text(damage, "utf-8")
    before = content(here)
    ended = add(here.parent / "theirs")
    assert ended.exit_code == 1
    assert path.name in ended.output
    assert "Traceback" not in ended.output
    assert content(here) == before


def test_a_link_is_not_followed(here: Path) -> None:
    """Where the machine's folder is a link to elsewhere, nothing is written through it."""
    elsewhere = here.parent / "elsewhere"
    (here / "results/m").rename(elsewhere)
    (here / "results/m").symlink_to(elsewhere)
    before = content(elsewhere)
    ended = add(here.parent / "theirs")
    assert ended.exit_code == 1
    assert "is a link, which is not followed" in ended.output
    assert content(elsewhere) == before


def test_a_folder_without_results_is_one_line(here: Path) -> None:
    """The line names the folder."""
    ended = add(here.parent / "nowhere")
    assert ended.exit_code == 1
    assert "nowhere has no results/" in ended.output
