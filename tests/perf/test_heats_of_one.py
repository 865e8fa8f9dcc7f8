"""The scripts that ask how a verdict errs, on pools and machines that are made up."""

from __future__ import annotations

import json

import detection
import false_alarms
import memory_kept
import numpy as np
import pytest
import simulated
from click.testing import CliRunner


def pool(path, rounds, slowdown=0.0, seed=1):
    """A pool of so many rounds, in which one arm is so much slower than the others."""
    random = np.random.default_rng(seed)
    lines = []
    for number in range(rounds):
        for item in false_alarms.ITEMS:
            arms = {}
            for arm in false_alarms.ARMS:
                process = 0.01 * random.standard_normal() + (slowdown if arm == "one" else 0.0)
                logs = {name: process + 0.01 * random.standard_normal(6) for name in item.passes}
                arms[arm] = {name: [float(one) for one in np.exp(its)] for name, its in logs.items()}
            lines.append({"round": number, "workload": item.workload, "session": item.session, "arms": arms})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def run(command, *arguments):
    return CliRunner().invoke(command, [*map(str, arguments)])


def test_a_release_like_itself_raises_no_alarm(tmp_path):
    """Arms that are alike are not called changed, directly or through a third."""
    ended = run(false_alarms.main, "--pool", pool(tmp_path / "pool.jsonl", 6))
    assert "| directly | 3 | 72 | 0 | 0.00% |" in ended.output
    assert "| through a third | 6 | 36 | 0 | 0.00% |" in ended.output
    assert ended.output.endswith("pass\n")


def test_an_arm_that_is_slower_is_called_so(tmp_path):
    """The script can fail: of a slower arm nearly all rows are called changed."""
    ended = run(false_alarms.main, "--pool", pool(tmp_path / "pool.jsonl", 6, slowdown=0.3))
    assert "| directly | 6 | 36 | 36 | 100.00% |" in ended.output
    assert ended.output.endswith("missed\n")


def test_two_sittings_make_a_chain(tmp_path):
    """Of two pools one arm is with the third in the first sitting, and the other one in the second."""
    pools = [pool(tmp_path / "one.jsonl", 6), pool(tmp_path / "later.jsonl", 7, seed=3)]
    ended = run(false_alarms.main, "--pool", pools[0], "--pool", pools[1])
    assert "6 and 7 rounds" in ended.output
    assert "| directly | 3 | 144 | 0 | 0.00% |" in ended.output
    assert "| through a third, over two sittings | 6 | 36 | 0 | 0.00% |" in ended.output


def test_a_slowdown_that_is_put_in_is_found(tmp_path):
    """With --slowdown the table says how often the slower arm is called slower, and that none is called faster."""
    ended = run(false_alarms.main, "--pool", pool(tmp_path / "pool.jsonl", 6), "--slowdown", "0.3")
    assert "| 6 | 36 | 36 | 100% | 1 | 1 | 0 |" in ended.output


@pytest.mark.parametrize("rounds", [0, 2])
def test_too_small_a_pool_is_one_line(tmp_path, rounds):
    """Without a pool, or with too few rounds, the line says how to measure one."""
    path = tmp_path / "pool.jsonl"
    if rounds:
        pool(path, rounds)
    ended = run(false_alarms.main, "--pool", path)
    assert ended.exit_code == 1
    assert "--rounds 3 or more measures" in ended.output
    assert len(ended.output.splitlines()) == 1


def test_a_simulated_slowdown_is_found():
    """On a quiet machine 5 % are found in every row, and nothing is called faster."""
    for slowdown, expected in ((0.05, "slower"), (0.0, "same")):
        rows = {simulated.Item(f"{row}", "cpu", "inference"): ["inference"] for row in range(6)}
        one = simulated.Campaign(simulated.Analysis({}), rows, "old", ["new"], 0.02)
        simulated.Simulated(simulated.quiet, slowdown, seed=1).run(one, 3600.0)
        assert {*one.verdicts.values()} == {expected}


def test_processes_that_differ_have_a_spread():
    """How far processes are apart is the largest median over the smallest."""
    taken = memory_kept.Taken((1.0, 1.1, 1.21), 5.0, 1e6)
    assert taken.seconds == 1.1
    assert taken.spread == pytest.approx(0.21)


def detection_pool(path, rounds):
    """Heats that differ by 1 %, sessions that differ by 4 %, each of one second."""
    random = np.random.default_rng(4)
    lines = [{"start": 10.0, "process": 4.0}]
    for _ in range(rounds):
        arms = {}
        for arm in detection.ARMS:
            process = 0.007 * random.standard_normal()
            logs = {name: process + 0.01 * random.standard_normal(12) for name in detection.ITEM.passes}
            arms[arm] = {name: [float(one) for one in np.exp(its)] for name, its in logs.items()}
        sessions = np.exp(0.04 * random.standard_normal((2, 1)) + 0.01 * random.standard_normal((2, 2))).tolist()
        lines.append({"seconds": 15.0, "arms": arms, "sessions": sessions})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_detection_tells_how_soon_each_finds_a_slowdown(tmp_path):
    """A slowdown that is put in is found by heats in nearly all trials; the line has both times and their ratio."""
    ended = run(detection.main, "--pool", detection_pool(tmp_path / "pool.jsonl", 30), "--trials", 20)
    rows = [line.split("|")[1:-1] for line in ended.output.splitlines() if line.startswith("| passtime measure")]
    found = {row[1].strip(): float(row[2].strip(" %")) for row in rows}
    assert found["5%"] == 100
    assert found["2%"] > found["1%"]
    assert {row[5].strip() for row in rows} <= {"0.0%", "5.0%"}
    assert "detection: 2% is found in" in ended.output
    assert "ratio" in ended.output


def test_a_small_pool_of_detection_is_one_line(tmp_path):
    """Without a pool the line says how to measure one."""
    ended = run(detection.main, "--pool", tmp_path / "pool.jsonl")
    assert ended.exit_code == 1
    assert "--rounds 40 measures one" in ended.output
    assert len(ended.output.splitlines()) == 1
