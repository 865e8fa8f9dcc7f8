"""Registers the fake framework: list ".fake.framework" before ".passtime.asv_plugin" in asv.conf.json's plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from passtime import frameworks
from passtime.worker import launch

if TYPE_CHECKING:
    from passtime.runtimes.store import Runtime

ADAPTER = Path(__file__).with_name("adapter.py")


def _command(runtime: Runtime, adapter: Path, socket: Path) -> list[str]:
    """A worker that knows its release: nothing is installed that could tell."""
    version = f"PASSTIME_FAKE_VERSION={runtime.release.partition('-')[2]}"
    script = Path(launch.__file__)
    return ["env", version, str(runtime.interpreter), str(script), "--adapter", str(adapter), "--socket", str(socket)]


frameworks.FRAMEWORKS["fake"] = frameworks.Framework("fake", ADAPTER, _command)
