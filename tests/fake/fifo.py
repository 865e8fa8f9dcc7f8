"""Waiting for a process: what it tells a test through a FIFO, and how long a test waits for anything.

Whoever writes to a FIFO waits until the test reads, so no test polls or sleeps.
"""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path

DEADLINE_SECONDS = 600.0  # many times what is needed: a busy machine is no failure


def read(fifo: Path, *processes: int) -> str:
    """All that the next writer writes.

    Raises AssertionError when one of the processes has ended and nobody writes, and when nobody does in time.
    """
    with contextlib.ExitStack() as stack:
        poll = select.poll()
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, reader)
        poll.register(reader, select.POLLIN)
        for process_id in processes:
            end = os.pidfd_open(process_id)
            stack.callback(os.close, end)
            poll.register(end, select.POLLIN)
        written = b""
        while True:
            happened = dict(poll.poll(DEADLINE_SECONDS * 1000))
            if reader not in happened:
                raise AssertionError(f"nobody wrote to {fifo}: {'a process ended' if happened else 'time is up'}")
            more = os.read(reader, 65536)
            if not more:
                return written.decode("utf-8")
            written += more
