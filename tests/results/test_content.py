"""What a release has on a machine, as text, and how it grows."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from passtime.errors import PasstimeError
from passtime.results import content, store
from passtime.results.content import Content
from passtime.results.sessions import Cell, cells_of

ROOT = Path(__file__).parents[2]

BENCHMARK = {
    "name": "nets.Net.time_forward",
    "version": "1",
    "params": [["'resnet18'", "'resnet50'"], ["'cpu'"]],
}
RESNET18, RESNET50 = cells_of(BENCHMARK)
HEADER = {
    **{"commit_hash": "a" * 40, "env_name": "passtime", "date": 1, "params": {"machine": "m"}, "python": "runtime"},
    **{"requirements": {}, "env_vars": {}},
}


def line(cell: Cell = RESNET18, begun: str = "2026-01-01T00:00:00+00:00", **said: object) -> dict:
    return {
        **{
            "benchmark": cell.benchmark,
            "version": "1",
            "params": list(cell.params),
            "started_at": begun,
            "seconds": 1.0,
        },
        **said,
    }


def with_session(samples: list[float], cell: Cell = RESNET18, **said: object) -> Content:
    found = Content(dict(HEADER))
    assert found.add(BENCHMARK, cell, [line(cell, **said)], None, samples, started_at=1)
    return found


def read_back(found: Content) -> Content:
    return content.parse(found.text(), found.sessions.text(), "values.json", "sessions.jsonl")


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/*-passtime.json")), ids=lambda path: path.stem[:8])
def test_what_is_stored_is_written_as_it_was_read(path):
    """Each file of results in git comes back byte for byte, as asv wrote it."""
    found = store.read(path)
    assert found.text() == path.read_text("utf-8")
    lines = store.provenance_of(path)
    assert found.sessions.text() == (lines.read_text("utf-8") if lines.is_file() else "")


def test_sessions_are_added():
    """A second session's samples follow the first one's, and the value is the median of all."""
    found = with_session([1.0, 2.0, 3.0])
    found.add(BENCHMARK, RESNET18, [line(worker="b")], None, [7.0, 8.0])
    value = read_back(found).entries["nets.Net.time_forward"].values[RESNET18.params]
    assert (value.value, value.samples) == (3.0, [1.0, 2.0, 3.0, 7.0, 8.0])
    assert [one["samples"] for one in found.sessions.of(RESNET18)] == [3, 2]


def test_a_cell_that_was_measured_is_never_made_unavailable():
    """Not available, a --quick session and a failure leave a cell's samples as they are."""
    found = with_session([1.0, 2.0])
    assert not found.add(BENCHMARK, RESNET18, [], math.nan)
    assert not found.add(BENCHMARK, RESNET18, [line(quick=True)], None, [9.0])
    found.put_failure(BENCHMARK, RESNET18, line(failure="broken"), 2)
    assert found.value(BENCHMARK, RESNET18) == 1.5
    assert read_back(found).sessions.failed(RESNET18)


@pytest.mark.parametrize("mark", [{"quick": True}, {"imported": "tables.md"}])
def test_what_was_not_measured_in_earnest_gives_way(mark):
    """A --quick session, and a number from others' tables, is replaced by a session that was measured."""
    found = with_session([9.0], **mark)
    found.add(BENCHMARK, RESNET18, [line()], None, [1.0, 1.0])
    assert found.value(BENCHMARK, RESNET18) == 1.0
    assert len(found.sessions.of(RESNET18)) == 1


def test_samples_of_a_time_before_sessions_stay():
    """Samples without a session's line are one session's; new ones follow them."""
    found = with_session([1.0, 2.0, 3.0])
    found.sessions.put(RESNET18, [])
    found.add(BENCHMARK, RESNET18, [line()], None, [5.0])
    assert found.entries["nets.Net.time_forward"].values[RESNET18.params].samples == [1.0, 2.0, 3.0, 5.0]
    assert [one["samples"] for one in found.sessions.of(RESNET18)] == [3, 1]


def test_another_version_of_a_benchmark_starts_anew():
    """Numbers of an earlier version do not compare with new ones: they go."""
    found = with_session([1.0, 2.0], RESNET50)
    found.add({**BENCHMARK, "version": "2"}, RESNET18, [line(version="2")], None, [5.0])
    assert found.entries["nets.Net.time_forward"].values.keys() == {RESNET18.params}
    assert [one["version"] for one in found.sessions.lines()] == ["2"]


def test_sessions_of_two_sides_are_united():
    """Both sides' sessions are there once, by when they were begun, and cells that one side has are there too."""
    common = line(begun="2026-01-01T00:00:00+00:00")
    ours, theirs = (Content(dict(HEADER)) for _ in range(2))
    for side in (ours, theirs):
        side.add(BENCHMARK, RESNET18, [common], None, [1.0, 1.0])
    ours.add(BENCHMARK, RESNET18, [line(begun="2026-01-03T00:00:00+00:00")], None, [3.0])
    theirs.add(BENCHMARK, RESNET18, [line(begun="2026-01-02T00:00:00+00:00")], None, [2.0, 2.0])
    theirs.add(BENCHMARK, RESNET50, [line(RESNET50)], None, [9.0])
    ours.unite(theirs)
    united = read_back(ours)
    values = united.entries["nets.Net.time_forward"].values
    assert values[RESNET18.params].samples == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert [one["started_at"][9:10] for one in united.sessions.of(RESNET18)] == ["1", "2", "3"]
    assert values[RESNET50.params].samples == [9.0]


def test_sides_with_other_parameters_are_united():
    """Where one side has a parameter more, and no version tells, that side's cells stay and nothing fails."""
    more = {**BENCHMARK, "params": [*BENCHMARK["params"], ["'float32'"]]}
    cell = cells_of(more)[0]
    for is_ours in (True, False):
        wider, narrower = Content(dict(HEADER)), with_session([1.0])
        wider.add(more, cell, [line(cell)], None, [2.0])
        one, two = (wider, narrower) if is_ours else (narrower, wider)
        one.unite(two)
        assert one.value(more, cell) == 2.0


def test_a_number_of_one_side_beats_not_available():
    """A cell that one side measured and the other could not have is measured."""
    for measured_first in (True, False):
        measured, other = with_session([1.0]), Content(dict(HEADER))
        other.put_not_available(BENCHMARK, [RESNET18, RESNET50], 1)
        one, two = (measured, other) if measured_first else (other, measured)
        one.unite(two)
        assert one.value(BENCHMARK, RESNET18) == 1.0
        assert math.isnan(one.value(BENCHMARK, RESNET50) or 0.0)


def test_the_later_version_of_a_benchmark_is_united():
    """Of two versions of a benchmark the later one's sessions stay, whichever side has them."""
    for is_ours in (True, False):
        old, new = with_session([1.0]), Content(dict(HEADER))
        new.add({**BENCHMARK, "version": "2"}, RESNET18, [line(version="2")], None, [5.0])
        one, two = (new, old) if is_ours else (old, new)
        one.unite(two)
        assert one.entries["nets.Net.time_forward"].version == "2"
        assert [found["version"] for found in one.sessions.lines()] == ["2"]


def replaced(column: str, value: object) -> str:
    document = json.loads(with_session([1.0, 2.0]).text())
    document["results"]["nets.Net.time_forward"][document["result_columns"].index(column)] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"version": 2}', "it has no 'commit_hash'"),
        ('{"results": {}}', "no version"),
        (replaced("result", 0), "nets.Net.time_forward, result: 0"),
        (replaced("result", [0]), "nets.Net.time_forward, result: 0"),
        (replaced("result", "slow"), "nets.Net.time_forward, result: 'slow'"),
        (replaced("result", [[1.0]]), "nets.Net.time_forward, result: [1.0]"),
        (replaced("result", [True]), "nets.Net.time_forward, result: True"),
        (replaced("samples", [[1.0, 0.0]]), "nets.Net.time_forward, samples: [1.0, 0.0]"),
        (replaced("samples", [[1.0, None]]), "nets.Net.time_forward, samples: [1.0, None]"),
        (replaced("samples", [1.0]), "nets.Net.time_forward, samples: 1.0"),
        (replaced("samples", [[]]), "nets.Net.time_forward, samples: []"),
        (replaced("stats_q_25", [{}]), "nets.Net.time_forward, stats_q_25: {}"),
        (replaced("params", "no"), "nets.Net.time_forward, params: 'no'"),
        (replaced("started_at", "now"), "nets.Net.time_forward, started_at: 'now'"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(text, place):
    """A value of the wrong kind, or no JSON, is one line with the file and the place; no advice to remove it."""
    with pytest.raises(PasstimeError) as raised:
        content.parse(text, "", "results/m/a.json", "results/m/a.provenance.jsonl")
    assert str(raised.value).startswith("results/m/a.json is damaged: ")
    assert place in str(raised.value)
    assert "remove" not in str(raised.value)


@pytest.mark.parametrize("value", [True, "fast", [1, 2], {"a": 1}, 0, math.inf])
def test_what_a_track_method_returns_is_kept(value):
    """asv takes any value of a track_ benchmark, so a file with one can be read, and other cells be added to it."""
    tracked = {"name": "plain.track_it", "version": "1", "params": []}
    (cell,) = cells_of(tracked)
    found = with_session([1.0])
    found.add(tracked, cell, [line(cell)], value)
    again = read_back(found)
    again.add(tracked, cell, [line(cell, worker="b")], value)
    assert read_back(again).entries["plain.track_it"].values[()].value == value


def test_sessions_of_removed_values_are_gone():
    """Where asv removed a benchmark's values, the lines that stood beside them describe no later samples."""
    found = with_session([1.0, 2.0])
    found.entries.clear()
    again = read_back(found)
    again.add(BENCHMARK, RESNET18, [line(worker="new")], None, [5.0])
    assert [one["worker"] for one in again.sessions.of(RESNET18)] == ["new"]


def test_a_file_of_a_newer_format_is_not_called_damaged():
    """A newer asv's file is said to be that, and nobody is told to remove it."""
    document = {**json.loads(with_session([1.0]).text()), "version": 3}
    with pytest.raises(PasstimeError, match="has format 3, and this asv reads format 2: a newer asv reads it"):
        content.parse(json.dumps(document), "", "a.json", "a.provenance.jsonl")


ODD = [
    f'{{"benchmark": "b", "params": [], {field}}}'
    for field in ('"started_at": 5', '"started_at": "yesterday"', '"started_at": "2026-01-01T00:00:00"', '"marks": 5',
                  '"computer": []', '"heat": {}', '"turn_samples": "one"', '"left_out": 1', '"seconds": "long"')
]  # fmt: skip


@pytest.mark.parametrize(
    "lines", ["{}", "[]", '{"benchmark": 1, "params": []}', '{"benchmark": "b", "params": [1]}', "x", *ODD]
)
def test_a_damaged_line_is_named(lines):
    """A line that is no session is one message with the file and the line's number."""
    good = json.dumps(line())
    with pytest.raises(PasstimeError, match=r"^a.provenance.jsonl is damaged: line 2 is no session"):
        content.parse(with_session([1.0]).text(), f"{good}\n{lines}\n", "a.json", "a.provenance.jsonl")


def test_a_merge_conflict_is_called_one():
    """Git's conflict markers are said to be a merge conflict, with the line and what unites the two sides."""
    text = f"<<<<<<< HEAD\n{with_session([1.0]).text()}\n=======\n{{}}\n>>>>>>> other\n"
    for values, lines, name in ((text, "", "a.json"), (with_session([1.0]).text(), text, "a.provenance.jsonl")):
        with pytest.raises(PasstimeError, match=rf"^{name} has a merge conflict in line 1: `passtime results merge`"):
            content.parse(values, lines, "a.json", "a.provenance.jsonl")
