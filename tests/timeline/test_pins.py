"""What may be pinned: requirements and addresses, nothing that reaches an installer or git as something else."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner

from passtime import cli, places
from passtime.errors import PasstimeError
from passtime.timeline import manifest, pins, repository

HASH = "0" * 64

GOOD = [
    "torch==2.14.1",
    "torch==2.14.1+cpu",
    "Flux==0.10.0",
    "jax[cpu]==0.4.30",
    "torch @ https://example.org/torch-2.16.0.dev20261101%2Bcpu-cp312-cp312-manylinux_2_28_x86_64.whl#sha256=" + HASH,
    "torch @ file:///srv/torch-1.0-py3-none-any.whl",
    "torch @ http://127.0.0.1:8000/torch-1.0-py3-none-any.whl",
    f"torch @ http://mirror.example/torch-1.0-py3-none-any.whl#sha256={HASH}",
    "tinygrad @ git+https://github.com/tinygrad/tinygrad@abcdef",
    "NNlib @ git+ssh://git@example.org/NNlib.jl@v0.7",
    "tiny @ git+file:///srv/tiny@abcdef",
]

BAD = [
    "--index-url=http://x/?a==1",
    "--index-url=http://x/ @ https://example.org/a.whl",
    "-r requirements.txt @ file:///x",
    "-rfile==1",
    "-e git+https://example.org/x@abc",
    "torch==2.14.1 --index-url=http://x/",
    "torch==2.14.1\n--index-url=http://x/",
    "torch==2.14.1\n",
    " torch==2.14.1",
    "torch == 2.14.1",
    "torch>=2.14.1",
    "torch===2.14.1",
    "torch==2.*",
    "torch==2.14.1,!=2",
    "torch==2.14.1; python_version < '3'",
    "torch",
    "",
    "torch @ ./torch-1.0-py3-none-any.whl",
    "torch @ http://mirror.example/torch-1.0-py3-none-any.whl",
    "torch @ ftp://example.org/torch-1.0-py3-none-any.whl",
    "torch @ data:text/plain,x",
    "torch @ https://example.org/$TOKEN/torch-1.0-py3-none-any.whl",
    "torch @ https://example.org/${TOKEN}/torch-1.0-py3-none-any.whl",
    "torch @ https:///torch-1.0-py3-none-any.whl",
    "torch @ git+https://example.org/torch",
    "torch @ git+https://example.org/torch@--upload-pack=x",
    "torch @ git+https://example.org/torch@a..b",
    "torch @ git+ssh://-oProxyCommand=x/torch@abc",
    "torch @ git+ext::sh -c x@abc",
    "torch @ git+http://example.org/torch@abc",
    "torch  @  https://example.org/a.whl",
]

ENTRY = """
[[release]]
framework = "torch"
version = "1"
date = 2020-01-01T00:00:00Z
"""


@pytest.mark.parametrize("pin", GOOD)
def test_requirements_are_pins(pin):
    """An exact version, and an address of a wheel or of a revision that cannot be changed on its way."""
    pins.check_pin(pin)


@pytest.mark.parametrize("pin", BAD)
def test_nothing_else_is_a_pin(pin):
    """Options, ranges, conditions, more than one line and addresses that anybody could answer are refused."""
    with pytest.raises(PasstimeError) as raised:
        pins.check_pin(pin)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        'requirements = ["--index-url=http://x/?a==1"]',
        'requirements = ["torch==1\\n--pre"]',
        "requirements = [1]",
        'find_links = "--index-url=http://x/"',
        'find_links = "javascript:alert(1)"',
        'python = "../../tmp/x"',
        'python = "--help"',
        'julia = "1.10 --eval=x"',
        'interpreter = "bin/python"',
        'interpreter = "/bin/python\\n"',
        'repository = "ext::sh -c touch% /tmp/x"',
        'repository = "javascript://x/"',
        'revision = "--output=x"',
    ],
)
def test_an_entry_holds_no_option(tmp_path, line):
    """What an installer, git or a shell would take for something else is refused where the manifest is read."""
    path = tmp_path / "releases.toml"
    path.write_text(ENTRY + line + "\n", "utf-8")
    with pytest.raises(PasstimeError, match=r"releases\.toml, release 1 \(torch-1\): ") as raised:
        manifest.read(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--git", ".", "--rev", "main", "--runs-on", "3.11", "--pin", "--index-url=http://x/?a==1"),
        ("--git", ".", "--rev", "main", "--runs-on", "3.11", "--pin", "numpy==2\n-rx"),
        ("--git", ".", "--rev", "main", "--runs-on", "--help"),
        ("--git", ".", "--rev", "--output=written", "--runs-on", "3.11"),
        ("--git", "ext://sh", "--rev", "main", "--runs-on", "3.11"),
        ("--git", "ssh://-oProxyCommand=x/y", "--rev", "main", "--runs-on", "3.11"),
        ("--wheel", "http://example.org/torch-1-py3-none-any.whl", "--name", "mine", "--runs-on", "3.11"),
        ("--wheel", "https://example.org/torch-1-py3-none-any.whl", "--name", "mine", "--runs-on", "../x"),
        ("--wheel", "https://example.org/torch-1-py3-none-any.whl", "--name", "../mine", "--runs-on", "3.11"),
        ("--nightly", "2026-11-01", "--index", "--help", "--runs-on", "3.11"),
        ("--nightly", "2026-11-01", "--index", "data:text/html,x", "--runs-on", "3.11"),
    ],
)
def test_add_takes_no_option_for_an_argument(tmp_path, monkeypatch, arguments):
    """`timeline add` refuses them in one line, and nothing is added, fetched or written."""
    (tmp_path / "asv.conf.json").touch()
    (tmp_path / "releases.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(places.RELEASES_VARIABLE, str(tmp_path / "releases.toml"))
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], check=True)
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "--message=x"], check=True)
    ended = CliRunner().invoke(cli.main, ["timeline", "add", "torch", *arguments])
    assert ended.exit_code == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert not places.local_releases(tmp_path).exists()
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("commit", ["--output=written", "HEAD", "main", "", "x" * 40])
def test_a_hash_from_a_file_of_results_is_no_option(tmp_path, commit):
    """What a file of results calls its commit reaches git as a hash, or not at all."""
    timeline = tmp_path / "timeline"
    (tmp_path / "releases.toml").write_text(ENTRY)
    repository.build(manifest.Manifest(tuple(manifest.read(tmp_path / "releases.toml"))), timeline)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(PasstimeError, match="no commit of the timeline"):
        repository.release_name(timeline, commit)
    assert set(tmp_path.rglob("*")) == before
