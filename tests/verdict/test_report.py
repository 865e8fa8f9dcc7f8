"""What is compared, what is refused, and what stands beside a change."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from passtime.cli import formats
from passtime.measure import report
from passtime.results import parity as record
from passtime.results.stored import ONE_WORKER, Measured, Stored
from passtime.stats import judge

RANDOM = np.random.default_rng(5)


def time(seconds, deviation=0.01, version="1", **provenance):
    """Two sessions as they are stored, of which the geometric mean is `seconds`, whatever chance says."""
    apart = RANDOM.normal(0, deviation)
    sessions = tuple((float(seconds * np.exp(side * apart)),) * 3 for side in (1, -1))
    line = {"version": version, "worker": "w", **{f"provenance.{key}": value for key, value in provenance.items()}}
    return Measured(seconds, sessions=sessions, provenance=(line, line))


def stored(name, times):
    """A release with times on the CPU, by workload and pass."""
    release = SimpleNamespace(name=name, framework=name.partition("-")[0])
    return Stored(release, {(workload, "cpu", name_of_pass): one for (workload, name_of_pass), one in times.items()})


def reported(base, other, known=None, **options):
    """The report of two releases, beside enough others to know what is usual."""
    others = stored("torch-0.9", {(f"net{n}", "total"): time(1.0) for n in range(30)})
    between = SimpleNamespace(between=lambda *asked: (known or {}).get(asked[2], record.HOLDS))
    return report.make("box", [base, other, others], base, other, between, margin=0.02, **options)


BASE = {("resnet18", "total"): time(1.0), ("vgg16", "total"): time(5.0), ("conv3x3/1", "total"): time(0.01)}


def test_a_slowdown_makes_the_outcome_worse():
    """One row that is slower is enough."""
    found = reported(stored("torch-1", BASE), stored("torch-2", {**BASE, ("vgg16", "total"): time(9.0)}))
    assert {row.place.workload: row.verdict for row in found.rows}["vgg16"] == judge.SLOWER
    assert found.outcome == "worse"


def test_what_is_shown_to_be_no_slower_is_not_worse():
    """With every row faster, or surely within the margin."""
    faster = {place: time(one.seconds / 2) for place, one in BASE.items()}
    assert reported(stored("torch-1", BASE), stored("torch-2", faster)).outcome == "not worse"


UNSTEADY = (1, -1, 0.9, -0.95, 0.95, -0.9) * 4


def measured_in_turn(ratios_of_rows):
    """Two releases of which each row has these ratios, pair by pair."""
    base = {(f"net{n}", "total"): in_turn([1.0] * len(ratios), map(str, range(len(ratios))))
            for n, ratios in enumerate(ratios_of_rows)}  # fmt: skip
    other = {(f"net{n}", "total"): in_turn(ratios, map(str, range(len(ratios))))
             for n, ratios in enumerate(ratios_of_rows)}  # fmt: skip
    return reported(stored("torch-1", base), stored("torch-2", other))


def test_a_report_whose_rows_are_the_same_is_not_worse():
    """The outcome asks no more of a row than *same* does, also where the 95 % interval reaches beyond the margin."""
    found = measured_in_turn([[float(np.exp(0.035 * one)) for one in UNSTEADY]] * 3)
    assert [row.verdict for row in found.rows] == [judge.SAME] * 3
    assert all(row.change.high > 1 + found.margin for row in found.rows)
    assert found.outcome == "not worse"


def test_what_may_be_faster_but_not_slower_is_not_worse():
    """A row that cannot be called, whose upper end lies within the margin, makes no outcome worse."""
    found = measured_in_turn([[float(0.99 * np.exp(0.035 * one)) for one in UNSTEADY]])
    (row,) = found.rows
    assert (row.verdict, found.outcome) == (judge.CANNOT_TELL, "not worse")


def test_a_change_is_of_sessions_whatever_their_samples():
    """A session with many samples weighs no more than one with few, in the ratio as in its error."""
    few, many = (1.0,) * 2, (2.0,) * 25
    base = Measured(2.0, sessions=(many, many, *(few,) * 6), provenance=({"version": "1", "worker": "w"},) * 8)
    other = Measured(1.0, sessions=((1.0,) * 9,) * 8, provenance=({"version": "1", "worker": "w"},) * 8)
    (row,) = reported(
        stored("torch-1", {("vgg16", "total"): base}), stored("torch-2", {("vgg16", "total"): other})
    ).rows
    assert row.change.ratio == pytest.approx(2 ** (-2 / 8))


def test_rows_of_one_round_are_not_independent_in_a_mean():
    """What a round does to all rows alike is in the error of their mean, as it is in that of each."""
    ratios = [1.1, 0.9, 1.08, 0.94, 1.02, 0.97, 1.05, 0.93]
    found = measured_in_turn([ratios] * 9)
    ((mean, _, count),) = found.means.values()
    assert count == 9
    assert mean.error == pytest.approx(found.rows[0].change.error)


def test_which_release_came_first_in_a_pair_is_read_back():
    """From the place that was recorded, else from when the sessions began; unknown where they began in one second."""
    times = [("20:01", "20:02"), ("20:04", "20:03"), ("20:05", "20:05")]
    one, two = (in_turn([1.0] * 5, "abcde") for _ in range(2))
    lines = [
        [{**line, "started_at": f"2026-11-25T08:{began}"} for line, began in zip(time.provenance, column, strict=False)]
        + [{**line, "turn": turn} for line, turn in zip(time.provenance[3:], turns, strict=True)]
        for time, column, turns in zip((one, two), zip(*times, strict=True), [(1, 0), (0, 1)], strict=True)
    ]
    one, two = (replace(time, provenance=tuple(its)) for time, its in zip((one, two), lines, strict=True))
    assert report.first_of_pairs(one, two) == [0, 1, 1, 0]


def test_what_is_too_noisy_says_so_in_few_letters(capsys):
    """Two pairs, or many of great noise, have no interval of a hundred digits in any format."""
    noisy = [float(np.exp(2.5 * (-1) ** n + 0.1 * n)) for n in range(7)]
    for ratios, word in (([1.2, 3.5], "too few sessions to compare"), (noisy, "too noisy to compare")):
        found = measured_in_turn([ratios] * 2)
        formats.show(found)
        shown, markdown = capsys.readouterr().out, formats.markdown(found)
        for text in (shown, markdown):
            assert text.count(word) >= 4  # two rows, their mean, and what it means
        assert max(len(cell) for line in markdown.splitlines() if "|" in line for cell in line.split("|")) < 40
        records = json.loads(formats.as_json(found))
        for one in (*records["rows"], *records["means"]):
            assert one["verdict"] == judge.CANNOT_TELL
            assert one["too_noisy"] is True
            assert one["low"] is one["high"] is one["detectable"] is None
        assert records["outcome"] == judge.CANNOT_TELL


def test_what_can_be_read_is_not_called_noisy():
    """A row with a narrow interval has it in JSON, and is not flagged."""
    (one,) = json.loads(formats.as_json(measured_in_turn([[1.01, 0.99] * 5])))["rows"]
    assert one["too_noisy"] is False
    assert one["low"] < one["ratio"] < one["high"]


def test_a_huge_ratio_is_short():
    """A change of a hundred times and more is a factor, to three digits."""
    assert [formats.percent(ratio) for ratio in (0.5, 1.042, 3.5, 99.0, 250.0, 1.234e30)] == [
        "-50 %", "+4.2 %", "+250 %", "+9800 %", "250 times", "1.23e+30 times"]  # fmt: skip


def test_noise_is_no_answer():
    """Where a slowdown beyond the margin may hide, that is what is said."""
    noisy = {place: time(one.seconds, deviation=0.3) for place, one in BASE.items()}
    found = reported(stored("torch-1", noisy), stored("torch-2", {place: time(1.0, 0.3) for place in list(noisy)[:1]}))
    assert found.outcome == judge.CANNOT_TELL


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


def test_other_versions_of_the_benchmark_are_refused():
    """Two versions of a benchmark time different things."""
    newer = {**BASE, ("vgg16", "total"): time(5.0, version="2")}
    (refused,) = reported(stored("torch-1", BASE), stored("torch-2", newer)).refused
    assert "different versions" in refused.reason


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
    mixed = replace(with_it, provenance=(without.provenance[0], with_it.provenance[0]))
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


def test_sessions_measured_in_turn_are_compared_pair_by_pair():
    """A drift of the machine that both share is no change; sessions without a partner do not count."""
    drift = [1.0, 1.3, 0.8, 1.1, 2.0, 0.7]
    base = in_turn(drift, [f"now {n}" for n in range(6)])
    other = in_turn([1.05 * one for one in drift], [f"now {n}" for n in range(6)])
    other = replace(other, sessions=(*other.sessions, (9.0,)), provenance=(*other.provenance, {"version": "1"}))
    (row,) = reported(
        stored("torch-1", {("vgg16", "total"): base}), stored("torch-2", {("vgg16", "total"): other})
    ).rows
    assert row.change.ratio == pytest.approx(1.05)
    assert row.change.low == pytest.approx(1.05)
    assert row.verdict == judge.SLOWER


def in_turn(medians, names):
    lines = tuple({"version": "1", "worker": name, "pair": name} for name in names)
    return Measured(float(np.median(medians)), sessions=tuple((one,) for one in medians), provenance=lines)


def test_doubts_are_passed_on():
    """A busy machine, a lone session and missing samples stand at the row."""
    lone = Measured(1.0, sessions=((1.0, 1.1),), doubts=("it was busy",), provenance=({"version": "1", "worker": "w"},))
    bare = Measured(1.0, provenance=({"version": "1"},))
    found = reported(stored("torch-1", {("vgg16", "total"): lone}), stored("torch-2", {("vgg16", "total"): bare}))
    assert found.rows[0].doubts == (
        "torch-1: it was busy",
        "torch-1: one session alone",
        "torch-2: no samples are stored",
    )


def test_sessions_of_one_worker_are_starred():
    """Results from before each round had a worker of its own have an interval without what workers differ by."""
    old = replace(time(1.0), provenance=({"version": "1"},) * 2)
    found = reported(stored("torch-1", {("vgg16", "total"): old}), stored("torch-2", {("vgg16", "total"): time(1.0)}))
    assert found.rows[0].doubts == (f"torch-1: {ONE_WORKER}",)


def test_releases_of_different_computers_are_starred():
    """A change between two computers is doubtful, unless both releases were measured in turn on each."""

    def on(computer, pair=""):
        lines = [{"version": "1", "worker": "w", "computer": computer} for _ in range(2)]
        if pair:
            lines = [{**line, "pair": f"{pair} {number}"} for number, line in enumerate(lines)]
        return {("vgg16", "total"): replace(time(1.0), provenance=tuple(lines))}

    def doubts(base, other):
        return reported(stored("torch-1", base), stored("torch-2", other)).rows[0].doubts

    assert doubts(on("a"), on("b")) == ("they were not measured on the same computer",)
    assert doubts(on("a"), on(None)) == ("they were not measured on the same computer",)
    assert doubts(on("a"), on("a")) == ()
    assert doubts(on("a", pair="p"), on("b", pair="p")) == ()


def test_releases_measured_one_after_the_other_are_told(capsys):
    """How long lay between two releases is said, unless their sessions alternate."""

    def at(*minutes):
        lines = tuple({"version": "1", "worker": "w", "started_at": f"2026-11-25T08:{one}:00+00:00"} for one in minutes)
        return {("vgg16", "total"): replace(time(1.0), provenance=lines)}

    apart = reported(stored("torch-1", at("20", "21")), stored("torch-2", at("10", "11")))
    assert apart.rows[0].seconds_apart == 9 * 60
    formats.show(apart)
    assert "one release after the other, 9 min apart (1 pass)" in capsys.readouterr().out
    alternating = reported(stored("torch-1", at("10", "13")), stored("torch-2", at("11", "12")))
    assert alternating.rows[0].seconds_apart == 0
    assert "one release after the other" not in formats.markdown(alternating)


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
