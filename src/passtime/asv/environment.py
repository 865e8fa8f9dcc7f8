"""asv's environment for releases: each in a runtime of its own, behind a worker that stays warm for the whole run.

asv's own environments install every commit anew into one virtual environment of one Python. Ours installs nothing
twice: the benchmark process runs in asv's own interpreter and talks to the release's worker.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from asv import util
from asv.console import log
from asv.environment import Environment
from asv.repo import Repo

from passtime import places
from passtime.asv import benchmark, lean
from passtime.catalog import frameworks
from passtime.errors import PasstimeError
from passtime.runtimes import store
from passtime.timeline import manifest, repository
from passtime.worker.driver import cores, limits, start
from passtime.worker.driver.supervisor import Worker


class NotInstalled(util.ProcessError):
    """What asv takes for a commit that cannot be installed: it skips the commit and goes on with the others."""

    def __init__(self, reason: str) -> None:
        super().__init__(["passtime", "runtimes", "install"], 1, "", reason)

    def __str__(self) -> str:
        return self.stderr


class PasstimeEnvironment(Environment):
    """The one environment, whatever the release and whatever Python asv runs on.

    `compare` pairs results by environment and charts split by Python, so name and Python are constants: what a
    release runs on is the release's, and stands in the manifest and in the provenance.
    """

    tool_name = "passtime"
    name = "passtime"
    python = "runtime"
    installed_commit_hash = None  # so that asv calls install_project each time: runtimes can be removed

    def __init__(self, conf: Any, python: str, requirements: dict, tagged_env_vars: dict) -> None:
        self._requirements: dict[str, str] = {}  # asv's own __init__ reads it before it sets it
        super().__init__(conf, self.python, {}, {})
        self._root = places.root()
        self.known = manifest.load(self._root)
        self._runtimes: dict[str, store.Runtime] = {}
        self._missing: dict[str, str] = {}
        self._workers: dict[str, Worker] = {}
        self._finds_benchmarks = False
        self.needs_runtimes = True  # not where all benchmarks are ordinary ones
        self.asks_worker = True  # the benchmark that runs next; an ordinary one does not
        self.default_timeout: float = conf.default_benchmark_timeout
        self._install_timeout_seconds: float = conf.install_timeout
        self.release: manifest.Release | None = None
        self.release_count = 1  # of the run
        self.releases: list[manifest.Release] = []  # those of the run whose runtimes are there
        self.sessions: list[dict] = []  # what the worker said of itself to the last benchmark process
        # Workers also end with this process when it is killed, but then their sockets' folders stay.
        atexit.register(self.stop_workers)

    def check_presence(self) -> bool:
        return True

    def create(self) -> None:
        """Nothing: asv makes a virtual environment here."""

    @contextlib.contextmanager
    def finding_benchmarks(self) -> Iterator[None]:
        """Inside, no release is installed: benchmarks import none, and asv would install one to list them."""
        self._finds_benchmarks = True
        try:
            yield
        finally:
            self._finds_benchmarks = False

    def install_project(self, conf: Any, repo: Repo, commit_hash: str) -> None:
        """Makes sure that the release's runtime is there. Raises NotInstalled when it cannot be made.

        The reason is told once; a release that failed is not tried again in the same run.
        """
        if self._finds_benchmarks:
            return
        release = self.release = self.known.get(
            repository.release_name(places.timeline_repository(self._root), commit_hash)
        )
        if not self.needs_runtimes:
            return
        if release.name not in self._missing:
            try:
                self._runtimes[release.name] = store.ensure(release, _announce, self._install_timeout_seconds)
            except PasstimeError as error:
                self._missing[release.name] = str(error)
                log.error(str(error))
        if release.name in self._missing:
            raise NotInstalled(self._missing[release.name])

    def install_all(self, conf: Any, repo: Repo, commit_hashes: Collection[str]) -> None:
        """Installs the releases that can be, so that nothing downloads while something is timed."""
        self.release_count = len(commit_hashes)
        for commit_hash in commit_hashes:
            with contextlib.suppress(NotInstalled):
                self.install_project(conf, repo, commit_hash)
                if self.release is not None and self.needs_runtimes:
                    self.releases.append(self.release)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Runs one of asv's scripts in asv's own interpreter; for what asks one, with its release's worker running."""
        if args[1:2] != ["run"] or not self.asks_worker:
            self.sessions = []
            return util.check_output([sys.executable, *args], **kwargs)
        _, _, _, name, params_str, *_ = args
        session_log = Path(kwargs["cwd"], "sessions")  # in the folder that asv makes for this process, and removes
        # In the process's environment alone: asv saves `env_vars` with the results.
        variables = self._variables(name, json.loads(params_str), session_log)
        if kwargs.get("timeout"):
            # asv ends the process at the same time; whoever lives on waits no longer.
            variables[limits.SESSION_VARIABLE] = str(min(kwargs["timeout"], limits.LONGEST_SECONDS))
        kwargs["env"] = {**kwargs["env"], **variables}
        self.sessions = []
        ended = util.check_output([sys.executable, lean.__file__, *args], **kwargs)
        if session_log.is_file():
            self.sessions = [json.loads(line) for line in session_log.read_text("utf-8").splitlines()]
        return ended

    def worker(self, release: manifest.Release | None = None) -> Worker:
        """A release's worker, by default of the one that was installed last: started, or started again where it died.

        Raises PasstimeError when it does not start, and where its runtime cannot be had.
        """
        release = release or self.release
        assert release is not None
        if release.name not in self._workers:
            if release.name not in self._runtimes:
                self._runtimes[release.name] = store.ensure(release, _announce, self._install_timeout_seconds)
            framework, runtime = frameworks.get(release.framework), self._runtimes[release.name]
            self._workers[release.name] = start.worker(framework, runtime, cores.threads())
        worker = self._workers[release.name]
        worker.start()
        return worker

    def stop_workers(self, but: str | None = None) -> None:
        """Ends the workers of all releases, or of all but one."""
        for release in [release for release in self._workers if release != but]:
            self._workers.pop(release).stop()

    def _variables(self, name: str, attributes: dict, session_log: Path) -> dict[str, str]:
        variables = {
            benchmark.WORKER_VARIABLE: str(self.worker().address),
            benchmark.BENCHMARK_VARIABLE: name,
            benchmark.SESSION_LOG_VARIABLE: str(session_log),
        }
        if attributes.get("repeat"):
            variables[benchmark.SAMPLES_VARIABLE] = str(samples_of(attributes["repeat"]))
        return variables


def samples_of(repeat: int | list) -> int:
    """The number of samples in asv's `repeat`: a number, or the least, the most, and seconds."""
    return int(repeat[1] if isinstance(repeat, list) else repeat)


def _announce(line: str) -> None:
    log.info(line)
    log.flush()  # an installer may write to the terminal next
