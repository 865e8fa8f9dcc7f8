"""What `asv run --skip-existing-successful` would measure, found out without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asv import util

from passtime.asv import plan
from passtime.asv.project import Project
from passtime.catalog import workloads
from passtime.errors import PasstimeError
from passtime.results.computer import computer
from passtime.results.sessions import Cell
from passtime.runtimes import store
from passtime.timeline import manifest
from passtime.timeline.manifest import Release


@dataclass(frozen=True)
class Left:
    """Of a release, on a machine: each cell as often as it is still to be measured, and those that failed last."""

    cells: tuple[Cell, ...]
    failed: tuple[Cell, ...]


class Survey:
    """The project around `root`, which becomes the working directory, and the benchmarks that match a pattern.

    `machine` is as Project's. Raises PasstimeError where there are no such benchmarks, and where PASSTIME_COMPUTER is
    no identifier.
    """

    def __init__(self, root: Path, patterns: Sequence[str] = (), machine: str | None = None) -> None:
        computer()  # what is wrong with it is said before anything else
        self._project = Project(root, patterns, machine)
        self._known = manifest.load(root)
        if not self._project.benchmarks:
            raise PasstimeError(f"no benchmark matches {' or '.join(patterns)}: `asv run --bench` takes the same")
        # As far as can be told before a release was asked.
        self._devices = [device for device in workloads.DEVICES if device == "cpu" or store.has_gpu()]

    @property
    def install_timeout_seconds(self) -> float:
        return self._project.install_timeout_seconds

    def releases(self, ranges: Sequence[str]) -> list[Release]:
        """The releases of these names, branches and ranges, as `asv run` takes them, each once.

        Raises PasstimeError for what is none of these, and where there is no release in any.
        """
        names = {commit: name for name, commit in self._project.repo.get_tags().items()}
        try:
            commits = [commit for one in ranges for commit in self._project.repo.get_hashes_from_range(one)]
        except util.UserError as error:
            raise PasstimeError(str(error)) from None
        if not commits:
            raise PasstimeError(f"no releases in {' '.join(ranges)}: git's ranges leave out their start, hence A^..B")
        return [self._known.get(names[commit]) for commit in dict.fromkeys(commits)]

    def left(self, release: Release) -> Left:
        """What is left of a release. Raises PasstimeError where its results are damaged."""
        results = self._project.results(release)
        made = plan.make(self._project.benchmarks, results, plan.Choice(skip_measured=True))
        made.leave_out_devices(self._project.benchmarks, self._devices)
        return Left(tuple(made.left()), tuple(cell for cell in made.rounds if results.sessions.failed(cell)))
