"""One session of a release's worker, and all that it measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from passtime import benchmark, sampling, workloads
from passtime.worker import client
from passtime.worker.protocol import SESSIONS
from passtime.worker.supervisor import Worker


@dataclass(frozen=True)
class Item:
    """What one session measures: a workload on a device, in training or in inference."""

    workload: str
    device: str
    session: str

    @property
    def passes(self) -> tuple[str, ...]:
        return SESSIONS[self.session]

    def __str__(self) -> str:
        return f"{self.workload} {self.session} on {self.device}"


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

    Raises client.WorkerError where the release lacks the workload or the session fails.
    """
    fields = {
        **workloads.request_fields(item.workload, item.device),
        **policy,
        "threads": sampling.threads(),
    }
    started_at, started = datetime.now(timezone.utc), time.monotonic()
    replies = {
        method: client.ask(worker.address, {"request": request, "pass": name, **fields})
        for method, (request, name) in benchmark.REQUESTS.items()
        if name in item.passes
    }
    return Taken(started_at, time.monotonic() - started, replies)
