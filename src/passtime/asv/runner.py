"""How a release is measured: in place of asv's `run_benchmarks` and `skip_benchmarks`.

asv runs a benchmark with all its parameters, and skips, fails and stores it as a whole. Here the cell (a benchmark
with one combination of its parameters) is the unit of all four.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from asv import runner, util
from asv.benchmarks import Benchmarks
from asv.console import log
from asv.runner import BenchmarkResult
from asv_runner.statistics import compute_stats, get_err

from passtime import places
from passtime.amounts import duration
from passtime.asv import plan
from passtime.asv.environment import PasstimeEnvironment, samples_of
from passtime.asv.results import KeptResults
from passtime.asv.suite import by_session
from passtime.asv.together import Together
from passtime.catalog import requests
from passtime.errors import PasstimeError, plain
from passtime.measure import heat
from passtime.results import pace
from passtime.results.computer import computer
from passtime.results.content import Content
from passtime.results.sessions import COMPUTER, FAILURE, QUICK, SAMPLES, STARTED_AT, WORKER, Cell, said_of_release
from passtime.results.store import NotKept, store_of
from passtime.timeline.manifest import Release
from passtime.worker.driver import limits

# --quick's attributes, as asv sets them.
_QUICK_ATTRIBUTES = {"number": 1, "repeat": 1, "warmup_time": 0, "rounds": 1}

# asv exits nonzero when an error code is left, by whatever name.
_RELEASE = "<release>"


class Runner:
    """One `asv run`: what was chosen, and what has been done of it, release by release.

    `results` is the folder of all machines' results: how long cells took there says how much is left.
    """

    def __init__(self, results: Path, skip_measured: bool = False, skip_failed: bool = False) -> None:
        self._skip_measured = skip_measured
        self._skip_failed = skip_failed
        # By the release's name; with --interleave-rounds a release has several turns.
        self._plans: dict[str, plan.Plan] = {}
        self._begun: set[str] = set()
        self._together: Together | None = None
        self._estimate = pace.Estimate(results)

    def run_benchmarks(
        self,
        benchmarks: Benchmarks,
        env: PasstimeEnvironment,
        results: KeptResults,
        show_stderr: bool = False,
        quick: bool = False,
        profile: bool = False,
        extra_params: dict | None = None,
        record_samples: bool = False,
        append_samples: bool = False,
        run_rounds: list[int] | None = None,
        launch_method: str | None = None,
    ) -> KeptResults:
        """Measures a release's cells: all their rounds, or of --interleave-rounds the one whose turn it is.

        The arguments are asv's. Samples are recorded whatever it says: they are small, and comparing takes them.
        """
        assert env.release is not None
        attributes = {**(extra_params or {}), **(_QUICK_ATTRIBUTES if quick else {})}
        choice = plan.Choice(self._skip_measured, self._skip_failed, quick, attributes.get("rounds"))
        # A process for each benchmark, never a fork server: its variables say which worker to ask.
        spawner = runner.get_spawner(env, benchmarks.benchmark_dir, "spawn")
        # A quick look is no measurement, and a heat has no time-out of asv's.
        if self._together is None and not quick and not attributes.get("timeout"):
            self._together = self._heats(benchmarks, env, results, choice, attributes)
        measuring = _Measuring(env, results, spawner, attributes, quick, show_stderr, self._together)
        with log.indent():
            try:
                todo = self._begin(benchmarks, env, results, choice)
                most = max(todo.rounds.values(), default=0)
                for round_ in run_rounds or range(most, 0, -1):
                    # What a worker happens to get, above all where its memory lies, all its sessions share.
                    env.stop_workers(but=None if todo.is_begun else env.release.name)
                    if run_rounds is None and most > 1:
                        log.info(f"Round {most - round_ + 1} of {most}")
                    self._measure_round(round_, todo, benchmarks, measuring, env)
            except NotKept:
                raise  # of no release can anything be kept any more
            except PasstimeError as error:
                # Without its worker nothing of this release can be measured; the others go on.
                log.error(str(error))
                self._give_up(env.release, results)
            finally:
                measuring.close()
        results.errcode.update(measuring.errcodes)
        if measuring.measured or measuring.failed:
            log.info(measuring.summary())
        return results

    def skip_benchmarks(self, benchmarks: Benchmarks, env: PasstimeEnvironment, results: KeptResults) -> KeptResults:
        """Skips a release that could not be installed: asv would overwrite all that is stored of it with null."""
        assert env.release is not None
        log.warning(f"{env.release.name} is skipped: it is not installed, as said above")
        self._give_up(env.release, results)
        return results

    def _give_up(self, release: Release, results: KeptResults) -> None:
        self._plans[release.name] = plan.Plan()
        results.errcode[_RELEASE] = 1

    def _heats(
        self,
        benchmarks: Benchmarks,
        env: PasstimeEnvironment,
        results: KeptResults,
        choice: plan.Choice,
        attributes: dict[str, Any],
    ) -> Together:
        facts = {name: value for name, value in results.params.items() if name != "python"}

        def plan_of(release: Release) -> plan.Plan:
            stored = store_of(places.root(), facts, release).read
            return self._plan_of(release, benchmarks, env, stored, choice)

        repeat = attributes.get("repeat")
        return Together(env, by_session(benchmarks), facts, plan_of, samples_of(repeat) if repeat else None)

    def _begin(
        self, benchmarks: Benchmarks, env: PasstimeEnvironment, results: KeptResults, choice: plan.Choice
    ) -> plan.Plan:
        """The plan of the release whose turn it is, told at its first."""
        assert env.release is not None
        made = self._plan_of(env.release, benchmarks, env, lambda: results.content, choice)
        if env.release.name not in self._begun:
            self._begun.add(env.release.name)
            for name, benchmark in benchmarks.items():
                results.put_not_available(benchmark, [cell for cell in made.not_available if cell.benchmark == name])
            there = len(made.rounds) - len({*made.total}) - len(made.not_available)
            counts = {"to measure": len(made.total), "not available here": len(made.not_available), "left alone": there}
            log.info(", ".join(f"{count} {what}" for what, count in counts.items() if count))
        return made

    def _plan_of(
        self,
        release: Release,
        benchmarks: Benchmarks,
        env: PasstimeEnvironment,
        stored: Callable[[], Content],
        choice: plan.Choice,
    ) -> plan.Plan:
        """A release's plan, made when it is first asked for: before heats have measured what it is to measure."""
        if release.name not in self._plans:
            made = plan.make(benchmarks, stored(), choice)
            if any(requests.are_asked(benchmarks[cell.benchmark]) for cell in made.left()):
                made.leave_out_devices(benchmarks, env.worker(release).hello["devices"])
            made.total = made.left()
            self._plans[release.name] = made
        return self._plans[release.name]

    def _measure_round(
        self, round_: int, todo: plan.Plan, benchmarks: Benchmarks, measuring: _Measuring, env: PasstimeEnvironment
    ) -> None:
        for cell in [cell for cell, rounds in todo.rounds.items() if rounds >= round_]:
            log.set_nitems(len(self._left(env)))
            log.info(str(cell))
            started = time.monotonic()
            outcome, failure = measuring.measure(benchmarks[cell.benchmark], cell)
            if failure is None:
                todo.rounds[cell] -= 1
            else:
                todo.rounds[cell] = 0  # what failed is not tried again in the same run
            self._estimate.add(cell, time.monotonic() - started)
            log.step()
            left = self._left(env)
            log.add(f"  {outcome}  ({self._estimate(left)})" if left else f"  {outcome}")
            if failure is not None:
                _tell(cell, failure)

    def _left(self, env: PasstimeEnvironment) -> list[Cell]:
        """What is still to be measured in this run, the releases to come taken to be like the largest so far."""
        plans = self._plans.values()
        typical = max((one.total for one in plans), key=len, default=[])
        to_come = max(0, env.release_count - len(plans))
        return [*(cell for one in plans for cell in one.left()), *typical * to_come]


class _Measuring:
    """Measures cells of one release, and keeps what comes of it."""

    def __init__(
        self,
        env: PasstimeEnvironment,
        results: KeptResults,
        spawner: runner.Spawner,
        attributes: dict[str, Any],
        quick: bool,
        show_stderr: bool,
        together: Together | None,
    ) -> None:
        self._env = env
        self._together = together
        self._results = results
        self._spawner = spawner
        self._attributes = attributes
        self.quick = quick
        self._show_stderr = show_stderr
        self._started = time.monotonic()
        self.measured = self.failed = 0
        self.errcodes: dict[str, int] = {}
        self._caches: dict[str, tuple[str | None, str]] = {}  # by asv's key of a setup_cache: its folder, or why not

    def measure(self, benchmark: dict, cell: Cell) -> tuple[str, str | None]:
        """One round of one cell: what came of it, for the reader, and why it failed, if it did.

        Raises PasstimeError when there is no worker any more, KeyboardInterrupt at an interrupt.
        """
        assert self._env.release is not None
        started_at, started = datetime.now(timezone.utc), time.monotonic()
        self._env.asks_worker = requests.are_asked(benchmark)
        failed = None
        if self._env.asks_worker and self._together is not None:
            try:
                if self._together.has(benchmark, cell, self._results):
                    self.measured += 1
                    return self._stored(benchmark, cell) + self._together.news(), None
            except heat.Unmeasured as unmeasured:
                failed = runner.fail_benchmark(benchmark, stderr=str(unmeasured.error))
        worker = {WORKER: self._env.worker().identity} if self._env.asks_worker else {}
        measured = failed or self._run(benchmark, cell)
        line = {
            "benchmark": cell.benchmark,
            "version": benchmark["version"],
            "params": list(cell.params),
            **said_of_release(self._env.release),
            **requests.said_of_driver(),
            STARTED_AT: started_at.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 2),
            **worker,
            COMPUTER: computer(),
            **({QUICK: True} if self.quick else {}),
        }
        if measured.result[cell.index] is None:
            failure = _reason(measured)
            self._results.put_failure(benchmark, cell, {**line, FAILURE: failure}, started_at)
            self.failed += 1
            self.errcodes[cell.benchmark] = measured.errcode or 1
            if self._show_stderr:
                log.error(plain(measured.stderr))
            return "failed", failure
        not_available = util.is_na(measured.result[cell.index])
        samples = measured.samples[cell.index]
        replies = self._env.sessions or [{SAMPLES: len(samples)} if samples else {}]
        sessions = [] if not_available else [{**line, **reply} for reply in replies]
        self._results.put(benchmark, cell, measured, sessions, started_at=started_at)
        self.measured += 1
        return _shown(benchmark, cell, measured), None

    def _stored(self, benchmark: dict, cell: Cell) -> str:
        """What is stored of a cell by now, for the reader."""
        value, stats = self._results.value(benchmark, cell), self._results.stats(benchmark, cell)
        return util.human_value(value, benchmark["unit"], err=get_err(value, stats) if stats else None)

    def summary(self) -> str:
        taken = duration(time.monotonic() - self._started)
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.measured} measured{failed}, in {taken}"

    def close(self) -> None:
        """Removes what setup_cache methods left."""
        for folder, _ in self._caches.values():
            if folder is not None:
                util.long_path_rmtree(folder, True)
        self._spawner.close()

    def _run(self, benchmark: dict, cell: Cell) -> BenchmarkResult:
        # asv heeds `-a timeout=` only where the benchmark sets none.
        chosen = self._attributes.get("timeout") or limits.chosen_session_seconds()
        timeout = chosen or benchmark.get("timeout") or self._env.default_timeout
        attributes = self._attributes
        stats = None if self._env.asks_worker else self._results.stats(benchmark, cell)
        if stats and stats.get("number"):
            attributes = {**attributes, "number": stats["number"]}  # as asv, which counts calls for all samples alike
        try:
            folder, failure = self._cache(benchmark, timeout)
            if failure:
                return runner.fail_benchmark(benchmark, stderr=failure)
            return runner.run_benchmark(
                {**benchmark, "timeout": timeout},
                self._spawner,
                profile=False,
                selected_idx={cell.index},
                extra_params=attributes,
                cwd=folder,
            )
        except util.UserError:
            if self._spawner.interrupted:  # asv's words for it say nothing of what is kept
                raise KeyboardInterrupt from None
            raise

    def _cache(self, benchmark: dict, timeout: float) -> tuple[str | None, str]:
        """The folder in which asv runs what has a setup_cache, made once for all that share it; or why it failed."""
        key = benchmark.get("setup_cache_key")
        if key is None:
            return None, ""
        if key not in self._caches:
            longest = max(benchmark.get("setup_cache_timeout") or 0, timeout)
            folder, said = self._spawner.create_setup_cache(benchmark["name"], longest, json.dumps({}))
            # asv's own last line says only that it failed.
            *lines, last = [line for line in (said or "").splitlines() if line.strip()][:-1] or [""]
            self._caches[key] = folder, "\n".join([*lines, f"its setup_cache failed: {last}"]) if said else ""
        return self._caches[key]


def _tell(cell: Cell, failure: str) -> None:
    with log.indent():
        log.error(f"{cell}: {failure}")


def _shown(benchmark: dict, cell: Cell, measured: BenchmarkResult) -> str:
    value, samples = measured.result[cell.index], measured.samples[cell.index]
    if samples is None:
        return util.human_value(value, benchmark["unit"])
    median, stats = compute_stats(samples, measured.number[cell.index])
    return util.human_value(median, benchmark["unit"], err=get_err(median, stats))


def _reason(failed: BenchmarkResult) -> str:
    """The last line that the benchmark process wrote, which of a trace-back is the error."""
    lines = [line.strip() for line in failed.stderr.splitlines() if line.strip()]
    if not failed.errcode:
        return "its method returned None: return a number, or NaN where there is none"
    if lines and (found := re.fullmatch(r"TypeError: Object of type (\w+) is not JSON serializable", lines[-1])):
        return f"its method returned a {found[1]}: return a number of Python's own, as by int() or float()"
    if not lines:
        return f"the benchmark ended with exit status {failed.errcode} and said nothing"
    return plain(lines[-1]).removeprefix("passtime.errors.PasstimeError: ").removeprefix("asv: ")
