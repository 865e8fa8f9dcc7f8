"""What is compared, what is refused, and what stands beside a change."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from passtime.cli import formats
from passtime.measure import report
from passtime.measure.analysis import Analysis
from passtime.results import parity as record
from passtime.results.stored import Measured, Stored
from passtime.stats import judge

HEATS = 6
TURNS = 5


def time(seconds, deviation=0.002, heats=HEATS, **provenance):
    """Sessions in heats, as they are stored; each heat's deviate from `seconds` by turns, whatever chance says."""
    sides = [deviation * (-1) ** heat * (1 + 0.1 * heat) for heat in range(heats)]
    sessions = tuple((float(seconds * np.exp(side)),) * TURNS for side in sides)
    told = {f"provenance.{key}": value for key, value in provenance.items()}
    lines = tuple(
        {"version": "2", "heat": f"heat {heat}", "turn_samples": 1, "left_out": [], "computer": "one", **told}
        for heat in range(heats)
    )
    return Measured(seconds, sessions=sessions, provenance=lines)


def stored(name, times):
    """A release with times on the CPU, by workload and pass."""
    release = SimpleNamespace(name=name, framework=name.partition("-")[0])
    return Stored(release, {(workload, "cpu", name_of_pass): one for (workload, name_of_pass), one in times.items()})


def steady(times):
    """The same times without what their heats deviate by: the other side of each heat."""
    return {place: time(one.seconds, 0.0) for place, one in times.items()}


def reported(base, other, known=None, **options):
    """The report of two releases."""
    between = SimpleNamespace(between=lambda *asked: (known or {}).get(asked[2], record.HOLDS))
    analysis = Analysis.of([base, other])
    return report.make("box", analysis, base, other, between, margin=0.02, **options)


BASE = {("resnet18", "total"): time(1.0), ("vgg16", "total"): time(5.0), ("conv3x3/1", "total"): time(0.01)}
SAME = steady(BASE)


def test_a_slowdown_makes_the_outcome_worse():
    """One row that is slower is enough."""
    found = reported(stored("torch-1", BASE), stored("torch-2", {**SAME, ("vgg16", "total"): time(9.0, 0.0)}))
    assert {row.place.workload: row.verdict for row in found.rows}["vgg16"] == judge.SLOWER
    assert found.outcome == "worse"


def test_what_is_shown_to_be_no_slower_is_not_worse():
    """With every row faster, or surely within the margin."""
    faster = {place: time(one.seconds / 2, 0.0) for place, one in BASE.items()}
    assert reported(stored("torch-1", BASE), stored("torch-2", faster)).outcome == "not worse"
    found = reported(stored("torch-1", BASE), stored("torch-2", SAME))
    assert {row.verdict for row in found.rows} == {judge.SAME}
    assert found.outcome == "not worse"


def test_noise_is_no_answer():
    """Where a slowdown beyond the margin may hide, that is what is said."""
    noisy = {place: time(one.seconds, deviation=0.3) for place, one in BASE.items()}
    found = reported(stored("torch-1", noisy), stored("torch-2", SAME))
    assert {row.verdict for row in found.rows} == {judge.CANNOT_TELL}
    assert found.outcome == judge.CANNOT_TELL


def test_an_hour_that_hits_both_is_no_change():
    """A machine that is twice as slow in some heats makes no release slower."""
    hours = [1.0, 2.0, 1.0, 0.5, 1.7, 1.0]

    def in_hours(one):
        sessions = tuple(tuple(hour * value for value in its) for hour, its in zip(hours, one.sessions, strict=True))
        return replace(one, sessions=sessions)

    base, other = ({place: in_hours(one) for place, one in times.items()} for times in (BASE, SAME))
    found = reported(stored("torch-1", base), stored("torch-2", other))
    assert {row.verdict for row in found.rows} == {judge.SAME}


def test_what_no_heat_connects_is_not_compared(capsys):
    """Releases that were measured at different times have no change, and that is not called *cannot tell*."""
    alone = {place: replace(one, provenance=({"version": "2"},) * HEATS) for place, one in BASE.items()}
    found = reported(stored("torch-1", alone), stored("torch-2", SAME))
    assert [(row.change, row.verdict) for row in found.rows] == [(None, judge.NOT_COMPARED)] * 3
    assert found.outcome == judge.NOT_COMPARED
    assert found.means == {}
    formats.show(found)
    shown, markdown = capsys.readouterr().out, formats.markdown(found)
    for text in (shown, markdown):
        assert "not compared (3 passes)" in text
        assert "`passtime measure torch-1 torch-2`" in text
    for row in json.loads(formats.as_json(found))["rows"]:
        assert row["ratio"] is row["low"] is row["p_value"] is None
        assert row["verdict"] == judge.NOT_COMPARED


def test_a_turn_that_was_left_out_counts_for_no_release():
    """A turn that was disturbed in one session is left out on both sides."""
    base, other = time(1.0), time(1.0, 0.0)
    spoilt = tuple((99.0, *samples[1:]) for samples in other.sessions)
    lines = tuple({**line, "left_out": [0]} for line in other.provenance)
    other = replace(other, sessions=spoilt, provenance=lines)
    (row,) = reported(
        stored("torch-1", {("vgg16", "total"): base}), stored("torch-2", {("vgg16", "total"): other})
    ).rows
    assert row.verdict == judge.SAME


def test_computers_that_do_not_agree_are_given_each(capsys):
    """Where two computers of one kind differ in a change, the row says so, and each one's change is told."""

    def on(computer, seconds, deviation):
        one = time(seconds, deviation)
        lines = tuple({**line, "heat": f"{computer} {line['heat']}", "computer": computer} for line in one.provenance)
        return replace(one, provenance=lines)

    def both(*parts):
        return replace(
            parts[0],
            sessions=tuple(one for part in parts for one in part.sessions),
            provenance=tuple(one for part in parts for one in part.provenance),
        )

    place = ("vgg16", "total")
    base = both(on("east", 1.0, 0.002), on("west", 1.0, 0.002))
    other = both(on("east", 1.0, 0.0), on("west", 1.5, 0.0))
    found = reported(stored("torch-1", {place: base}), stored("torch-2", {place: other}))
    (doubt,) = [doubt for doubt in found.rows[0].doubts if "do not agree" in doubt]
    assert "west +50 % (" in doubt
    assert "east" in doubt
    formats.show(found)
    assert doubt in capsys.readouterr().out
    same = both(on("east", 1.0, 0.0), on("west", 1.0, 0.0))
    (agreed,) = reported(stored("torch-1", {place: base}), stored("torch-2", {place: same})).rows
    assert not [doubt for doubt in agreed.doubts if "agree" in doubt]


def test_what_is_too_noisy_says_so_in_few_letters(capsys):
    """Heats of great noise have no interval of a hundred digits in any format."""
    noisy = {place: time(one.seconds, deviation=6.0) for place, one in BASE.items()}
    found = reported(stored("torch-1", noisy), stored("torch-2", SAME))
    formats.show(found)
    shown, markdown = capsys.readouterr().out, formats.markdown(found)
    for text in (shown, markdown):
        assert text.count(formats.TOO_NOISY) >= 4  # the rows, and what it means
    assert max(len(cell) for line in markdown.splitlines() if "|" in line for cell in line.split("|")) < 40
    records = json.loads(formats.as_json(found))
    for one in records["rows"]:
        assert one["verdict"] == judge.CANNOT_TELL
        assert one["too_noisy"] is True
        assert one["low"] is one["high"] is one["detectable"] is None
    assert records["outcome"] == judge.CANNOT_TELL


def test_what_can_be_read_is_not_called_noisy():
    """A row with a narrow interval has it in JSON, and is not flagged."""
    for one in json.loads(formats.as_json(reported(stored("torch-1", BASE), stored("torch-2", SAME))))["rows"]:
        assert one["too_noisy"] is False
        assert one["low"] < one["ratio"] < one["high"]
        assert one["heats"] == HEATS


def test_a_huge_ratio_is_short():
    """A change of a hundred times and more is a factor, to three digits."""
    assert [formats.percent(ratio) for ratio in (0.5, 1.042, 3.5, 99.0, 250.0, 1.234e30)] == [
        "-50 %", "+4.2 %", "+250 %", "+9800 %", "250 times", "1.23e+30 times"]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "reason"), [(record.UNCHECKED, "never shown"), (record.DIFFERS, "do not do the same")]
)
def test_other_work_is_refused(state, reason):
    """Where parity fails or was never checked there is no row, but the reason."""
    found = reported(stored("torch-1", BASE), stored("flux-1", BASE), known={"vgg16": state})
    assert "vgg16" not in {row.place.workload for row in found.rows}
    (refused,) = found.refused
    assert (refused.place.workload, refused.place.measured_pass) == ("vgg16", "total")
    assert reason in refused.reason


def test_other_versions_of_the_benchmark_are_not_compared():
    """Two versions of a benchmark time different things, so they make no heat."""
    other = {place: replace(one, provenance=tuple({**line, "version": "1"} for line in one.provenance))
             for place, one in SAME.items()}  # fmt: skip
    found = reported(stored("torch-1", BASE), stored("torch-2", other))
    assert {row.verdict for row in found.rows} == {judge.NOT_COMPARED}


def test_what_was_recorded_and_differs_stands_beside():
    """Threads or libraries that were not the same are named; load, durations and clocks are not."""
    gpu = {"event_seconds.total": 4.9, "event_over_wall.total": 0.98, "gpu_before.sm_clock_mhz": 1410}
    hot_gpu = {"gpu_after.temperature_celsius": 90, "gpu_throttled": ["hardware thermal slowdown"]}
    spent = {"session_seconds": 9.1, "build_seconds": 0.5}
    base = {("vgg16", "total"): time(5.0, threads=2, load=0.1, framework_version="1", **gpu, **spent)}
    other = {("vgg16", "total"): time(5.0, threads=4, load=0.9, framework_version="2", blas="mkl", **hot_gpu)}
    found = reported(stored("torch-1", base), stored("torch-2", other)).differences
    assert [(one.setting, one.base, one.other, one.rows) for one in found] == [
        ("blas", "not recorded", "mkl", 1),
        ("threads", "2", "4", 1),
    ]


def test_what_changes_a_number_is_named():
    """Quota, allocator, clocks and variables of the environment are settings; what happened meanwhile is none."""
    normal = {
        "allocator": "glibc 2.31",
        "cpu_quota": "none",
        "transparent_huge_pages": "madvise",
        "governor": "powersave",
    }
    other = {
        "allocator": "libjemalloc.so.2",
        "cpu_quota": 1.0,
        "transparent_huge_pages": "always",
        "governor": "performance",
    }
    variables = {"env.ONEDNN_MAX_CPU_ISA": "SSE41", "env.BEAM": "2"}
    counted = {"preemptions": 3, "waits": 4, "steal_seconds": 0.1, "others_cpu_seconds": 0.2, "observed_seconds": 3.0}
    counted = {**counted, "throttled_periods": 5, "throttled_seconds": 0.4, "suspended_seconds": 0.0}
    base = {("vgg16", "total"): time(5.0, **normal, turbo="on")}
    changed = {("vgg16", "total"): time(5.0, **other, **variables, **counted, turbo="off")}
    found = reported(stored("torch-1", base), stored("torch-2", changed)).differences
    assert {(one.setting, one.base, one.other) for one in found} == {
        ("allocator", "glibc 2.31", "libjemalloc.so.2"),
        ("cpu_quota", "none", "1.0"),
        ("transparent_huge_pages", "madvise", "always"),
        ("governor", "powersave", "performance"),
        ("turbo", "on", "off"),
        ("env.ONEDNN_MAX_CPU_ISA", "not set", "SSE41"),
        ("env.BEAM", "not set", "2"),
    }
    assert reported(stored("torch-1", base), stored("torch-2", base)).differences == ()


def test_a_variable_of_some_sessions_is_named():
    """A release whose sessions had a variable only in part is not as one whose sessions all had it."""
    without, with_it = (time(5.0, allocator="glibc 2.31", **one) for one in ({}, {"env.BEAM": "2"}))
    mixed = replace(with_it, provenance=(*without.provenance[:3], *with_it.provenance[3:]))
    (found,) = reported(
        stored("torch-1", {("vgg16", "total"): mixed}), stored("torch-2", {("vgg16", "total"): with_it})
    ).differences
    assert (found.setting, found.base, found.other) == ("env.BEAM", "2 or not set", "2")


def test_what_was_not_recorded_is_not_said_to_be_unset():
    """Of sessions from before variables were recorded, nobody knows what was set."""
    old = {("vgg16", "total"): time(5.0)}
    new = {("vgg16", "total"): time(5.0, allocator="glibc 2.31", **{"env.BEAM": "2"})}
    found = reported(stored("torch-1", old), stored("torch-2", new)).differences
    assert {(one.setting, one.base) for one in found} == {("allocator", "not recorded"), ("env.BEAM", "not recorded")}


def test_a_models_change_is_held_against_its_layers():
    """A model that slowed down more than any of its layers was not slowed down by them."""
    slower = {**BASE, ("resnet18", "total"): time(2.0)}
    (found,) = reported(stored("torch-1", BASE), stored("torch-2", slower)).explanations
    assert (found.row.place.workload, [layer.place.workload for layer in found.layers]) == ("resnet18", ["conv3x3/1"])
    assert not found.is_within
    with_layer = {**slower, ("conv3x3/1", "total"): time(0.02)}
    assert reported(stored("torch-1", BASE), stored("torch-2", with_layer)).explanations[0].is_within


def test_layers_account_for_a_share_of_a_models_change():
    """The share lies between what the least and the most changed layer would make of a model of that layer alone."""
    base = {place: time(1.0, 1e-6) for place in BASE}
    slower = {("resnet18", "total"): 1.21, ("conv3x3/1", "total"): 1.1}
    layers = {("dense", "total"): time(1.0, 1e-6)}
    other = {place: time(seconds, 1e-6) for place, seconds in slower.items()}
    (found,) = reported(stored("torch-1", {**base, **layers}), stored("torch-2", {**other, **layers})).explanations
    assert (found.least, found.most) == pytest.approx((0.0, 0.5), abs=1e-3)


def test_doubts_are_passed_on():
    """A GPU that was throttled in a heat stands at the row; what befell other sessions does not."""
    hot = time(1.0, gpu_throttled=["hardware thermal slowdown"])
    alone = {"version": "2", "provenance.others_cpus": 0.9}
    beside = replace(time(1.0, 0.0), sessions=(*time(1.0, 0.0).sessions, (1.0,)))
    beside = replace(beside, provenance=(*beside.provenance, alone))
    found = reported(stored("torch-1", {("vgg16", "total"): hot}), stored("torch-2", {("vgg16", "total"): beside}))
    (doubt,) = found.rows[0].doubts
    assert doubt == "torch-1: while it was measured, the GPU was throttled: hardware thermal slowdown"


def test_layers_that_went_the_other_way_account_for_nothing():
    """Where a model got slower and its layers did not, that is what is said."""
    base = {place: time(one.seconds, 1e-6) for place, one in BASE.items()}
    other = {**base, ("resnet18", "total"): time(2.0, 1e-6), ("conv3x3/1", "total"): time(0.009, 1e-6)}
    assert "its layers account for nothing of that, which is not within what they did" in formats.markdown(
        reported(stored("torch-1", base), stored("torch-2", other))
    )


@pytest.mark.parametrize(
    ("faults", "said"),
    [((10, 9_400), "more than twice the page faults"), ((None, 5), "not recorded in both"), ((9_000, 9_400), None)],
)
def test_page_faults_may_explain_a_change(faults, said):
    """Where one release's passes take memory anew and the other's do not, or nobody knows, a change says so."""
    base, other = (time(1.0, **({} if count is None else {"page_faults_per_pass": count})) for count in faults)
    other = replace(other, seconds=9.0, sessions=tuple(tuple(9 * x for x in one) for one in other.sessions))
    found = reported(stored("torch-1", {("dense", "total"): base}), stored("torch-2", {("dense", "total"): other}))
    assert [said in doubt for doubt in found.rows[0].doubts] == ([True] if said else [])


def test_each_format_has_every_row(capsys):
    """The terminal, Markdown and JSON show the same rows with the same verdicts."""
    made = reported(stored("torch-1", BASE), stored("torch-2", {**BASE, ("vgg16", "total"): time(9.0)}))
    records = json.loads(formats.as_json(made))
    assert {(row["workload"], row["verdict"]) for row in records["rows"]} == {
        (row.place.workload, row.verdict) for row in made.rows
    }
    formats.show(made)
    shown, markdown = capsys.readouterr().out, formats.markdown(made)
    for row in made.rows:
        assert row.place.workload in shown
        assert f"| {row.place.workload} | cpu | total |" in markdown
    assert "worse: of 3 passes" in shown
    assert "worse: of 3 passes" in markdown
