"""A project as asv sees it, for commands that are not asv's: its benchmarks' cells, and where their results go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from asv import environment, util
from asv.config import Config
from asv.machine import Machine
from asv.plugin_manager import plugin_manager
from asv.repo import get_repo

from passtime import places
from passtime.asv.commands import open_project
from passtime.asv.results import KeptResults
from passtime.asv.suite import Suite
from passtime.catalog import requests
from passtime.catalog.place import Item
from passtime.errors import PasstimeError
from passtime.results.sessions import Cell, cells_of
from passtime.results.store import Cells
from passtime.results.store import Suite as SuiteOfResults
from passtime.timeline import repository
from passtime.timeline.manifest import Release


class Project:
    """The project around `root`, which becomes the working directory, as it is asv's.

    `benchmarks` are all that it has, with what `patterns` choose of them, as asv's `-b`. `machine` is the name that
    results are kept under, by default this machine's. Raises PasstimeError.
    """

    def __init__(self, root: Path, patterns: Sequence[str] = (), machine: str | None = None) -> None:
        os.chdir(root)
        self._root = root
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

    def suite(self) -> SuiteOfResults:
        """What is measured, and where it is kept; what asv looks up beside results is saved."""
        self.benchmarks.save()  # `asv compare` and `asv publish` look benchmarks up there
        self._machine.save(self._conf.results_dir)
        return SuiteOfResults(self._root, self.machine, vars(self._machine), self.cells)

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


def _by_session(found: Suite) -> dict[Item, Cells]:
    """What each session measures, in the benchmarks' order."""
    cells: dict[Item, dict[str, tuple[dict, Cell]]] = {}
    for name, one in found.items():
        method = requests.method_of(name)
        if requests.are_asked(one):
            for cell in cells_of(one):
                workload, device = cell.params
                cells.setdefault(Item(workload, device, requests.session_of(method)), {})[method] = (one, cell)
    return {**cells}
