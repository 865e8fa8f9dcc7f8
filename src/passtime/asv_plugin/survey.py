"""What `asv run --skip-existing-successful` would measure, found out without running it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asv import environment, util
from asv.config import Config
from asv.machine import Machine
from asv.plugin_manager import plugin_manager
from asv.repo import get_repo

from passtime import workloads
from passtime.asv_plugin import plan
from passtime.asv_plugin.commands import open_project
from passtime.asv_plugin.results import KeptResults
from passtime.asv_plugin.suite import Suite
from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.sessions import Cell
from passtime.timeline import manifest
from passtime.timeline.manifest import Release


@dataclass(frozen=True)
class Left:
    """Of a release, on this machine: each cell as often as it is still to be measured, and those that failed last."""

    cells: tuple[Cell, ...]
    failed: tuple[Cell, ...]


class Survey:
    """The project around `root`, which becomes the working directory, and the benchmarks that match a pattern.

    Raises PasstimeError where there are none, or a pattern is no regular expression.
    """

    def __init__(self, root: Path, patterns: Sequence[str] = ()) -> None:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise PasstimeError(f"--bench {pattern} is no regular expression: {error}") from None
        os.chdir(root)
        try:
            self._conf = Config.load("asv.conf.json")
            for plugin in self._conf.plugins:
                plugin_manager.import_plugin(plugin)
            open_project(self._conf)
            self._known = manifest.load(root)
            self._repo = get_repo(self._conf)
            (self._environment,) = environment.get_environments(self._conf, None)
            heads = [self._repo.get_hash_from_name(branch) for branch in self._conf.branches]
            self._found = Suite.discover(self._conf, self._repo, [self._environment], heads, regex=list(patterns))
        except util.UserError as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # asv makes an error of it
                raise KeyboardInterrupt from None
            raise PasstimeError(str(error)) from None
        if not self._found:
            raise PasstimeError(f"no benchmark matches {' or '.join(patterns)}: `asv run --bench` takes the same")
        self._commits = self._repo.get_tags()
        self._machine = Machine.load(machine_name=None, interactive=False)
        # As far as can be told before a release was asked.
        self._devices = [device for device in workloads.DEVICES if device == "cpu" or store.has_gpu()]

    def releases(self, ranges: Sequence[str]) -> list[Release]:
        """The releases of these names, branches and ranges, as `asv run` takes them, each once.

        Raises PasstimeError for what is none of these, and where there is no release in any.
        """
        names = {commit: name for name, commit in self._commits.items()}
        try:
            commits = [commit for one in ranges for commit in self._repo.get_hashes_from_range(one)]
        except util.UserError as error:
            raise PasstimeError(str(error)) from None
        if not commits:
            raise PasstimeError(f"no releases in {' '.join(ranges)}: git's ranges leave out their start, hence A^..B")
        return [self._known.get(names[commit]) for commit in dict.fromkeys(commits)]

    def left(self, release: Release) -> Left:
        """What is left of a release. Raises PasstimeError where its results are damaged."""
        commit, env = self._commits[release.name], self._environment
        results = KeptResults(
            {**vars(self._machine), "python": env.python},
            env.requirements,
            commit,
            self._repo.get_date(commit),
            env.python,
            env.name,
            env.env_vars,
        )
        try:
            results.load_data(self._conf.results_dir)
        except util.UserError as error:
            raise PasstimeError(str(error)) from None
        made = plan.make(self._found, results, plan.Choice(skip_measured=True))
        made.leave_out_devices(self._found, self._devices)
        return Left(tuple(made.left()), tuple(cell for cell in made.rounds if results.sessions.failed(cell)))
