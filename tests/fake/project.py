"""A small project of the fake framework, for tests with asv itself."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from fake.fifo import DEADLINE_SECONDS
from passtime import places
from passtime.asv.together import REFERENCE_VARIABLE

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent

# By date; the first has an interpreter that is not there, so it cannot be installed.
RELEASES = ("fake-0.1", "fake-1.0", "fake-2.0", "fake-3.0")
RUN_VARIABLE = "PASSTIME_TEST_RUN"

BENCHMARKS = """
from passtime.asv import benchmark


class Net(benchmark.PassBenchmark):
    version = "1"
    # The fake framework sees no tpu.
    params = (("resnet18", "resnet50"), ("cpu", "tpu"))
    param_names = ("model", "device")


class Layer(benchmark.PassBenchmark):
    version = "1"
    params = (("dense",), ("cpu", "tpu"))
    param_names = ("layer", "device")
"""


class Project:
    """A checkout of its own in `root`: the root's asv.conf.json with the fake framework, few benchmarks, fake releases.

    Nothing of the user's is read or written: the home folder, the runtimes and temporary files lie in `root` too.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = root / "results"
        configuration = (ROOT / "asv.conf.json").read_text("utf-8")
        plugins = '".fake.framework", ".passtime.asv.plugin"'
        (root / "asv.conf.json").write_text(configuration.replace('".passtime.asv.plugin"', plugins), "utf-8")
        (root / "benchmarks").mkdir()
        (root / "benchmarks" / "__init__.py").touch()
        (root / "benchmarks" / "nets.py").write_text(BENCHMARKS, "utf-8")
        for folder in ("home", "tmp"):
            (root / folder).mkdir()
        self.write_releases()
        self.run_id = uuid.uuid4().hex
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {
            **os.environ,
            RUN_VARIABLE: self.run_id,
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "PYTHONPATH": str(TESTS),
            places.HOME_VARIABLE: str(root / "cache"),
            places.RELEASES_VARIABLE: str(root / "releases.toml"),
            # All fake releases are always there; what is about heats says so itself.
            REFERENCE_VARIABLE: "none",
        }

    def write_releases(self, missing: tuple[str, ...] = RELEASES[:1], names: tuple[str, ...] = RELEASES) -> None:
        """The manifest of releases of these names; what is `missing` cannot be installed."""
        entries = [
            f'[[release]]\nframework = "fake"\nversion = "{name.partition("-")[2]}"\ndate = 202{year}-01-01T00:00:00Z\n'
            f'interpreter = "{self.root / "nowhere/python" if name in missing else sys.executable}"\n'
            for year, name in enumerate(names)
        ]
        (self.root / "releases.toml").write_text("\n".join(entries), "utf-8")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts asv, without a terminal."""
        return self._start([sys.executable, "-m", "asv", *arguments], environment)

    def start_passtime(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts passtime, without a terminal."""
        return self._start([str(Path(sys.executable).with_name("passtime")), *arguments], environment)

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def kill(self) -> None:
        """Ends what a test that failed has left running; workers end with whoever started them."""
        for process in self._started:
            process.kill()
            process.wait()

    def asv(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        """What asv printed, both streams, once it has ended with the expected exit status."""
        return "".join(_ended(self.start(*arguments, **environment), expect))

    def passtime(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        """What passtime printed, once it has ended with the expected exit status; for 1 and 2 what it complained."""
        printed, complained = _ended(self.start_passtime(*arguments, **environment), expect)
        return complained if expect in (1, 2) else printed

    def commit_of(self, release: str) -> str:
        timeline = places.timeline_repository(self.root)
        return subprocess.run(
            ["git", f"--git-dir={timeline}", "rev-parse", release], capture_output=True, text=True, check=True
        ).stdout.strip()

    def result_file(self, release: str) -> Path:
        """The release's one result file, on whichever machine."""
        (path,) = self.results.glob(f"*/{self.commit_of(release)[:8]}-passtime.json")
        return path

    def stored(self, release: str, column: str = "result") -> dict[str, Any]:
        """What the release's file holds, by cell: `nets.Net.time_forward(resnet18, cpu)`; what it lacks is no key."""
        content = json.loads(self.result_file(release).read_text("utf-8"))
        place, params_place = (content["result_columns"].index(name) for name in (column, "params"))
        cells = {}
        for name, row in content["results"].items():
            axes = [[param.strip("'") for param in axis] for axis in row[params_place]]
            names = [f"{name}({first}, {second})" for first in axes[0] for second in axes[1]]
            values = row[place] if place < len(row) and row[place] is not None else [None] * len(names)
            cells.update(zip(names, values, strict=True))
        return cells

    def sessions(self, release: str) -> list[dict[str, Any]]:
        """The lines of the release's provenance file."""
        path = self.result_file(release).with_suffix(".provenance.jsonl")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def survivors(self) -> list[str]:
        """The command lines of processes that asv left, and the workers' folders."""
        mark = f"{RUN_VARIABLE}={self.run_id}".encode()
        found = [str(folder) for folder in (self.root / "tmp").glob("passtime-*")]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if mark in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text("utf-8").replace("\0", " "))
        return found


def _ended(process: subprocess.Popen[str], expect: int) -> tuple[str, str]:
    """Both streams of a process, once it has ended with the expected exit status."""
    try:
        printed, complained = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == expect, printed + complained
    return printed, complained
