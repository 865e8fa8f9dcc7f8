"""What is kept of a heat: its sessions, added to the results of the releases that were in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from passtime.catalog import requests
from passtime.measure.heat import Taken
from passtime.results.computer import computer
from passtime.results.sessions import COMPUTER, HEAT, LEFT_OUT, STARTED_AT, TURN_SAMPLES, WORKER, said_of_release
from passtime.results.store import Cells, Results, land
from passtime.timeline.manifest import Release


def keep(taken: Taken, sides: Mapping[str, tuple[Release, Results]], cells: Cells, policy: Mapping[str, float]) -> str:
    """Adds each session to its release's results, of the `cells` that it measured; gives the heat's name.

    `sides` are the releases by their names, and where their results go. Raises as `store.Store.changing`.
    """
    name = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    for release_name, session in taken.sessions.items():
        release, results = sides[release_name]
        said = {
            **said_of_release(release),
            **requests.said_of_driver(policy),
            STARTED_AT: session.started_at.isoformat(timespec="seconds"),
            "seconds": round(taken.seconds / len(taken.sessions), 2),
            WORKER: session.worker,
            COMPUTER: computer(),
            HEAT: name,
            TURN_SAMPLES: 1,
            LEFT_OUT: [*taken.left_out],
            "waiting_cpu_seconds": round(session.waiting_cpu_seconds, 4),
            **({} if taken.cpu is None else {"held_on_cpu": taken.cpu}),
        }
        land(results, cells, session.replies(taken.item, taken.marks), said)
    return name
