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


def test_each_number_has_another_cpu(process):
    """Numbers go round over the CPUs that there are."""
    cpus = sorted(os.sched_getaffinity(0))
    found = []
    for number in range(len(cpus) + 1):
        with pinning.on_one_cpu([process.pid], number) as cpu:
            found.append(cpu)
    assert found == [*cpus, cpus[0]]


def test_where_it_is_refused_nothing_is_held(process, monkeypatch):
    """A system that refuses, as for a process that is gone, is no failure: nothing is held, and that is told."""
    before = os.sched_getaffinity(process.pid)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pinning.on_one_cpu([process.pid, gone.pid], 0) as cpu:
        assert cpu is None
        assert allowed(process.pid) == [before] * 2


def test_a_process_that_ends_meanwhile_is_no_failure(process):
    """What has ended needs not to be let go."""
    with pinning.on_one_cpu([process.pid], 0):
        process.kill()
        process.wait()
