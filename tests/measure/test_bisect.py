"""Which release made a benchmark slower."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from passtime.cli import bisect
from passtime.stats import judge
from passtime.timeline.manifest import Release
from tests.asv_plugin.conftest import checked

DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)
LINE = [Release("fake", str(number), DATE, "fake") for number in range(10)]


@pytest.fixture
def project(tmp_path: Path):
    yield from checked(tmp_path)


def searched(answers):
    """What is found where these answers are given, and which releases were asked for."""
    asked: list[int] = []

    def is_slow(release):
        asked.append(int(release.version))
        return answers[int(release.version)]

    return bisect.search(LINE, is_slow), asked


@pytest.mark.parametrize("first_bad", range(1, 10))
def test_the_first_slow_release_is_found(first_bad):
    """Wherever it is, in as many steps as halving takes."""
    found, asked = searched([number >= first_bad for number in range(10)])
    assert (found.good, found.bad, found.between) == (LINE[first_bad - 1], LINE[first_bad], ())
    assert len(asked) <= math.ceil(math.log2(9))


def test_what_cannot_be_told_is_gone_around():
    """A release that does not run is no end: its neighbours tell, and what stays open is named."""
    answers = [False] * 4 + [None, None] + [True] * 4
    found, asked = searched(answers)
    assert (found.good, found.bad, found.between) == (LINE[3], LINE[6], (LINE[4], LINE[5]))
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("low", "high", "verdict", "answer"),
    [
        (1.08, 1.12, judge.SLOWER, True),
        (1.01, 1.03, judge.SLOWER, False),
        (0.99, 1.01, judge.SAME, False),
        (1.02, 1.09, judge.SLOWER, None),
        (0.90, 1.20, judge.CANNOT_TELL, None),
    ],
)
def test_a_release_is_nearer_to_one_end(low, high, verdict, answer):
    """Its interval must lie on one side of halfway."""
    row = SimpleNamespace(verdict=verdict, change=SimpleNamespace(low=low, high=high))
    assert bisect.slow_by(row, 0.05) is answer


def test_a_slow_release_is_found_by_measuring(project):
    """The step is named, with the evidence of each that was visited, at the end of both; nothing else is measured."""
    releases = ("fake-1.0", "fake-1.1", "fake-1.2", "fake-2.0", "fake-2.1")
    project.write_releases(missing=(), names=releases)
    said = project.passtime("bisect", "fake-1.0", "fake-2.1", r"time_total\('resnet18'")
    assert "fake-2.1: resnet18 total on cpu, +10 %" in said
    *visited, conclusion, good, bad = said.splitlines()
    assert conclusion == "fake-2.0 is the first that is slower; fake-1.2, before it, is not"
    assert good.startswith("fake-1.2: resnet18 total on cpu, ")
    assert bad.startswith("fake-2.0: resnet18 total on cpu, +10 %")
    assert {good, bad} < {*visited}
    assert not [*project.results.glob(f"*/{project.commit_of('fake-1.1')[:8]}-*")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fake-2.0", "fake-1.0", "total"), "does not come after fake-2.0 on one branch"),
        (("fake-1.0", "fake-9.0", "total"), "unknown release fake-9.0"),
    ],
)
def test_what_cannot_be_bisected_is_one_line(project, arguments, said):
    """The wrong order and an unknown release are told before anything is measured."""
    printed = project.passtime("bisect", *arguments, expect=1)
    assert said in printed
    assert len(printed.strip().splitlines()) == 1


def test_without_a_slowdown_there_is_nothing_to_find(project):
    """Two releases of the same speed."""
    project.write_releases(missing=(), names=("fake-1.0", "fake-1.1"))
    printed = project.passtime("bisect", "fake-1.0", "fake-1.1", r"time_total\('resnet18'", expect=1)
    assert "fake-1.1 is not shown to be slower than fake-1.0" in printed


def test_the_frameworks_own_commits_are_linked():
    """A source commit is named in full, with the page that compares it to the one before."""
    one, two = (
        Release("tiny", digit * 12, DATE, "tiny-main", repository="https://example.org/tiny.git", revision=digit * 40)
        for digit in "ab"
    )
    said = bisect._conclusion(bisect.Found(one, two, ()), {two.name: "+10 %"}).splitlines()
    assert said[1:] == ["b" * 40, f"https://example.org/tiny/compare/{'a' * 40}...{'b' * 40}", "+10 %"]
