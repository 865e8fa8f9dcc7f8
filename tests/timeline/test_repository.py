"""The timeline's git repository, made from the shipped manifest and from small ones."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import manifest, repository
from passtime.timeline.manifest import Manifest, Release

# Results are keyed by these: a change here orphans every result that was ever committed.
GOLDEN = {
    "torch-0.4.0": "40e4f0fa19276cf7443db905a8efebca637c96e9",
    "torch-1.13.1": "5d9c4fb70ecc2646e59393abfefc4227eee1fe63",
    "torch-2.15.0": "ce193e3ecf873456f100ae7a16ae659e6c5ff74b",
    "flux-0.4.1": "4c8907cf6a81d653068e61fd758e09792d9a7201",
    "flux-master-2018-07": "7dea5564b192ca719ecc6a5b14ac51e791b02a80",
    "flux-0.12.1": "a90f3d8789455b89c0109288dd59c0729b327f59",
    "flux-0.16.11": "ff25cb86f3902049a8c2306593e0238468946c50",
    "tinygrad-0.1.0": "724f36dca18cbcf0b2ed6bb0579ef7a9a9801ee8",
    "tinygrad-0.9.2": "b5217bf99fb19423025fb1b1715047daa98f4578",
    "tinygrad-0.14.0": "f471e44d9519dabcbb8374a4c0d40047710965de",
    "tinygrad-849074f0dbdc": "61a7513c160442e04e0709bb9a16114df9b75715",
    "tinygrad-6b352206223c": "9bbdd10a7036e681a9b332ca72dc837458fdf694",
    "tinygrad-0725acc392c7": "428595cf48be28c4d5ebad3818f580415c0c62c3",
}


def shipped() -> Manifest:
    return Manifest(tuple(manifest.read(Path(manifest.__file__).parent / "releases.toml")))


def release(version: str, day: int, framework: str = "fake", **fields) -> Release:
    date = datetime(2020, 1, 1, tzinfo=timezone.utc) + timedelta(days=day)
    return Release(framework, version, date, fields.pop("branch", framework), **fields)


def git(path: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", f"--git-dir={path}", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_hashes_are_the_same_everywhere(tmp_path):
    """The first, a middle and the newest release at the time have the hashes that committed results are keyed by."""
    repository.build(shipped(), tmp_path / "timeline")
    tags = repository.tags(tmp_path / "timeline")
    assert {name: tags[name] for name in GOLDEN} == GOLDEN


def test_the_users_git_settings_do_not_reach_the_hashes(tmp_path, monkeypatch):
    """Signing, another hash and another author in the user's configuration change nothing."""
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[commit]\n gpgsign = true\n[init]\n defaultObjectFormat = sha256\n[user]\n name = X\n email = x@y\n"
        "[core]\n autocrlf = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
    repository.build(shipped(), tmp_path / "timeline")
    assert repository.commit_of(tmp_path / "timeline", "torch-0.4.0") == GOLDEN["torch-0.4.0"]


def test_a_branch_per_framework_and_a_tag_per_release(tmp_path):
    """Each framework is an unrelated branch, oldest release first, and each commit's date is the release's."""
    path = tmp_path / "timeline"
    repository.build(
        Manifest(
            (release("1", 0), release("2", 9), release("7", 5, "other"), release("mine", 20, branch="fake-local"))
        ),
        path,
    )
    assert git(path, "for-each-ref", "--format=%(refname)").split() == [
        *("refs/heads/fake", "refs/heads/fake-local", "refs/heads/other"),
        *("refs/tags/fake-1", "refs/tags/fake-2", "refs/tags/fake-mine", "refs/tags/other-7"),
    ]
    assert git(path, "log", "--format=%s %cI %aI", "fake").splitlines() == [
        "fake 2 2020-01-10T00:00:00+00:00 2020-01-10T00:00:00+00:00",
        "fake 1 2020-01-01T00:00:00+00:00 2020-01-01T00:00:00+00:00",
    ]
    assert git(path, "rev-list", "--count", "other") == "1"
    assert git(path, "symbolic-ref", "HEAD") == "refs/heads/fake"


def test_appending_a_release_changes_no_earlier_hash(tmp_path):
    """A new release, on any branch, leaves all other hashes as they were."""
    path = tmp_path / "timeline"
    first = (release("1", 0), release("2", 1))
    repository.build(Manifest(first), path)
    before = repository.tags(path)
    repository.build(Manifest((*first, release("1", 2, "other"), release("3", 3))), path)
    after = repository.tags(path)
    assert after.items() > before.items()
    assert set(after) - set(before) == {"other-1", "fake-3"}


def test_a_corrected_pin_changes_no_hash(tmp_path):
    """How a release is installed is no part of its identity."""
    path = tmp_path / "timeline"
    one = release("1", 0, requirements=("fake==1",), python="3.7")
    repository.build(Manifest((one,)), path)
    before = repository.tags(path)
    repository.build(Manifest((dataclasses.replace(one, requirements=("fake==1", "numpy==1.0"), python="3.8"),)), path)
    assert repository.tags(path) == before


@pytest.mark.parametrize("change", [{"version": "1", "day": 5}, {"version": "1", "day": 0, "framework": "fake"}])
def test_a_changed_past_is_refused(tmp_path, change):
    """A release whose date or place in the order changed is refused by name, and the repository stays as it was."""
    path = tmp_path / "timeline"
    repository.build(Manifest((release("1", 0), release("2", 6))), path)
    before = repository.tags(path)
    changed = (
        Manifest((release("1", 5), release("2", 6)))
        if change["day"]
        else Manifest((release("0", 0), release("1", 0), release("2", 6)))
    )
    with pytest.raises(PasstimeError, match="fake-1 would get another commit"):
        repository.build(changed, path)
    assert repository.tags(path) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["timeline", "timeline.lock"]


def test_building_again_does_nothing(tmp_path):
    """An unchanged manifest leaves the repository's files untouched."""
    path = tmp_path / "timeline"
    repository.build(shipped(), path)
    before = path.stat()
    repository.build(shipped(), path)
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_damaged_repository_is_made_anew(tmp_path):
    """What is left of a damaged repository does not stand in the way."""
    path = tmp_path / "timeline"
    repository.build(shipped(), path)
    for name in ("HEAD", "packed-refs"):
        (path / name).unlink(missing_ok=True)
    repository.build(shipped(), path)
    assert repository.commit_of(path, "torch-0.4.0") == GOLDEN["torch-0.4.0"]


def test_a_commit_names_its_release(tmp_path):
    """Name and commit lead to each other, whatever the abbreviation."""
    path = tmp_path / "timeline"
    repository.build(Manifest((release("1", 0), release("2+local", 1))), path)
    commit = repository.commit_of(path, "fake-2+local")
    assert repository.release_name(path, commit) == repository.release_name(path, commit[:8]) == "fake-2+local"


def test_asv_finds_releases_by_name(tmp_path):
    """asv's own git plugin resolves tags, ranges and dates in the repository."""
    from asv.plugins.git import Git

    path = tmp_path / "timeline"
    repository.build(shipped(), path)
    repo = Git(str(path), str(tmp_path / "mirror"))
    assert repo.get_hash_from_name("torch-2.15.0") == GOLDEN["torch-2.15.0"]
    names = [
        repository.release_name(path, commit) for commit in repo.get_hashes_from_range("torch-2.9.0^..torch-2.10.0")
    ]
    assert names == ["torch-2.10.0", "torch-2.9.1", "torch-2.9.0"]
    assert repo.get_date(GOLDEN["torch-2.15.0"]) == shipped().get("torch-2.15.0").date.timestamp() * 1000


def test_two_at_once_do_not_collide(tmp_path):
    """Processes that build the same repository at the same time all end well, with one repository."""
    script = (
        "import sys; from pathlib import Path; from passtime.timeline import manifest, repository;"
        "repository.build(manifest.load(Path(sys.argv[1])), Path(sys.argv[1]) / 'timeline')"
    )
    environment = {name: value for name, value in os.environ.items() if name != places.RELEASES_VARIABLE}
    import sys

    builders = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE, env=environment)
        for _ in range(4)
    ]
    assert [(builder.wait(), builder.communicate()[1]) for builder in builders] == [(0, b"")] * 4
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["timeline", "timeline.lock"]


def test_a_range_may_start_at_a_branchs_first_release(tmp_path):
    """What `timeline add` proposes, from the parent of the first to the last, is all of a new branch."""
    from passtime.asv.repo import TimelineRepo

    path = tmp_path / "timeline"
    repository.build(shipped(), path)
    repo = TimelineRepo(str(path), str(tmp_path / "mirror"))
    first, second = "torch-0.4.0", "torch-0.4.1"
    both = [repository.commit_of(path, name) for name in (second, first)]
    assert repo.get_hashes_from_range(f"{first}^..{second}") == both
    assert repo.get_hashes_from_range(f"{second}^..{second}") == both[:1]
