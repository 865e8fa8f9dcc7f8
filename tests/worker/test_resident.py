"""A worker whose sessions run in one process that stays: what it answers, and what is left when someone dies."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from passtime.errors import PasstimeError
from passtime.worker import protocol
from passtime.worker.driver import client, supervisor
from passtime.worker.inside import launch, resident

from .conftest import await_end, children_of, request_of

PROGRAM = Path(__file__).with_name("resident_program.py")


def command(socket_path, *program):
    program = program or (sys.executable, str(PROGRAM))
    return [sys.executable, str(Path(launch.__file__)), "--socket", str(socket_path), "--resident", *program]


@pytest.fixture
def start(tmp_path):
    """Starts workers of the program, with these variables in its environment; they are stopped with the test."""
    workers = []

    def started(passes=None, *program, **environment):
        variables = {**os.environ, "PASSTIME_FAKE_PASSES": str(passes or tmp_path / "passes"), **environment}
        workers.append(supervisor.Worker("fake-1.0", lambda path: command(path, *program), variables))
        workers[-1].start()
        return workers[-1]

    yield started
    for worker in workers:
        worker.stop()


def ask(worker, measured_pass, workload="dense", request="sample", **fields):
    return client.ask(worker.address, request_of(request, measured_pass, workload, **fields))


def noted(tmp_path):
    return [line.split()[0] for line in (tmp_path / "passes").read_text().splitlines()]


def test_hello_waits_for_the_process(start):
    """The worker says of itself what the process says once it has loaded its framework."""
    assert start().hello == {
        "reply": "hello",
        "protocol": 2,
        "framework": "fake",
        "version": "1.0",
        "devices": ["cpu"],
    }


def test_one_process_does_all_sessions(start, tmp_path):
    """A training session answers its three passes, and the next session runs in the same process."""
    worker = start()
    assert [ask(worker, name)["elapsed_seconds"] for name in ("total", "forward", "backward")] == [[3.0], [1.0], [2.0]]
    assert ask(worker, "inference")["elapsed_seconds"] == [0.5]
    assert ask(worker, "total", "resnet18", "parity", folder="/", role="reference")["reply"] == "parity"
    assert noted(tmp_path) == ["start", "dense", "dense", "resnet18"]


def test_its_sessions_tell_what_they_were_measured_under(start):
    """What the worker's parent knows is told of a resident process's sessions as of any other's, and not of parity."""
    worker = start(ONEDNN_MAX_CPU_ISA="SSE41")
    reply = ask(worker, "total")
    assert reply["provenance.env.ONEDNN_MAX_CPU_ISA"] == "SSE41"
    assert reply["provenance.affinity_cpus"] == len(os.sched_getaffinity(0))
    assert "marks" not in reply  # the program takes no readings
    parity = ask(worker, "total", "dense", "parity", folder="/", role="reference")
    assert parity == {"reply": "parity", "pass": "total"}


def test_a_session_that_was_stopped_is_marked(start):
    """The worker's parent sees that its process was stopped during the samples, in that session alone."""
    worker = start()
    stopped, other = ask(worker, "total", "resnet34"), ask(worker, "total", "resnet18")
    assert (stopped["marks"], other["marks"]) == ([protocol.SUSPENDED], [])
    assert 0 < stopped["provenance.suspended_seconds"] <= stopped["provenance.observed_seconds"]


def test_what_it_prints_is_the_log(start):
    """Prints of the framework reach the log and disturb no reply."""
    worker = start()
    ask(worker, "forward")
    assert "while it is loaded" in worker.log()
    assert "and in its sessions" in worker.log()


def test_an_error_costs_nothing(start, tmp_path):
    """An error of the process is passed on with the place, and the process goes on."""
    worker = start()
    with pytest.raises(client.WorkerError, match=r"fake 1.0 has no vgg16 \(forward of vgg16 on cpu\)") as raised:
        ask(worker, "forward", "vgg16")
    assert raised.value.kind == "unavailable"
    ask(worker, "forward")
    assert noted(tmp_path) == ["start", "vgg16", "dense"]


@pytest.mark.parametrize(
    ("workload", "message"),
    [("vgg13", r"died of SIGKILL \(out of memory\?\)"), ("vgg19", "wrote no document")],
)
def test_a_process_that_fails_is_started_again(start, tmp_path, workload, message):
    """A process that dies or writes nonsense is one error, and the next session has a new one."""
    worker = start()
    with pytest.raises(client.WorkerError, match=message) as raised:
        ask(worker, "forward", workload)
    assert raised.value.kind == "failed"
    assert ask(worker, "forward")["elapsed_seconds"] == [1.0]
    assert noted(tmp_path) == ["start", workload, "start", "dense"]


def test_a_client_that_leaves_ends_the_process_and_the_next_has_another(start, fifo):
    """A session that hangs is killed when its client hangs up; the next session runs."""
    # Open for both sides, so that the program's writes wait for nobody.
    with open(os.open(fifo, os.O_RDWR), encoding="utf-8") as lines:
        worker = start(fifo)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(worker.address))
            connection.sendall(protocol.encode(request_of("sample", "forward", "vgg11")))
            started, hanging = lines.readline().split(), lines.readline().split()
            assert (started[0], hanging[0]) == ("start", "vgg11")
        await_end(int(hanging[1]))
        assert ask(worker, "forward")["elapsed_seconds"] == [1.0]
        started, served = lines.readline().split(), lines.readline().split()
        assert (started[0], served[0]) == ("start", "dense")
        assert started[1] == served[1] != hanging[1]


def test_the_process_dies_with_the_worker(start):
    """Whether the worker is stopped or killed, its process ends too."""
    for end in (lambda worker: worker.stop(), lambda worker: os.kill(worker.process_id, signal.SIGKILL)):
        worker = start()
        (child,) = children_of(worker.process_id)
        end(worker)
        await_end(child)


@pytest.mark.parametrize(
    ("begin", "message"),
    [
        ("fail", "did not start: the fake framework cannot be loaded: no such package; if its runtime is damaged, "),
        ("die", "did not start: the worker's session died of SIGSEGV"),
    ],
)
def test_a_process_that_does_not_begin_is_one_line(start, begin, message):
    """Where the framework cannot be loaded, the worker does not start, and its own last words say why."""
    with pytest.raises(PasstimeError) as raised:
        start(PASSTIME_FAKE_BEGIN=begin)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_program_that_is_not_there_is_one_line(start):
    """A command that cannot be started is named."""
    with pytest.raises(PasstimeError, match="nowhere/julia cannot be started: No such file or directory"):
        start(None, "/nowhere/julia")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Sessions of the program, without a worker around it."""
    monkeypatch.setenv("PASSTIME_FAKE_PASSES", str(tmp_path / "passes"))
    source = resident.Resident([sys.executable, str(PROGRAM)])
    yield source
    source.close()


def held(source, workload="dense"):
    return source.hold(request_of("open", "total", workload), lambda: None)


def answered(turn, **request):
    """The document of what was asked, or of this request."""
    if request:
        turn.ask(request)
    while turn.read():
        pass
    return turn.document()


def test_a_session_is_held_by_the_process(source, tmp_path):
    """A session is opened, stepped and closed on one object; then it is done with, and the process serves others."""
    session = held(source)
    opened = answered(session)["reply"]
    assert opened["reply"] == "opened"
    for samples in (2, 1):
        stepped = answered(session, request="step", samples=samples)["reply"]
        assert stepped["elapsed_seconds.total"] == [3.0] * samples
    assert answered(session, request="close")["reply"]["reply"] == "closed"
    session.kill()
    replies = answered(source.session(request_of("sample", "total"), lambda: None))["replies"]
    assert replies["sample total"]["elapsed_seconds"] == [3.0]
    again = held(source)
    assert answered(again)["reply"] == opened
    assert noted(tmp_path) == ["start", "dense", "step", "step", "close", "dense", "dense"]


def test_an_error_ends_a_held_session(source):
    """A session that could not be opened costs the process nothing."""
    session = held(source)
    opened = answered(session)["reply"]
    answered(session, request="close")
    failed = held(source, "vgg16")
    assert answered(failed)["error"]["kind"] == "unavailable"
    failed.kill()
    assert answered(held(source))["reply"]["process_id"] == opened["process_id"]


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_held_session_that_is_not_wanted_costs_the_process(source, tmp_path, is_waiting):
    """Between two steps as in the middle of one, the process is killed, and the next session has another."""
    session = held(source)
    process = answered(session)["reply"]["process_id"]
    if not is_waiting:
        session.ask({"request": "step", "samples": 1})
    session.kill()
    await_end(process)
    assert answered(held(source))["reply"]["process_id"] != process


def test_a_process_that_dies_in_a_held_session_is_one_line(source):
    """Its death is the error of what was asked, also where it was dead before that; the next session has another."""
    for end in (lambda _: None, lambda process: os.kill(process, signal.SIGKILL)):
        session = held(source)
        end(answered(session)["reply"]["process_id"])
        with pytest.raises(protocol.Failure, match="died of SIGKILL"):
            answered(session, request="step", samples=0)
        session.kill()
