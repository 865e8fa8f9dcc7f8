"""Whether a process that waits uses the processor."""

from __future__ import annotations

import subprocess
import sys

from passtime.worker.driver.idle import Meter


def script(folder, *readings):
    """A file system with a process of two threads, the second of which has used these nanoseconds, one a look."""
    task = folder / "proc/7/task"
    for thread in ("7", "8"):
        (task / thread).mkdir(parents=True)
        (task / thread / "schedstat").write_text("1000000 5 3\n")
    left = list(readings)

    def look(seconds: float) -> None:
        if left:
            (task / "8" / "schedstat").write_text(f"{left.pop(0)} 5 3\n")

    return Meter(7, folder), look, left


def test_the_time_of_all_threads_counts(tmp_path):
    """What a process has used is the sum over its threads, in seconds; of one that is gone nothing."""
    meter, _, _ = script(tmp_path)
    assert meter.seconds() == 0.002
    assert Meter(8, tmp_path).seconds() == 0


def test_it_waits_until_no_thread_spins(tmp_path):
    """It returns at the first look at which nothing was used since the one before."""
    meter, look, left = script(tmp_path, 9_000_000, 19_000_000, 19_000_100, 30_000_000)
    assert meter.wait(look)
    assert left == [30_000_000]


def test_it_waits_no_longer_than_its_patience(tmp_path):
    """A process that goes on computing is given up, and that is told."""
    meter, look, _ = script(tmp_path, *range(10_000_000, 10_000_000_000, 10_000_000))
    assert not meter.wait(look)


def test_a_real_process_that_waits_is_idle():
    """A process that waits for its input uses nothing, and is seen to."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        meter = Meter(process.pid)
        assert meter.wait() or meter.wait()
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
