"""Sessions that are held: they wait between their samples, so that sessions of several releases can take turns."""

from __future__ import annotations

import os
import signal
import statistics

import pytest
from fake import adapter as fake

from passtime.worker import protocol
from passtime.worker.driver import client

from .conftest import await_end, children_of, request_of
from .test_server import connect, mishap, send


def hold(worker, measured_pass="total", workload="dense", **fields):
    asked = request_of("open", measured_pass, workload, **fields)
    return client.Session(worker.address, asked)


def test_sessions_take_turns_sample_by_sample(start):
    """Two sessions of one worker live at once, and each gives the samples that it is asked for."""
    worker = start()
    with hold(worker) as one, hold(worker) as two:
        assert one.opened["process_id"] != two.opened["process_id"]
        turns = [session.step(1, 1) for session in (one, two, two, one)]
        assert [len(turn["elapsed_seconds.total"]) for turn in turns] == [1] * 4
        for turn in turns:
            forward, backward = turn["elapsed_seconds.forward"][0], turn["elapsed_seconds.backward"][0]
            assert turn["elapsed_seconds.total"] == [forward + backward]
        assert [session.close()["reply"] for session in (one, two)] == ["closed", "closed"]
    assert worker.sessions() == ["dense cpu training"] * 2


def test_a_held_session_samples_as_one_that_is_not(start):
    """A held session has the batches, the times and the provenance of a session that is sampled at once."""
    worker = start()
    whole = worker.ask("sample", "inference", samples=8)
    with hold(worker, "inference") as session:
        taken = session.step(8, 0)["elapsed_seconds.inference"]
        assert session.opened["passes_per_sample"] == whole["passes_per_sample"]
        assert session.opened["step_seconds"] == pytest.approx(whole["elapsed_seconds"][0], rel=0.5)
        closed = session.close()
    assert statistics.median(taken) == pytest.approx(statistics.median(whole["elapsed_seconds"]), rel=0.02)
    told = {name for name in whole if name.startswith("provenance.")}
    assert told <= set(closed)
    assert closed["peak_bytes"] >= 0


def test_untimed_passes_are_in_no_sample(start, tmp_path):
    """A step runs passes that are not timed before its samples, and counts them as warm-up."""
    worker = start()
    with hold(worker) as session, hold(worker) as other:
        session.step(1, 0)
        other.step(1, 5)
        counts = [one.close()["provenance.warmup_passes"] for one in (session, other)]
    assert counts[1] == counts[0] + 5


def test_what_happened_is_summed_over_the_steps(start):
    """A held session's measurements are those of its steps together, and each step has its marks."""
    worker = start()
    with hold(worker) as session:
        assert session.step(1, 0)["marks"] == []
        session.step(1, 0)
        closed = session.close()
    assert closed["provenance.observed_seconds"] >= 0
    assert closed["provenance.suspended_seconds"] == 0


def test_a_stop_marks_the_step_that_it_falls_into(start):
    """The step in which a session was stopped is marked, and no other."""
    worker = start(**mishap(dense="stop"))
    with hold(worker) as session:
        first, second = session.step(1, 0), session.step(1, 0)
    assert protocol.SUSPENDED in first["marks"]
    assert protocol.SUSPENDED not in second["marks"]


def test_the_end_of_the_connection_ends_the_session(start):
    """A client that hangs up leaves no session, also one that was waiting for its turn."""
    worker = start()
    session = hold(worker)
    number = session.opened["process_id"]
    assert number in children_of(worker.process_id)
    with session:
        pass
    await_end(number)


def test_the_end_of_the_worker_ends_the_session(start):
    """A worker that is stopped leaves no held session."""
    worker = start()
    with hold(worker) as session:
        number = session.opened["process_id"]
        worker.stop()
        await_end(number)
        with pytest.raises(client.WorkerError, match=r"cannot be reached|ended in the middle"):
            session.step(1, 0)


def test_a_session_that_died_while_it_waited_is_told_of(start):
    """A held session that was killed is an error at its next step, with the signal; the worker goes on."""
    worker = start()
    with hold(worker) as session:
        os.kill(session.opened["process_id"], signal.SIGKILL)
        with pytest.raises(client.WorkerError, match="died of SIGKILL"):
            session.step(1, 0)
        with pytest.raises(client.WorkerError, match="holds no session"):
            session.step(1, 0)
    assert worker.ask("sample", "total")["reply"] == "samples"


@pytest.mark.parametrize(
    ("mishap_name", "kind"),
    [("crash", "failed"), ("exit", "failed"), ("error", "failed"), ("out_of_memory", "out_of_memory"),
     ("unavailable", "unavailable")],
)  # fmt: skip
def test_what_goes_wrong_at_the_opening_is_an_error(start, mishap_name, kind):
    """A session that cannot be opened is an error of its kind that names the workload."""
    worker = start(**mishap(dense=mishap_name))
    with pytest.raises(client.WorkerError, match="dense") as raised:
        hold(worker)
    assert raised.value.kind == kind
    assert not [line for line in children_of(worker.process_id) if line]


def test_requests_out_of_order_are_refused(start):
    """A step without a session, and anything but step and close where there is one, are told why; the session stays."""
    worker = start()
    with connect(worker) as connection:
        replies = connection.makefile("rb")
        send(connection, {"request": "step", "protocol": 2, "samples": 1, "untimed_passes": 0})
        assert "holds no session" in protocol.decode(replies.readline())["message"]
        send(connection, request_of("open", "total"), request_of("sample", "total"))
        assert protocol.decode(replies.readline())["reply"] == "opened"
        assert "only step and close" in protocol.decode(replies.readline())["message"]
        send(connection, {"request": "close", "protocol": 2})
        assert protocol.decode(replies.readline())["reply"] == "closed"


def test_a_worker_samples_while_it_holds_a_session(start):
    """Another client's session runs while a held one waits, and hello is answered."""
    worker = start()
    with hold(worker) as session:
        assert worker.ask("sample", "inference")["reply"] == "samples"
        assert client.ask(worker.address, {"request": "hello"})["reply"] == "hello"
        assert session.step(2, 0)["elapsed_seconds.total"]


def test_a_held_session_on_an_accelerator_has_its_clock_and_its_peak(start):
    """On an accelerator, a held session tells the allocator's peak and the device's own time of a pass."""
    worker = start(**{fake.RELEASE: "fake-1.0"})
    with hold(worker, device="gpu") as session:
        session.step(3, 1)
        closed = session.close()
    assert closed["peak_bytes"] == 123_000_000
    assert 0.9 < closed["provenance.event_over_wall.total"] < 1.1
