"""Which stored sessions were measured together: heats, with each release's seconds turn by turn."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passtime.catalog.place import Place
from passtime.results.sessions import COMPUTER, HEAT, LEFT_OUT, TURN_SAMPLES
from passtime.results.stored import Measured, Stored


@dataclass(frozen=True)
class Heat:
    """A place's part of a heat: by release the seconds of each turn that counts, as many for each.

    `name` begins with when the heat began, as ISO 8601 writes it. `computer` is the one that took it, `version` the
    benchmark's.
    """

    name: str
    computer: str | None
    version: str | None
    seconds: Mapping[str, tuple[float, ...]]


def of(everything: Iterable[Stored]) -> dict[Place, list[Heat]]:
    """The heats of each place, in the order taken, those of the newest version of its benchmark.

    A heat of which fewer than two releases, or no turn, is left says nothing and is not among them.
    """
    found: dict[Place, dict[tuple[str, str | None, str | None], dict[str, _Session]]] = defaultdict(dict)
    for stored in everything:
        for place, time in stored.times.items():
            for name, session in _sessions(time):
                key = (name, session.line.get(COMPUTER), session.line.get("version"))
                found[Place(*place)].setdefault(key, {})[stored.release.name] = session
    return {place: _newest([*_heats(by_key)]) for place, by_key in found.items()}


@dataclass(frozen=True)
class _Session:
    line: Mapping[str, Any]
    turns_seconds: Sequence[float]


def _sessions(time: Measured) -> Iterator[tuple[str, _Session]]:
    if len(time.sessions) != len(time.provenance):
        return
    for line, samples in zip(time.provenance, time.sessions, strict=True):
        if HEAT in line:
            each = line.get(TURN_SAMPLES) or 1
            turns = [statistics.median(samples[start : start + each]) for start in range(0, len(samples), each)]
            yield line[HEAT], _Session(line, turns)


def _heats(by_key: Mapping[tuple[str, str | None, str | None], Mapping[str, _Session]]) -> Iterator[Heat]:
    for (name, computer, version), sessions in sorted(by_key.items(), key=lambda one: one[0][0]):
        turns = min(len(session.turns_seconds) for session in sessions.values())
        left_out = {turn for session in sessions.values() for turn in session.line.get(LEFT_OUT, ())}
        kept = [turn for turn in range(turns) if turn not in left_out]
        if len(sessions) > 1 and kept:
            seconds = {
                release: tuple(session.turns_seconds[turn] for turn in kept) for release, session in sessions.items()
            }
            if all(value > 0 for values in seconds.values() for value in values):
                yield Heat(name, computer, version, seconds)


def _newest(heats: Sequence[Heat]) -> list[Heat]:
    return [heat for heat in heats if heat.version == heats[-1].version]
