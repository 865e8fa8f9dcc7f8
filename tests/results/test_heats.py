"""Which stored sessions were measured together."""

from __future__ import annotations

from types import SimpleNamespace

from passtime.catalog.place import Place
from passtime.results import heats
from passtime.results.stored import Measured, Stored

PLACE = Place("dense", "cpu", "total")


def release(name, *sessions):
    """A release with sessions at the place, each with its samples and what its line says."""
    lines = tuple({"version": "2", "computer": "here", **line} for _, line in sessions)
    time = Measured(1.0, sessions=tuple(samples for samples, _ in sessions), provenance=lines)
    return Stored(SimpleNamespace(name=name), {PLACE: time})


def test_sessions_of_one_heat_are_put_together():
    """Sessions that name the same heat are its releases, turn by turn, in the order taken."""
    one = release("a", ((1.0, 2.0), {"heat": "2"}), ((3.0, 4.0), {"heat": "1"}))
    two = release("b", ((1.5, 2.5), {"heat": "2"}), ((3.5, 4.5), {"heat": "1"}))
    found = heats.of([one, two])[PLACE]
    assert [heat.name for heat in found] == ["1", "2"]
    assert found[0].seconds == {"a": (3.0, 4.0), "b": (3.5, 4.5)}
    assert (found[0].computer, found[0].version) == ("here", "2")


def test_turns_that_any_session_leaves_out_are_left_out_for_all():
    """A turn that is left out, or that one session lacks, counts for no release."""
    one = release("a", ((1.0, 2.0, 3.0, 4.0), {"heat": "1", "left_out": [1]}))
    two = release("b", ((1.5, 2.5, 3.5), {"heat": "1", "left_out": []}))
    assert heats.of([one, two])[PLACE][0].seconds == {"a": (1.0, 3.0), "b": (1.5, 3.5)}


def test_a_turn_of_several_samples_is_their_median():
    """A turn's seconds are the median of its samples."""
    one = release("a", ((1.0, 2.0, 9.0, 4.0, 5.0, 6.0), {"heat": "1", "turn_samples": 3}))
    two = release("b", ((1.0, 1.0, 1.0, 2.0, 2.0, 2.0), {"heat": "1", "turn_samples": 3}))
    assert heats.of([one, two])[PLACE][0].seconds == {"a": (2.0, 5.0), "b": (1.0, 2.0)}


def test_what_was_measured_alone_is_no_heat():
    """A session without a heat, a heat of one release, and one whose turns are all left out say nothing."""
    one = release(
        "a", ((1.0,), {}), ((1.0,), {"heat": "1"}), ((1.0,), {"heat": "2", "left_out": [0]}), ((0.0,), {"heat": "3"})
    )
    two = release("b", ((1.0,), {}), ((1.0,), {"heat": "2"}), ((1.0,), {"heat": "3"}))
    assert heats.of([one, two]).get(PLACE, []) == []


def test_heats_of_two_computers_or_versions_are_two():
    """The same name on another computer, or by another version of the benchmark, is another heat."""
    one = release("a", ((1.0,), {"heat": "1"}), ((2.0,), {"heat": "1", "computer": "there"}))
    two = release("b", ((1.0,), {"heat": "1"}), ((2.0,), {"heat": "1", "computer": "there"}))
    assert [heat.computer for heat in heats.of([one, two])[PLACE]] == ["here", "there"]
    three = release("c", ((1.0,), {"heat": "1", "version": "1"}))
    assert all("c" not in heat.seconds for heat in heats.of([one, two, three])[PLACE])


def test_only_the_newest_version_counts():
    """Heats of an older version of the benchmark time something else."""
    one = release("a", ((1.0,), {"heat": "1", "version": "1"}), ((1.0,), {"heat": "2"}))
    two = release("b", ((1.0,), {"heat": "1", "version": "1"}), ((1.0,), {"heat": "2"}))
    assert [heat.name for heat in heats.of([one, two])[PLACE]] == ["2"]
