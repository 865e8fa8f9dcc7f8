"""The manifest of releases: the shipped one, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import manifest

SHIPPED = Path(manifest.__file__).parent / "releases.toml"
GOOD = """
[[release]]
framework = "fake"
version = "1"
date = 2020-01-01T00:00:00Z
"""


@pytest.fixture
def releases(tmp_path, monkeypatch):
    """A manifest file that stands in for the shipped one."""
    path = tmp_path / "releases.toml"
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(path))
    return path


def test_every_torch_release_is_listed_with_its_pins():
    """The shipped manifest starts at 0.4.0, and each pins torch, torchvision, NumPy, Pillow, and what it lacks."""
    torch = [release for release in manifest.read(SHIPPED) if release.branch == "torch"]
    assert torch[0].name == "torch-0.4.0"
    for release in torch:
        pins = dict(pin.split("==") for pin in release.requirements)
        series = ".".join(release.version.split(".")[:2])
        lacking = {"1.10": {"setuptools"}, "2.1": {"packaging"}}.get(series, set())
        assert set(pins) == {"torch", "torchvision", "numpy", "pillow"} | lacking, release.name
        assert pins["torch"] == release.version
        if Version(release.version) < Version("2.3"):
            assert Version(pins["numpy"]) < Version("2"), f"{release.name} was built against NumPy 1"
        if Version(pins["torchvision"]) < Version("0.5"):
            assert Version(pins["pillow"]) < Version("7"), f"{release.name}'s torchvision imports PILLOW_VERSION"


def test_few_pythons_serve_all_releases():
    """From 1.0 on two Pythons are enough; releases before that come from PyTorch's own archive."""
    torch = [release for release in manifest.read(SHIPPED) if release.branch == "torch"]
    assert {release.python for release in torch if release.find_links is None} == {"3.7", "3.11"}
    assert [release.version for release in torch if release.find_links] == ["0.4.0", "0.4.1"]


def test_local_releases_follow_the_shipped_ones(tmp_path, releases):
    """A checkout's own releases are part of its manifest."""
    releases.write_text(GOOD)
    local = places.local_releases(tmp_path)
    local.parent.mkdir()
    local.write_text(GOOD.replace('"1"', '"mine"\nbranch = "fake-local"\ninterpreter = "/usr/bin/python3"'))
    loaded = manifest.load(tmp_path)
    assert [release.name for release in loaded.releases] == ["fake-1", "fake-mine"]
    assert loaded.branches == ("fake", "fake-local")


def test_a_local_release_that_is_overtaken_says_where_it_is(tmp_path, releases):
    """Where what is shipped came to be newer on the same branch, the line names the file to take the entry out of."""
    releases.write_text(GOOD)
    local = places.local_releases(tmp_path)
    local.parent.mkdir()
    local.write_text(GOOD.replace('"1"', '"0"').replace("2020", "2019"))
    with pytest.raises(PasstimeError, match=f"fake-0 is older than fake-1.*the entry to remove is in {local}"):
        manifest.load(tmp_path)


def test_an_unknown_release_is_one_line_with_what_looks_alike(tmp_path, releases):
    """The message names near matches and the command that lists all."""
    releases.write_text(GOOD + GOOD.replace('"1"', '"2.14.1"'))
    with pytest.raises(
        PasstimeError, match=r"unknown release fake-2\.14\.2: did you mean fake-2\.14\.1\?.*timeline list"
    ):
        manifest.load(tmp_path).get("fake-2.14.2")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + "date of what", r"is damaged: .*line 6"),
        (GOOD + "colour = 3", r"release 1 \(fake-1\): unknown key 'colour'"),
        (GOOD.replace("2020-01-01T00:00:00Z", '"2020"'), r"release 1 \(fake-1\): date is '2020', not a datetime"),
        (GOOD.replace("00:00Z", "00:00"), "the date needs its time zone"),
        (GOOD.replace('version = "1"', ""), "release 1: version is missing"),
        (GOOD.replace('"1"', '"1 beta"'), "may hold letters"),
        (GOOD + 'requirements = ["fake>=1"]', "'fake>=1' is no pin: a pin is exact"),
        (GOOD + GOOD, "fake-1 is listed twice"),
        (GOOD + GOOD.replace('"1"', '"2"').replace("2020", "2019"), "fake-2 is older than fake-1"),
        ("release = [1]", r"holds \[\[release\]\] entries and nothing else"),
        ('title = "x"', r"holds \[\[release\]\] entries and nothing else"),
    ],
)
def test_a_damaged_manifest_is_one_line_with_the_place(tmp_path, releases, content, said):
    """Whatever is wrong with the file, the message is one line that says where."""
    releases.write_text(content)
    with pytest.raises(PasstimeError, match=said) as raised:
        manifest.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_missing_manifest_is_one_line(tmp_path, releases):
    """A PASSTIME_RELEASES that names no file is said so."""
    with pytest.raises(PasstimeError, match="is missing: restore it, or unset PASSTIME_RELEASES"):
        manifest.load(tmp_path)
