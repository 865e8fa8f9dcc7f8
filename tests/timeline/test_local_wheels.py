"""Wheels of someone's own build as a release."""

from __future__ import annotations

import pytest
from fake import wheels

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import local, manifest


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout that knows no release."""
    releases = tmp_path / "releases.toml"
    releases.write_text("")
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(releases))
    return tmp_path


def test_wheels_become_a_release(root):
    """Its pins are the wheels' addresses, a file's or as they were given, in the order given."""
    path = wheels.wheel(root, "tinyframework", "1.0")
    vision = "https://example.org/w/tinyvision-2.0-py3-none-any.whl"
    release = local.add_wheels(root, "tinyframework", [str(path), vision], "mine", "3.11")
    assert release.requirements == (f"tinyframework @ {path.as_uri()}", f"tinyvision @ {vision}")
    assert (release.name, release.branch, release.python) == ("tinyframework-mine", "tinyframework-local", "3.11")
    assert manifest.load(root).get("tinyframework-mine") == release


def test_the_wheel_says_which_python(root):
    """A wheel that was built for one Python needs no word of it."""
    address = "https://example.org/torch-2.16.0.dev20261101%2Bcpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    assert local.add_wheels(root, "torch", [address], "mine", None).python == "3.12"


def test_adding_the_same_wheels_again_changes_nothing(root):
    """The first date, and so the commit, stays; other wheels under that name are refused."""
    address = "https://example.org/torch-2.16.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    first = local.add_wheels(root, "torch", [address], "mine", None)
    assert local.add_wheels(root, "torch", [address], "mine", None) == first
    with pytest.raises(PasstimeError, match="torch-mine is there already: choose another --name"):
        local.add_wheels(root, "torch", [address.replace("2.16.0", "2.16.1")], "mine", None)


@pytest.mark.parametrize(
    ("given", "python", "said"),
    [
        ("nowhere-1.0-py3-none-any.whl", "3.11", "there is no nowhere-1.0-py3-none-any.whl"),
        ("https://example.org/torch.zip", "3.11", "is no wheel: its name is not that of one"),
        ("https://example.org/other-1.0-py3-none-any.whl", "3.11", "none of these wheels is torch's: other"),
        ("https://example.org/torch-1.0-py3-none-any.whl", None, "say which by --runs-on"),
    ],
)
def test_what_cannot_be_installed_is_one_line(root, given, python, said):
    """What is missing, no wheel, another package's, or silent about its Python is refused; nothing is written."""
    with pytest.raises(PasstimeError, match=said) as raised:
        local.add_wheels(root, "torch", [given], "mine", python)
    assert "\n" not in str(raised.value)
    assert not places.local_releases(root).exists()
