"""A worker of the fake framework, from the outside: what it answers, and what is left when someone dies."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fake import adapter as fake
from fake import fifo as fifos

from passtime.worker import protocol
from passtime.worker.driver import client
from passtime.worker.inside import forked

from .conftest import await_end, children_of, next_session, request_of


def connect(worker):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(worker.address))
    return connection


def send(connection, *messages):
    connection.sendall(b"".join(protocol.encode(message) for message in messages))


def mishap(**by_workload):
    return {fake.MISHAPS: json.dumps(by_workload)}


def test_hello_tells_who_answers(start):
    """A worker says which release it is and which devices it sees, in the protocol's version."""
    assert start(PASSTIME_RELEASE="fake-2.3").hello == {
        "reply": "hello",
        "protocol": 2,
        "framework": "fake",
        "version": "2.3",
        "devices": ["cpu", "gpu"],
    }


def test_one_training_session_answers_everything_about_training(start):
    """Forward, backward, total and training memory come from the same steps of one session."""
    worker = start()
    passes = {name: worker.ask("sample", name)["elapsed_seconds"] for name in ("total", "forward", "backward")}
    assert passes["total"] == [f + b for f, b in zip(passes["forward"], passes["backward"], strict=True)]
    assert worker.ask("memory", "total")["peak_bytes"] >= 0
    assert worker.sessions() == ["dense cpu training"]


def test_one_inference_session_answers_everything_about_inference(start):
    """Inference and its memory come from one session, another than training's."""
    worker = start()
    assert len(worker.ask("sample", "inference", samples=3)["elapsed_seconds"]) == 3
    assert worker.ask("memory", "inference", samples=3)["reply"] == "memory"
    worker.ask("memory", "total", samples=3)
    assert worker.sessions() == ["dense cpu inference", "dense cpu training"]


def test_a_sample_set_is_handed_out_once(start):
    """Asked for again, a pass is measured again, and what waited from the session before is dropped."""
    worker = start()
    for name in ("forward", "forward", "total", "total", "backward"):
        worker.ask("sample", name)
    assert worker.sessions() == ["dense cpu training"] * 3


def test_what_waits_is_kept_apart_by_every_field(start):
    """Another device, another number of threads or another policy is another session."""
    worker = start()
    worker.ask("sample", "forward")
    worker.ask("sample", "backward", device="gpu")
    worker.ask("sample", "total", threads=1)
    worker.ask("memory", "total", samples=3)
    assert len(worker.sessions()) == 4
    worker.ask("memory", "total")
    assert len(worker.sessions()) == 4


def test_the_accelerators_own_peak_is_its_memory(start):
    """On an accelerator memory is what its allocator says, and its own clock is recorded beside the samples."""
    worker = start()
    assert worker.ask("memory", "total", device="gpu")["peak_bytes"] == 123_000_000
    reply = worker.ask("sample", "total", device="gpu")
    assert 0.9 < reply["provenance.event_over_wall.forward"] < 1.1
    sampled_seconds = statistics.median(reply["elapsed_seconds"])
    assert reply["provenance.event_seconds.total"] == pytest.approx(sampled_seconds, rel=0.1)


def test_provenance_comes_with_every_reply(start):
    """What explains a number is told with it, under one prefix, beside what was measured."""
    reply = start().ask("sample", "total", "resnet18")
    provenance = {name for name in reply if name.startswith("provenance.")}
    assert provenance >= {
        f"provenance.{name}" for name in ("threads", "load", "warmup_passes", "page_faults_per_pass", "interpreter")
    }
    assert (reply["workload"], reply["device"], reply["pass"]) == ("resnet18", "cpu", "total")


def test_a_session_tells_where_its_time_went(start):
    """Building, warm-up and sampling are parts of the session's time, the same in each of its replies."""
    worker = start()
    names = [f"provenance.{name}_seconds" for name in ("build", "warmup", "sampling", "session")]
    forward, total = ([worker.ask("sample", name)[field] for field in names] for name in ("forward", "total"))
    assert forward == total
    build, warmup, sampling, session = total
    assert build >= 0 < min(warmup, sampling)
    assert build + warmup + sampling == pytest.approx(session, abs=1e-3)  # on the fake clock, nothing else takes time


def test_a_childs_collection_leaves_out_what_it_inherits():
    """What the worker's parent holds is no child's garbage to look for."""
    gc.unfreeze()
    try:
        forked.Forked(fake.ADAPTER)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("unavailable", "unavailable", "fake 1.0 has no resnet50"),
        ("out_of_memory", "out_of_memory", "out of memory"),
        ("error", "failed", "RuntimeError: the fake framework broke"),
        ("crash", "failed", r"the worker's session died of SIGKILL \(out of memory\?\)"),
        ("exit", "failed", "the worker's session ended with exit status 3"),
    ],
)
def test_what_goes_wrong_is_one_line_and_the_worker_goes_on(start, what, kind, message):
    """Each mishap is an error of its kind that names pass, workload and device; the next session runs."""
    worker = start(**mishap(resnet50=what))
    with pytest.raises(client.WorkerError, match=message + r".* \(forward of resnet50 on cpu\)$") as raised:
        worker.ask("sample", "forward", "resnet50")
    assert raised.value.kind == kind
    assert "\n" not in str(raised.value)
    assert worker.ask("sample", "forward", "resnet18")["elapsed_seconds"]
    assert children_of(worker.process_id) == []


def test_a_trace_back_is_in_the_log(start):
    """The framework's own words are in the worker's log, whole."""
    worker = start(**mishap(dense="error"))
    with pytest.raises(client.WorkerError):
        worker.ask("sample", "forward")
    assert "and says so at length" in worker.log()


def test_a_client_that_hangs_up_ends_its_session(start, fifo):
    """The child of a client that is gone ends in the middle of its pass, and the next request is served."""
    worker = start(fifo, **mishap(resnet50="hang"))
    with connect(worker) as connection:
        send(connection, request_of("sample", "forward", "resnet50"))
        child = next_session(fifo, worker.process_id)
        assert children_of(worker.process_id) == [child]
    await_end(child)
    assert ask_beside(worker, fifo, "resnet18")["elapsed_seconds"]
    assert children_of(worker.process_id) == []


def ask_beside(worker, fifo, workload):
    """The reply to a request whose session reports to a FIFO."""
    replies = []
    thread = threading.Thread(target=lambda: replies.append(worker.ask("sample", "forward", workload)))
    thread.start()
    next_session(fifo, worker.process_id)
    thread.join()
    return replies[0]


def test_requests_wait_in_line(start, fifo):
    """While a session runs others wait, hello does not, and a client that hangs up while it waits is forgotten."""
    worker = start(fifo, **mishap(resnet50="hang"))
    with connect(worker) as first, connect(worker) as second, connect(worker) as third:
        send(first, request_of("sample", "forward", "resnet50"))
        hanging = next_session(fifo, worker.process_id)
        send(second, request_of("sample", "forward", "resnet34"))
        send(third, request_of("sample", "forward", "resnet18"))
        assert client.ask(worker.address, {"request": "hello"}) == worker.hello
        second.close()
        first.close()
        served = next_session(fifo, worker.process_id)
        reply = protocol.decode(third.makefile("rb").readline())
    assert reply["workload"] == "resnet18"
    assert served != hanging


def test_a_connection_carries_several_requests(start):
    """Requests sent at once over one connection are answered in their order."""
    worker = start()
    with connect(worker) as connection:
        send(connection, *(request_of("sample", name) for name in ("backward", "forward")), {"request": "x"})
        replies = connection.makefile("rb")
        assert [protocol.decode(replies.readline()).get(key) for key in ("pass", "pass", "kind")] == [
            *("backward", "forward", "protocol")
        ]
    assert len(worker.sessions()) == 1


@pytest.mark.parametrize("line", [b"what is this?\n", b"x" * (protocol.LONGEST_LINE_BYTES + 1)])
def test_what_is_no_message_is_an_error_reply(start, line):
    """Noise on the wire is answered by a protocol error and harms nobody."""
    worker = start()
    with connect(worker) as connection:
        connection.sendall(line)
        assert protocol.decode(connection.makefile("rb").readline())["kind"] == "protocol"
    assert worker.ask("sample", "forward")["elapsed_seconds"]


def test_stopping_ends_a_session_in_its_pass(start, fifo):
    """A worker that is stopped takes its child along and tells the client that it ended."""
    worker = start(fifo, **mishap(resnet50="hang"))
    with connect(worker) as connection:
        send(connection, request_of("sample", "forward", "resnet50"))
        child = next_session(fifo, worker.process_id)
        folder = worker.address.parent
        worker.stop()
        assert connection.recv(1) == b""
    await_end(child)
    assert not folder.exists()
    assert not worker.alive()


def test_a_killed_worker_takes_its_child_along(start, fifo):
    """After kill -9 of the worker its child ends, its client has a line that says so, and it can be started again."""
    worker = start(fifo, **mishap(resnet50="hang"))
    errors = []

    def ask():
        with pytest.raises(
            client.WorkerError, match="ended in the middle of sample forward of resnet50 on cpu"
        ) as raised:
            worker.ask("sample", "forward", "resnet50")
        errors.append(raised.value.kind)

    thread = threading.Thread(target=ask)
    thread.start()
    child = next_session(fifo, worker.process_id)
    os.kill(worker.process_id, signal.SIGKILL)
    await_end(child)
    thread.join()
    assert errors == ["failed"]
    folder = worker.address.parent
    await_end(worker.process_id)
    assert not worker.alive()
    worker.start()
    assert worker.hello["reply"] == "hello"
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_end_removes_its_socket(start, number):
    """A polite signal ends the worker as its standard input's end does."""
    worker = start()
    folder = worker.address.parent
    os.kill(worker.process_id, number)
    await_end(worker.process_id)
    assert not folder.exists()


DRIVER = """
import pathlib, socket, sys
sys.path[:0] = sys.argv[2:]
from fake import adapter
from passtime.worker.driver import client, supervisor
from worker.conftest import request_of, worker_command
worker = supervisor.Worker("fake-1.0", lambda socket: worker_command(pathlib.Path(adapter.__file__), socket))
worker.start()
pathlib.Path(sys.argv[1]).write_text(f"{worker.address} {worker.process_id}")
client.ask(worker.address, request_of("sample", "forward", "resnet50"))
"""


def test_a_killed_driver_leaves_nothing(fifo, tmp_path):
    """After kill -9 of the process that started a worker, worker, child, socket and folder are gone."""
    told = tmp_path / "told"
    os.mkfifo(told)
    environment = {**os.environ, fake.PASSES: str(fifo), **mishap(resnet50="hang")}
    arguments = [sys.executable, "-c", DRIVER, str(told), *sys.path]
    with subprocess.Popen(arguments, env=environment) as driver:
        address, _, worker = fifos.read(told, driver.pid).rpartition(" ")
        child = next_session(fifo, driver.pid)
        driver.kill()
    await_end(int(worker))
    await_end(child)
    assert not Path(address).parent.exists()


def test_the_workers_parent_has_one_thread_and_no_zombie(start):
    """The process that forks runs no other thread, and takes every child's end."""
    worker = start()
    worker.ask("sample", "forward")
    assert os.listdir(f"/proc/{worker.process_id}/task") == [str(worker.process_id)]
    assert children_of(worker.process_id) == []


def test_asking_where_no_worker_listens_is_one_line(tmp_path):
    """A socket that is gone, or that nobody listens at, is a failure that says so."""
    with pytest.raises(client.WorkerError, match="no worker listens") as raised:
        client.ask(tmp_path / "none", {"request": "hello"})
    assert raised.value.kind == "failed"
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(tmp_path / "s"))
    with pytest.raises(client.WorkerError, match="cannot be reached"):
        client.ask(tmp_path / "s", {"request": "hello"})
    silent.close()
