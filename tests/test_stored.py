"""What a machine's result files hold, as the tables and the site read it."""

from __future__ import annotations

import pytest

from passtime.results import stored
from passtime.results.sessions import Cell, Sessions


@pytest.mark.parametrize(
    ("counts", "sessions"),
    [
        ([3, 2], ((1.0, 2.0, 3.0), (4.0, 5.0))),
        ([None, None], ((1.0, 2.0, 3.0), (4.0, 5.0))),
        ([4, 4], ((1.0, 2.0, 3.0), (4.0, 5.0))),
        ([1, 4], ((1.0,), (2.0, 3.0, 4.0, 5.0))),
        ([], ((1.0, 2.0, 3.0, 4.0, 5.0),)),
    ],
)
def test_samples_are_told_apart_by_session(counts, sessions):
    """Each session has as many as its line says; where lines do not say, or are wrong, equal shares."""
    lines = [{} if count is None else {"samples": count} for count in counts]
    assert tuple(stored._by_session((1.0, 2.0, 3.0, 4.0, 5.0), lines)) == sessions


def test_no_samples_are_no_sessions():
    """An imported number has none."""
    assert tuple(stored._by_session((), [{}])) == ()


def test_a_busy_machine_is_a_doubt():
    """A session during which others computed is doubtful; the kernel's own crumbs are not."""
    (doubt,) = stored.doubts_of([{"provenance.others_cpus": 0.01}, {"provenance.others_cpus": 0.5}])
    assert "other programs took 0.5 CPUs" in doubt
    assert list(stored.doubts_of([{"provenance.others_cpus": 0.05}, {}])) == []


@pytest.mark.parametrize(
    ("mark", "fields", "said"),
    [
        ("throttled", {"throttled_periods": 6}, "its CPU quota was used up in 12 periods"),
        ("stolen", {"steal_seconds": 0.6, "observed_seconds": 2.0}, "the hypervisor took 0.3 CPUs"),
        ("others on its cores", {"others_cpu_seconds": 1.0, "observed_seconds": 2.0}, "other programs took 0.5 CPUs"),
        ("suspended", {"suspended_seconds": 1.5}, "it was suspended for 3 s"),
    ],
)
def test_a_mark_is_a_doubt(mark, fields, said):
    """What disturbed samples is told once for all sessions that have the mark; fields without the mark say nothing."""
    line = {f"provenance.{name}": value for name, value in fields.items()}
    marked, unmarked = {**line, "marks": [mark]}, {**line, "provenance.others_cpus": 0.5, "marks": []}
    assert list(stored.doubts_of([marked, unmarked, marked])) == [f"while it was measured, {said}"]
    assert list(stored.doubts_of([unmarked])) == []


def test_a_throttled_gpu_is_a_doubt():
    """Each reason of any session is told once; sessions that were not throttled, or do not know, are no doubt."""
    reasons = [["software power cap"], [], ["hardware slowdown", "software power cap"]]
    (doubt,) = stored.doubts_of([{"provenance.gpu_throttled": found} for found in reasons])
    assert doubt == "while it was measured, the GPU was throttled: software power cap, hardware slowdown"
    assert list(stored.doubts_of([{"provenance.gpu_throttled": []}, {}])) == []


def test_sessions_of_two_builds_are_a_doubt():
    """A build that was made anew under the same name is told by its version or its commit."""
    old, new = ({"provenance.framework_version": "2.16.0a0", "provenance.git_version": one} for one in ("abc", "def"))
    (doubt,) = stored.doubts_of([old, new, new])
    assert doubt.startswith("its sessions are of different builds, 2.16.0a0 abc and 2.16.0a0 def")
    assert list(stored.doubts_of([new, new, {}])) == []


@pytest.mark.parametrize(
    ("counts", "samples", "left"),
    [([3, 2], 5, [3, 2]), ([3, 2, 2], 5, [3, 2]), ([3, 2], 0, []), ([None, 9], 5, [None, 9]), ([2, 2], 5, [2, 2])],
)
def test_a_session_whose_samples_were_not_saved_is_left_out(counts, samples, left):
    """An end between the moves of the two files leaves a line too many; the other sessions keep their own samples."""
    lines = [{"benchmark": "b", "params": ["x"], **({} if n is None else {"samples": n})} for n in counts]
    found, cell = Sessions(lines), Cell("b", 0, ("x",))
    found.leave_out_unsaved(cell, samples)
    assert [line.get("samples") for line in found.of(cell)] == left
