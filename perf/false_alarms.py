"""How often is a release called different from itself? `python perf/false_alarms.py`; the README says how."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import harness
import pool
import replay
from asv.commands.compare import _is_result_better
from asv_runner.statistics import compute_stats
from pool import Session
from rich.table import Table
from scipy.stats import beta

from passtime import places
from passtime.catalog import workloads
from passtime.catalog.place import SESSIONS, Item
from passtime.runtimes import store
from passtime.stats import judge, uncertainty

POOL = harness.HERE / "pools" / "same.jsonl"
ARMS = ("one", "other")
MODEL = "resnet18"
ITEMS = tuple(Item(name, "cpu", session) for name in (*workloads.LAYERS, MODEL) for session in SESSIONS)
GOAL = 0.01
SIZES = (6, 10, 14, 20, 30, 44)
LABELLINGS = 50  # of each campaign with its labels swapped by chance
CHANGED = (judge.SLOWER, judge.FASTER)

Pairs = dict[Item, list[tuple[Session, Session]]]
# How many of the rows of a family are called changed, and how many rows there are.
Rule = Callable[[Pairs], tuple[int, int]]


@click.command()
@harness.release_option
@click.option("--pool", "path", type=click.Path(path_type=Path), default=POOL, show_default=True)
@click.option("--rounds", default=0, help="Measure until the pool has so many rounds of pairs.")
@click.option("--minutes", default=60.0, show_default=True, help="Stop measuring after the round in which they end.")
def main(release_name: str | None, path: Path, rounds: int, minutes: float) -> None:
    """Compare a release with itself, in two runtimes, measured in turn, by several rules."""
    if rounds:
        harness.warn_if_busy()
        release, runtime = harness.runtime_of(release_name)
        with tempfile.TemporaryDirectory(dir=places.home()) as home:
            os.environ[places.HOME_VARIABLE] = home
            arms = dict(zip(ARMS, (runtime, store.ensure(release, harness.progress.print)), strict=True))
            pool.grow(path, release, arms, ITEMS, rounds, minutes)
    pairs = in_pairs(pool.read(path))
    count = min(map(len, pairs.values()), default=0)
    if count < judge.LOOKS[0]:
        raise click.ClickException(f"{path} has {count} rounds: --rounds {judge.LOOKS[0]} or more measures them")
    table = Table("rule", "sessions a side", "comparisons", "called changed", "share", "95 % interval")
    table.title = f"A release against itself, in two runtimes: {count} rounds of pairs"
    shares = []
    for name, sizes, rule in rules(count):
        for size in sizes:
            alarms, rows = tallied(rule, families(pairs, size))
            shares.append((name, alarms, rows))
            table.add_row(name, str(size), str(rows), str(alarms), f"{alarms / rows:.2%}", interval(alarms, rows))
    alarms, rows = swapped(pairs, count)
    table.add_row("passtime measure, labels swapped by chance", f"up to {count}", str(rows), str(alarms),
                  f"{alarms / rows:.2%}", "(the same sessions again)")  # fmt: skip
    harness.show(table)
    ours = [(alarms, rows) for name, alarms, rows in shares if name.startswith("passtime measure")]
    worst = max((alarms / rows for alarms, rows in ours), default=0.0)
    click.echo(f"false alarms: at most {worst:.2%} of comparisons; to be at most {GOAL:.0%}: "
               f"{'pass' if worst <= GOAL else 'missed'}")  # fmt: skip


def rules(count: int) -> list[tuple[str, list[int], Rule]]:
    """Each rule, and after how many sessions a side it is asked."""
    looks = [size for size in SIZES if size <= count]
    return [
        ("passtime measure", looks, by_measure),
        ("passtime verdict, from asv run's sessions", [2, 4], by_verdict),
        ("asv compare", [2, *looks[:1]], by_asv(1.1)),
        ("asv compare --factor 1.05", [2, *looks[:1]], by_asv(1.05)),
        ("asv compare --factor 1.02", [2, *looks[:1]], by_asv(1.02)),
    ]


def in_pairs(sessions: Sequence[Session]) -> Pairs:
    """By item, the two arms' sessions of each round."""
    found: dict[tuple[Item, int], dict[str, Session]] = {}
    for one in sessions:
        found.setdefault((Item(one.workload, "cpu", one.session), one.round), {})[one.arm] = one
    pairs: Pairs = {}
    for (item, _), arms in found.items():
        pairs.setdefault(item, []).append((arms[ARMS[0]], arms[ARMS[1]]))
    return pairs


def families(pairs: Pairs, size: int) -> Iterator[Pairs]:
    """Disjoint stretches of so many rounds: each is a comparison of all rows."""
    for start in range(0, min(map(len, pairs.values())) - size + 1, size):
        yield {item: found[start : start + size] for item, found in pairs.items()}


def tallied(rule: Rule, those: Iterator[Pairs]) -> tuple[int, int]:
    found = [rule(family) for family in those]
    return sum(alarms for alarms, _ in found), sum(rows for _, rows in found)


def by_measure(family: Pairs) -> tuple[int, int]:
    """As `passtime measure`, with all looks up to the family's size."""
    sampled = {
        item: [(pool.as_sampled_now(one), pool.as_sampled_now(two)) for one, two in found]
        for item, found in family.items()
    }
    verdicts, _, _ = replay.campaign(sampled)
    return sum(verdict in CHANGED for verdict in verdicts.values()), len(verdicts)


def by_verdict(family: Pairs) -> tuple[int, int]:
    """As `passtime verdict` judges what `asv run` measured: from how sessions differ, not from pairs."""
    samples = {
        (item, name, side): [pair[side].samples[name] for pair in found]
        for item, found in family.items()
        for name in item.passes
        for side in (0, 1)
    }
    usual = {
        kind: uncertainty.prior([found for (item, _, _), found in samples.items() if (item.workload == MODEL) == kind])
        for kind in (True, False)
    }
    changes = []
    for item in family:
        for name in item.passes:
            sides = [samples[item, name, side] for side in (0, 1)]
            seconds = [uncertainty.typical_seconds(sessions) for sessions in sides]
            errors = [uncertainty.log_error(sessions, usual[item.workload == MODEL]) for sessions in sides]
            changes.append(judge.change(*seconds, *errors))
    return sum(verdict in CHANGED for verdict in judge.verdicts(changes, 0.02)), len(changes)


def by_asv(factor: float) -> Rule:
    """As `asv compare` marks a row with + or -: its own rule, on all samples of all sessions."""

    def rule(family: Pairs) -> tuple[int, int]:
        called = []
        for item, found in family.items():
            for name in item.passes:
                ours, theirs = ([value for pair in found for value in pair[side].samples[name]] for side in (0, 1))
                called.append(is_called_by_asv(ours, theirs, factor))
        return sum(called), len(called)

    return rule


def is_called_by_asv(ours: Sequence[float], theirs: Sequence[float], factor: float) -> bool:
    """Whether asv calls the one better than the other, or the other better than the one."""
    (a, a_stats), (b, b_stats) = (compute_stats(list(samples), 1) for samples in (ours, theirs))
    one, two = (a_stats, list(ours)), (b_stats, list(theirs))
    return bool(_is_result_better(a, b, one, two, factor) or _is_result_better(b, a, two, one, factor))


def swapped(pairs: Pairs, count: int) -> tuple[int, int]:
    """Campaigns over all rounds, in each of which it is chance which of a pair is called the newer release."""
    chance = random.Random(0)
    alarms = rows = 0
    for _ in range(LABELLINGS):
        flips = [chance.random() < 0.5 for _ in range(count)]
        family = {
            item: [pair[::-1] if flip else pair for pair, flip in zip(found, flips, strict=False)]
            for item, found in pairs.items()
        }
        more, of = by_measure(family)
        alarms, rows = alarms + more, rows + of
    return alarms, rows


def interval(alarms: int, rows: int) -> str:
    """Of a share, 95 %: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), as if rows were independent."""
    low = beta.ppf(0.025, alarms, rows - alarms + 1) if alarms else 0.0
    high = beta.ppf(0.975, alarms + 1, rows - alarms) if alarms < rows else 1.0
    return f"{low:.2%} to {high:.2%}"


if __name__ == "__main__":
    harness.run(main)
