"""Nightlies as releases, from an index of the form of PyTorch's, served on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake import wheels
from fake.index import serve_pages

from passtime import cli, places
from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.timeline import manifest, nightly, repository
from passtime.timeline.index import Answer
from tests.timeline.test_repository import GOLDEN

HERE = ".".join(map(str, sys.version_info[:2]))
TAG = f"cp{HERE.replace('.', '')}"
SHIPPED = Path(manifest.__file__).with_name("releases.toml")
NOWHERE = "http://127.0.0.1:9/nightly/cpu/"

MANIFEST = f"""
[[release]]
framework = "tinyframework"
version = "2.15.0"
date = 2026-10-28T15:17:10Z
python = "{HERE}"
requirements = ["tinyframework==2.15.0", "tinyvision==0.29.2", "tinynumbers==1.0"]
"""


def build(
    folder: Path, day: int, name: str = "tinyframework", version: str = "2.16.0", local: str = "+cpu", **fields: str
) -> Path:
    """A nightly's wheel: of a day of November 2026, for this Python on Linux, unless the fields say otherwise."""
    fields = {"python": f"{TAG}-{TAG}", "platform": "manylinux_2_28_x86_64", **fields}
    return wheels.wheel(folder, name, f"{version}.dev202611{day:02}{local}", **fields)


def vision(folder: Path, day: int, built_for: int | None = None) -> Path:
    """A companion's wheel of a day, built for the framework's of that day or of another."""
    needs = f"tinyframework==2.16.0.dev202611{built_for or day:02}"
    return build(folder, day, "tinyvision", "0.30.0", needs=needs)


@pytest.fixture
def folder(tmp_path):
    """What the index has: nightlies of the 1st to the 3rd of November 2026."""
    made = tmp_path / "wheels"
    made.mkdir()
    for day in (1, 2, 3):
        build(made, day)
        vision(made, day)
    return made


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with one release of the framework, and a place for what is installed."""
    (tmp_path / "asv.conf.json").touch()
    (tmp_path / "releases.toml").write_text(MANIFEST)
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(tmp_path / "releases.toml"))
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(nightly.INDEX_VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def address(folder):
    with serve_pages(folder) as served:
        yield served


@pytest.fixture
def said():
    return []


@pytest.fixture
def add(root, address, said):
    """Adds nightlies of these days and gives the days of those that were added; what is announced is in `said`."""

    def added(days: str, index: str = address, python: str | None = None) -> list[str]:
        found = nightly.add(root, "tinyframework", days, index, ["tinyvision"], python, said.append)
        return [f"{release.date:%d}" for release in found]

    return added


def pins(root: Path, day: int) -> tuple[str, ...]:
    return manifest.load(root).get(f"tinyframework-2.16.0.dev202611{day:02}").requirements


def file_of(pin: str) -> str:
    return pin.rpartition("/")[2].partition("#")[0]


def test_nightlies_become_releases_in_the_order_of_their_days(root, add, address, said):
    """Each is called by its version, dated by the day in it, and has the newest release's Python and other pins."""
    assert add("2026-11-01..2026-11-03") == ["01", "02", "03"]
    release = manifest.load(root).get("tinyframework-2.16.0.dev20261102")
    assert (release.branch, release.python, release.is_built) == ("tinyframework-nightly", HERE, False)
    assert release.date.isoformat() == "2026-11-02T00:00:00+00:00"
    framework, companion, others = release.requirements
    assert framework.startswith(f"tinyframework @ {address.partition('/nightly')[0]}/")
    assert file_of(framework) == f"tinyframework-2.16.0.dev20261102%2Bcpu-{TAG}-{TAG}-manylinux_2_28_x86_64.whl"
    assert "#sha256=" in framework
    assert companion.startswith("tinyvision @ ")
    assert others == "tinynumbers==1.0"
    assert said == []


def test_one_day_alone(add):
    """A day without dots is that day's nightly."""
    assert add("2026-11-02") == ["02"]


def test_days_without_a_nightly_are_named_in_one_line(add, said):
    """They are left out, and the others are added."""
    assert add("2026-10-30..2026-11-05") == ["01", "02", "03"]
    span = "2026-10-30..2026-10-31, 2026-11-04..2026-11-05"
    assert said == [f"no nightly of tinyframework for Python {HERE} on {span}"]


def test_the_companion_is_the_one_that_was_built_for_it(root, folder, add):
    """Metadata decide: a companion of the next day may be the one, and that of the same day not."""
    build(folder, 5)
    vision(folder, 5, built_for=4)
    vision(folder, 6, built_for=5)
    assert add("2026-11-05") == ["05"]
    assert "tinyvision-0.30.0.dev20261106" in pins(root, 5)[1]


def test_without_metadata_it_is_that_of_the_day(root, folder, add):
    """An index that has none beside its wheels pairs the wheels of one day."""
    vision(folder, 2, built_for=1)
    with serve_pages(folder, has_metadata=False) as plain:
        assert add("2026-11-02", plain) == ["02"]
    assert "tinyvision-0.30.0.dev20261102" in pins(root, 2)[1]


def test_a_nightly_without_its_companion_is_left_out(folder, add, said):
    """It is named, and the others are added."""
    vision(folder, 2, built_for=1)
    assert add("2026-11-01..2026-11-03") == ["01", "03"]
    assert said == ["tinyframework-2.16.0.dev20261102 is left out: no tinyvision was built for it"]


def test_what_only_this_index_has_is_pinned_to_it(root, folder, add):
    """A need in a local version, as a CUDA build's triton is, can be had from no other index."""
    build(folder, 4, needs='Tiny_Kernels==3.7.0+git88b; platform_system == "Linux"')
    vision(folder, 4)
    for version, tag in (("3.7.0+git88b", TAG), ("3.7.0+git88b", "cp27"), ("3.7.0+git99c", TAG)):
        wheels.wheel(folder, "tiny_kernels", version, python=f"{tag}-{tag}")
    assert add("2026-11-04") == ["04"]
    assert file_of(pins(root, 4)[2]) == f"tiny_kernels-3.7.0%2Bgit88b-{TAG}-{TAG}-{wheels.PLATFORM}.whl"


def test_what_is_needed_and_not_there_leaves_it_out(folder, add, said):
    """The need is named; one of another platform is none."""
    build(folder, 4, needs="tinyframework==1.0+abc; sys_platform == 'win32'")
    vision(folder, 4)
    build(folder, 5, needs="tinyframework==1.0+abc")
    vision(folder, 5)
    assert add("2026-11-04..2026-11-05") == ["04"]
    assert "dev20261105 is left out: " in said[0]
    assert f"has no tinyframework==1.0+abc for Python {HERE}" in said[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"python": f"{TAG}-{TAG}t"},
        {"python": "cp27-cp27"},
        {"platform": "manylinux_2_28_aarch64"},
        {"platform": "win_amd64"},
    ],
    ids=["free-threaded", "another Python", "another processor", "another system"],
)
def test_a_build_for_something_else_is_none(folder, add, said, fields):
    """The day has no nightly for this Python on Linux on x86-64."""
    build(folder, 4, **fields)
    assert add("2026-11-03..2026-11-04") == ["03"]
    assert said[0].endswith("on 2026-11-04")


def test_the_higher_of_two_versions_of_a_day(root, folder, add):
    """On the day when the version was raised there can be a nightly of each."""
    build(folder, 3, version="2.17.0")
    build(folder, 3, "tinyvision", "0.31.0", needs="tinyframework==2.17.0.dev20261103")
    assert add("2026-11-03") == ["03"]
    assert manifest.load(root).of_branch("tinyframework-nightly")[-1].version == "2.17.0.dev20261103"


def test_those_that_are_there_are_left_as_they_are(root, add):
    """Only what lacks is asked for; where nothing lacks the index is not asked at all."""
    add("2026-11-01..2026-11-02")
    before = manifest.load(root).releases
    assert add("2026-11-01..2026-11-02", NOWHERE) == []
    assert add("2026-11-01..2026-11-03") == ["03"]
    assert manifest.load(root).releases[:-1] == before


def test_older_ones_are_refused(root, add):
    """A branch of the timeline is append-only."""
    add("2026-11-02")
    before = manifest.load(root)
    refused = "dev20261101 is older than what tinyframework-nightly has: a branch is append-only, start from its newest"
    with pytest.raises(PasstimeError, match=refused):
        add("2026-11-01..2026-11-03")
    assert manifest.load(root) == before


def test_no_hash_of_a_release_changes(root, folder, monkeypatch):
    """Nightlies are a branch of their own; a nightly's hash is the same everywhere, whatever index it came from."""
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(SHIPPED))
    for local in ("+cpu", "+cu130"):
        shelf, checkout = root / f"shelf{local}", root / f"checkout{local}"
        shelf.mkdir()
        build(shelf, 1, "torch", local=local, python="cp311-cp311")
        build(shelf, 1, "torchvision", "0.30.0", local=local, python="cp311-cp311")
        with serve_pages(shelf, has_metadata=False) as served:
            nightly.add(checkout, "torch", "2026-11-01", served, ["torchvision"])
        repository.build(manifest.load(checkout), checkout / "timeline")
        tags = repository.tags(checkout / "timeline")
        assert tags.items() >= GOLDEN.items()
        assert tags["torch-2.16.0.dev20261101"] == "a003f137fc2bd9b7e38a89bd2f0518790e9a05ad"


def test_nightlies_can_be_shipped(root, address):
    """They are appended to the shipped releases, after those of their branch, and the checkout has none of its own."""
    for days, added in (("2026-11-01..2026-11-02", 2), ("2026-11-03", 1)):
        found = nightly.add(root, "tinyframework", days, address, ["tinyvision"], is_shipped=True)
        assert len(found) == added
    assert (root / "releases.toml").read_text().startswith(MANIFEST.lstrip())
    branches = [release.branch for release in manifest.read(root / "releases.toml")]
    assert branches == ["tinyframework", *["tinyframework-nightly"] * 3]
    assert not places.local_releases(root).exists()


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ("yesterday", "'yesterday' are no days: write 2026-11-01 or 2026-11-01..2026-11-20"),
        ("2026-11-01..", "are no days"),
        ("2026-11-31", "are no days"),
        ("2026-11-03..2026-11-01", "ends before it begins"),
        ("2026-11-20", r"on 2026-11-20; .* has those of 2026-11-01 to 2026-11-03, for Python .*: choose others"),
    ],
)
def test_days_that_cannot_be_had_are_one_line(root, add, days, reason):
    """What is no range of days, and days of which the index has nothing, are told; nothing is written."""
    with pytest.raises(PasstimeError, match=reason) as raised:
        add(days)
    assert "\n" not in str(raised.value)
    assert not places.local_releases(root).exists()


def test_a_python_without_nightlies_is_one_line(add):
    """The line says for which there are some."""
    with pytest.raises(PasstimeError, match=rf"for Python 2\.7 on 2026-11-01; .*, for Python {HERE}: choose others"):
        add("2026-11-01", python="2.7")


def test_builds_for_several_devices_are_one_line(folder, add):
    """On an index that mixes them passtime does not choose."""
    build(folder, 1, local="+cu130")
    with pytest.raises(PasstimeError, match=r"2\.16\.0\.dev20261101 for cpu and for cu130: name the index of one"):
        add("2026-11-01")


def test_a_framework_without_a_release_names_no_python(root, address):
    """Which Python to run on has to be said."""
    with pytest.raises(PasstimeError, match=r"other has no release whose Python .*: name one by --runs-on"):
        nightly.add(root, "other", "2026-11-01", address)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (NOWHERE, "Connection refused"),
        ("{address}../cuda/", "Not Found"),
    ],
)
def test_an_index_that_is_away_is_one_line(root, address, add, index, reason):
    """The line says what was asked, and by what it is set; nothing is written."""
    with pytest.raises(
        PasstimeError, match=rf"tinyframework/ cannot be read \(.*{reason}.*check the network, or --ind"
    ):
        add("2026-11-01", index.format(address=address))
    assert not places.local_releases(root).exists()


def test_an_index_that_is_no_address_is_one_line(root, add):
    """Nothing is asked of it, and nothing is written."""
    with pytest.raises(PasstimeError, match="'no address' is no page of wheels: its address is https:"):
        add("2026-11-01", "no address")
    assert not places.local_releases(root).exists()


def test_a_page_of_something_else_has_none(folder, add):
    """Links that are no dated wheels, as on the page of a login, are no nightlies."""
    with serve_pages(folder / "..") as other:
        (folder / "../tinyframework-1.0-py3-none-any.whl").write_bytes(b"")
        with pytest.raises(PasstimeError, match="has none at all: choose others"):
            add("2026-11-01", other)


@pytest.fixture
def offline(root, folder, monkeypatch):
    """Besides the addresses in its pins, uv reaches a folder of wheels and nothing else."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    for name, value in (("FIND_LINKS", folder), ("NO_INDEX", 1), ("CACHE_DIR", root / "cache"), ("HTTP_RETRIES", 0)):
        monkeypatch.setenv(f"UV_{name}", str(value))
    wheels.wheel(folder, "tinynumbers", "1.0")


def test_a_nightly_is_installed_as_any_release(root, add, offline):
    """With its companion and the other pins, by the one path from manifest to runtime."""
    add("2026-11-02")
    runtime = store.ensure(manifest.load(root).get("tinyframework-2.16.0.dev20261102"), lambda line: None)
    asked = "import tinyframework, tinyvision, tinynumbers; print(tinyframework.__version__, tinyvision.__version__)"
    ran = subprocess.run([str(runtime.interpreter), "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["2.16.0.dev20261102+cpu", "0.30.0.dev20261102+cpu"]


def test_a_wheel_that_the_index_has_dropped_is_one_line(root, folder, add, offline):
    """A nightly that was added and not installed in time cannot be had any more."""
    add("2026-11-02")
    for wheel in folder.glob("*20261102*"):
        wheel.unlink()
    with pytest.raises(PasstimeError, match="there is no wheel at the address in a pin any more") as raised:
        store.ensure(manifest.load(root).get("tinyframework-2.16.0.dev20261102"), lambda line: None)
    assert "\n" not in str(raised.value)


def test_a_wheel_that_was_replaced_is_one_line(root, folder, add, offline):
    """What the index had when the nightly was added is what is installed, or nothing."""
    add("2026-11-02")
    build(folder, 2, needs="tinynumbers")
    with pytest.raises(PasstimeError, match="is not the one that was pinned: its hash is another") as raised:
        store.ensure(manifest.load(root).get("tinyframework-2.16.0.dev20261102"), lambda line: None)
    assert "\n" not in str(raised.value)


@pytest.fixture
def command(root, monkeypatch):
    """`passtime timeline add` in the checkout, which knows the shipped releases."""
    monkeypatch.chdir(root)
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(SHIPPED))
    return lambda *arguments: CliRunner().invoke(cli.main, ["timeline", "add", *arguments])


def test_the_command_says_how_to_measure_them(root, folder, address, command, monkeypatch):
    """It reads the index that PASSTIME_NIGHTLY_INDEX names, or --index, and builds the timeline."""
    for day in (1, 2):
        build(folder, day, "torch", python="cp312-cp312")
        build(folder, day, "torchvision", "0.30.0", python="cp312-cp312")
    asked = ("torch", "--nightly", "2026-11-01..2026-11-03", "--runs-on", "3.12")
    monkeypatch.setenv(nightly.INDEX_VARIABLE, NOWHERE)
    assert "http://127.0.0.1:9/nightly/cpu/torch/ cannot be read" in command(*asked).stderr
    monkeypatch.setenv(nightly.INDEX_VARIABLE, address)
    ended = command(*asked)
    assert ended.stderr == "no nightly of torch for Python 3.12 on 2026-11-03\n"
    range_ = "torch-2.16.0.dev20261101^..torch-2.16.0.dev20261102"
    assert ended.stdout == f"2 releases are on the branch torch-nightly: asv run {range_}\n"
    assert "torch-2.16.0.dev20261102" in repository.tags(places.timeline_repository(root))
    again = command(*asked[:2], "2026-11-01", "--runs-on", "3.12", "--index", NOWHERE)
    assert again.stdout == "nothing new\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("torch", "--nightly", "2026-11-01", "--name", "mine"), "called by their versions: no --name"),
        (
            ("torch", "--nightly", "2026-11-01", "--wheel", "torch.whl"),
            "by one of --python, --wheel, --git and --nightly",
        ),
        (
            ("torch", "--wheel", "torch.whl", "--shipped"),
            "only commits and nightlies can be had by others: no --shipped",
        ),
        (
            ("tinygrad", "--nightly", "2026-11-01"),
            "passtime knows of no nightlies of tinygrad: name their index by --index",
        ),
        (("other", "--nightly", "2026-11-01"), "unknown framework 'other'"),
    ],
)
def test_what_the_command_cannot_add_is_one_line(command, arguments, reason):
    """Options that do not go together, and frameworks without nightlies, are refused."""
    ended = command(*arguments)
    assert ended.exit_code == 1
    assert reason in ended.stderr


@pytest.mark.parametrize(
    "link",
    [
        "file:///tmp/",
        "http://mirror.example/",
        "ftp://mirror.example/",
        "javascript://x/",
        "https://-oProxyCommand=x/",
        "https://mirror.example/${HOME}/",
        "https://mirror.example/a b/",
    ],
)
def test_a_page_cannot_choose_where_from(root, said, monkeypatch, link):
    """A link to this computer's files, or to what anybody could answer, is no nightly: nothing is written."""
    name = f"tinyframework-2.16.0.dev20261101%2Bcpu-{TAG}-{TAG}-manylinux_2_28_x86_64.whl"

    page = Answer(f'<a href="{link}{name}">{name}</a>'.encode(), "https://index.example/tinyframework/")
    monkeypatch.setattr(nightly, "fetch", lambda address, accept, setting, read: read(page))
    with pytest.raises(PasstimeError):
        nightly.add(root, "tinyframework", "2026-11-01", "https://index.example", python=HERE, announce=said.append)
    assert not places.local_releases(root).exists()
