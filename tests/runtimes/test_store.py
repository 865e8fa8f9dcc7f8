"""The store of runtimes, with wheels of a few bytes; the last test installs a real release."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from passtime import places
from passtime.errors import PasstimeError
from passtime.runtimes import install, interpreters, store
from passtime.timeline import manifest
from tests.runtimes.conftest import release


def version_in(runtime: store.Runtime) -> str:
    return subprocess.run(
        [runtime.interpreter, "-c", "import fakeframe; print(fakeframe.__version__)"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "home/runtimes").iterdir() if path.name != ".locks")


def test_a_release_is_installed_once_and_found_again(wheels, tool, tmp_path):
    """Each tool makes a runtime whose interpreter has the release, and the second time nothing is installed."""
    assert store.find(release()) is None
    made = store.ensure(release(), print)
    assert version_in(made) == "1.0"
    assert store.ensure(release(), pytest.fail) == made == store.find(release())
    assert folders(tmp_path) == ["fakeframe-1.0"]
    assert store.installed()[0].record["installer"] == tool


def test_byte_code_is_compiled_at_install(wheels, tool, monkeypatch):
    """The first import pays for no compilation, even where the user's settings keep byte code from being written."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    made = store.ensure(release(), print)
    assert list(made.path.glob("lib/python*/site-packages/__pycache__/fakeframe*.pyc"))


def test_a_corrected_pin_installs_anew(wheels, tmp_path):
    """A runtime whose pins are not the manifest's any more is replaced."""
    store.ensure(release(), print)
    corrected = dataclasses.replace(release(), requirements=("fakeframe==2.0",))
    assert store.find(corrected) is None
    assert version_in(store.ensure(corrected, print)) == "2.0"
    assert folders(tmp_path) == ["fakeframe-1.0"]


@pytest.mark.parametrize(
    ("version", "said"),
    [("9.0", "no wheel of a pin for this platform"), ("3.0", "no wheel of a pin for this platform")],
)
def test_a_wheel_that_does_not_exist_is_one_line(wheels, tool, tmp_path, version, said):
    """A version that the index lacks, or has for another platform only, leaves one line and nothing half-made."""
    with pytest.raises(PasstimeError, match=f"fakeframe-{version} cannot be installed: {said}") as raised:
        store.ensure(release(version), print)
    assert "\n" not in str(raised.value)
    assert folders(tmp_path) == []


def test_an_index_out_of_reach_is_one_line(index, tool, tmp_path):
    """Without a network the message says to check it."""
    index("http://127.0.0.1:9/simple")
    with pytest.raises(PasstimeError, match="the package index is out of reach: check the network"):
        store.ensure(release(), print)
    assert folders(tmp_path) == []


def test_an_archive_out_of_reach_is_named(wheels, tool, monkeypatch):
    """A release from a wheel archive of its own says which archive cannot be reached."""
    for name in ("UV_HTTP_RETRIES", "PIP_RETRIES"):
        monkeypatch.setenv(name, "1")
    archived = release("9.0", find_links="http://127.0.0.1:9/wheels.html")
    with pytest.raises(PasstimeError, match=r"its wheel archive http://127\.0\.0\.1:9/wheels\.html is out of reach"):
        store.ensure(archived, print)


@pytest.mark.parametrize(
    "said",
    [
        "OSError: [Errno 28] No space left on device",
        "error: failed to copy: No space left on device (os error 28)",
    ],
)
def test_a_full_disk_is_one_line(said):
    """What installers say of a full disk becomes a line that says to free space."""
    assert install.explain(release(), said).startswith("the disk is full: free some space")


def test_a_missing_python_is_one_line(wheels, tmp_path, monkeypatch):
    """A Python that is not here and cannot be downloaded is named, with ways to get it."""
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(PasstimeError, match=r"no Python 3\.1 here: install one"):
        store.ensure(release(python="3.1"), print)
    assert folders(tmp_path) == []


def test_two_installs_at_once_do_not_collide(wheels, tmp_path):
    """The second install of a release waits for the first and finds what it made."""
    script = (
        "from passtime.runtimes import store; from tests.runtimes.conftest import release;"
        "store.ensure(release(), print)"
    )
    installs = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(3)
    ]
    said = [install.communicate()[0] for install in installs]
    assert [install.returncode for install in installs] == [0, 0, 0]
    assert sum("Installed fakeframe-1.0" in output for output in said) == 1
    assert folders(tmp_path) == ["fakeframe-1.0"]


def test_a_corrected_python_installs_anew(wheels):
    """A runtime of another Python than the manifest's is no runtime of that release any more."""
    store.ensure(release(), print)
    assert store.find(dataclasses.replace(release(), python="3.99")) is None


def test_several_are_installed_and_a_failure_stops_no_other(wheels):
    """Each release comes back as its runtime or as the reason why there is none."""
    made = store.ensure_all([release("9.0"), release("2.0")], print)
    assert isinstance(made["fakeframe-9.0"], PasstimeError)
    assert version_in(made["fakeframe-2.0"]) == "2.0"


def test_ones_own_interpreter_is_taken_as_it_is(wheels, tmp_path):
    """A release with an interpreter of its own installs nothing, and says when the interpreter is gone."""
    own = release("mine", interpreter=sys.executable, requirements=())
    assert store.ensure(own, pytest.fail) == store.Runtime("fakeframe-mine", None, Path(sys.executable))
    assert store.runnable(own) is None
    gone = release("mine", interpreter="/nowhere/python", requirements=())
    with pytest.raises(PasstimeError, match="its interpreter /nowhere/python is gone"):
        store.ensure(gone, print)
    assert store.runnable(gone) == "/nowhere/python is gone"


def test_the_least_recently_used_go_first(wheels):
    """Pruning keeps the runtimes that were used last, by number or by size, and those that are spared."""
    for version in ("1.0", "2.0"):
        store.ensure(release(version), print)
    first = store.find(release("1.0"))
    os.utime(first.path / store._LAST_USE, (1, 1))
    assert store.prune(keep=2) == []
    assert store.prune(keep=1) == ["fakeframe-1.0"]
    assert store.prune(disk_bytes=10**12) == []
    assert store.prune(disk_bytes=0, spared={"fakeframe-2.0"}) == []
    assert store.prune(disk_bytes=0) == ["fakeframe-2.0"]
    assert store.installed() == []


def test_what_is_running_is_not_removed(wheels, tmp_path):
    """A runtime with a process on its interpreter stays, whoever wants it gone."""
    made = store.ensure(release(), print)
    command = [made.interpreter, "-c", "print('here', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(PasstimeError, match=r"fakeframe-1\.0 is in use"):
            store.remove("fakeframe-1.0")
        kept: list[str] = []
        assert store.prune(keep=0, announce=kept.append) == []
        assert kept == ["fakeframe-1.0 is in use: it stays"]
        with pytest.raises(PasstimeError, match=r"fakeframe-1\.0 is in use, and not what releases\.toml says now"):
            store.ensure(dataclasses.replace(release(), requirements=("fakeframe==2.0",)), print)
        process.communicate(b"\n")
    store.remove("fakeframe-1.0")
    assert folders(tmp_path) == []


def test_a_foreign_platform_is_named(monkeypatch):
    """Where no wheel can run, the reason is there without a network, and nothing is tried."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "has wheels for Linux on x86-64, this is darwin" in store.runnable(release())


@pytest.mark.parametrize("name", ["fakeframe-1.0", ".locks", "../runtimes", ""])
def test_only_runtimes_are_removed(wheels, name):
    """A name that is no installed runtime is refused."""
    with pytest.raises(PasstimeError, match="is not installed"):
        store.remove(name)


@pytest.mark.real
def test_a_real_release_on_an_old_python_imports(tmp_path):
    """torch 1.4.0 is installed from its pins on the Python that they need, and imports with its torchvision."""
    real = manifest.load(places.root(Path(__file__).parent)).get("torch-1.4.0")
    if interpreters.find(real.python) is None:
        pytest.skip(f"no Python {real.python} here")
    made = store.ensure(real, print)
    said = subprocess.run(
        [made.interpreter, "-c", "import torch, torchvision; print(torch.__version__, torchvision.__version__)"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said.split()[0].startswith("1.4.0")
    assert said.split()[1].startswith("0.5.0")
