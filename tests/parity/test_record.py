"""What was checked is kept, and found again."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest

from passtime.errors import PasstimeError
from passtime.results.parity import DIFFERS, FILE, HOLDS, UNCHECKED, Parity, Record

SAME = Parity("dense", "cpu", 1000, (1, 512), 1.2345e-7, 0.0, "")
OTHER = dataclasses.replace(SAME, output_error=float("nan"), difference="parameters: 1001, not 1000")


def test_a_check_is_found_in_either_order(tmp_path):
    """That A does B's work is that B does A's; nothing is said of another workload, device or release."""
    Record(tmp_path).keep("torch-2.14.1", "flux-0.12.1", SAME)
    record = Record(tmp_path)
    assert record.state("flux-0.12.1", "torch-2.14.1", "dense", "cpu") == HOLDS
    assert record.state("torch-2.14.1", "flux-0.12.1", "dense", "gpu") == UNCHECKED
    assert record.state("torch-2.14.1", "flux-0.12.1", "vgg16", "cpu") == UNCHECKED
    assert record.state("torch-2.15.0", "flux-0.12.1", "dense", "cpu") == UNCHECKED


def test_a_release_does_its_own_work(tmp_path):
    """A release needs no check against itself."""
    assert Record(tmp_path).state("torch-2.14.1", "torch-2.14.1", "dense", "cpu") == HOLDS


def test_within_a_framework_work_is_the_same_unless_found_otherwise(tmp_path):
    """Two releases of torch that were never compared count as the same, torch and Flux do not; a difference counts."""
    names = ("torch-1.0.1", "torch-2.15.0", "flux-0.12.1")
    old, new, flux = (SimpleNamespace(name=name, framework=name.partition("-")[0]) for name in names)
    record = Record(tmp_path)
    assert record.between(old, new, "dense", "cpu") == HOLDS
    assert record.between(old, flux, "dense", "cpu") == UNCHECKED
    record.keep("torch-1.0.1", "torch-2.15.0", OTHER)
    assert record.between(old, new, "dense", "cpu") == DIFFERS


def test_where_only_one_does_the_work_of_a_third_two_differ(tmp_path):
    """Releases that were checked against the same third one need no check of their own to be told apart."""
    record = Record(tmp_path)
    record.keep("torch-2.15.0", "flux-0.10.4", OTHER)
    record.keep("torch-2.15.0", "flux-0.11.0", SAME)
    record.keep("torch-2.15.0", "flux-0.12.1", SAME)
    old, new, newer = (
        SimpleNamespace(name=f"flux-{version}", framework="flux") for version in ("0.10.4", "0.11.0", "0.12.1")
    )
    assert record.between(old, new, "dense", "cpu") == DIFFERS
    assert record.of("flux-0.11.0")["flux-0.10.4", "cpu", "dense"].startswith(
        "only one does the work of torch-2.15.0: "
    )
    assert record.between(new, newer, "dense", "cpu") == HOLDS
    assert ("flux-0.12.1", "cpu", "dense") not in record.of("flux-0.11.0")


def test_all_that_was_checked_of_a_release_is_found(tmp_path):
    """For each other release, device and workload: in what they differ, or nothing."""
    record = Record(tmp_path)
    record.keep("torch-2.14.1", "flux-0.12.1", SAME)
    record.keep("flux-0.9.0", "torch-2.14.1", OTHER)
    assert record.of("torch-2.14.1") == {
        ("flux-0.12.1", "cpu", "dense"): "",
        ("flux-0.9.0", "cpu", "dense"): "parameters: 1001, not 1000",
    }
    assert record.of("flux-0.9.0")["torch-2.14.1", "cpu", "dense"] == "parameters: 1001, not 1000"


def test_a_later_check_takes_the_place_of_an_earlier_one(tmp_path):
    """One line for two releases, a workload and a device, whichever was the reference."""
    Record(tmp_path).keep("torch-2.14.1", "flux-0.12.1", SAME)
    Record(tmp_path).keep("flux-0.12.1", "torch-2.14.1", OTHER)
    assert Record(tmp_path).state("torch-2.14.1", "flux-0.12.1", "dense", "cpu") == DIFFERS
    lines = (tmp_path / FILE).read_text().splitlines()
    assert len(lines) == 1
    assert "NaN" not in lines[0]


@pytest.mark.parametrize("line", ['{"releases": 1}', "[]", "no JSON", '{"releases": ["a", "b"]}', "1", "[" * 100_000])
def test_a_damaged_line_costs_itself_alone(tmp_path, capsys, line):
    """It is named with its file and number, the others count, and it is still there after another check is kept."""
    Record(tmp_path).keep("torch-2.14.1", "flux-0.12.1", SAME)
    with open(tmp_path / FILE, "a") as file:
        file.write(line + "\n")
    record = Record(tmp_path)
    assert record.state("torch-2.14.1", "flux-0.12.1", "dense", "cpu") == HOLDS
    assert "parity.jsonl, line 2 is damaged: restore it" in capsys.readouterr().err
    record.keep("torch-2.14.1", "flux-0.9.0", OTHER)
    assert line in (tmp_path / FILE).read_text().splitlines()
    assert Record(tmp_path).state("torch-2.14.1", "flux-0.9.0", "dense", "cpu") == DIFFERS


def test_a_merge_conflict_is_called_so(tmp_path, capsys):
    """Marks that git left are named as such, and the lines of both sides count."""
    Record(tmp_path).keep("torch-2.14.1", "flux-0.12.1", SAME)
    text = (tmp_path / FILE).read_text()
    other = text.replace("flux-0.12.1", "flux-0.9.0")
    (tmp_path / FILE).write_text(f"<<<<<<< HEAD\n{text}=======\n{other}>>>>>>> theirs\n")
    record = Record(tmp_path)
    assert capsys.readouterr().err.count("mark of a merge conflict") == 3
    for release in ("flux-0.12.1", "flux-0.9.0"):
        assert record.state("torch-2.14.1", release, "dense", "cpu") == HOLDS


@pytest.mark.parametrize("is_turned", [False, True])
def test_lines_that_contradict_each_other_count_by_their_time(tmp_path, is_turned):
    """Of two checks of the same, the later one counts, in whichever order they stand; without times, the difference."""
    for number, parity in enumerate((OTHER, SAME)):
        Record(tmp_path / str(number)).keep("torch-2.14.1", "flux-0.12.1", parity)
    old, new = (json.loads((tmp_path / str(number) / FILE).read_text()) for number in (0, 1))
    old["checked"], new["checked"] = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"

    def state(*entries):
        ordered = entries[::-1] if is_turned else entries
        (tmp_path / FILE).write_text("".join(json.dumps(entry) + "\n" for entry in ordered))
        return Record(tmp_path).state("torch-2.14.1", "flux-0.12.1", "dense", "cpu")

    assert state(old, new) == HOLDS
    for entry in (old, new):
        del entry["checked"]
    assert state(old, new) == DIFFERS


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    """What is no text in UTF-8 is refused whole."""
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(PasstimeError, match=r"parity\.jsonl cannot be read: restore it"):
        Record(tmp_path)
