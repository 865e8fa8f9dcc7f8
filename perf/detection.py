"""How small a slowdown is found, in how much machine time? `python perf/detection.py`; the README says how."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev

import click
import false_alarms
import harness
import pool
import replay
import slowed
import sweep_sides
from pool import Session
from rich.table import Table

from passtime.catalog import sampling
from passtime.catalog.place import Item
from passtime.runtimes.store import Runtime
from passtime.stats import judge

POOL = harness.HERE / "pools" / "slowed.jsonl"
ITEM = Item("resnet18", "cpu", "training")
PASS = "total"
BASE = "0 %"
LEVELS = {"1 %": 0.01, "2 %": 0.02, "5 %": 0.05, "10 %": 0.1}
# What is found soon needs few rounds.
ROUNDS_OF = {"1 %": 60, "5 %": 30, "10 %": 30}
TRIALS = 200
# So many times as many where `passtime measure` is asked for its false alarms: a small share needs them.
FALSE_ALARM_TRIALS = 10
# Rounds of asv, by the factor; close to each other where it finds nearly all.
ASV_ROUNDS = {1.1: (2, 8, 48, 96), 1.05: (2, 8, 48, 96), 1.01: (2, 8, 24, 48, 64, 72, 76, 80, 84, 88, 92, 96)}
GOAL_LEVEL, GOAL_POWER, GOAL_TIME = "2 %", 0.95, 0.5


@dataclass(frozen=True)
class Found:
    """Of all trials: the share that was called slower, and the median seconds of machine time that a trial took."""

    share: float
    seconds: float
    sessions: float = 0.0


@click.command()
@harness.release_option
@click.option("--pool", "path", type=click.Path(path_type=Path), default=POOL, show_default=True)
@click.option("--rounds", default=0, help="Measure until the pool has so many rounds.")
@click.option("--minutes", default=60.0, show_default=True, help="Stop measuring after the round in which they end.")
@click.option("--trials", default=TRIALS, show_default=True)
def main(release_name: str | None, path: Path, rounds: int, minutes: float, trials: int) -> None:
    """Put known slowdowns into a release's runtime, and see how often and how soon each is found."""
    times_path = path.with_suffix(".asv.json")  # what asv's processes take, of the same sitting
    if rounds:
        harness.warn_if_busy()
        release, runtime = harness.runtime_of(release_name)
        with tempfile.TemporaryDirectory() as folder:
            made = {name: slowed.make(runtime, share, Path(folder, name[:-2])) for name, share in LEVELS.items()}
            pool.grow(path, release, {BASE: runtime, **made}, [ITEM], rounds, minutes, ROUNDS_OF)
        if not times_path.exists():
            times_path.write_text(json.dumps(asv_process_seconds(runtime)) + "\n", "utf-8")
    arms = slowed_arms([pool.as_sampled_now(one) for one in pool.read(path)])
    count = min((len(arms[arm]) for arm in (BASE, GOAL_LEVEL) if arm in arms), default=0)
    if count < judge.LOOKS[0] or not times_path.exists():
        raise click.ClickException(f"{path} has {count} rounds: --rounds {judge.LOOKS[0]} or more measures them")
    times = json.loads(times_path.read_text("utf-8"))
    table = Table("rule", "slowdown", "found", "machine time", "sessions a side", "false alarms")
    table.title = f"{ITEM.workload} {PASS}, {trials} trials a row drawn from {count} rounds of sessions"
    false = by_measure(arms[BASE], arms[BASE], FALSE_ALARM_TRIALS * trials)
    ours = {}
    for level in LEVELS:
        ours[level] = by_measure(arms[BASE], arms[level], trials)
        table.add_row("passtime measure", level, *shown(ours[level]), f"{false.share:.1%}")
    table.add_section()
    goal, theirs = ours[GOAL_LEVEL], []
    samples = [one.samples[PASS] for one in arms[BASE]]
    process_seconds = times["process_seconds"] + (len(samples[0]) - times["samples"]) * fmean(map(fmean, samples))
    for factor, sizes in ASV_ROUNDS.items():
        for size in (size for size in sizes if size <= count):
            seconds = times["start_seconds"] + 2 * size * process_seconds
            share = by_asv(arms[BASE], arms[GOAL_LEVEL], size, factor, trials)
            itself = by_asv(arms[BASE], arms[BASE], size, factor, trials) if 2 * size <= count else None
            table.add_row(f"asv continuous --factor {factor}", GOAL_LEVEL, *shown(Found(share, seconds, size)),
                          "" if itself is None else f"{itself:.1%}")  # fmt: skip
            if share >= GOAL_POWER:
                theirs.append((seconds, factor, size))
    harness.show(table)
    click.echo(
        f"standard deviation of the logarithm: of a session's median {stdev(logs(arms[BASE])):.1%}, of a pair's ratio "
        f"{stdev(logs_of_pairs(arms[BASE], arms[GOAL_LEVEL])):.1%}"
    )
    line = f"detection: {GOAL_LEVEL} found in {goal.share:.1%} of trials, in {goal.seconds:.0f} s of machine time"
    if theirs:
        seconds, factor, size = min(theirs)
        line += (f"; asv continuous --factor {factor} needs {seconds:.0f} s for that ({size} rounds): "
                 f"ratio {goal.seconds / seconds:.2f}")  # fmt: skip
    else:
        line += "; asv continuous does not reach that in what was measured"
    is_met = goal.share >= GOAL_POWER and (not theirs or goal.seconds <= GOAL_TIME * min(theirs)[0])
    click.echo(f"{line}; to be {GOAL_POWER:.0%} in half the time: {'pass' if is_met else 'missed'}")


def slowed_arms(sessions: Sequence[Session]) -> dict[str, list[Session]]:
    """Each arm's sessions, those of a slowdown scaled to be just that."""
    arms = by_arm(sessions)
    slower = {level: exactly_slowed(arms[BASE], arms[level], share) for level, share in LEVELS.items() if level in arms}
    return {**arms, **slower}


def logs(sessions: Sequence[Session]) -> list[float]:
    """The logarithm of each session's median."""
    return [math.log(median(one.samples[PASS])) for one in sessions]


def logs_of_pairs(base: Sequence[Session], other: Sequence[Session]) -> list[float]:
    """The logarithm of each pair's ratio; where an arm has fewer rounds, those are the first."""
    return [two - one for one, two in zip(logs(base), logs(other), strict=False)]


def by_arm(sessions: Sequence[Session]) -> dict[str, list[Session]]:
    """Each arm's sessions, by round."""
    arms: dict[str, list[Session]] = {}
    for one in sessions:
        arms.setdefault(one.arm, []).append(one)
    return arms


def exactly_slowed(base: Sequence[Session], other: Sequence[Session], share: float) -> list[Session]:
    """An arm's sessions, all scaled alike, so that their mean over the base's is the slowdown that was put in.

    In a pool of so many sessions the mean is off by chance, by a good part of the slowdown: trials drawn from it would
    find that sum. How sessions differ is as it was measured.
    """
    factor = (1 + share) / math.exp(fmean(logs_of_pairs(base, other)))
    return [
        dataclasses.replace(
            one, samples={name: [factor * value for value in samples] for name, samples in one.samples.items()}
        )
        for one in other
    ]


def by_measure(base: Sequence[Session], other: Sequence[Session], trials: int) -> Found:
    """Campaigns over pairs drawn without replacement: two sessions of one round, or where both are of one arm, two."""
    chance = random.Random(1)
    called, seconds, sessions = 0, [], []
    for _ in range(trials):
        order = chance.sample(range(len(other)), len(other))
        if base is other:
            half = len(order) // 2
            pairs = [(base[a], base[b]) for a, b in zip(order[:half], order[half:], strict=False)]
        else:
            pairs = [(base[number], other[number]) for number in order]
        verdicts, changes, spent = replay.campaign({ITEM: pairs}, passes=[PASS])
        wanted = false_alarms.CHANGED if base is other else (judge.SLOWER,)
        called += verdicts[ITEM, PASS] in wanted
        seconds.append(spent)
        sessions.append(changes[ITEM, PASS].freedom + 1)
    return Found(called / trials, median(seconds), median(sessions))


def by_asv(base: Sequence[Session], other: Sequence[Session], rounds: int, factor: float, trials: int) -> float:
    """The share of trials in which asv's rule calls a change, from so many sessions a side, all samples together."""
    chance = random.Random(2)
    called = 0
    for _ in range(trials):
        ours = chance.sample(range(len(base)), rounds)
        # A release against itself takes the sessions that are left.
        left = [number for number in range(len(other)) if base is not other or number not in ours]
        samples = (
            [value for number in numbers for value in sessions[number].samples[PASS]]
            for sessions, numbers in ((base, ours), (other, chance.sample(left, rounds)))
        )
        called += false_alarms.is_called_by_asv(*samples, factor)
    return called / trials


def asv_process_seconds(runtime: Runtime) -> dict[str, float]:
    """What stock asv takes for a process that times this pass as often as a session does, and to start and end."""
    few, many = 2, 6
    samples = sampling.policy_for_verdict()["minimum_samples"]
    variables = {"PLAIN_SUITE_TRAINING_SAMPLES": json.dumps({ITEM.workload: samples})}
    selection = ["-b", rf"Training.time_{PASS}\('{ITEM.workload}'\)", "-a"]
    with tempfile.TemporaryDirectory() as folder:
        fewer, more = (
            sweep_sides.run_plain(runtime, Path(folder, "plain"), variables, [*selection, f"rounds={rounds}"])
            for rounds in (few, many)
        )
    process = (more - fewer) / (many - few)
    start = fewer - few * process
    return {"samples": samples, "process_seconds": round(process, 2), "start_seconds": round(start, 2)}


def shown(found: Found) -> tuple[str, str, str]:
    return f"{found.share:.1%}", f"{found.seconds:.0f} s", f"{found.sessions:.0f}"


if __name__ == "__main__":
    harness.run(main)
