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

from passtime.asv.commands import open_project
from passtime.asv.suite import Suite, by_session
from passtime.errors import PasstimeError
from passtime.results.store import Suite as SuiteOfResults
from passtime.timeline import manifest
from passtime.timeline.manifest import Release


class Project:
    """The project around `root`, which becomes the working directory, as it is asv's.

    `benchmarks` are all that it has. `machine` is the name that results are kept under, by default this machine's.
    Raises PasstimeError.
    """

    def __init__(self, root: Path, machine: str | None = None) -> None:
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
            self.benchmarks = Suite.discover(self._conf, self.repo, [self._environment], heads)
        except util.UserError as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # asv makes an error of it
                raise KeyboardInterrupt from None
            raise PasstimeError(str(error)) from None
        self._machine = Machine.load(machine_name=machine, interactive=False)
        self.cells = by_session(self.benchmarks)

    @property
    def machine(self) -> str:
        return self._machine.machine

    @property
    def install_timeout_seconds(self) -> float:
        """How long a command of an install may take where nobody waits for it."""
        return float(self._conf.install_timeout)

    def releases(self, ranges: Sequence[str]) -> list[Release]:
        """The releases of these names, branches and ranges, as `asv run` takes them, each once.

        Raises PasstimeError for what is none of these, and where there is no release in any.
        """
        known = manifest.load(self._root)
        names = {commit: name for name, commit in self.repo.get_tags().items()}
        try:
            commits = [commit for one in ranges for commit in self.repo.get_hashes_from_range(one)]
        except util.UserError as error:
            raise PasstimeError(str(error)) from None
        if not commits:
            raise PasstimeError(f"no releases in {' '.join(ranges)}: git's ranges leave out their start, hence A^..B")
        return [known.get(names[commit]) for commit in dict.fromkeys(commits)]

    def suite(self) -> SuiteOfResults:
        """What is measured, and where it is kept; what asv looks up beside results is saved."""
        self.benchmarks.save()  # `asv compare` and `asv publish` look benchmarks up there
        self._machine.save(self._conf.results_dir)
        return SuiteOfResults(self._root, self.machine, vars(self._machine), self.cells)
