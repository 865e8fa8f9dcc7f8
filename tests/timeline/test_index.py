"""`timeline update` against a package index of the same form, served on loopback."""

from __future__ import annotations

import json
import os

import pytest

from passtime import uv
from passtime.errors import PasstimeError
from passtime.timeline import index, manifest
from tests.fake.index import serve
from tests.fake.wheels import wheel

MANIFEST = """# kept
[[release]]
framework = "fakeframe"
version = "1.0"
date = 2020-01-01T00:00:00Z
python = "3.11"
requirements = ["fakeframe==1.0", "fakevision==0.1"]
"""


@pytest.fixture
def package_index(tmp_path, monkeypatch):
    """Serves PEP 691 pages of the wheels in a folder; `dates` says when each version was uploaded."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    dates: dict[str, str] = {}

    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with serve(folder, dates) as address:
        monkeypatch.setenv(index.INDEX_VARIABLE, address)
        yield folder, dates


@pytest.fixture
def releases(tmp_path):
    path = tmp_path / "releases.toml"
    path.write_text(MANIFEST)
    return path


needs_uv = pytest.mark.skipif(uv.find() is None, reason="pins are worked out by uv, which is not here")


@needs_uv
def test_new_releases_are_appended_with_pins_that_go_together(package_index, releases):
    """A release that the manifest lacks gets the newest companion whose metadata takes it; the rest stays as it was."""
    folder, dates = package_index
    for version in ("1.0", "1.1", "1.2"):
        wheel(folder, "fakeframe", version)
    dates.update({"fakeframe-1.1": "2020-02-01T10:00:00.5Z", "fakeframe-1.2": "2020-03-01T00:00:00Z"})
    for version, needs in (("0.1", "1.0"), ("0.2", "1.1"), ("0.3", "1.2")):
        wheel(folder, "fakevision", version, f"fakeframe=={needs}")
    assert index.update(releases, "fakeframe", pytest.fail) == ["fakeframe-1.1", "fakeframe-1.2"]
    added = manifest.read(releases)[1:]
    assert [release.requirements for release in added] == [
        ("fakeframe==1.1", "fakevision==0.2"),
        ("fakeframe==1.2", "fakevision==0.3"),
    ]
    assert [f"{release.date:%Y-%m-%d %H:%M:%S} {release.python}" for release in added] == [
        "2020-02-01 10:00:00 3.11",
        "2020-03-01 00:00:00 3.11",
    ]
    assert releases.read_text().startswith(MANIFEST)


@needs_uv
def test_a_wheel_for_any_machine_is_a_release(package_index, releases):
    """A framework that is Python alone has one wheel for all machines; one for another machine alone is none."""
    folder, dates = package_index
    dates.update({"fakeframe-1.1": "2020-02-01T10:00:00Z", "fakeframe-1.2": "2020-03-01T00:00:00Z"})
    wheel(folder, "fakeframe", "1.1", platform="any")
    wheel(folder, "fakeframe", "1.2", platform="macosx_11_0_arm64")
    wheel(folder, "fakevision", "0.1")
    assert index.update(releases, "fakeframe", pytest.fail) == ["fakeframe-1.1"]


ANOTHER = """
# Another framework's, in another language.
[[release]]
framework = "other"
version = "1.0"
date = 2020-01-01T00:00:00Z
julia = "1.10"
requirements = ["Other==1.0"]
"""


@needs_uv
def test_a_frameworks_releases_stay_together(package_index, releases):
    """A new release follows its framework's newest, not what another framework has below it."""
    releases.write_text(MANIFEST + ANOTHER)
    folder, dates = package_index
    for version in ("1.1", "1.2"):
        wheel(folder, "fakeframe", version)
        dates[f"fakeframe-{version}"] = "2020-02-01T00:00:00Z"
        wheel(folder, "fakevision", f"0.{version}", f"fakeframe=={version}")
    index.update(releases, "fakeframe", pytest.fail)
    names = [release.name for release in manifest.read(releases)]
    assert names == ["fakeframe-1.0", "fakeframe-1.1", "fakeframe-1.2", "other-1.0"]
    assert releases.read_text().endswith(ANOTHER.lstrip())


def test_frameworks_that_an_index_has_are_updated(releases):
    """Whatever is a Python package is looked for, and nothing in another language, nor somebody's own builds."""
    mine = ANOTHER.replace('framework = "other"', 'framework = "fakeframe"\nbranch = "fakeframe-local"')
    releases.write_text(MANIFEST + ANOTHER + mine.replace('"1.0"', '"mine"'))
    assert index.frameworks(releases) == ["fakeframe"]


def test_a_framework_that_is_on_no_index_is_one_line(releases):
    """What is no Python package is not looked for among them."""
    releases.write_text(MANIFEST + ANOTHER)
    with pytest.raises(PasstimeError, match="other is on no Python package index: add its new releases"):
        index.update(releases, "other", pytest.fail)


@needs_uv
def test_a_release_without_its_companion_waits(package_index, releases):
    """Where no companion takes the release yet it is left out, saying so, and nothing is written."""
    folder, dates = package_index
    wheel(folder, "fakeframe", "1.1")
    dates["fakeframe-1.1"] = "2020-02-01T00:00:00Z"
    wheel(folder, "fakevision", "0.1", "fakeframe==1.0")
    said: list[str] = []
    assert index.update(releases, "fakeframe", said.append) == []
    assert "fakeframe-1.1 is left out: no wheels that go together" in said[0]
    assert releases.read_text() == MANIFEST


def test_an_older_release_is_left_out(package_index, releases):
    """A branch is append-only: what is older than its newest release cannot be added by itself."""
    folder, dates = package_index
    wheel(folder, "fakeframe", "0.9")
    dates["fakeframe-0.9"] = "2019-01-01T00:00:00Z"
    said: list[str] = []
    assert index.update(releases, "fakeframe", said.append) == []
    assert "fakeframe-0.9 is left out: it is older than fakeframe-1.0" in said[0]


def test_uvs_index_serves_where_none_is_named(package_index, releases, monkeypatch):
    """Without PASSTIME_INDEX, the index that uv is set to is read."""
    folder, _ = package_index
    wheel(folder, "fakeframe", "0.9")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{os.environ[index.INDEX_VARIABLE]}/simple/")
    monkeypatch.delenv(index.INDEX_VARIABLE)
    assert [str(upload.version) for upload in index.uploads("fakeframe")] == ["0.9"]


def test_missing_certificates_are_one_line(releases, monkeypatch):
    """A certificate file that is not there is said, not a trace-back."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_CERT", "/nowhere/certificates.pem")
    with pytest.raises(PasstimeError, match=r"cannot be read \(.*No such file"):
        index.update(releases, "fakeframe", pytest.fail)


def test_an_index_out_of_reach_is_one_line(releases, monkeypatch):
    """Without the index nothing changes, and the message says what was tried."""
    monkeypatch.setenv(index.INDEX_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(
        PasstimeError, match=r"http://127\.0\.0\.1:9/simple/fakeframe/ cannot be read.*check the network"
    ):
        index.update(releases, "fakeframe", pytest.fail)
    assert releases.read_text() == MANIFEST


def test_an_answer_without_an_end_is_one_line(package_index, releases, monkeypatch):
    """What an index sends is read up to a limit, and beyond it the line says so."""
    folder, _ = package_index
    wheel(folder, "fakeframe", "0.9")
    monkeypatch.setattr(index, "_MOST_BYTES", 16)
    with pytest.raises(PasstimeError, match=r"cannot be read \(more than 0 MiB\)"):
        index.update(releases, "fakeframe", pytest.fail)
    assert releases.read_text() == MANIFEST


def test_an_answer_that_is_nested_without_end_is_one_line(tmp_path):
    """JSON that no reader gets to the bottom of is no trace-back."""
    (tmp_path / "deep").write_text("[" * 200_000, "utf-8")
    with pytest.raises(PasstimeError, match="cannot be read"):
        index.fetch((tmp_path / "deep").as_uri(), "*/*", "PASSTIME_INDEX", lambda answer: json.loads(answer.content))


def test_an_index_without_upload_times_is_one_line():
    """A release's place in the timeline is its date: an index that has none is named."""
    with pytest.raises(PasstimeError, match="does not say when files were uploaded"):
        index._uploads({"files": [{"filename": "fakeframe-1.0-py3-none-any.whl"}]})


@pytest.mark.parametrize(
    "page",
    [
        [],
        {"files": [{}]},
        {"files": None},
        {"files": [{"filename": 3}]},
        {"files": [{"filename": "fakeframe-1.1-py3-none-any.whl", "upload-time": 3}]},
        {"files": [{"filename": "fakeframe-1.1-py3-none-any.whl", "upload-time": "soon"}]},
    ],
)
def test_an_index_that_answers_something_else_is_one_line(releases, monkeypatch, page):
    """Whatever an index answers, nothing is written and the line says that it is no index."""
    monkeypatch.setattr(index, "fetch", lambda *arguments: page)
    with pytest.raises(PasstimeError, match="does not answer as one"):
        index.update(releases, "fakeframe", pytest.fail)
    assert releases.read_text() == MANIFEST


def test_a_version_that_can_be_no_tag_is_no_release(monkeypatch):
    """A version with an epoch is passed over; the others are there. What only looks like a wheel is none."""
    names = ["fakeframe-1!2.0-py3-none-any.whl", "fakeframe-1.1-py3-none-any.whl", "../../x-1.2-py3-none-any.whl",
             "fakeframe-1.3;touch x-py3-none-any.whl"]  # fmt: skip
    files = [{"filename": name, "upload-time": "2020-01-01T00:00:00Z"} for name in names]
    monkeypatch.setattr(index, "fetch", lambda *arguments: {"files": files})
    assert [str(upload.version) for upload in index.uploads("fakeframe")] == ["1.1"]
