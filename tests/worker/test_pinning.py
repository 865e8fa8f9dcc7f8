"""Sessions that are held on one CPU, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from passtime.worker.driver import pinning

# Has a second thread, then says so, and starts another when it is told to.
_PROGRAM = """
import threading
start = lambda: threading.Thread(target=threading.Event().wait, daemon=True).start()
start()
print(flush=True)
input()
start()
print(flush=True)
input()
"""


needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one CPU to run on anyway")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], stdin=-1, stdout=-1, text=True) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started
        started.kill()


def allowed(process_id: int) -> list[set[int]]:
    """Where each of its threads may run."""
    return [os.sched_getaffinity(int(thread)) for thread in os.listdir(f"/proc/{process_id}/task")]


@needs_two_cpus
def test_all_threads_are_held_and_let_go(process):
    """Inside, each thread, also a new one, may run on one CPU; afterwards each may run wherever the process might."""
    assert process.stdin is not None
    assert process.stdout is not None
    before = os.sched_getaffinity(process.pid)
    with pinning.on_one_cpu([process.pid], 0) as cpu:
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        assert allowed(process.pid) == [{cpu}] * 3
    assert allowed(process.pid) == [before] * 3


@needs_two_cpus
def test_each_number_has_another_cpu(process):
    """Numbers go round over the CPUs that there are."""
    cpus = sorted(os.sched_getaffinity(0))
    found = []
    for number in range(len(cpus) + 1):
        with pinning.on_one_cpu([process.pid], number) as cpu:
            found.append(cpu)
    assert found == [*cpus, cpus[0]]


def test_a_process_that_is_gone_is_not_held(process):
    """Where one process is gone, none is held, and that is told."""
    before = os.sched_getaffinity(process.pid)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pinning.on_one_cpu([process.pid, gone.pid], 0) as cpu:
        assert cpu is None
        assert allowed(process.pid) == [before] * 2


def test_where_the_system_refuses_nothing_is_held(process, monkeypatch):
    """Where the system refuses at one thread, those before it are let go, and that is told."""
    before = os.sched_getaffinity(process.pid)
    asked = []
    real = os.sched_setaffinity

    def refuse(thread: int, cpus: set[int]) -> None:
        asked.append(thread)
        if len(asked) == 2:
            raise PermissionError
        real(thread, cpus)

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with pinning.on_one_cpu([process.pid], 0) as cpu:
        assert cpu is None
        assert allowed(process.pid) == [before] * 2
    assert len(asked) == 4  # two held, of which one was refused, and two let go


@needs_two_cpus
def test_a_thread_that_was_bound_is_bound_again(process):
    """A thread that ran on a CPU of its own choice, as OpenMP's may, is let go to that one alone."""
    (other,) = {int(name) for name in os.listdir(f"/proc/{process.pid}/task")} - {process.pid}
    last = {max(os.sched_getaffinity(0))}
    os.sched_setaffinity(other, last)
    before = os.sched_getaffinity(process.pid)
    with pinning.on_one_cpu([process.pid], 0) as cpu:
        assert allowed(process.pid) == [{cpu}] * 2
    assert os.sched_getaffinity(other) == last
    assert os.sched_getaffinity(process.pid) == before


def test_a_process_that_ends_meanwhile_is_no_failure(process):
    """What has ended needs not to be let go."""
    with pinning.on_one_cpu([process.pid], 0):
        process.kill()
        process.wait()
