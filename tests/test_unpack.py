"""What the job that may push takes from machines that measured: results, and nothing else."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / ".github/scripts"
COMMIT = "ab" * 20
MACHINE = {"arch": "x86_64", "cpu": "AMD EPYC @ 2.2 GHz", "machine": "m", "num_cpu": "2", "os": "Linux", "version": 1}
RESULT = {
    "commit_hash": COMMIT,
    "env_name": "passtime",
    "date": 1,
    "params": {"machine": "m", "os": "Linux"},
    "env_vars": {},
    "requirements": {},
    "result_columns": ["result"],
    "results": {"models.VGG.time_total": [[1.5]]},
    "version": 2,
}
SESSION = {"benchmark": "models.VGG.time_total", "params": ["vgg16", "cpu"], "release": "fake-1.1", "seconds": 1.0}
PARITY = {"releases": ["fake-1.0", "fake-1.1"], "workload": "vgg16", "device": "cpu", "difference": ""}
BENCHMARKS = {
    "models.VGG.time_total": {
        "name": "models.VGG.time_total",
        "code": "def f(a) -> b:\n\tpass",
        "params": [["'vgg16'"]],
    },
    "version": 2,
}
RESULT_NAME = f"results/m/{COMMIT[:8]}-passtime.json"
SESSIONS_NAME = f"results/m/{COMMIT[:8]}-passtime.provenance.jsonl"
GOOD = {
    "results/benchmarks.json": json.dumps(BENCHMARKS),
    "results/parity.jsonl": json.dumps(PARITY) + "\n",
    "results/m/machine.json": json.dumps(MACHINE),
    RESULT_NAME: json.dumps(RESULT),
    SESSIONS_NAME: json.dumps(SESSION) + "\n",
}
SOURCE = "import os\nos.system('touch ran')\n"


def pack(folder: Path, files: dict[str, str], *more: tarfile.TarInfo, form: str = "w") -> None:
    """An artifact: a folder that holds `results.tar`."""
    folder.mkdir(parents=True)
    with tarfile.open(folder / "results.tar", form) as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
        for member in more:
            packed.addfile(member)


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a hook that does nothing, results of another machine and a script."""
    root = tmp_path / "checkout"
    for name in (".git/hooks/pre-push", "docs/make_table.py", "results/other/machine.json"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("ours")
    return root


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def unpack(root: Path) -> subprocess.CompletedProcess[str]:
    (root.parent / "brought").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-I", SCRIPTS / "unpack.py", root.parent / "packs", root.parent / "brought"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_results_are_taken(checkout):
    """What each machine measured is in a folder of its own afterwards; a pack may be empty."""
    before = files(checkout)
    packs = checkout.parent / "packs"
    pack(packs / "results-one", GOOD)
    pack(packs / "results-two", {"results/m-2/machine.json": json.dumps({**MACHINE, "machine": "m-2"})})
    pack(packs / "results-three", {})
    ended = unpack(checkout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "6 files of results are taken\n"
    assert files(checkout) == before
    brought = checkout.parent / "brought"
    assert files(brought / "results-one") == GOOD
    assert files(brought / "results-two").keys() == {"results/m-2/machine.json"}
    assert files(brought / "results-three") == {}


def test_no_pack_is_no_good_night(checkout):
    """A folder without packs, or that is not there, is one line and a failure."""
    before = files(checkout)
    for _ in range(2):
        ended = unpack(checkout)
        assert ended.returncode == 1
        assert ended.stderr.startswith("unpack: there is no pack, */results.tar, in ")
        assert files(checkout) == before
        (checkout.parent / "packs").mkdir(exist_ok=True)


def test_what_git_does_not_have_is_packed(tmp_path):
    """A machine packs its results and not what a run that was killed left beside them; what it packs is taken."""
    root = tmp_path / "checkout"
    for name, text in GOOD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / f"{RESULT_NAME}.part").write_text("half")
    (root / "results/m/notes.txt").write_text("mine")
    (tmp_path / "packs/results-one").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    command = [SCRIPTS / "pack", tmp_path / "packs/results-one/results.tar"]
    packed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert sorted(packed.stdout.split()) == sorted(GOOD)
    other = tmp_path / "other"
    other.mkdir()
    assert unpack(other).returncode == 0
    assert files(tmp_path / "brought/results-one") == GOOD


def test_both_files_of_a_release_are_packed(tmp_path):
    """Where only a release's sessions have changed, its values are packed, too, and no other release is."""
    root = tmp_path / "checkout"
    other = RESULT_NAME.replace("abababab", "cdcdcdcd")
    for name, text in {**GOOD, other: "{}"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *arguments], cwd=root, check=True)
    (root / SESSIONS_NAME).write_text(json.dumps(SESSION) + "\n" + json.dumps({**SESSION, "seconds": 2.0}) + "\n")
    command = [SCRIPTS / "pack", tmp_path / "results.tar"]
    packed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert sorted(packed.stdout.split()) == sorted([RESULT_NAME, SESSIONS_NAME])


def changed(content: dict, **changes: object) -> str:
    return json.dumps({**content, **changes})


REFUSED: dict[str, Callable[[Path], None]] = {
    "a hook": lambda to: pack(to, {".git/hooks/pre-push": SOURCE}),
    "a script": lambda to: pack(to, {"docs/make_table.py": SOURCE}),
    "another folder's through results": lambda to: pack(to, {"results/../docs/make_table.py": SOURCE}),
    "a machine called dots": lambda to: pack(to, {"results/../machine.json": changed(MACHINE, machine="..")}),
    "an absolute name": lambda to: pack(to, {f"{to}/results/benchmarks.json": json.dumps(BENCHMARKS)}),
    "a folder": lambda to: pack(to, {}, special("results/m", tarfile.DIRTYPE)),
    "a link": lambda to: pack(to, {}, special("results/x", tarfile.SYMTYPE, "../.git")),
    "a link of a result's name": lambda to: pack(to, {}, special(RESULT_NAME, tarfile.SYMTYPE, "../../.git/config")),
    "a hard link": lambda to: pack(to, {}, special(RESULT_NAME, tarfile.LNKTYPE, ".git/hooks/pre-push")),
    "a device": lambda to: pack(to, {}, special(RESULT_NAME, tarfile.CHRTYPE)),
    "a pipe": lambda to: pack(to, {}, special(RESULT_NAME, tarfile.FIFOTYPE)),
    "another kind of file": lambda to: pack(to, {"results/m/run.py": SOURCE}),
    "a deeper folder": lambda to: pack(to, {"results/m/n/machine.json": json.dumps(MACHINE)}),
    "git's attributes": lambda to: pack(to, {"results/.gitattributes": "* filter=x"}),
    "a name of two lines": lambda to: pack(to, {"results/m\n::add-path::x/machine.json": json.dumps(MACHINE)}),
    "a name that ends a line": lambda to: pack(to, {"results/m/machine.json\n": json.dumps(MACHINE)}),
    "a machine's folder that is a file's name": lambda to: pack(
        to, {**GOOD, "results/benchmarks.json/machine.json": changed(MACHINE, machine="benchmarks.json")}
    ),
    "source in a result": lambda to: pack(to, {RESULT_NAME: SOURCE}),
    "a list as a result": lambda to: pack(to, {RESULT_NAME: "[]"}),
    "an empty result": lambda to: pack(to, {RESULT_NAME: ""}),
    "a nest without end": lambda to: pack(to, {RESULT_NAME: "[" * 100_000}),
    "another commit": lambda to: pack(to, {RESULT_NAME: changed(RESULT, commit_hash="cd" * 20)}),
    "a commit that is an option": lambda to: pack(to, {RESULT_NAME: changed(RESULT, commit_hash="--output=x")}),
    "another machine's result": lambda to: pack(to, {RESULT_NAME: changed(RESULT, params={"machine": "other"})}),
    "another environment": lambda to: pack(to, {RESULT_NAME: changed(RESULT, env_name="x")}),
    "a benchmark called a path": lambda to: pack(to, {RESULT_NAME: changed(RESULT, results={"../x": [[1.0]]})}),
    "a parameter called dots": lambda to: pack(to, {RESULT_NAME: changed(RESULT, params={"machine": "m", "..": ""})}),
    "a result without values": lambda to: pack(to, {RESULT_NAME: changed(RESULT, results={"a.b": "x"})}),
    "a machine of another name": lambda to: pack(to, {"results/m/machine.json": changed(MACHINE, machine="n")}),
    "a machine that is HTML": lambda to: pack(
        to, {"results/m/machine.json": changed(MACHINE, cpu="<img src=x onerror=alert(1)>")}
    ),
    "a machine that moves the cursor": lambda to: pack(
        to, {"results/m/machine.json": changed(MACHINE, cpu="AMD\x1b[2J")}
    ),
    "sessions of two lines": lambda to: pack(to, {SESSIONS_NAME: '{"benchmark": "a.b",\n "params": []}'}),
    "a session of no release": lambda to: pack(to, {SESSIONS_NAME: changed(SESSION, release="../x")}),
    "a session without its benchmark": lambda to: pack(to, {SESSIONS_NAME: "{}\n"}),
    "a check of one release": lambda to: pack(to, {"results/parity.jsonl": changed(PARITY, releases=["fake-1.0"])}),
    "a benchmark that is HTML": lambda to: pack(
        to, {"results/benchmarks.json": json.dumps({"a.b": {"name": "a.b", "code": "", "pretty_name": "<b>"}})}
    ),
    "a compressed pack": lambda to: pack(to, GOOD, form="w:gz"),
    "no pack": lambda to: (to.mkdir(parents=True), (to / "results.tar").write_text("#!/bin/sh\n" * 100)),
    "a link in place of a pack": lambda to: (to.mkdir(parents=True), (to / "results.tar").symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("bad", REFUSED)
def test_what_is_no_result_refuses_all(checkout, bad):
    """One member that is no result: the line names its pack, no file of any pack is written, and none is run."""
    before = files(checkout)
    pack(checkout.parent / "packs/results-good", GOOD)
    REFUSED[bad](checkout.parent / "packs/results-zz")
    ended = unpack(checkout)
    assert ended.returncode == 1
    assert ended.stderr.startswith("unpack: nothing is taken: results-zz/results.tar")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr[:-1].isprintable()
    assert files(checkout) == before
    assert list((checkout.parent / "brought").iterdir()) == []
    assert not list(checkout.rglob("ran"))


@pytest.mark.parametrize("limit", ["MOST_FILES", "MOST_FILE_BYTES", "MOST_BYTES"])
def test_a_pack_has_a_size(checkout, monkeypatch, limit):
    """Too many files, too large a file and too much together are refused before they are read."""
    spec = importlib.util.spec_from_file_location("unpack", SCRIPTS / "unpack.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what is in that folder is what the workflows run
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, limit, 3)
    before = files(checkout)
    pack(checkout.parent / "packs/results-one", GOOD)
    with pytest.raises(script.Refused, match=r"more than|larger than"):
        script.take([checkout.parent / "packs/results-one/results.tar"], checkout)
    assert files(checkout) == before


def test_a_sparse_file_is_no_result(checkout):
    """A member that says to be much larger than what the pack holds is refused."""
    folder = checkout.parent / "packs/results-zz"
    folder.mkdir(parents=True)
    huge = folder / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 34)
    subprocess.run(
        ["tar", "--create", "--sparse", "--file", "results.tar", "--transform", f"s#huge#{RESULT_NAME}#", "huge"],
        cwd=folder,
        check=True,
    )
    ended = unpack(checkout)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "nothing is taken" in ended.stderr
