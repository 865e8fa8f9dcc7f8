"""A project as asv sees it, for commands that are not asv's: its benchmarks' cells, and where their results go."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from asv import environment, util
from asv.config import Config
from asv.machine import Machine
from asv.plugin_manager import plugin_manager
from asv.repo import get_repo
from asv.runner import BenchmarkResult

from passtime import places
from passtime.asv.commands import open_project
from passtime.asv.results import KeptResults
from passtime.asv.suite import Suite
from passtime.catalog import requests
from passtime.errors import PasstimeError
from passtime.results.sessions import QUICK, STARTED_AT, Cell, cells_of
from passtime.timeline import repository
from passtime.timeline.manifest import Release

# What one session measures: by the method that records it, asv's benchmark and its cell.
Cells = Mapping[str, tuple[dict, Cell]]


class Project:
    """The project around `root`, which becomes the working directory, as it is asv's.

    `benchmarks` are all that it has, with what `patterns` choose of them, as asv's `-b`. `machine` is the name that
    results are kept under, by default this machine's. Raises PasstimeError.
    """

    def __init__(self, root: Path, patterns: Sequence[str] = (), machine: str | None = None) -> None:
        os.chdir(root)
        try:
            self._conf = Config.load("asv.conf.json")
            for plugin in self._conf.plugins:
                plugin_manager.import_plugin(plugin)
            open_project(self._conf)
            self.repo = get_repo(self._conf)
            (self._environment,) = environment.get_environments(self._conf, None)
            heads = [self.repo.get_hash_from_name(branch) for branch in self._conf.branches]
            regex = list(patterns) or None
            self.benchmarks = Suite.discover(self._conf, self.repo, [self._environment], heads, regex=regex)
        except util.UserError as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # asv makes an error of it
                raise KeyboardInterrupt from None
            raise PasstimeError(str(error)) from None
        self._machine = Machine.load(machine_name=machine, interactive=False)
        self._timeline = places.timeline_repository(root)
        self.cells = _by_session(self.benchmarks)

    @property
    def machine(self) -> str:
        return self._machine.machine

    @property
    def install_timeout_seconds(self) -> float:
        """How long a command of an install may take where nobody waits for it."""
        return float(self._conf.install_timeout)

    def results_to_extend(self, release: Release) -> KeptResults:
        """As `results`, for more to be landed in it: what asv looks up beside results is saved."""
        self.benchmarks.save()  # `asv compare` and `asv publish` look benchmarks up there
        self._machine.save(self._conf.results_dir)
        return self.results(release)

    def results(self, release: Release) -> KeptResults:
        """What is stored of a release on this machine. Raises PasstimeError if damaged."""
        env, commit = self._environment, repository.commit_of(self._timeline, release.name)
        results = KeptResults(
            {**vars(self._machine), "python": env.python},
            env.requirements,
            commit,
            self.repo.get_date(commit),
            env.python,
            env.name,
            env.env_vars,
        )
        try:
            results.load_data(self._conf.results_dir)
        except util.UserError as error:
            raise PasstimeError(str(error)) from None
        return results


def _by_session(found: Suite) -> dict[tuple[str, str, str], Cells]:
    """By workload, device and kind of session, in the benchmarks' order."""
    cells: dict[tuple[str, str, str], dict[str, tuple[dict, Cell]]] = {}
    for name, one in found.items():
        method = requests.method_of(name)
        if requests.are_asked(one):
            for cell in cells_of(one):
                workload, device = cell.params
                cells.setdefault((workload, device, requests.session_of(method)), {})[method] = (one, cell)
    return dict(cells)


def land(results: KeptResults, cells: Cells, replies: Mapping[str, Mapping[str, Any]], session: dict[str, Any]) -> None:
    """Adds a session's samples and peaks to a release's results, as `asv run --append-samples` would, and saves.

    `replies` are the worker's, by method, none of what the device cannot tell; `session` is what provenance says of the
    session as a whole.
    """
    started_at = datetime.fromisoformat(session[STARTED_AT])
    for method, (one, cell) in cells.items():
        if method not in replies:
            continue
        reply = replies[method]
        samples, count = reply.get("elapsed_seconds"), len(cells_of(one))
        columns = (median(samples) if samples else reply["peak_bytes"], samples, 1 if samples else None)
        measured = BenchmarkResult(*(_only(cell.index, value, count) for value in columns), 0, "", None)
        line = {
            "benchmark": cell.benchmark,
            "version": one["version"],
            "params": list(cell.params),
            **session,
            **requests.said_of_session(reply),
        }
        are_alike = all(
            there.get("version") == one["version"] and QUICK not in there for there in results.sessions.of(cell)
        )
        results.put(one, cell, measured, [line], started_at=started_at, append=are_alike)


def _only(index: int, value: object, count: int) -> list[object]:
    """A list of so many, with a value at one place and None elsewhere."""
    return [value if place == index else None for place in range(count)]
