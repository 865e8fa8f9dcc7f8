"""`passtime verdict`, on the results that git has."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from fake.project import ROOT

from passtime import cli

MACHINE = ("--machine", "amd-epyc-family25-model1-2cpu")
BEFORE = ("--machine", "amd-epyc-family25-model17-2cpu")  # measured before there were heats


def run(*arguments):
    return CliRunner().invoke(cli.main, ["verdict", *arguments])


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    """The command runs where the committed results are."""
    monkeypatch.chdir(ROOT)


def test_an_upgrade_is_judged():
    """Every pass that both have is judged, and the exit status says the outcome."""
    ended = run("torch-2.5.1", "torch-2.15.0", *MACHINE, "--format", "json")
    found = json.loads(ended.output)
    assert len(found["rows"]) == 11 * 4
    assert {row["verdict"] for row in found["rows"]} <= {"faster", "slower", "same", "cannot tell"}
    assert ended.exit_code == {"not worse": 0, "worse": 3, "cannot tell": 4}[found["outcome"]]
    for row in found["rows"]:
        assert row["low"] < row["ratio"] < row["high"]
        assert row["heats"] > 0


def test_releases_of_one_sweep_are_compared_through_its_reference():
    """Two releases that are both in heats with a third have a change in every row."""
    found = json.loads(run("torch-1.13.1", "torch-2.14.1", *MACHINE, "--format", "json").output)
    assert len(found["rows"]) == 11 * 4
    assert all(row["ratio"] is not None for row in found["rows"])


def test_what_no_heat_connects_is_not_compared():
    """Releases that were measured at other hours have times, no change, and the exit status of *cannot tell*."""
    ended = run("torch-2.5.1", "torch-2.15.0", *BEFORE, "--format", "json")
    found = json.loads(ended.output)
    assert {(row["verdict"], row["ratio"]) for row in found["rows"]} == {("not compared", None)}
    assert (found["outcome"], ended.exit_code) == ("not compared", 4)


def test_frameworks_are_refused_where_parity_fails():
    """Between torch and Flux those whose parity failed are refused; the others were in no heat."""
    found = json.loads(run("torch-2.15.0", "flux-0.9.0", *BEFORE, "--format", "json").output)
    assert {row["workload"] for row in found["rows"]} == {"vgg16", "dense", "batchnorm"} | {
        f"conv{size}x{size}/{stride}" for size in (3, 5) for stride in (1, 2)
    }
    assert {one["workload"] for one in found["refused"]} == {"resnet18", "maxpool", "meanpool"}


def test_benchmarks_are_chosen_as_asv_does():
    """`--bench` is a regular expression over asv's names with their parameters."""
    chosen = ("--bench", r"time_total\('resnet(18|50)'")
    found = json.loads(run("torch-2.5.1", "torch-2.15.0", *MACHINE, *chosen, "--format", "json").output)
    assert {(row["workload"], row["pass"]) for row in found["rows"]} == {("resnet18", "total"), ("resnet50", "total")}


def test_numbers_without_samples_cannot_be_judged():
    """The tables of 2018 give ratios, and no verdict."""
    ended = run("torch-0.4.0", "flux-master-2018-07", "--machine", "titan-1080ti", "--format", "md")
    assert ended.exit_code == 4
    assert "not compared" in ended.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["torch-9.9", "torch-2.15.0"], "unknown release torch-9.9"),
        (["torch-2.15.0", "torch-0.4.0", *MACHINE], "no times of both torch-2.15.0 and torch-0.4.0 on amd-epyc"),
        (["torch-2.15.0", "torch-2.15.0", *MACHINE], "torch-2.15.0 against itself shows nothing: name two releases"),
        (["torch-2.15.0", "torch-2.14.1", "--machine", "cray-1"], "no results of machine cray-1"),
        (["torch-2.15.0", "torch-2.14.1", *MACHINE, "--device", "gpu"], "no such times in common"),
        (["torch-2.15.0", "torch-2.14.1", *MACHINE, "--bench", "("], "--bench ( is no regular expression"),
    ],
)
def test_what_cannot_be_compared_is_one_line(arguments, reason):
    """An unknown release or machine, or nothing in common, is one line."""
    ended = run(*arguments)
    assert ended.exit_code == 1
    assert reason in ended.output
    assert ended.output.count("\n") == 1
