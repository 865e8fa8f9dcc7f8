"""How soon is a slowdown found, and how soon by `asv continuous`? `python perf/detection.py`; the README says how."""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import click
import harness
import sweep_sides
from asv.commands.compare import _is_result_better
from asv_runner.statistics import compute_stats
from rich.table import Table

from passtime.catalog import frameworks, sampling, workloads
from passtime.catalog.place import Item, Place
from passtime.measure import heat
from passtime.measure.analysis import Analysis
from passtime.measure.compare import restart
from passtime.results.heats import Heat
from passtime.runtimes.store import Runtime
from passtime.stats import judge
from passtime.worker.driver import client, cores, start
from passtime.worker.driver.supervisor import Worker

POOL = harness.HERE / "pools" / "detection.jsonl"
ARMS = ("one", "other")
ITEM = Item("resnet18", "cpu", "training")
STEP = Place("resnet18", "cpu", "total")
TURNS = 12
# Of a session of asv's: more in one process tell less than as many in further ones.
SAMPLES = 2
SLOWDOWNS = (0.01, 0.02, 0.05)
TRIALS = 200
# Of asv continuous, by its factor: below its own of 1.1, one that lets 2 % through.
ROUNDS_OF_ASV = {1.1: (2, 96), 1.01: (2, 8, 32, 64, 96, 128, 160, 192, 224, 256)}
GOAL_SLOWDOWN, GOAL_POWER, GOAL_TIME = 0.02, 0.95, 0.2


@dataclass(frozen=True)
class Pool:
    """What was measured in turn: heats with what each took, and the step's samples of single sessions.

    `asv_seconds` says what a run of asv takes to start, and each of its processes.
    """

    heats: Sequence[tuple[float, Mapping[str, Mapping[str, Sequence[float]]]]]
    sessions: Sequence[Sequence[float]]
    asv_seconds: Mapping[str, float]


@click.command()
@harness.release_option
@click.option("--pool", "path", type=click.Path(path_type=Path), default=POOL, show_default=True)
@click.option("--rounds", default=0, help="Measure until the pool has so many: a heat, and a session of each arm.")
@click.option("--trials", default=TRIALS, show_default=True)
def main(release_name: str | None, path: Path, rounds: int, trials: int) -> None:
    """Compare the machine time in which `passtime measure` and `asv continuous` find a slowdown of resnet18's step."""
    if rounds:
        harness.warn_if_busy()
        release, runtime = harness.runtime_of(release_name)
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(asv_seconds(runtime)) + "\n", "utf-8")
        with ExitStack() as stack:
            framework = frameworks.get(release.framework)
            workers = {arm: stack.enter_context(start.worker(framework, runtime, cores.threads())) for arm in ARMS}
            for number in range(len(read(path).heats), rounds):
                harness.progress.print(f"round {number + 1} of {rounds}")
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(measured(workers, number)) + "\n")
    pool = read(path)
    if len(pool.heats) < judge.LEAST_HEATS:
        raise click.ClickException(f"{path} has {len(pool.heats)} rounds: --rounds 40 measures them")
    table = Table("command", "slowdown", "called slower", "machine time, median", "heats or rounds", "false alarms")
    table.title = f"resnet18's step, {trials} trials a row, drawn from {len(pool.heats)} rounds"
    ours, power = math.inf, 0.0
    alarms = shares(campaign(pool, 0.0, random.Random(trial))[0] for trial in range(trials))
    for slowdown in SLOWDOWNS:
        found = [campaign(pool, slowdown, random.Random(trial)) for trial in range(trials)]
        slower = shares(verdict for verdict, *_ in found)[judge.SLOWER]
        seconds, heats = (median(one[index] for one in found) for index in (1, 2))
        table.add_row("passtime measure", *shown(slowdown, slower, seconds, heats, alarms))
        if slowdown == GOAL_SLOWDOWN:
            power, ours = slower, seconds
    theirs, is_enough = 0.0, False
    for factor, sizes in ROUNDS_OF_ASV.items():
        for size in sizes:
            slower = shares(by_asv(pool, GOAL_SLOWDOWN, size, factor, trials))[judge.SLOWER]
            theirs = pool.asv_seconds["start"] + 2 * size * pool.asv_seconds["process"]
            false = shares(by_asv(pool, 0.0, size, factor, trials))
            table.add_row(f"asv continuous --factor {factor}", *shown(GOAL_SLOWDOWN, slower, theirs, size, false))
            if is_enough := slower >= GOAL_POWER:
                break
    harness.show(table)
    said = f"asv continuous takes {theirs:.0f} s" if is_enough else f"asv continuous takes more than {theirs:.0f} s"
    is_met = power >= GOAL_POWER and ours <= GOAL_TIME * theirs
    click.echo(f"detection: {GOAL_SLOWDOWN:.0%} is found in {power:.1%} of trials, in {ours:.0f} s; {said} for "
               f"{GOAL_POWER:.0%}: ratio {'' if is_enough else 'below '}{ours / theirs:.2f}; to be {GOAL_POWER:.0%} in "
               f"{GOAL_TIME} of its time: {'pass' if is_met else 'missed'}")  # fmt: skip


def measured(workers: Mapping[str, Worker], number: int) -> dict[str, Any]:
    """A round: a heat of new workers, and a session of each arm as asv would have them, one after the other."""
    started = time.monotonic()
    restart([*workers.values()])
    taken = heat.take(workers, ITEM, sampling.policy_for_heats(), lambda *_: TURNS, number)
    heat_seconds = time.monotonic() - started
    kept = [turn for turn in range(taken.turns) if turn not in taken.left_out]
    policy = {"minimum_samples": SAMPLES, "minimum_long_samples": SAMPLES, "maximum_samples": SAMPLES}
    fields = {**workloads.request_fields(ITEM.workload, ITEM.device), **sampling.policy(), **policy}
    asked = {**fields, "request": "sample", "pass": "total", "threads": cores.threads()}
    sessions = [client.ask(workers[arm].address, asked)["elapsed_seconds"] for arm in ARMS]
    arms = {
        arm: {name: [seconds[turn] for turn in kept] for name, seconds in session.samples.items()}
        for arm, session in taken.sessions.items()
    }
    return _rounded({"seconds": heat_seconds, "arms": arms, "sessions": sessions})


def asv_seconds(runtime: Runtime) -> dict[str, float]:
    """What a run of stock asv takes to start, and each process that times the step as often as a session here."""
    few, many = 2, 6
    variables = {"PLAIN_SUITE_TRAINING_SAMPLES": json.dumps({ITEM.workload: SAMPLES})}
    selection = ["-b", rf"Training.time_total\('{ITEM.workload}'\)", "-a"]
    with tempfile.TemporaryDirectory() as folder:
        fewer, more = (
            sweep_sides.run_plain(runtime, Path(folder, "plain"), variables, [*selection, f"rounds={rounds}"])
            for rounds in (few, many)
        )
    process = (more - fewer) / (many - few)
    return _rounded({"start": fewer - few * process, "process": process})


def read(path: Path) -> Pool:
    """A pool. Raises click.ClickException for one that is not there."""
    if not path.is_file():
        raise click.ClickException(f"there is no pool {path}: --rounds 40 measures one")
    asv, *rounds = map(json.loads, path.read_text("utf-8").splitlines())
    heats = [(one["seconds"], one["arms"]) for one in rounds]
    return Pool(heats, [session for one in rounds for session in one["sessions"]], asv)


def campaign(pool: Pool, slowdown: float, chance: random.Random) -> tuple[str, float, int]:
    """What is said of the step, after how many seconds and heats: heats in a new order, until it is settled.

    The second arm is slower by just so much in the pool's mean, whatever chance made of the arms, which are alike.
    """
    logs = [
        median(math.log(b / a) for a, b in zip(arms["one"]["total"], arms["other"]["total"], strict=True))
        for _, arms in pool.heats
    ]
    factors = {"one": 1.0, "other": (1 + slowdown) / math.exp(fmean(logs))}
    analysis, verdict, spent = Analysis({}), judge.CANNOT_TELL, 0.0
    for number, (seconds, arms) in enumerate(chance.sample(pool.heats, len(pool.heats)), 1):
        spent += seconds
        for place in ITEM.places:
            values = {arm: tuple(factors[arm] * one for one in arms[arm][place.measured_pass]) for arm in ARMS}
            analysis.add(place, Heat(str(number), "here", "2", values))
        change = analysis.change(STEP, *ARMS)
        verdict = judge.verdicts([change], 0.02)[0] if change else judge.CANNOT_TELL
        if verdict != judge.CANNOT_TELL:
            break
    return verdict, spent, number


def by_asv(pool: Pool, slowdown: float, rounds: int, factor: float, trials: int) -> Iterator[str]:
    """What asv says in each trial, of so many sessions a side, drawn with replacement."""
    chance = random.Random(1)
    for _ in range(trials):
        ours = [value for one in chance.choices(pool.sessions, k=rounds) for value in one]
        theirs = [(1 + slowdown) * value for one in chance.choices(pool.sessions, k=rounds) for value in one]
        (a, a_stats), (b, b_stats) = (compute_stats(samples, 1) for samples in (ours, theirs))
        one, two = (a_stats, ours), (b_stats, theirs)
        if _is_result_better(a, b, one, two, factor):
            yield judge.SLOWER
        else:
            yield judge.FASTER if _is_result_better(b, a, two, one, factor) else judge.CANNOT_TELL


def shares(verdicts: Iterable[str]) -> Mapping[str, float]:
    """By verdict, its share."""
    count = Counter(verdicts)
    return {name: count[name] / count.total() for name in (judge.SLOWER, judge.FASTER)}


def shown(slowdown: float, slower: float, seconds: float, count: float, alarms: Mapping[str, float]) -> tuple[str, ...]:
    return f"{slowdown:.0%}", f"{slower:.1%}", f"{seconds:.0f} s", f"{count:.0f}", f"{sum(alarms.values()):.1%}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.5g}")


if __name__ == "__main__":
    harness.run(main)
