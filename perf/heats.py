"""How sure is a heat, for its seconds? `python perf/heats.py`; the README says how."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field

import click
import harness
import numpy as np
from rich.table import Table

from passtime.catalog import frameworks, sampling, workloads
from passtime.catalog.place import Item
from passtime.measure import heat
from passtime.measure.compare import restart
from passtime.worker.driver import client, cores, pinning, start
from passtime.worker.driver.supervisor import Worker

ARMS = ("one", "other")
ITEMS = ("conv3x3/1", "dense", "resnet18")
SAMPLES = 12

# Of two sessions' seconds, turn by turn: the logarithm of the ratio.
Estimator = Callable[[Sequence[float], Sequence[float]], float]


def of_turns(ones: Sequence[float], others: Sequence[float]) -> float:
    return float(np.median(np.log(others) - np.log(ones)))


def of_quantiles(share: float) -> Estimator:
    def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
        return float(np.log(np.quantile(others, share) / np.quantile(ones, share)))

    return ratio


ESTIMATORS: Mapping[str, Estimator] = {
    "median of the turns' ratios": of_turns,
    "ratio of medians": of_quantiles(0.5),
    "ratio of lower quartiles": of_quantiles(0.25),
    "ratio of minima": of_quantiles(0.0),
}


@dataclass
class Method:
    """A way to take two sessions of a release, and what it gave: both arms' seconds, and what it took, each time."""

    name: str
    take: Callable[[Mapping[str, Worker], Item], tuple[Sequence[float], Sequence[float]]]
    taken: list[tuple[Sequence[float], Sequence[float]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def measure(self, workers: Mapping[str, Worker], item: Item) -> None:
        started = time.monotonic()
        self.taken.append(self.take(workers, item))
        self.seconds.append(time.monotonic() - started)

    def deviation(self, estimator: Estimator) -> float:
        """The standard deviation of the log ratio, of which the truth is 0: the root of the mean square."""
        return float(np.sqrt(np.mean(np.square([estimator(*pair) for pair in self.taken]))))


def as_pair(workers: Mapping[str, Worker], item: Item) -> tuple[Sequence[float], Sequence[float]]:
    """One session after the other, each with all its samples at once."""
    policy = {**sampling.policy_for_heats(), "minimum_samples": SAMPLES, "minimum_long_samples": SAMPLES,
              "maximum_samples": SAMPLES}  # fmt: skip
    fields = {**workloads.request_fields(item.workload, item.device), **policy, "threads": cores.threads()}
    asked = {**fields, "request": "sample", "pass": item.passes[-1]}
    one, other = (client.ask(workers[arm].address, asked)["elapsed_seconds"] for arm in ARMS)
    return one, other


def as_heat(
    each: int, hold: heat.Hold = pinning.on_one_cpu
) -> Callable[[Mapping[str, Worker], Item], tuple[Sequence[float], Sequence[float]]]:
    """A heat with so many samples a turn."""
    heats = itertools.count()

    def take(workers: Mapping[str, Worker], item: Item) -> tuple[Sequence[float], Sequence[float]]:
        taken = heat.take(
            workers, item, sampling.policy_for_heats(), lambda *_: SAMPLES // each, next(heats), each, hold
        )
        one, other = (taken.sessions[arm].samples[item.passes[-1]] for arm in ARMS)
        return one, other

    return take


def as_duet(workers: Mapping[str, Worker], item: Item) -> tuple[Sequence[float], Sequence[float]]:
    """Both sessions at once, one thread each, on a core each; they swap cores half-way (Bulej et al., ICPE 2020)."""
    fields = {**workloads.request_fields(item.workload, item.device), **sampling.policy_for_heats(), "threads": 1}
    where = sorted(os.sched_getaffinity(0))[:2]
    samples: list[list[float]] = [[], []]
    with ExitStack() as stack:
        held = [
            stack.enter_context(client.Session(workers[arm].address, {**fields, "pass": item.passes[-1]}))
            for arm in ARMS
        ]
        pool = stack.enter_context(ThreadPoolExecutor(2))
        for turn in range(SAMPLES):
            if turn in (0, SAMPLES // 2):
                for session, core in zip(held, where, strict=True):
                    os.sched_setaffinity(session.opened["process_id"], {core})
                where.reverse()
            for so_far, stepped in zip(samples, pool.map(lambda session: session.step(1, 0), held), strict=True):
                so_far += stepped["elapsed_seconds." + item.passes[-1]]
        for session in held:
            session.close()
    return samples[0], samples[1]


def methods(device: str) -> list[Method]:
    """The methods that a device has: two sessions at once would share a GPU."""
    made = [Method("pair", as_pair), Method("heat, 1 sample a turn", as_heat(1))]
    if device == "cpu":
        return [*made, Method("heat, 4 samples a turn", as_heat(4)), Method("both at once, a core each", as_duet)]
    return [*made, Method("heat, on any CPU", as_heat(1, lambda *_: nullcontext()))]


@click.command()
@harness.release_option
@click.option("--rounds", default=12, show_default=True, help="Of each method, in turn; new workers in each.")
@click.option("--device", type=click.Choice(workloads.DEVICES), default="cpu", show_default=True)
@click.argument("names", nargs=-1)
def main(release_name: str | None, rounds: int, device: str, names: Sequence[str]) -> None:
    """Compare pairs of sessions with heats, of one release against itself: what they vary by, and what they cost."""
    release, runtime = harness.runtime_of(release_name)
    if device == "cpu" and len(os.sched_getaffinity(0)) < len(ARMS):
        raise click.ClickException("two sessions at once need two cores")
    harness.warn_if_busy()
    table = Table("workload", "method", "estimator", "standard deviation", "seconds", "seconds to 1 %")
    table.title = f"{release.name} against itself on {device}, training step, {SAMPLES} samples a side, {rounds} rounds"
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        framework = frameworks.get(release.framework)
        workers = {arm: stack.enter_context(start.worker(framework, runtime, cores.threads())) for arm in ARMS}
        items = [Item(name, device, "training") for name in names or ITEMS]
        found = {item: methods(device) for item in items}
        for number in range(rounds):
            harness.progress.print(f"round {number + 1} of {rounds}")
            restart([*workers.values()])
            for item, made in found.items():
                for method in made if number % 2 else made[::-1]:
                    method.measure(workers, item)
    for item, made in found.items():
        for method in made:
            estimators = {"ratio of medians": of_quantiles(0.5)} if method.take is as_pair else ESTIMATORS
            for name, estimator in estimators.items():
                deviation, seconds = method.deviation(estimator), statistics.median(method.seconds)
                needed = seconds * (deviation / 0.01) ** 2
                costs.setdefault(f"{method.name}, {name}", []).append(needed)
                table.add_row(item.workload, method.name, name, f"{deviation:.2%}", f"{seconds:.1f}", f"{needed:.0f}")
    harness.show(table)
    pairs, heats = (
        costs[name] for name in ("pair, ratio of medians", f"heat, 1 sample a turn, {next(iter(ESTIMATORS))}")
    )
    ratio = statistics.geometric_mean([heat / pair for heat, pair in zip(heats, pairs, strict=True)])
    click.echo(f"heats: for the same certainty they take {ratio:.2f} of the time of pairs, over all workloads")


if __name__ == "__main__":
    harness.run(main)
