"""How long asv's runs wait for workers, and where these lie."""

from __future__ import annotations

import json

from fake import adapter

from passtime.worker.driver import limits

FORWARD = ("-b", "Layer.time_forward", "--quick")
DENSE = "nets.Layer.time_forward(dense, cpu)"


def test_a_long_path_of_temporary_files_will_do(project):
    """A run measures wherever TMPDIR leads, and leaves nothing there."""
    place = project.root / "tmp" / "with a space" / ("é" * 100)
    place.mkdir(parents=True)
    project.asv("run", "fake-1.0^!", *FORWARD, TMPDIR=str(place))
    assert project.stored("fake-1.0")[DENSE] > 0
    assert list(place.glob("passtime-*")) == []


def test_a_session_that_hangs_ends_at_the_limit(project):
    """The environment's limit holds for asv's benchmarks, whose own is half an hour."""
    hangs = {adapter.MISHAPS: json.dumps({"resnet18": "hang"}), limits.SESSION_VARIABLE: "1"}
    bench = r"Net.time_forward\('resnet18', 'cpu'"
    printed = project.asv("run", "fake-1.0^!", "-b", bench, "-a", "rounds=1", expect=2, **hangs)
    assert "benchmark timed out (timeout 1.0s)" in printed


def test_a_limit_that_is_none_is_one_line(project):
    """A limit that is no number of seconds is named, and nothing is measured."""
    printed = project.asv("run", "fake-1.0^!", *FORWARD, expect=1, **{limits.START_VARIABLE: "soon"})
    assert "PASSTIME_START_SECONDS is 'soon': set it to a number of seconds above 0" in printed
    assert "Traceback" not in printed


def test_a_worker_that_never_answers_is_named(project):
    """A release whose worker hangs at its start is one line that names it."""
    project.write_releases(missing=("fake-2.0",))
    (project.root / "nowhere").mkdir()
    hanging = project.root / "nowhere/python"
    hanging.write_text("#!/bin/sh\nexec cat\n", "utf-8")
    hanging.chmod(0o755)
    printed = project.asv("run", "fake-2.0^!", *FORWARD, expect=2, **{limits.START_VARIABLE: "0.2"})
    assert "the worker of fake-2.0 did not start: it did not listen at its socket within 0.2 s" in printed
    assert "Traceback" not in printed
