"""The store of runtimes, with wheels of a few bytes; the last test installs a real release."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from passtime import places, uv
from passtime.errors import PasstimeError
from passtime.runtimes import install, interpreters, store
from passtime.timeline import manifest
from passtime.timeline.manifest import Release
from tests.fake.wheels import wheel

HERE = ".".join(map(str, sys.version_info[:2]))


def release(version: str = "1.0", **fields) -> Release:
    fields = {"python": HERE, "requirements": (f"fakeframe=={version}",), **fields}
    return Release("fakeframe", version, datetime(2020, 1, 1, tzinfo=timezone.utc), "fakeframe", **fields)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A home for runtimes, and a folder of wheels that is all that the installers can reach."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, "fakeframe", version)
    wheel(folder, "fakeframe", "3.0", platform="win_amd64")
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    # A wheel of a few bytes has no CPU build.
    monkeypatch.setattr(install, "_is_cpu_index_reachable", lambda: False)
    return folder


@pytest.fixture(params=["uv", "pip"])
def tool(request, monkeypatch):
    """Each of the ways to install."""
    if request.param == "pip":
        monkeypatch.setattr(uv, "find", lambda: None)
    elif uv.find() is None:
        pytest.skip("uv is not here")
    return request.param


def version_in(runtime: store.Runtime) -> str:
    return subprocess.run(
        [runtime.python, "-c", "import fakeframe; print(fakeframe.__version__)"],
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


def test_an_index_out_of_reach_is_one_line(wheels, tool, tmp_path, monkeypatch):
    """Without a network the message says to check it."""
    for name in ("UV", "PIP"):
        monkeypatch.delenv(f"{name}_NO_INDEX")
        monkeypatch.delenv(f"{name}_FIND_LINKS")
        monkeypatch.setenv(f"{name}_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_RETRIES", "1")  # with none pip says nothing of the network
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


def test_a_killed_install_leaves_nothing_half_made(wheels, tmp_path):
    """SIGKILL in the middle leaves no runtime; the next install removes what was left and succeeds."""
    script = (
        "import os, signal; from passtime.runtimes import install, store;"
        "from tests.runtimes.test_store import release;"
        "install._is_cpu_index_reachable = lambda: False;"
        "make = install.make;"
        "install.make = lambda *a: (make(*a), os.kill(os.getpid(), signal.SIGKILL));"
        "store.ensure(release(), print)"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert store.find(release()) is None
    assert [name for name in folders(tmp_path) if name.startswith(".making-")]
    store.ensure(release(), print)
    assert folders(tmp_path) == ["fakeframe-1.0"]


def test_two_installs_at_once_do_not_collide(wheels, tmp_path):
    """The second install of a release waits for the first and finds what it made."""
    script = (
        "from passtime.runtimes import install, store; from tests.runtimes.test_store import release;"
        "install._is_cpu_index_reachable = lambda: False;"
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
    """Pruning keeps the runtimes that were used last, by number or by size."""
    for version in ("1.0", "2.0"):
        store.ensure(release(version), print)
    first = store.find(release("1.0"))
    os.utime(first.path / store._LAST_USE, (1, 1))
    assert store.prune(keep=2) == []
    assert store.prune(keep=1) == ["fakeframe-1.0"]
    assert store.prune(budget_bytes=10**12) == []
    assert store.prune(budget_bytes=0) == ["fakeframe-2.0"]
    assert store.installed() == []


def test_what_is_running_is_not_removed(wheels, tmp_path):
    """A runtime with a process on its interpreter stays, whoever wants it gone."""
    made = store.ensure(release(), print)
    with subprocess.Popen([made.python, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        with pytest.raises(PasstimeError, match=r"fakeframe-1\.0 is in use"):
            store.remove("fakeframe-1.0")
        assert store.prune(keep=0) == []
        process.communicate(b"\n")
    store.remove("fakeframe-1.0")
    assert folders(tmp_path) == []


@pytest.mark.parametrize("name", ["fakeframe-1.0", ".locks", "../runtimes", ""])
def test_only_runtimes_are_removed(wheels, name):
    """A name that is no installed runtime is refused."""
    with pytest.raises(PasstimeError, match="is not installed"):
        store.remove(name)


def test_names_on_path_that_do_not_run_are_passed_over(tmp_path, monkeypatch):
    """A version manager's shim that fails is no interpreter."""
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    interpreters.find.cache_clear()
    assert interpreters.find("3.99") is None
    assert interpreters.find(HERE) is not None


@pytest.mark.real
def test_a_real_release_on_an_old_python_imports(tmp_path):
    """torch 1.4.0 is installed from its pins on the Python that they need, and imports with its torchvision."""
    real = manifest.load(places.root(Path(__file__).parent)).get("torch-1.4.0")
    if interpreters.find(real.python) is None:
        pytest.skip(f"no Python {real.python} here")
    made = store.ensure(real, print)
    said = subprocess.run(
        [made.python, "-c", "import torch, torchvision; print(torch.__version__, torchvision.__version__)"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said.split()[0].startswith("1.4.0")
    assert said.split()[1].startswith("0.5.0")
