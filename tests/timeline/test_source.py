"""Commits of a framework's repository as releases."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake.source import Source

from passtime import cli, places
from passtime.errors import PasstimeError
from passtime.runtimes import julia, store
from passtime.timeline import manifest, repository, source

JULIA = Path(__file__).parents[1] / "fake/julia"
DAYS = [f"2026-01-{day:02}T00:00:00Z" for day in range(1, 8)]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout that knows no release, and a place for what is fetched and installed."""
    releases = tmp_path / "releases.toml"
    releases.write_text("")
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(releases))
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def tiny(root):
    """A repository with five commits, a day each."""
    made = Source(root / "tiny")
    made.hashes = [made.commit(day) for day in DAYS[:5]]
    return made


def added(root, tiny, revisions, **options):
    found = source.add(root, "tinyframework", str(tiny.path), revisions, "3.11", **options)
    return [release.revision for release in found]


def test_commits_become_releases_in_their_order(root, tiny):
    """Each is called by its hash, dated as it was committed, and pinned to its revision, with what goes with it."""
    first, second, third = tiny.hashes[1:4]
    assert added(root, tiny, f"{tiny.hashes[0]}..{third}", pins=["numpy==2.0.0"]) == [first, second, third]
    release = manifest.load(root).get(f"tinyframework-{second[:12]}")
    assert (release.branch, f"{release.date:%Y-%m-%d}", release.python) == ("tinyframework-main", "2026-01-03", "3.11")
    assert release.requirements == (f"tinyframework @ git+{tiny.path.as_uri()}@{second}", "numpy==2.0.0")
    assert (release.repository, release.revision, release.is_built) == (tiny.path.as_uri(), second, True)


def test_every_second_commit_keeps_the_newest(root, tiny):
    """The range's end is what one asks about: it is always there."""
    assert added(root, tiny, "main", every=2) == [tiny.hashes[0], tiny.hashes[2], tiny.hashes[4]]


def test_only_merges(root, tiny):
    """Of the first line of parents the merges, not what was merged."""
    tiny.git("checkout", "--quiet", "-b", "side", "HEAD~1")
    (tiny.path / "more").touch()
    tiny.git("add", ".")
    tiny.git("commit", "--quiet", "-m", "aside", date=DAYS[5])
    tiny.git("checkout", "--quiet", "main")
    tiny.git("merge", "--quiet", "--no-ff", "--no-edit", "side", date=DAYS[6])
    assert added(root, tiny, "main", only_merges=True) == [tiny.git("rev-parse", "HEAD")]


def test_a_branch_grows_and_its_hashes_stay(root, tiny):
    """New commits are appended; those that are there keep their place and their hash in the timeline."""
    timeline = places.timeline_repository(root)
    added(root, tiny, "main~2")
    repository.build(manifest.load(root), timeline)
    before = repository.tags(timeline)
    tiny.commit(DAYS[5])
    assert len(added(root, tiny, "main")) == 3
    repository.build(manifest.load(root), timeline)
    assert repository.tags(timeline).items() > before.items()
    assert added(root, tiny, "main") == []


def test_commits_before_those_that_are_there_are_refused(root, tiny):
    """A branch of the timeline is append-only."""
    added(root, tiny, "main~2..main")
    with pytest.raises(PasstimeError, match="a branch is append-only, start from its newest"):
        added(root, tiny, "main")


def test_a_committers_wrong_clock_changes_no_order(root, tiny):
    """A commit that is dated before its parent comes a second after it: on a chart by date it is a point of its own."""
    wrong = tiny.commit("2025-01-01T00:00:00Z")
    assert added(root, tiny, "main")[-1] == wrong
    assert manifest.load(root).get(f"tinyframework-{wrong[:12]}").date.isoformat() == "2026-01-05T00:00:01+00:00"


@pytest.fixture
def public(tiny, monkeypatch):
    """The address by which others reach the repository; here git takes it from its folder."""
    address = "https://example.org/tiny"
    for name, value in (("COUNT", "1"), ("KEY_0", f"url.{tiny.path}.insteadOf"), ("VALUE_0", address)):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    return address


def shipped(root, address, revisions):
    found = source.add(root, "tinyframework", address, revisions, "3.11", is_shipped=True)
    return [release.revision for release in found]


def test_shipped_commits_are_in_every_checkout(root, tiny, public):
    """They are written beside the shipped releases, with the public address, and appended to as any branch is."""
    assert shipped(root, public, "main~4..main~2") == tiny.hashes[1:3]
    timeline = places.timeline_repository(root)
    repository.build(manifest.load(root), timeline)
    before = repository.tags(timeline)
    assert shipped(root, public, "main~4..main") == tiny.hashes[3:]
    assert not places.local_releases(root).exists()
    listed = manifest.read(places.shipped_releases())
    assert {release.requirements for release in listed} == {
        (f"tinyframework @ git+{public}@{revision}",) for revision in tiny.hashes[1:]
    }
    repository.build(manifest.load(root), timeline)
    assert repository.tags(timeline).items() > before.items()
    with pytest.raises(PasstimeError, match="a branch is append-only, start from its newest"):
        shipped(root, public, "main")
    assert manifest.read(places.shipped_releases()) == listed


def test_what_a_checkout_has_of_its_own_ships_with_the_same_hash(root, tiny, public):
    """Not before its own entries are gone, which would come after the shipped ones; results that it has then stay."""
    source.add(root, "tinyframework", public, "main~2..main", "3.11")
    timeline = places.timeline_repository(root)
    repository.build(manifest.load(root), timeline)
    before = repository.tags(timeline)
    own = places.local_releases(root)
    with pytest.raises(PasstimeError, match=f"is on tinyframework-main too, in {own}, .*: remove it there first"):
        shipped(root, public, "main~2..main")
    assert places.shipped_releases().read_text() == ""
    own.unlink()
    assert shipped(root, public, "main~2..main") == tiny.hashes[3:]
    repository.build(manifest.load(root), timeline)
    assert repository.tags(timeline) == before


def test_a_repository_of_this_machine_does_not_ship(root, tiny):
    """Others could not install its commits."""
    with pytest.raises(PasstimeError, match="is on this machine alone: ship what has an address that others can read"):
        shipped(root, str(tiny.path), "main")
    assert places.shipped_releases().read_text() == ""


@pytest.mark.parametrize(
    ("revisions", "said"),
    [("nothing..main", "git log: "), ("main..main", "no commits in main..main"), ("--all", "is no range of revisions")],
)
def test_a_bad_range_is_one_line(root, tiny, revisions, said):
    """What git cannot read, and what is empty, is told; nothing is written."""
    with pytest.raises(PasstimeError, match=said) as raised:
        added(root, tiny, revisions)
    assert "\n" not in str(raised.value)
    assert not places.local_releases(root).exists()


def test_no_such_repository_is_one_line(root):
    """The repository's absence is git's word."""
    with pytest.raises(PasstimeError, match="git clone: "):
        source.add(root, "tinyframework", str(root / "nowhere"), "main", "3.11")


def test_a_commit_is_built_and_installed_as_any_release(root, tiny, monkeypatch):
    """With its C++ extension compiled from that commit's source, by the one path from manifest to runtime."""
    added(root, tiny, "main~1..main")
    monkeypatch.setenv("UV_OFFLINE", "1")
    runtime = store.ensure(manifest.load(root).get(f"tinyframework-{tiny.hashes[4][:12]}"), lambda line: None)
    asked = [str(runtime.interpreter), "-c", "import tinyframework; print(tinyframework.answer())"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == "5"


class TestJulia:
    """Commits of a framework that is a package of Julia, from the command line to the runtime."""

    @pytest.fixture(autouse=True)
    def checkout(self, root, tiny, monkeypatch):
        """The commands are given in the checkout, and Julia only says what a real one would."""
        (root / "asv.conf.json").touch()
        monkeypatch.chdir(root)
        monkeypatch.setenv("FAKE_JULIA_LOG", str(root / "said"))
        monkeypatch.setenv(julia.JULIA_VARIABLE, str(JULIA))
        monkeypatch.setattr(julia.install, "has_gpu", lambda: False)
        julia.find.cache_clear()
        yield
        julia.find.cache_clear()

    def passtime(self, *arguments: str) -> str:
        ended = CliRunner().invoke(cli.main, arguments)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    def test_a_commit_is_installed_as_any_release(self, root, tiny):
        """`--runs-on` is the Julia, and the package's own name and the pins beside it reach Julia's package manager."""
        options = ["--rev", "main~1..main", "--runs-on", "1.10", "--pin", "Zygote==0.6.10"]
        self.passtime("timeline", "add", "flux", "--git", str(tiny.path), *options)
        (release,) = manifest.load(root).releases
        revision = tiny.hashes[4]
        assert (release.name, release.branch, release.runs_on) == (f"flux-{revision[:12]}", "flux-main", "Julia 1.10")
        assert release.requirements == (f"Flux @ git+{tiny.path.as_uri()}@{revision}", "Zygote==0.6.10")
        assert (release.repository, release.revision) == (tiny.path.as_uri(), revision)
        self.passtime("runtimes", "install", release.name)
        added, compiled = (root / "said").read_text().splitlines()
        assert f'PackageSpec(name="Flux", url="{tiny.path.as_uri()}", rev="{revision}")' in added
        assert f" | Flux | {places.home()}/runtimes/{release.name}/project | " in compiled

    def test_its_timeline_keeps_its_hashes(self, root, tiny):
        """How a commit is installed is not part of its identity: other pins leave its hash as it is."""
        add = ["timeline", "add", "flux", "--git", str(tiny.path), "--runs-on", "1.10", "--rev"]
        self.passtime(*add, "main~3..main~1")
        before = repository.tags(places.timeline_repository(root))
        self.passtime(*add, "main~3..main", "--pin", "Zygote==0.6.10")
        after = repository.tags(places.timeline_repository(root))
        assert (len(before), len(after)) == (2, 3)
        assert after.items() > before.items()

    @pytest.mark.parametrize(
        "given", [("--python", "/usr/bin/julia"), ("--wheel", "a.whl"), ("--nightly", "2026-11-01")]
    )
    def test_what_julia_has_not_is_one_line(self, given):
        """An interpreter, a wheel and a nightly are Python's: the line says what there is for Julia."""
        ended = CliRunner().invoke(cli.main, ["timeline", "add", "flux", *given, "--name", "mine"])
        assert ended.exit_code == 1
        assert "flux runs on Julia: name its commits, by --git, --rev and --runs-on" in ended.output


def test_a_pin_without_a_version_is_one_line(root, tiny, monkeypatch):
    """What cannot be pinned is refused before anything is written."""
    (root / "asv.conf.json").touch()
    monkeypatch.chdir(root)
    options = ["--git", str(tiny.path), "--rev", "main", "--runs-on", "3.11", "--pin", "numpy"]
    ended = CliRunner().invoke(cli.main, ["timeline", "add", "tinyframework", *options])
    assert ended.exit_code == 1
    assert "'numpy' is no pin: a pin is exact, like numpy==2.0.0" in ended.output
    assert not places.local_releases(root).exists()
