"""Registers the fake framework: list ".fake.framework" before ".passtime.asv.plugin" in asv.conf.json's plugins."""

from __future__ import annotations

from pathlib import Path

from passtime.catalog import frameworks

frameworks.FRAMEWORKS["fake"] = frameworks.Framework("fake", str(Path(__file__).with_name("adapter.py")))
