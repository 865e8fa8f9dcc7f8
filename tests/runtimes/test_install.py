"""How a release is installed: which build, what a failure means, and what an end in the middle leaves."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.server
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes import install, interpreters, store
from tests.fake.fifo import DEADLINE_SECONDS
from tests.fake.wheels import wheel
from tests.runtimes.conftest import release

ROOT = Path(__file__).parents[2]
_RUN_VARIABLE = "PASSTIME_TEST_RUN"


class BrokenIndex(http.server.ThreadingHTTPServer):
    """An index on loopback whose one wheel stops in the middle: broken off, or waiting for the test's end."""

    daemon_threads = True

    def __init__(self, breaks_off: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.breaks_off = breaks_off
        self.asked, self.ended = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"


class _Page(http.server.BaseHTTPRequestHandler):
    server: BrokenIndex

    def do_GET(self) -> None:
        name = "fakeframe-1.0-py3-none-manylinux2014_x86_64.whl"
        if self.path.endswith(".whl"):
            self._answer("application/octet-stream", b"PK", missing_bytes=5_000_000)
            self.server.asked.set()
            if not self.server.breaks_off:
                self.server.ended.wait(DEADLINE_SECONDS)
        elif self.path.endswith(".metadata"):  # so that no installer has to look into the wheel for it
            self._answer("text/plain", b"Metadata-Version: 2.1\nName: fakeframe\nVersion: 1.0\n")
        else:
            self._answer("text/html", f'<a href="/{name}" data-dist-info-metadata="true">{name}</a>'.encode())

    def _answer(self, kind: str, text: bytes, missing_bytes: int = 0) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text) + missing_bytes))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is for failures."""


@pytest.fixture
def broken_index(request, index) -> Iterator[BrokenIndex]:
    server = BrokenIndex(request.param)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    index(server.url)
    yield server
    server.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


def processes_of(run: str) -> list[int]:
    mark, found = f"{_RUN_VARIABLE}={run}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if mark in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def await_end(process_id: int) -> None:
    """Waits until a process, of whatever parent, has ended; fails when it does not in time."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    with open(descriptor, "rb"):
        poll = select.poll()
        poll.register(descriptor)
        assert poll.poll(DEADLINE_SECONDS * 1000), f"process {process_id} did not end"


@pytest.mark.parametrize("broken_index", [False], indirect=True, ids=["stalled"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_install_that_is_ended_leaves_no_process_and_no_runtime(
    wheels, tool, tmp_path, monkeypatch, broken_index, ending
):
    """Killed or interrupted in the middle of a download, the installer ends too, and the next install succeeds."""
    run = uuid.uuid4().hex
    hidden = "import sys; sys.modules['uv'] = None;" if tool == "pip" else ""
    script = (
        f"{hidden}from passtime.runtimes import store; from tests.runtimes.conftest import release;"
        "store.ensure(release())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, _RUN_VARIABLE: run},
        stderr=subprocess.DEVNULL,
    )
    assert broken_index.asked.wait(DEADLINE_SECONDS)
    process.send_signal(ending)
    assert process.wait(DEADLINE_SECONDS) != 0
    for process_id in processes_of(run):
        await_end(process_id)
    assert processes_of(run) == []
    assert store.find(release()) is None
    left = [path.name for path in (tmp_path / "home/runtimes").iterdir() if path.name != ".locks"]
    assert left == ([] if ending == signal.SIGINT else [".making-fakeframe-1.0"])

    # Another release's install removes what is left, too.
    for name in ("UV", "PIP"):
        monkeypatch.setenv(f"{name}_NO_INDEX", "1")
        monkeypatch.setenv(f"{name}_FIND_LINKS", str(wheels))
    store.ensure(release("2.0"))
    store.ensure(release())
    names = {path.name for path in (tmp_path / "home/runtimes").iterdir()}
    assert names == {".locks", "fakeframe-1.0", "fakeframe-2.0"}


@pytest.mark.parametrize("broken_index", [True], indirect=True, ids=["broken off"])
def test_a_download_that_breaks_off_is_one_line(tool, broken_index):
    """A connection that ends in the middle of a wheel says so, whatever the installer."""
    with pytest.raises(PasstimeError, match="a download broke off: check the network") as raised:
        store.ensure(release())
    assert "\n" not in str(raised.value)


def test_what_failed_can_be_read_in_the_log(wheels, tool, tmp_path):
    """The line names the file with all that the installer said."""
    with pytest.raises(PasstimeError, match="all of it in ") as raised:
        store.ensure(release("9.0"))
    log = tmp_path / "home/logs/fakeframe-9.0.log"
    assert str(log) in str(raised.value)
    assert "fakeframe==9.0" in log.read_text("utf-8")


def test_a_full_disk_of_our_own_is_one_line(wheels, tmp_path, monkeypatch):
    """A disk that is full outside an installer gives the same line, nothing half-made, and the other releases go on."""
    make = install.make

    def full(release, *rest):
        if release.version == "1.0":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runtime.json")
        return make(release, *rest)

    monkeypatch.setattr(install, "make", full)
    made = store.ensure_all([release("1.0"), release("2.0")], store._say)
    assert str(made["fakeframe-1.0"]).startswith("fakeframe-1.0 cannot be installed: the disk is full: free some space")
    assert [runtime.release for runtime in store.installed()] == ["fakeframe-2.0"]
    assert not (tmp_path / "home/runtimes/.making-fakeframe-1.0").exists()


def test_colours_do_not_hide_the_reason():
    """What an installer says on a terminal is explained like what it says elsewhere."""
    said = "\x1b[31merror\x1b[39m: Because there is no \x1b[1mversion of\x1b[0m fakeframe==9.0 ..."
    assert install.explain(release(), said).startswith("no wheel of a pin")


def test_an_installer_draws_its_progress_on_a_terminal(tmp_path, monkeypatch):
    """Where stderr is a terminal, the installer has one of the same size; elsewhere it prints lines into a pipe."""
    ours, its = os.openpty()
    tell = "import os; print('columns', os.get_terminal_size(2).columns if os.isatty(2) else 'none')"
    with open(ours, "rb"), open(its, "w") as terminal, open(os.devnull, "w") as elsewhere:
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 77, 0, 0))
        for name, stream in (("terminal", terminal), ("elsewhere", elsewhere)):
            monkeypatch.setattr(sys, "stderr", stream)
            attempt = install.Attempt(tmp_path / name, elsewhere.fileno())
            install.run(release(), [sys.executable, "-c", tell], attempt)
    assert (tmp_path / "terminal").read_text().strip() == "columns 77"
    assert (tmp_path / "elsewhere").read_text().strip() == "columns none"


def test_an_install_that_takes_too_long_is_ended(tmp_path):
    """What its installer started ends with it, and one line says what to raise."""
    script = (
        "import subprocess, sys; helper = subprocess.Popen(['cat'], stdin=subprocess.PIPE); print(helper.pid);"
        "sys.stdout.flush(); helper.wait()"
    )
    log = tmp_path / "log"
    with open(os.devnull) as lock, pytest.raises(PasstimeError) as raised:
        install.run(release(), [sys.executable, "-c", script], install.Attempt(log, lock.fileno(), 3.0))
    assert str(raised.value) == (
        "fakeframe-1.0 is not installed within 3 s: raise install_timeout in asv.conf.json, or let `passtime runtimes "
        f"install fakeframe-1.0` take its time (all of it in {log})"
    )
    await_end(int(log.read_text("utf-8")))


class TestCpuBuild:
    """Which build of torch is taken on a machine without a GPU."""

    INDEX = "https://localhost/cpu"

    @pytest.fixture(autouse=True)
    def cpu_only(self, wheels, monkeypatch):
        """No GPU here, and a framework that has an index of CPU builds, which can be reached."""
        monkeypatch.setattr(install, "has_gpu", lambda: False)
        monkeypatch.setattr(install, "_is_reachable", lambda index: True)
        self.register(monkeypatch, self.INDEX)

    def register(self, monkeypatch, cpu_index: str | None) -> None:
        framework = frameworks.Framework("fakeframe", Path("no adapter"), cpu_index=cpu_index)
        monkeypatch.setitem(frameworks.FRAMEWORKS, "fakeframe", framework)

    @pytest.fixture
    def asked(self, monkeypatch) -> list[bool]:
        """Whether each attempt to install asked uv for the CPU build."""
        asked, run = [], install.run

        def note(release, command, *rest):
            if "install" in command:
                asked.append("--torch-backend" in command)
            run(release, command, *rest)

        monkeypatch.setattr(install, "run", note)
        return asked

    def test_pip_prefers_it(self, wheels, tool, tmp_path, monkeypatch, index):
        """Of two builds of one version pip takes the CPU index's, and the package index's where there is one only."""
        if tool != "pip":
            pytest.skip("uv's CPU index is fixed")
        for place, versions in (("cpu", ["1.0+cpu"]), ("pypi", ["1.0", "2.0"])):
            folder = tmp_path / place / "fakeframe"
            folder.mkdir(parents=True)
            made = [wheel(folder, "fakeframe", version).name for version in versions]
            links = [f'<a href="{name.replace("+", "%2B")}">{name}</a>' for name in made]
            (folder / "index.html").write_text("\n".join(links))
        index(f"file://{tmp_path}/pypi")
        self.register(monkeypatch, f"file://{tmp_path}/cpu")
        for version, expected in (("1.0", "1.0+cpu"), ("2.0", "2.0")):
            python = store.ensure(release(version)).interpreter
            said = subprocess.run([python, "-c", "import fakeframe; print(fakeframe.__version__)"], capture_output=True)
            assert said.stdout.decode().strip() == expected

    def test_a_release_that_has_none_is_installed_all_the_same(self, asked, monkeypatch):
        """Where uv fails with the CPU index, a line says so and the package index's build is taken."""
        run = install.run

        def fail(release, command, *rest):
            if "--torch-backend" in command:
                command = [sys.executable, "-c", "import sys; sys.exit('there is no version of torch==1.0.0')"]
            run(release, command, *rest)

        monkeypatch.setattr(install, "run", fail)
        said: list[str] = []
        assert store.ensure(release(), said.append).interpreter.exists()
        assert [line for line in said if line.startswith("no CPU build of fakeframe-1.0")]

    def test_a_full_disk_is_not_filled_further(self, monkeypatch):
        """The larger build is not tried when the smaller one did not fit."""
        attempts, run = [], install.run

        def full(release, command, *rest):
            if "install" in command:
                attempts.append(command)
                command = [sys.executable, "-c", "import sys; sys.exit('No space left on device')"]
            run(release, command, *rest)

        monkeypatch.setattr(install, "run", full)
        with pytest.raises(PasstimeError, match="the disk is full"):
            store.ensure(release())
        assert len(attempts) == 1

    def test_the_users_choice_counts(self, asked, monkeypatch):
        """A build that the user chose in uv's own variable is not replaced."""
        monkeypatch.setenv("UV_TORCH_BACKEND", "cu130")
        store.ensure(release())
        assert asked == [False]

    def test_it_is_not_looked_for_where_it_is_not_to_be_had(self, asked, monkeypatch):
        """With a GPU the default build is taken; without one, and without the CPU index, too, and a line says so."""
        said: list[str] = []
        monkeypatch.setattr(install, "has_gpu", lambda: True)
        store.ensure(release(), said.append)
        assert not [line for line in said if self.INDEX in line]
        monkeypatch.setattr(install, "has_gpu", lambda: False)
        monkeypatch.setattr(install, "_is_reachable", lambda index: False)
        store.ensure(release("2.0"), said.append)
        assert [line for line in said if f"{self.INDEX} is out of reach" in line]
        assert asked == [False, False]

    def test_a_framework_without_cpu_builds_is_not_asked_for_them(self, asked, monkeypatch):
        """Only a framework whose CPU builds have an index is looked for there, and nothing is said of others."""
        self.register(monkeypatch, None)
        said: list[str] = []
        store.ensure(release(), said.append)
        assert asked == [False]
        assert [line.split()[0] for line in said] == ["Installing", "Installed"]
        assert [name for name, known in frameworks.FRAMEWORKS.items() if known.cpu_index] == ["torch"]


@pytest.mark.parametrize("tool", ["pip"], indirect=True)
def test_a_python_too_old_for_virtualenv_makes_its_own_environment(wheels, tool):
    """Where uv is missing, a release on Python 3.7 is installed by that Python's venv and pip."""
    if interpreters.find("3.7") is None:
        pytest.skip("no Python 3.7 here")
    made = store.ensure(release(python="3.7"))
    said = subprocess.run(
        [made.interpreter, "-c", "import fakeframe, sys; print(sys.version_info[:2])"], capture_output=True
    )
    assert said.stdout.decode().strip() == "(3, 7)"
