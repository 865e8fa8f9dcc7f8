"""WHAT a number is of: a workload on a device, and one of its passes."""

from __future__ import annotations

from typing import NamedTuple

from passtime.worker.protocol import SESSIONS

PASSES = tuple(name for passes in SESSIONS.values() for name in passes)


class Place(NamedTuple):
    """A pass of a workload on a device: `resnet50`, `cpu`, `backward`."""

    workload: str
    device: str
    measured_pass: str

    def __str__(self) -> str:
        return f"{self.workload} {self.measured_pass} on {self.device}"


class Item(NamedTuple):
    """What one session measures: a workload on a device, in `training` or in `inference`."""

    workload: str
    device: str
    session: str

    @property
    def passes(self) -> tuple[str, ...]:
        return SESSIONS[self.session]

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(Place(self.workload, self.device, name) for name in self.passes)

    def __str__(self) -> str:
        return f"{self.workload} {self.session} on {self.device}"
