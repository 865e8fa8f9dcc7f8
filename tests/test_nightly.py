"""A night and a measurement, as the workflows run them: the same steps, on a small project of the fake framework."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake import adapter
from fake.fifo import DEADLINE_SECONDS
from fake.index import serve
from fake.project import Project
from fake.wheels import wheel

from passtime import places, uv
from passtime.timeline import index

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / ".github/scripts"
RELEASES = Path("src/passtime/timeline/releases.toml")
# What the surroundings of the tests say, and a night must not hear.
OTHERS = ("MAKE", "MFLAGS", "GITHUB_", "RUNNER_", "UV_", "GIT_")
SWEPT = 18  # three workloads on the CPU, four passes and two peaks of memory each

needs_uv = pytest.mark.skipif(uv.find() is None, reason="pins are worked out by uv, which is not here")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Night:
    """Runs the nightly workflow's steps: GitHub's part, checkouts and artifacts, is played by folders.

    `project` is the checkout on a machine of our own, which stays from night to night; `origin` has what was pushed.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        (folder / "ours").mkdir()
        self.project = Project(folder / "ours")
        self._fill(self.project.root)
        self.environment = {
            **{name: value for name, value in self.project.environment.items() if not name.startswith(OTHERS)},
            "GITHUB_REF_NAME": "main",
            "UV_DEFAULT_INDEX": f"{address}/simple",
            "UV_CACHE_DIR": str(folder / "uv"),
            "UV_TORCH_BACKEND": "cpu",  # chosen, so no other index is asked
            index.INDEX_VARIABLE: address,
        }
        self.jobs = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text("utf-8"))["jobs"]

    def _fill(self, root: Path) -> None:
        """What a checkout of passtime has, and a night needs; it has one release, which was there long ago."""
        shutil.copytree(SCRIPTS, root / ".github/scripts")
        for name in ("Makefile", ".gitignore", "docs/make_table.py"):
            (root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        (root / "pyproject.toml").touch()
        (root / "README.md").write_text("<!-- table: python docs/make_table.py -->\n<!-- /table -->\n", "utf-8")
        (root / "releases.toml").unlink()
        (root / RELEASES).parent.mkdir(parents=True)
        (root / RELEASES).write_text(
            '[[release]]\nframework = "fake"\nversion = "1.0"\ndate = 2020-01-01T00:00:00Z\n'
            f'python = "{sys.version_info[0]}.{sys.version_info[1]}"\nrequirements = ["fake==1.0"]\n',
            "utf-8",
        )
        self.project.asv("run", "--bench", "just-discover", **{places.RELEASES_VARIABLE: str(root / RELEASES)})
        git(root, "init", "--quiet", "--initial-branch=main")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message=The project")
        git(root, "clone", "--quiet", "--bare", str(root), str(self.origin))
        git(root, "remote", "add", "origin", str(self.origin))
        _equip(root)

    def run(self, *, broken: str = "") -> dict[str, bool]:
        """A whole night, in which the workload `broken` crashes; gives which jobs succeeded."""
        shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
        mishaps = {adapter.MISHAPS: json.dumps({broken: "crash"})} if broken else {}
        return {name: self._job(name, mishaps) for name in ("update", "sweep", "site")}

    def _job(self, name: str, mishaps: Mapping[str, str]) -> bool:
        job = self.jobs[name]
        is_ours = "self-hosted" in job["runs-on"]
        root = self.project.root if is_ours else self.folder / name
        temporary = self.folder / f"{name}-temporary"
        for folder in (temporary, *([] if is_ours else [root])):
            shutil.rmtree(folder, ignore_errors=True)
        temporary.mkdir()
        environment = {
            **self.environment,
            **mishaps,
            "RUNNER_TEMP": str(temporary),
            places.RELEASES_VARIABLE: str(root / RELEASES),
        }
        succeeded = True
        for step in job["steps"]:
            if not succeeded and "always()" not in step.get("if", ""):
                continue
            if "run" in step:
                tokens = {"GITHUB_TOKEN": "a token"} if "env" in step else {}
                succeeded &= _shell(step["run"], root, {**environment, **tokens})
            else:
                self._act(step["uses"].partition("@")[0], step.get("with", {}), root, temporary)
        return succeeded

    def _act(self, action: str, inputs: Mapping[str, Any], root: Path, temporary: Path) -> None:
        path = Path(str(inputs.get("path", "")).replace("${{ runner.temp }}", str(temporary)))
        if action == "actions/checkout" and inputs.get("clean", True):
            git(self.folder, "clone", "--quiet", str(self.origin), str(root))
            _equip(root)
        elif action == "actions/checkout":
            git(root, "fetch", "--quiet", "origin")
            git(root, "checkout", "--quiet", "--force", "-B", "main", "origin/main")
        elif action == "actions/upload-artifact":
            folder = self.folder / "artifacts" / inputs["name"]
            folder.mkdir(parents=True)
            shutil.copy(path, folder)
        elif action == "actions/download-artifact":
            shutil.copytree(self.folder / "artifacts", path)

    def pushed(self) -> list[str]:
        """The messages of what was pushed, the last first."""
        return git(self.origin, "log", "--format=%s", "main").splitlines()

    def measured(self, release: str) -> int:
        """How many numbers the machine has of a release."""
        values = self.project.stored(release).values()
        return sum(value is not None and not math.isnan(value) for value in values)

    def sessions(self) -> dict[str, int]:
        """How many sessions the machine has of each release."""
        return {release: len(self.project.sessions(release)) for release in ("fake-1.1", "fake-1.2")}


def _equip(root: Path) -> None:
    """The environment that `make env` would make: this one."""
    tools = root / ".venv/bin"
    tools.mkdir(parents=True)
    for tool in ("asv", "passtime"):
        (tools / tool).symlink_to(Path(sys.executable).with_name(tool))
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tools / "python").chmod(0o755)
    (root / ".venv/.ready").write_text(str(root))


def _shell(command: str, root: Path, environment: Mapping[str, str]) -> bool:
    """Whether the command succeeded; what it said is there if the test fails."""
    ended = subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    print(f"$ {command}", ended.stdout, ended.stderr, sep="\n")
    return ended.returncode == 0


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    """A project with one release of long ago, and an index that has two more, of yesterday."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for version in ("1.0", "1.1", "1.2"):
        wheel(wheels, "fake", version)
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    with serve(wheels, {f"fake-1.{minor}": f"{yesterday:%Y-%m-%dT%H:%M:0{minor}Z}" for minor in (1, 2)}) as address:
        night = Night(tmp_path, address)
        yield night
        assert night.project.survivors() == []


@needs_uv
def test_nights_measure_and_publish_what_is_new(night):
    """New releases are measured and published though a model crashes; the next night completes them; a third rests."""
    assert night.run(broken="resnet50") == {"update": True, "sweep": False, "site": True}
    first = ["Results of the night", "Releases that are new on the package index", "The project"]
    assert night.pushed() == first
    files = git(night.origin, "ls-tree", "-r", "--name-only", "main", "results", "html").splitlines()
    assert sum(name.endswith("-passtime.json") and name.startswith("results/") for name in files) == 2
    assert "html/index.json" in files
    assert night.measured("fake-1.1") == night.measured("fake-1.2") == SWEPT * 2 // 3

    assert all(night.run().values())
    assert night.pushed() == ["Results of the night", *first]
    assert night.measured("fake-1.1") == night.measured("fake-1.2") == SWEPT
    sessions = night.sessions()

    assert all(night.run().values())
    assert night.pushed() == ["Results of the night", *first]
    assert night.sessions() == sessions


@needs_uv
def test_a_night_without_github(night):
    """`make nightly` alone appends, measures and publishes, and a second time measures nothing more."""
    root = night.project.root
    environment = {**night.environment, places.RELEASES_VARIABLE: str(root / RELEASES)}
    assert _shell("make nightly", root, environment)
    sessions = night.sessions()
    assert night.measured("fake-1.1") == night.measured("fake-1.2") == SWEPT
    assert (root / "html/index.json").is_file()
    assert _shell("make nightly", root, environment)
    assert night.sessions() == sessions


@pytest.fixture
def checkouts(tmp_path: Path) -> tuple[Path, Path]:
    """Two checkouts of one repository."""
    origin, ours, theirs = (tmp_path / name for name in ("origin.git", "ours", "theirs"))
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(theirs))
    push(theirs, "first")
    git(tmp_path, "clone", "--quiet", str(origin), str(ours))
    return ours, theirs


def push(checkout: Path, name: str) -> None:
    (checkout / name).write_text("theirs\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", f"--message={name}")
    git(checkout, "push", "--quiet", "origin", "HEAD:main")


def commit(ours: Path, command: str, path: str = "results") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return subprocess.run(
        [SCRIPTS / "commit", "Results", path, "bash", "-c", command],
        cwd=ours,
        env={**environment, "GITHUB_REF_NAME": "main", "GITHUB_TOKEN": "secret"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def test_a_commit_after_somebody_elses_is_made_anew(checkouts):
    """Where another pushed first the command runs again on top of theirs, and both are there."""
    ours, theirs = checkouts
    (theirs / "second").write_text("theirs\n")
    git(theirs, "add", "--all")
    git(theirs, "commit", "--quiet", "--message=second")
    race = f"mkdir -p results && cat first second >results/made; git -C {theirs} push --quiet origin HEAD:main"
    ended = commit(ours, race)
    assert ended.returncode == 0, ended.stderr
    assert git(theirs, "ls-remote", "origin", "main").split()[0] == git(ours, "rev-parse", "HEAD")
    assert git(ours, "log", "--format=%s").splitlines() == ["Results", "second", "first"]
    assert (ours / "results/made").read_text() == "theirs\ntheirs\n"


def test_a_site_alone_is_no_news(checkouts):
    """Where the path did not change nothing is committed, whatever else did, and what was made stays."""
    ours, _ = checkouts
    assert commit(ours, "echo new >site").returncode == 0
    assert git(ours, "log", "--format=%s") == "first"
    assert (ours / "site").is_file()


def test_a_refused_push_is_tried_once(checkouts, tmp_path):
    """A push that is refused though nobody was faster fails, and the command has run once."""
    ours, _ = checkouts
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    ended = commit(ours, f"mkdir results; echo run | tee -a results/made {tmp_path}/count")
    assert ended.returncode == 1
    assert "commit: main could not be pushed" in ended.stderr
    assert (tmp_path / "count").read_text() == "run\n"


def test_a_failed_command_commits_nothing(checkouts):
    """What a command that failed left is not pushed."""
    ours, _ = checkouts
    assert commit(ours, "mkdir results; echo half >results/made; exit 7").returncode == 7
    assert git(ours, "log", "--format=%s") == "first"


def test_changes_of_ones_own_are_not_committed(checkouts):
    """In a checkout with changes the script refuses to start: they would be pushed with its own, or lost."""
    ours, _ = checkouts
    (ours / "first").write_text("mine\n")
    ended = commit(ours, "mkdir results; echo new >results/made")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert (ours / "first").read_text() == "mine\n"


def test_the_token_does_not_reach_what_makes_the_commit(checkouts):
    """The command runs without the token."""
    ours, _ = checkouts
    assert commit(ours, 'mkdir results; echo "token: ${GITHUB_TOKEN:-none}" >results/made').returncode == 0
    assert (ours / "results/made").read_text() == "token: none\n"


STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" >arguments
[ "$STATUS" = 1 ] || echo '| verdict |'
exit "$STATUS"
"""


def measure(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the script where `passtime` only writes down its arguments, and exits with STATUS."""
    tools = folder / ".venv/bin"
    tools.mkdir(parents=True)
    (tools / "passtime").write_text(STAND_IN)
    (tools / "passtime").chmod(0o755)
    return subprocess.run(
        [SCRIPTS / "measure"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(folder / "summary"), **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


@pytest.mark.parametrize(
    ("status", "result", "annotation"),
    [
        ("0", 0, ""),
        ("3", 3, "::error title=Slower"),
        ("4", 0, "::warning title=Cannot tell"),
        ("1", 1, "::error title=Not measured"),
        ("2", 2, "::error title=Not measured"),
    ],
)
def test_the_jobs_result_is_that_of_the_verdict(tmp_path, status, result, annotation):
    """Slower fails, cannot tell warns, an error fails; the verdict is in the job's summary."""
    ended = measure(tmp_path, STATUS=status, BASE="torch-1.0", OTHER="torch-1.1")
    assert ended.returncode == result
    assert annotation in ended.stdout
    assert ended.stdout.count("::") == (2 if annotation else 0)
    assert (tmp_path / "summary").read_text() == ("\n" if status == "1" else "| verdict |\n")


def test_what_is_typed_into_the_form_is_an_argument(tmp_path):
    """Text with quotes, commands or dashes reaches `passtime measure` as it is, and what is left empty does not."""
    text = '"; touch hacked; $(touch hacked) `touch hacked`'
    ended = measure(tmp_path, STATUS="0", BASE="--help", OTHER=text, BENCH=text, BUDGET="20m", DEVICE="")
    assert ended.returncode == 0
    assert (tmp_path / "arguments").read_text().splitlines() == [
        *("measure", "--format=md", f"--bench={text}", "--budget=20m", "--", "--help", text),
    ]
    assert not (tmp_path / "hacked").exists()
