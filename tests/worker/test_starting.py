"""How a worker starts: wherever temporary files lie, in time or given up, and refused in one line that says why."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from fake import adapter as fake

from passtime.errors import PasstimeError
from passtime.worker.driver import client, limits, sockets, supervisor

from .conftest import worker_command

SHORT_SECONDS = 0.2


def long_folder(place, length):
    """A new folder below `place` whose path has exactly so many bytes."""
    missing = length - len(os.fsencode(place)) - 1
    assert missing > 0
    folder = place
    while missing > 201:
        folder, missing = folder / ("d" * 200), missing - 201
    folder = folder / ("d" * missing)
    folder.mkdir(parents=True)
    assert len(os.fsencode(folder)) == length
    return folder


@pytest.fixture
def temporary(monkeypatch):
    """Sets TMPDIR, and lets Python look at it again."""

    def set_to(place):
        monkeypatch.setenv("TMPDIR", str(place))
        monkeypatch.setattr(tempfile, "tempdir", None)

    return set_to


@pytest.fixture
def short():
    """A short path of a new folder, whatever the folder of this test is called."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as place:
        yield Path(place)


@pytest.mark.parametrize("length", [78, 79, 80, 107, 108, 300, 3000])
def test_a_path_of_any_length_will_do(start, short, temporary, length):
    """A worker starts and measures however long TMPDIR is, and its folder is gone when it is stopped."""
    place = long_folder(short, length)
    temporary(place)
    worker = start()
    assert worker.ask("sample", "forward")["elapsed_seconds"]
    folder = worker.address.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    worker.stop()
    assert not folder.exists()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["with a space", "Zürich 東京", "quo\"te's", "-option", "new\nline"])
def test_a_path_of_any_letters_will_do(start, short, temporary, name):
    """A worker's socket lies in TMPDIR, whatever its letters are."""
    place = short / name
    place.mkdir()
    temporary(place)
    worker = start()
    assert worker.address.parent.parent == place
    assert worker.ask("sample", "forward")["elapsed_seconds"]


def test_a_temporary_folder_that_is_not_there_will_do(start, short, temporary):
    """Where TMPDIR names no folder, the worker's socket lies where Python's temporary files do."""
    temporary(short / "nowhere")
    assert start().hello["reply"] == "hello"


def test_where_no_folder_will_do_the_line_says_what_to_do(monkeypatch, short):
    """Without any folder that can hold a socket, the line names those that were tried, and TMPDIR."""
    file = short / "file"
    file.touch()
    monkeypatch.setattr(sockets, "_places", lambda: iter([str(file), str(long_folder(short, 90))]))
    with pytest.raises(
        PasstimeError, match=r"of .*/file \(Not a directory\), .*ddd \(AF_UNIX path too long\): set TMPDIR"
    ):
        supervisor.Worker("fake-1.0", lambda path: ["true"]).start()
    assert [path.name for path in short.iterdir() if path.is_dir() and any(path.iterdir())] == []


SITE = """
import threading
threading.Thread(target=threading.Event().wait, daemon={daemon}).start()
"""


def started_by(environment, **arguments):
    return supervisor.Worker(
        "fake-1.0",
        lambda path: worker_command(Path(fake.__file__), path),
        {**os.environ, **environment},
        **arguments,
    )


@pytest.fixture
def with_site(tmp_path, monkeypatch):
    """The variables with which a worker's Python imports this sitecustomize at its start."""
    # A worker gets no PYTHONPATH of the driver.
    monkeypatch.setattr(supervisor, "_NOT_FOR_WORKERS", ())

    def written(text):
        (tmp_path / "sitecustomize.py").write_text(text)
        return {"PYTHONPATH": str(tmp_path)}

    return written


@pytest.mark.parametrize("daemon", [True, False])
def test_a_worker_with_threads_before_its_fork_is_refused(with_site, tmp_path, daemon):
    """What starts a thread while Python starts is named, in one line that says what to do, and the worker is gone."""
    worker = started_by(with_site(SITE.format(daemon=daemon)))
    with pytest.raises(PasstimeError) as raised:
        worker.start()
    line = str(raised.value)
    assert "the worker of fake-1.0 did not start: the worker's process has 2 threads before it imports its" in line
    assert f"such as {tmp_path}/sitecustomize.py, started them; remove what does" in line
    assert "\n" not in line
    assert "runtimes remove" not in line
    assert not worker.alive()
    worker.stop()


def test_threads_of_a_library_are_seen(with_site):
    """A matrix product in a sitecustomize, whose threads Python does not know, is refused, too."""
    multiplied = "import numpy\nones = numpy.ones((300, 300))\nones @ ones\n"
    worker = started_by({**with_site(multiplied), "OPENBLAS_NUM_THREADS": "2"})
    with pytest.raises(PasstimeError, match=r"has 2 threads before it imports its framework.*OPENBLAS_NUM_THREADS=1"):
        worker.start()
    worker.stop()
    with started_by({**with_site(multiplied), "OPENBLAS_NUM_THREADS": "1"}) as worker:
        assert worker.hello["reply"] == "hello"


def test_a_framework_that_starts_threads_is_refused(tmp_path):
    """Threads that are there only once the framework is imported are said to be its own."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text(SITE.format(daemon=True) + "ADAPTER = None\n")
    worker = supervisor.Worker("fake-1.0", lambda path: worker_command(adapter, path))
    with pytest.raises(
        PasstimeError, match=r"2 threads after it imported its framework.*: the framework, or a library"
    ):
        worker.start()
    worker.stop()


def test_a_thread_that_ended_is_no_thread(with_site):
    """A thread that something started and waited for does no harm."""
    site = "import threading\nthread = threading.Thread(target=len, args=('',))\nthread.start()\nthread.join()\n"
    with started_by(with_site(site)) as worker:
        assert worker.hello["reply"] == "hello"


@pytest.fixture
def listening():
    """Gives the command of a worker that listens, and does nothing that it is asked."""
    with socket.socket(socket.AF_UNIX) as listener:

        def command_of(*command):
            def command_at(path):
                listener.bind(str(path))
                listener.listen()
                return command

            return command_at

        yield command_of


def test_a_hello_that_never_comes_is_given_up(listening):
    """A worker that listens and does not answer is ended after so many seconds, and the line says what hung."""
    worker = supervisor.Worker("flux-9.9", listening("cat"), start_seconds=SHORT_SECONDS)
    message = (
        r"^the worker of flux-9\.9 did not start: it did not answer its hello within 0\.2 s: "
        r"give it longer by PASSTIME_START_SECONDS, or find out where it hangs$"
    )
    with pytest.raises(PasstimeError, match=message):
        worker.start()
    assert not worker.alive()
    worker.stop()


def test_a_worker_that_says_nothing_is_given_up(monkeypatch):
    """A worker that never listens is ended at its deadline, which the environment may set."""
    monkeypatch.setenv(limits.START_VARIABLE, str(SHORT_SECONDS))
    worker = supervisor.Worker("torch-9.9", lambda path: ["cat"])
    with pytest.raises(PasstimeError, match=r"did not start: it did not listen at its socket within 0\.2 s: give it"):
        worker.start()
    assert not worker.alive()
    worker.stop()


def test_a_reply_that_trickles_in_is_given_up(short):
    """The limit holds for the whole of a reply, and not from one byte to the next."""
    path = short / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def trickle():
        connection, _ = listener.accept()
        connection.settimeout(SHORT_SECONDS / 10)
        connection.recv(1 << 16)
        for _ in range(1000):
            try:
                connection.sendall(b" ")
                if not connection.recv(1):
                    return  # hung up
            except TimeoutError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(client.TooLate, match=r"its hello did not end within 0\.2 s"):
        client.ask(path, {"request": "hello"}, SHORT_SECONDS)
    thread.join()
    listener.close()


def test_a_session_has_a_limit(monkeypatch, short):
    """Whoever asks without a limit of its own waits as long as the environment says."""
    path = short / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    monkeypatch.setenv(limits.SESSION_VARIABLE, str(SHORT_SECONDS))
    with pytest.raises(client.TooLate, match=r"sample total of dense on cpu did not end within 0\.2 s"):
        client.ask(path, {"request": "sample", "pass": "total", "workload": "dense", "device": "cpu"})
    listener.close()


@pytest.mark.parametrize("variable", [limits.START_VARIABLE, limits.SESSION_VARIABLE])
@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf", "1e300", "1 s"])
def test_a_limit_is_a_number_of_seconds(monkeypatch, variable, value):
    """What is no number above 0 is refused in a line that names the variable; nothing at all is the default."""
    read = {limits.START_VARIABLE: limits.start_seconds, limits.SESSION_VARIABLE: limits.session_seconds}[variable]
    monkeypatch.setenv(variable, " ")
    assert read() >= 600
    monkeypatch.setenv(variable, "2.5")
    assert read() == 2.5
    monkeypatch.setenv(variable, value)
    with pytest.raises(PasstimeError, match=f"{variable} is '{value}': set it to a number of seconds above 0"):
        read()


def test_a_runtime_without_its_framework_says_so(tmp_path):
    """The exception is the cause, the trace-back is kept, and removing the runtime is what may help."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text("import no_such_framework\n")
    worker = supervisor.Worker("torch-9.9", lambda path: worker_command(adapter, path), logs=tmp_path / "logs")
    with pytest.raises(PasstimeError) as raised:
        worker.start()
    log = tmp_path / "logs" / "torch-9.9.worker.log"
    assert str(raised.value) == (
        "the worker of torch-9.9 did not start: ModuleNotFoundError: No module named 'no_such_framework'; "
        "if its runtime is damaged, `passtime runtimes remove torch-9.9` and run again "
        f"(all that it printed is in {log})"
    )
    assert "Traceback" in log.read_text()
    worker.stop()


def test_words_after_the_trace_back_hide_no_cause(tmp_path):
    """A framework's exception of several lines, and what is printed as it ends, leave the exception's first line."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text("raise ImportError('libfake.so: undefined symbol\\nSee https://fake.example/why for more')\n")
    worker = supervisor.Worker("torch-9.9", lambda path: worker_command(adapter, path))
    with pytest.raises(
        PasstimeError, match=r"did not start: ImportError: libfake\.so: undefined symbol; if its runtime"
    ):
        worker.start()
    worker.stop()


def test_only_the_last_start_is_told(tmp_path):
    """A worker that is started again has the words of that start alone for its cause."""
    script = tmp_path / "script"
    script.write_text("echo error: the first >&2; exit 1")
    worker = supervisor.Worker("torch-9.9", lambda path: ["sh", str(script)])
    with pytest.raises(PasstimeError, match="error: the first"):
        worker.start()
    script.write_text("exit 4")
    with pytest.raises(PasstimeError, match=r"did not start: exit status 4$"):
        worker.start()
    assert "the first" in worker.log()
    worker.stop()


def test_logs_that_cannot_be_kept_hide_no_cause(tmp_path):
    """Where the folder of logs cannot be made, the line says the cause all the same."""
    (tmp_path / "logs").touch()
    command = ["sh", "-c", "echo error: one; echo two; exit 1"]
    worker = supervisor.Worker("torch-9.9", lambda path: command, logs=tmp_path / "logs")
    with pytest.raises(PasstimeError, match=r"did not start: error: one \(exit status 1\)$"):
        worker.start()
    worker.stop()


def test_a_command_that_does_not_exist_says_so(tmp_path):
    """An interpreter that is gone is one line, and removing the runtime is what may help."""
    worker = supervisor.Worker("torch-9.9", lambda path: [str(tmp_path / "python")])
    with pytest.raises(PasstimeError, match=r"did not start: .*/python cannot be run: No such file.*runtimes remove"):
        worker.start()
    worker.stop()


def test_a_worker_that_ends_in_its_hello_says_why():
    """A worker that listens, and then ends, is told by its last words."""
    script = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + ".new")
listener.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])
listener.accept()
sys.exit("passtime: it cannot go on")
"""
    worker = supervisor.Worker("torch-9.9", lambda path: [sys.executable, "-c", script, str(path)])
    with pytest.raises(PasstimeError, match=r"torch-9\.9 did not start: it cannot go on$"):
        worker.start()
    worker.stop()


def test_a_worker_that_does_not_end_is_killed(listening, monkeypatch):
    """A worker that heeds neither its hello nor the end of its input is gone when its start is given up."""
    monkeypatch.setattr(supervisor, "STOP_SECONDS", SHORT_SECONDS)
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *given, **named: started.append(popen(*given, **named)) or started[0]
    )
    worker = supervisor.Worker("torch-9.9", listening("sleep", "1000"), start_seconds=SHORT_SECONDS)
    with pytest.raises(PasstimeError, match="did not answer its hello"):
        worker.start()
    assert started[0].returncode == -signal.SIGKILL
    worker.stop()
