"""The workflows: clean for linters, and what those do not see."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from asv.commands import make_argparser

from passtime import cli

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github/workflows"
SCRIPTS = sorted(path for path in (ROOT / ".github/scripts").iterdir() if path.is_file() and path.suffix != ".py")
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.iterdir())
}
TRIGGERS = True  # YAML 1.1 reads the key `on` as a truth value
JOBS = {f"{file}: {name}": job for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()}
STEPS = [(place, step) for place, job in JOBS.items() for step in job["steps"]]
# What outsiders can set off with text or code of theirs.
OUTSIDE = {"pull_request", "pull_request_target", "issue_comment", "issues", "workflow_run", "fork"}

# A command of ours and its words, as far as the shell reads on; also within another's words.
COMMAND = re.compile(r"(?:^|[\s@(/])(?=(make|\$\(MAKE\)|passtime|asv|\.github/scripts/\w+)(?:$| ([^;|&)]*)))")

every_job = pytest.mark.parametrize("place", JOBS)


@pytest.mark.parametrize(
    "command",
    [
        ["zizmor", "--offline", "--quiet", str(FOLDER)],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, sorted(FOLDER.iterdir()))],
        ["shellcheck", "--severity=warning", *map(str, [*SCRIPTS, *(ROOT / ".ci").iterdir()])],
    ],
    ids=lambda command: command[0],
)
def test_linters_find_nothing(command):
    """The workflows are secure for zizmor and valid for GitHub's schema, their scripts clean for shellcheck."""
    tool = Path(sys.executable).with_name(command[0])
    ended = subprocess.run([tool, *command[1:]], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@every_job
def test_permissions_are_stated(place):
    """A job says which permissions it has, or its workflow gives all of its jobs none but reading."""
    job, workflow = JOBS[place], WORKFLOWS[place.partition(":")[0]]
    given = workflow["permissions"]
    assert given in ({}, {"contents": "read"})
    assert given or "permissions" in job


def test_who_may_write():
    """The two jobs that push may write contents, the one that publishes pages, and nobody else anything."""
    may_write = {
        (place, what)
        for place, job in JOBS.items()
        for what, access in job.get("permissions", {}).items()
        if access == "write"
    }
    assert may_write == {
        ("nightly.yml: update", "contents"),
        ("nightly.yml: site", "contents"),
        ("nightly.yml: pages", "pages"),
        ("nightly.yml: pages", "id-token"),
    }


def test_actions_are_pinned():
    """Each action is pinned by its commit, with its version beside it, and everywhere by the same."""
    lines = [
        line.split("uses: ")[1]
        for path in FOLDER.iterdir()
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert len(lines) == sum("uses" in step for _, step in STEPS)
    assert [line for line in lines if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert len({line.partition("@")[0] for line in lines}) == len(set(lines))


@every_job
def test_credentials_stay_with_the_step_that_pushes(place):
    """No checkout keeps the token, and the steps that get it are those that commit."""
    for step in JOBS[place]["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        has_token = "token" in str(step.get("env", "")) + str(step.get("with", ""))
        assert has_token == step.get("run", "").startswith(".github/scripts/commit ")


@every_job
def test_outsiders_start_nothing_on_machines_of_our_own(place):
    """What a pull request sets off runs on GitHub's machines only; machines of our own can only read."""
    job, workflow = JOBS[place], WORKFLOWS[place.partition(":")[0]]
    if "self-hosted" in job["runs-on"]:
        assert OUTSIDE.isdisjoint(workflow[TRIGGERS])
        assert job["permissions"] == {"contents": "read"}
    else:
        assert job["runs-on"] == "ubuntu-24.04"


def test_a_machine_measures_one_thing_at_a_time():
    """Jobs on machines of our own wait for each other by the machine's label, and none cuts another off."""
    ours = {place: job for place, job in JOBS.items() if "self-hosted" in job["runs-on"]}
    assert len(ours) == 2
    for job in ours.values():
        assert job["concurrency"] == {"group": f"measuring-{job['runs-on'][1]}", "cancel-in-progress": False}
    labels = JOBS["nightly.yml: sweep"]["strategy"]["matrix"]["machine"]
    devices = WORKFLOWS["measure.yml"][TRIGGERS]["workflow_dispatch"]["inputs"]["device"]["options"]
    assert labels == [f"passtime-{device}" for device in devices]


def test_text_of_others_is_in_no_script():
    """No command holds an expression, but for the matrix of checks: what a form was told reaches it as variables."""
    expressions = {found for _, step in STEPS for found in re.findall(r"\$\{\{.*?\}\}", step.get("run", ""))}
    assert expressions == {"${{ matrix.command }}"}


def typed() -> Iterator[tuple[str, list[str]]]:
    """Every command of ours in the workflows, the scripts and the Makefile: where, and its words."""
    lines = [(place, step["run"]) for place, step in STEPS if "run" in step]
    for path in (*SCRIPTS, ROOT / "Makefile"):
        text = path.read_text("utf-8").replace("\\\n", "")
        lines += [(path.name, line) for line in text.splitlines() if not line.startswith("#")]
    for place, line in lines:
        for found in COMMAND.finditer(line):
            if not re.search("##|echo|printf", line[: found.start()]):
                words = shlex.split((found[2] or "").partition(" ## ")[0])
                if words or found[1] in line.split():
                    yield place, [found[1], *words]


TYPED = list(typed())
WRITTEN = [f"{place}: {' '.join(words)}" for place, words in TYPED]


def test_commands_are_found():
    """The search finds the commands that make up a night and a measurement."""
    found = {" ".join(words[:3]) for _, words in TYPED}
    assert {"make env PYTHON=python", "make sweep", "passtime timeline update", "passtime timeline new"} <= found
    assert {"asv publish", "asv run $$releases", "$(MAKE) --no-print-directory sweep", "make site"} <= found
    assert "passtime measure ${options[@]}" in found


@pytest.mark.parametrize(("place", "words"), TYPED, ids=WRITTEN)
def test_commands_exist(place, words):
    """Each target, command and option that is typed somewhere is there."""
    program, *arguments = words
    if program == "asv":
        check_asv(arguments)
    elif program == "passtime":
        if arguments[0] == "measure" and "measure" not in cli.main.list_commands(click.Context(cli.main)):
            pytest.skip("passtime measure is not there yet")
        check_passtime(arguments)
    elif "make" in program.lower():
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert {word for word in arguments if "=" not in word and word[0] != "-"} <= set(targets)
    else:
        assert ROOT / program in SCRIPTS
        assert (ROOT / program).stat().st_mode & 0o111


def check_asv(arguments: list[str]) -> None:
    parser, _ = make_argparser()
    assert isinstance(parser, argparse.ArgumentParser)
    _, unknown = parser.parse_known_args(arguments)
    assert unknown == []


def check_passtime(arguments: list[str]) -> None:
    command: click.Command = cli.main
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments.pop(0))
        assert found is not None
        command = found
    options = {option for param in command.params for option in param.opts}
    assert {word.partition("=")[0] for word in arguments if re.match(r"--\w", word)} <= options


def test_the_form_of_measure_is_what_its_script_takes():
    """Every input of the form reaches the script as a variable, and every such option is one of `passtime measure`."""
    inputs = WORKFLOWS["measure.yml"][TRIGGERS]["workflow_dispatch"]["inputs"]
    (step,) = [step for step in JOBS["measure.yml: measure"]["steps"] if step.get("run") == ".github/scripts/measure"]
    assert step["env"] == {name.upper(): f"${{{{ inputs.{name} }}}}" for name in inputs}
    options = {f"--{name}" for name in inputs} - {"--base", "--other"}
    script = (ROOT / ".github/scripts/measure").read_text("utf-8")
    (looped,) = re.findall(r"^for name in (.*); do$", script, re.MULTILINE)
    assert {f"--{name.lower()}" for name in looped.split()} == options
    if "measure" in cli.main.list_commands(click.Context(cli.main)):
        check_passtime(["measure", *options, "--format"])
