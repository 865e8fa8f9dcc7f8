"""The repository says what is true of it: README, workflow, decisions."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from passtime import cli, places
from passtime.runtimes import julia
from passtime.timeline import index, nightly
from passtime.worker.driver import cores, memory

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def commands(command: click.Command, name: str = "passtime") -> list[str]:
    """Every command of the command line, written as it is typed."""
    if not isinstance(command, click.Group):
        return [name]
    ctx = click.Context(command)
    return [
        typed
        for sub in command.list_commands(ctx)
        if (found := command.get_command(ctx, sub)) is not None
        for typed in commands(found, f"{name} {sub}")
    ]


def repository_files() -> list[Path]:
    """The text files that git has or would add; everything outside the generated folders, where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    generated = ("results/", "html/")
    return [
        ROOT / name for name in listed.stdout.splitlines() if not name.startswith(generated) and (ROOT / name).is_file()
    ]


@pytest.mark.parametrize("command", commands(cli.main))
def test_every_command_is_documented(command):
    """The README names every command of the command line."""
    assert command in README


def test_the_readme_names_real_make_targets():
    """Every `make ...` of the documentation exists in the Makefile, and the commands that users need are documented."""
    named = set()
    for page in ("README.md", "CONTRIBUTING.md"):
        named |= set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / page).read_text("utf-8"), re.MULTILINE))
    assert {"dashboard", "test", "check", "help"} <= named <= MAKE_TARGETS


def test_make_help_lists_what_users_need():
    """`make help` names every command that has a description, and needs no environment to do so."""
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == MAKE_TARGETS - {"lint", "types"}


def test_no_python_is_one_clear_line(tmp_path):
    """Where there is no supported Python, make says so in one line and makes nothing."""
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    made = subprocess.run(["make", "env", "PYTHON="], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode != 0
    assert made.stderr.startswith("passtime needs a Python from 3.10 to 3.14")
    assert not (tmp_path / ".venv").exists()


def test_pushes_are_checked_on_the_oldest_and_newest_python():
    """The workflow runs `make check` and `make test` on both ends of the supported Pythons, with actions pinned."""
    text = (ROOT / ".github/workflows/check.yml").read_text("utf-8")
    workflow = yaml.safe_load(text)
    job = workflow["jobs"]["check"]
    assert "push" in workflow[True]  # YAML 1.1 reads the key `on` as a truth value
    assert workflow["permissions"] == {"contents": "read"}
    assert job["strategy"]["matrix"] == {"python": ["3.10", "3.14"], "command": ["make check", "make test"]}
    assert any(step.get("run", "").startswith("${{ matrix.command }}") for step in job["steps"])
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in job["steps"] if "uses" in step)


def test_ci_runs_the_readmes_test_command():
    """.ci/run is executable, ends with the README's test command, and that alone."""
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert "exec make test" in script.read_text("utf-8")


def test_no_file_knows_someones_home():
    """No file of the repository holds a path of somebody's home folder."""
    homes = re.compile(rb"(?<![\w.])/(?:root|home|Users)/\w")
    files = [path for path in repository_files() if path != Path(__file__)]
    assert files
    assert [path for path in files if homes.search(path.read_bytes())] == []


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")))
def test_pages_link_to_what_is_there(page):
    """Every relative link of a page under docs/ leads to a file, and to a heading of it where it names one."""
    check_links(ROOT / page)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_front_pages_link_to_what_is_there(page):
    """Every relative link of the pages at the root leads to a file, and to a heading of it where it names one."""
    check_links(ROOT / page)


def check_links(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if "://" not in link:
            file, _, heading = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), link
            assert not heading or heading in headings(target), link


def headings(page: Path) -> set[str]:
    """Those of a page, as links name them."""
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_decision_is_listed():
    """The list of decisions has each page, under the title that the page has."""
    folder = ROOT / "docs/decisions"
    listed = dict(re.findall(r"\[\d{4}\]\((.*?)\) \| (.*?) \|", (folder / "README.md").read_text("utf-8")))
    titles = {path.name: path.read_text("utf-8").splitlines()[0] for path in folder.glob("0*.md")}
    assert {name: f"# {name[:4]}: {title[0].lower()}{title[1:]}" for name, title in listed.items()} == titles


def test_every_setting_is_documented():
    """The README has every environment variable that users set."""
    variables = (
        *(cores.THREADS_VARIABLE, places.HOME_VARIABLE, places.RELEASES_VARIABLE, julia.JULIA_VARIABLE),
        *(memory.VARIABLE, index.INDEX_VARIABLE, nightly.INDEX_VARIABLE),
    )
    for variable in variables:
        assert f"| `{variable}` |" in README


PAGES_WITH_TABLES = (ROOT / "README.md", ROOT / "docs/why-to-believe-a-verdict.md")
TABLES = [
    pytest.param(*found, id=found[0])
    for page in PAGES_WITH_TABLES
    for found in re.findall(r"<!-- table: (.*?) -->\n(.*?)<!-- /table -->", page.read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("command", "text"), TABLES)
def test_a_table_is_what_its_command_prints(command, text):
    """Each table in the README and in the page on verdicts is what its command prints of what git has."""
    spec = importlib.util.spec_from_file_location("make_table", ROOT / "docs/make_table.py")
    assert spec is not None
    assert spec.loader is not None
    make_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_table)
    assert text == make_table.made_by(command)
    assert text.count("\n|") > 5


def test_the_documentation_has_its_tables():
    """Results on the first screen, those of 2018 measured anew, and the proof of verdicts."""
    commands = {param.values[0].split(" --")[0] for param in TABLES}
    assert commands == {
        "python docs/make_table.py",
        "passtime tables",
        *(f"python perf/{name}.py" for name in ("detection", "false_alarms", "looks", "simulated")),
    }
