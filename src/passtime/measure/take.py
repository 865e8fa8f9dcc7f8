"""One session of a release's worker, and all that it measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from passtime.catalog import requests, workloads
from passtime.catalog.place import Item
from passtime.worker import protocol
from passtime.worker.driver import client, cores
from passtime.worker.driver.supervisor import Worker


@dataclass(frozen=True)
class Taken:
    """A session's replies, by the name of the benchmark's method that records them, and when it was for how long."""

    started_at: datetime
    seconds: float
    replies: Mapping[str, Mapping[str, Any]]

    @property
    def elapsed_seconds(self) -> dict[str, list[float]]:
        """The samples of each pass, in seconds."""
        return {
            reply["pass"]: reply["elapsed_seconds"] for reply in self.replies.values() if "elapsed_seconds" in reply
        }


def take(worker: Worker, item: Item, policy: Mapping[str, float]) -> Taken:
    """Has the worker run one session, in a process of its own, and takes all that it answers.

    A device whose memory cannot be told gives no reply for that. Raises client.WorkerError where the release lacks the
    workload, and where the session fails or takes longer than a benchmark may.
    """
    fields = {
        **workloads.request_fields(item.workload, item.device),
        **policy,
        "threads": cores.threads(),
    }
    started_at, started = datetime.now(timezone.utc), time.monotonic()
    replies = {}
    for method, (request, name) in requests.REQUESTS.items():
        if name in item.passes:
            asked = {"request": request, "pass": name, **fields}
            try:
                replies[method] = client.ask(worker.address, asked)
            except client.WorkerError as error:
                if request != "memory" or error.kind != protocol.UNAVAILABLE:
                    raise
    return Taken(started_at, time.monotonic() - started, replies)
