"""How often is a release called different from itself? `python perf/false_alarms.py`; the README says how."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import harness
from rich.table import Table
from scipy.stats import beta

from passtime import places
from passtime.catalog import frameworks, sampling, workloads
from passtime.catalog.place import Item, Place
from passtime.measure import heat
from passtime.measure.analysis import Analysis
from passtime.measure.compare import restart
from passtime.results.heats import Heat
from passtime.runtimes import store
from passtime.stats import judge
from passtime.worker.driver import cores, start
from passtime.worker.driver.supervisor import Worker
from passtime.worker.protocol import SESSIONS

POOLS = tuple(harness.HERE / "pools" / name for name in ("same.jsonl", "same_later.jsonl"))
# Three runtimes of one release: the first two are compared, directly and through the third.
ARMS = ("one", "other", "third")
MODEL = "resnet18"
ITEMS = tuple(Item(name, "cpu", session) for name in (*workloads.LAYERS, MODEL) for session in SESSIONS)
GOAL = 0.01
TURNS = 12
SIZES = (3, 4, 6, 9, 12)
CHANGED = (judge.SLOWER, judge.FASTER)

# By item, the seconds of its heats, in the order taken: by arm and pass, turn by turn.
Heats = Mapping[Item, Sequence[Mapping[str, Mapping[str, Sequence[float]]]]]


@click.command()
@harness.release_option
@click.option(
    "--pool",
    "paths",
    multiple=True,
    default=POOLS,
    type=click.Path(path_type=Path),
    help="A sitting; of two, a third is measured with one arm in the first and with the other in the second.",
)
@click.option("--rounds", default=0, help="Measure until the last pool has so many rounds of heats.")
@click.option("--minutes", default=60.0, show_default=True, help="Stop measuring after the round in which they end.")
@click.option("--slowdown", default=0.0, help="Make one runtime's samples so much slower, 0.02 for 2 %: is it found?")
def main(release_name: str | None, paths: Sequence[Path], rounds: int, minutes: float, slowdown: float) -> None:
    """Compare a release with itself, in heats of three runtimes, directly and through the third."""
    if rounds:
        harness.warn_if_busy()
        release, runtime = harness.runtime_of(release_name)
        with tempfile.TemporaryDirectory(dir=places.home()) as home, ExitStack() as stack:
            workers = {}
            for arm in ARMS:
                os.environ[places.HOME_VARIABLE] = str(Path(home) / arm)
                runtime = store.ensure(release, harness.progress.print)
                made = start.worker(frameworks.get(release.framework), runtime, cores.threads())
                workers[arm] = stack.enter_context(made)
            grow(paths[-1], workers, rounds, minutes)
    sittings = [read(path) for path in paths]
    fewest = min(min(map(len, heats.values())) for heats in sittings)
    if fewest < SIZES[0]:
        raise click.ClickException(f"a pool has {fewest} rounds: --rounds {SIZES[0]} or more measures them")
    if slowdown:
        harness.show(power(sittings, slowdown))
    else:
        alarms(sittings)


def alarms(sittings: Sequence[Heats]) -> None:
    """Says how often the first two arms, which are alike, are called different."""
    table = Table("compared", "heats", "comparisons", "called changed", "share", "95 % interval")
    table.title = f"A release against itself, in three runtimes: {rounds_of(sittings)} rounds of heats"
    ways = {
        "directly": [(heats, None) for heats in sittings],
        "through a third": [(heats, heats) for heats in sittings],
    }
    if len(sittings) == 2:
        ways["through a third, over two sittings"] = [(sittings[0], sittings[1])]
    shares = []
    for name, sides in ways.items():
        for size in SIZES:
            found = [
                verdict
                for heats, others in sides
                for family in families(heats, others, size)
                for verdict in judged(*family).values()
            ]
            if found:
                called, rows = sum(one in CHANGED for one in found), len(found)
                shares.append(called / rows)
                table.add_row(name, str(size), str(rows), str(called), f"{called / rows:.2%}", interval(called, rows))
    harness.show(table)
    click.echo(f"false alarms: at most {max(shares):.2%} of comparisons; to be at most {GOAL:.0%}: "
               f"{'pass' if max(shares) <= GOAL else 'missed'}")  # fmt: skip


def power(sittings: Sequence[Heats], slowdown: float) -> Table:
    """How often the second arm is called slower once its samples are made so, of all rows and of a model's step."""
    step = Place(MODEL, "cpu", "total")
    table = Table("heats", "rows", "called slower", "share", f"{MODEL} total", "called slower", "called faster, any")
    table.title = f"A release against itself, one runtime's samples {slowdown:.0%} slower: {rounds_of(sittings)} rounds"
    for size in SIZES:
        found = [judged(*family, slowdown) for heats in sittings for family in families(heats, None, size)]
        rows = [verdict for one in found for verdict in one.values()]
        if rows:
            slower = rows.count(judge.SLOWER)
            steps = sum(one[step] == judge.SLOWER for one in found)
            table.add_row(str(size), str(len(rows)), str(slower), f"{slower / len(rows):.0%}", str(len(found)),
                          str(steps), str(rows.count(judge.FASTER)))  # fmt: skip
    return table


def rounds_of(sittings: Sequence[Heats]) -> str:
    return " and ".join(str(min(map(len, heats.values()))) for heats in sittings)


def grow(path: Path, workers: Mapping[str, Worker], rounds: int, minutes: float) -> None:
    """Adds rounds of heats to a pool, each of new workers, until it has so many or the time is spent."""
    deadline = time.monotonic() + 60 * minutes
    done = min(map(len, read(path).values()), default=0) if path.is_file() else 0
    path.parent.mkdir(exist_ok=True)
    for number in range(done, rounds):
        harness.progress.print(f"round {number + 1} of {rounds}")
        restart([*workers.values()])
        taken = [heat.take(workers, item, sampling.policy_for_heats(), lambda *_: TURNS, number) for item in ITEMS]
        with path.open("a", encoding="utf-8") as file:
            for one in taken:
                kept = [turn for turn in range(one.turns) if turn not in one.left_out]
                seconds = {
                    arm: {
                        name: [float(f"{samples[turn]:.5g}") for turn in kept]
                        for name, samples in one.sessions[arm].samples.items()
                    }
                    for arm in ARMS
                }
                line = {"round": number, "workload": one.item.workload, "session": one.item.session, "arms": seconds}
                file.write(json.dumps(line) + "\n")
        if time.monotonic() > deadline:
            return


def read(path: Path) -> Heats:
    """The heats of a pool. Raises click.ClickException for one that is not there."""
    if not path.is_file():
        raise click.ClickException(f"there is no pool {path}: --rounds {SIZES[0]} or more measures one")
    found: dict[Item, list] = {item: [] for item in ITEMS}
    for line in path.read_text("utf-8").splitlines():
        one = json.loads(line)
        found[Item(one["workload"], "cpu", one["session"])].append(one["arms"])
    return found


def families(heats: Heats, others: Heats | None, size: int) -> Iterator[tuple[Heats, Heats | None]]:
    """Disjoint stretches of so many rounds, and of as many of the others': each is a comparison of all rows."""
    count = min(len(found) for side in (heats, others or heats) for found in side.values())
    for first in range(0, count - size + 1, size):
        yield tuple(
            side and {item: found[first : first + size] for item, found in side.items()} for side in (heats, others)
        )


def judged(family: Heats, others: Heats | None, slowdown: float = 0.0) -> dict[Place, str]:
    """What is said of each row of the first two arms, the second of which is made so much slower.

    With `others` no heat has both: the first is with the third in this family's heats, the second in those.
    """
    analysis = Analysis({})
    factors = {arm: 1 + slowdown if arm == ARMS[1] else 1.0 for arm in ARMS}
    places = [place for item in family for place in item.places]
    for item in family:
        for place in item.places:
            for number in range(len(family[item])):
                side = family if others is None or number % 2 == 0 else others
                there = ARMS[:2] if others is None else (ARMS[number % 2], ARMS[2])
                arms = side[item][number]
                seconds = {arm: tuple(factors[arm] * one for one in arms[arm][place.measured_pass]) for arm in there}
                analysis.add(place, Heat(str(number), "here", "2", seconds))
    changes = [analysis.change(place, *ARMS[:2]) or judge.UNKNOWN for place in places]
    return dict(zip(places, judge.verdicts(changes, 0.02), strict=True))


def interval(called: int, rows: int) -> str:
    """The exact 95 % interval of a share (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934)."""
    low = beta.ppf(0.025, called, rows - called + 1) if called else 0.0
    high = beta.ppf(0.975, called + 1, rows - called) if called < rows else 1.0
    return f"{low:.2%} to {high:.2%}"


if __name__ == "__main__":
    harness.run(main)
