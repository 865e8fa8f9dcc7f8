"""The page of every field is what programs are given."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from verdict.test_report import BASE, SAME, reported, stored, time

from passtime import cli
from passtime.cli import formats
from passtime.results.sessions import HEAT
from passtime.site import data

ROOT = Path(__file__).parents[1]
MACHINE = "amd-epyc-family25-model17-2cpu"
PAGE = (ROOT / "docs/json.md").read_text("utf-8")


def documented(heading: str) -> dict[str, re.Pattern[str]]:
    """The fields of a section of the page: what each matches, paths with tabs between their parts."""
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    fields = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)))
    assert fields
    assert len(set(fields)) == len(fields)
    return {
        field: re.compile("\t".join("[^\t]+" if part.rstrip("[]").isupper() else re.escape(part) for part in parts))
        for field in fields
        for parts in [field.replace("[]", ".[]").lstrip(".").split(".")]
    }


def fields_of(content: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Where each value of the output is; an empty object is one below the first level, an empty list is none."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from fields_of(value, (*path, key))
    elif isinstance(content, list):
        for value in content:
            yield from fields_of(value, (*path, "[]"))
    elif content != {} or len(path) > 1:
        yield "\t".join(path)


def check(heading: str, *outputs: Any) -> None:
    """Every field of the outputs is on the page, and every field of the page in one of them."""
    page = documented(heading)
    there = {field for output in outputs for field in fields_of(output)}
    matches = {field: {name for name, pattern in page.items() if pattern.fullmatch(field)} for field in there}
    assert sorted(field for field, found in matches.items() if not found) == []
    assert page.keys() - set().union(*matches.values()) == set()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results that git has, of which two releases on one machine have sessions that are said to be in heats."""
    root = tmp_path_factory.mktemp("json")
    shutil.copy(ROOT / "asv.conf.json", root)
    shutil.copytree(ROOT / "results", root / "results")
    for path in (root / "results" / MACHINE).glob("*.provenance.jsonl"):
        sessions = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        seen: dict[str, int] = {}
        for session in sessions:
            if session["release"] in ("torch-2.14.1", "torch-2.15.0"):
                place = f"{session['benchmark']}{session['params']}"
                seen[place] = seen.get(place, 0) + 1
                session[HEAT] = f"{place}-{seen[place]}"
        path.write_text("".join(json.dumps(session) + "\n" for session in sessions), "utf-8")
    return root


@pytest.fixture(scope="module")
def site(checkout: Path) -> Path:
    """What the pages read of those results."""
    html = checkout / "html"
    data.write(checkout, html)
    return html / data.FOLDER


def read(paths: Iterator[Path]) -> list[Any]:
    return [json.loads(path.read_text("utf-8")) for path in paths]


def test_a_verdict_has_the_fields_of_the_page(checkout, monkeypatch):
    """Rows, means, refusals, differences and explanations, of real results and of a model that slowed down."""
    monkeypatch.chdir(checkout)
    outputs = []
    for names in (("torch-2.14.1", "torch-2.15.0"), ("torch-2.15.0", "flux-0.9.0")):
        ended = CliRunner().invoke(cli.main, ["verdict", *names, "--machine", MACHINE, "--format", "json"])
        outputs.append(json.loads(ended.stdout))
    slower = {**BASE, ("resnet18", "total"): time(2.0)}
    outputs.append(json.loads(formats.as_json(reported(stored("torch-1", BASE), stored("torch-2", slower)))))
    check("`passtime verdict --format json`", *outputs)
    assert {output["schema"] for output in outputs} == {formats.SCHEMA}


def test_tables_have_the_fields_of_the_page(checkout, monkeypatch):
    """Each time is a record with all of them."""
    monkeypatch.chdir(checkout)
    ended = CliRunner().invoke(cli.main, ["tables", "--machine", "titan-1080ti", "--format", "json"])
    check("`passtime tables --format json`", json.loads(ended.stdout))


def test_the_sites_index_has_the_fields_of_the_page(site):
    """Machines, releases, and the quantiles that intervals take."""
    check("The site: `data/index.json`", *read(site.glob("index.json")))


def test_the_sites_releases_have_the_fields_of_the_page(site):
    """Times, what parity found, and changes from heats; a time that cannot be is empty."""
    noisy = {place: time(1.0, deviation=6.0, gpu_throttled=["heat"]) for place in BASE}
    made = data._against(reported(stored("torch-1", noisy), stored("torch-2", SAME)))
    read_in_full = data._against(reported(stored("torch-1", BASE), stored("torch-2", SAME)))
    files = [*read(site.glob("*/releases/*.json")), {"against": {"torch-1": read_in_full}}]
    check("The site: `data/MACHINE/releases/RELEASE.json`", *files, {"against": {"torch-1": made}})


def test_the_sites_workloads_have_the_fields_of_the_page(site):
    """All releases of a workload."""
    check("The site: `data/MACHINE/workloads/WORKLOAD.json`", *read(site.glob("*/workloads/*.json")))


def test_every_file_of_the_site_has_its_schema(site):
    """The number is the first field, and that of the page."""
    files = list(site.rglob("*.json"))
    assert all(path.read_text("utf-8").startswith(f'{{"schema":{data.SCHEMA},') for path in files)
    assert PAGE.count(f"| `schema` | number | {data.SCHEMA}") == 4
    assert data.SCHEMA == formats.SCHEMA


def test_a_sessions_line_has_the_fields_of_the_page():
    """What the results that git has say of a session beside what its worker says is on the page."""
    page = documented("`results/MACHINE/COMMIT-passtime.provenance.jsonl`")
    lines = [line for path in (ROOT / "results").glob("*/*.provenance.jsonl") for line in path.open(encoding="utf-8")]
    keys = {key for line in lines for key in json.loads(line) if not key.startswith(("provenance.", "policy."))}
    assert keys <= {name.removesuffix("[]") for name in page}


def test_the_readme_leads_to_the_page():
    """A program's author finds it."""
    assert "docs/json.md" in (ROOT / "README.md").read_text("utf-8")
