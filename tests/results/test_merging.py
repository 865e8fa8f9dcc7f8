"""Results of two branches, through git itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from passtime import cli
from passtime.results import store
from passtime.results.store import Store

from .test_content import BENCHMARK, HEADER, RESNET18, RESNET50, line

ROOT = Path(__file__).parents[2]

# Of another release.
LATER = {**HEADER, "commit_hash": "b" * 40}


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository with the project's own .gitattributes and one session in its results."""
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "asv.conf.json").write_text("{}", "utf-8")
    monkeypatch.chdir(tmp_path)
    for key, value in {"user.name": "Tester", "user.email": "tester@example.org"}.items():
        for who in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{who}_{key.partition('.')[2].upper()}", value)
    git("init", "--quiet", "--initial-branch=main")
    add_session("2026-01-01T00:00:00+00:00", [1.0, 1.0])
    commit()
    return tmp_path


def git(*arguments: str, expect: int = 0) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env={**os.environ, "GIT_EDITOR": "true"})
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def add_session(begun: str, samples: list[float], cell=RESNET18, header=HEADER) -> None:
    with Store(Path("results/m"), header).changing() as stored:
        stored.add(BENCHMARK, cell, [line(cell, begun=begun)], None, samples)


def commit() -> None:
    git("add", ".")
    git("commit", "--quiet", "--message", "results")


def two_branches() -> None:
    """`other` and `main` each add a session to the cell that both have, and `other` a cell of its own."""
    git("checkout", "--quiet", "-b", "other")
    add_session("2026-01-02T00:00:00+00:00", [2.0, 2.0])
    add_session("2026-01-02T00:00:00+00:00", [9.0], RESNET50)
    commit()
    git("checkout", "--quiet", "main")
    add_session("2026-01-03T00:00:00+00:00", [3.0])
    commit()


def stored() -> dict[tuple[str, ...], list[float] | None]:
    (path,) = Path("results/m").glob("*-passtime.json")
    entry = store.read(path).entries["nets.Net.time_forward"]
    return {params: value.samples for params, value in entry.values.items()}


def united() -> Result:
    return CliRunner().invoke(cli.main, ["results", "merge"])


BOTH = {RESNET18.params: [1.0, 1.0, 2.0, 2.0, 3.0], RESNET50.params: [9.0]}


def test_merged_branches_have_the_sessions_of_both(checkout):
    """After `git merge`, `passtime results merge` leaves every session of both branches, and nothing unmerged."""
    two_branches()
    git("merge", "--quiet", "other", expect=1)
    assert stored() == {RESNET18.params: [1.0, 1.0, 3.0]}  # readable all the while, without markers
    done = united()
    assert done.exit_code == 0, done.output
    assert done.output == "results/m/aaaaaaaa-passtime.json has the sessions of both sides\n"
    git("commit", "--quiet", "--no-edit")
    assert stored() == BOTH
    assert git("status", "--porcelain") == ""


def test_a_rebased_branch_has_the_sessions_of_both(checkout):
    """The same in `git rebase`, which then goes on."""
    two_branches()
    git("checkout", "--quiet", "other")
    git("rebase", "--quiet", "main", expect=1)
    assert united().exit_code == 0
    git("rebase", "--continue")
    assert stored() == BOTH
    assert git("status", "--porcelain") == ""


def test_a_branch_that_removed_a_file_does_not_take_sessions_away(checkout):
    """Where one side has removed a release's results and the other added to them, what was added stays."""
    git("checkout", "--quiet", "-b", "other")
    shutil.rmtree("results")
    commit()
    git("checkout", "--quiet", "main")
    add_session("2026-01-03T00:00:00+00:00", [3.0])
    commit()
    git("merge", "--quiet", "other", expect=1)
    assert united().exit_code == 0
    assert stored() == {RESNET18.params: [1.0, 1.0, 3.0]}


def test_nothing_to_merge_is_said(checkout):
    """Without a conflict in results there is one line, and a nonzero exit."""
    done = united()
    assert done.exit_code == 1
    assert done.output == "Error: no results are to be merged: git has no conflict in results/\n"


def test_sides_that_cannot_be_read_are_named(checkout):
    """Damaged versions cost themselves alone: each is named with its side and stays in conflict, others are united."""
    description = Path("results/m/machine.json")
    description.write_text("{}", "utf-8")
    add_session("2026-01-01T00:00:00+00:00", [1.0], header=LATER)
    commit()
    two_branches()
    add_session("2026-01-03T00:00:00+00:00", [3.0], header=LATER)
    description.write_text("[1]", "utf-8")
    Path("results/m/aaaaaaaa-passtime.json").write_text("[", "utf-8")
    commit()
    git("checkout", "--quiet", "other")
    add_session("2026-01-02T00:00:00+00:00", [2.0], header=LATER)
    description.write_text('{"machine": "m"}', "utf-8")
    Path("results/m/aaaaaaaa-passtime.json").write_text("{", "utf-8")
    commit()
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "other", expect=1)
    done = united()
    assert done.exit_code == 1
    first, errors = done.output.splitlines()
    assert first == "results/m/bbbbbbbb-passtime.json has the sessions of both sides"
    for side in ("HEAD", "MERGE_HEAD"):
        assert f"results/m/aaaaaaaa-passtime.json ({side}) is damaged: it is no JSON" in errors
    assert "results/m/machine.json (HEAD) is damaged: it is no JSON object" in errors
    left = git("ls-files", "--unmerged")
    assert "aaaaaaaa-passtime.json" in left
    assert "machine.json" in left
    assert "bbbbbbbb" not in left


@pytest.mark.parametrize(
    ("name", "theirs", "words"),
    [
        ("aaaaaaaa-passtime.json", b"{\xff", "is damaged: it is no text in UTF-8"),
        ("machine.json", b"{\xff", "is damaged: it is no text in UTF-8"),
        ("machine.json", b'["ab"]', "is damaged: it is no JSON object"),
    ],
)
def test_a_side_of_any_damage_is_named(checkout, name, theirs, words):
    """Whatever is wrong with a side, the line names it with the side, and the file stays in conflict."""
    path = Path("results/m", name)
    for branch, text in (("other", theirs), ("main", b'{"a": 1}')):
        git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        path.write_bytes(text)
        commit()
    git("merge", "--quiet", "other", expect=1)
    done = united()
    assert done.exit_code == 1
    assert f"{path} (MERGE_HEAD) {words}" in done.output
    assert str(path) in git("ls-files", "--unmerged")


def test_a_file_that_both_sides_moved_is_no_conflict(checkout):
    """Where each side gave the machine another name, the sessions are under both, and nothing is left unmerged."""
    for branch, name in (("other", "theirs"), ("main", "ours")):
        git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        git("mv", "results/m", f"results/{name}")
        commit()
    git("merge", "--quiet", "other", expect=1)
    done = united()
    assert done.exit_code == 0, done.output
    assert git("ls-files", "--unmerged") == ""
    assert {path.parent.name for path in Path("results").glob("*/*-passtime.json")} == {"ours", "theirs"}


def test_a_failed_attempt_on_one_side_counts_no_sample_twice(checkout):
    """Where one side has only noted a failure, git merges one of the two files; the other's sessions are there once."""
    git("checkout", "--quiet", "-b", "other")
    with Store(Path("results/m"), HEADER).changing() as found:
        found.put_failure(BENCHMARK, RESNET18, line(begun="2026-01-02T00:00:00+00:00", failure="broken"), 2)
    commit()
    git("checkout", "--quiet", "main")
    add_session("2026-01-03T00:00:00+00:00", [3.0])
    commit()
    git("merge", "--quiet", "other", expect=1)
    assert united().exit_code == 0
    assert stored() == {RESNET18.params: [1.0, 1.0, 3.0]}
    (path,) = Path("results/m").glob("*-passtime.json")
    assert [one["samples"] for one in store.read(path).sessions.of(RESNET18)] == [2, 1]


def test_a_machines_description_is_united(checkout):
    """What both sides say of a machine is kept, ours where they do not agree, and nothing is left unmerged."""
    described = Path("results/m/machine.json")
    for branch, facts in (("other", '{"machine": "m", "ram": "1 GiB"}'), ("main", '{"machine": "m", "cpu": "c"}')):
        git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        described.write_text(facts, "utf-8")
        commit()
    git("merge", "--quiet", "other", expect=1)
    assert united().exit_code == 0
    assert json.loads(described.read_text("utf-8")) == {"machine": "m", "ram": "1 GiB", "cpu": "c"}
    assert git("ls-files", "--unmerged") == ""


def test_what_is_no_result_is_left_to_the_user(checkout):
    """A file in results/ that is not passtime's stays in conflict, is named, and the exit is nonzero."""
    for branch in ("other", "main"):
        git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        for name in ("notes.txt", "old-machine.json"):
            Path("results", name).write_text(f"{branch}\n", "utf-8")
        commit()
    git("merge", "--quiet", "other", expect=1)
    done = united()
    assert done.exit_code == 1
    assert "git leaves them to you: results/notes.txt, results/old-machine.json" in done.output
