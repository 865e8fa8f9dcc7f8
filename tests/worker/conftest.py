"""Workers of the fake framework, and the check that nothing outlives a test module."""

from __future__ import annotations

import os
import select
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake import adapter as fake
from fake import fifo as fifos
from fake.fifo import DEADLINE_SECONDS

from passtime.catalog import sampling, workloads
from passtime.worker.driver import client, supervisor
from passtime.worker.inside import launch

_RUN_VARIABLE = "PASSTIME_TEST_RUN"


@pytest.fixture(autouse=True, scope="module")
def nothing_survives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No process that a test started, and no socket's folder, is left when the module's tests are done."""
    run, places = uuid.uuid4().hex, tmp_path_factory.mktemp("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_RUN_VARIABLE, run)
        patch.setenv("TMPDIR", str(places))
        patch.setattr(tempfile, "tempdir", None)
        yield
        survivors = _processes_of(run)
        assert not survivors, f"still running: {survivors}"
        assert not list(places.glob("passtime-*")), "a worker's folder is left"


def _processes_of(run: str) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if f"{_RUN_VARIABLE}={run}".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it ended meanwhile
    return found


class FakeWorker(supervisor.Worker):
    """A fake worker that tells which sessions it began."""

    def __init__(self, passes: Path, environment: dict[str, str]) -> None:
        def command(socket: Path) -> list[str]:
            return worker_command(Path(fake.__file__), socket)

        super().__init__("fake-1.0", command, {**os.environ, fake.PASSES: str(passes), **environment})
        self.passes = passes

    def ask(self, request: str, measured_pass: str, workload: str = "dense", **fields: object) -> dict:
        return client.ask(self.address, request_of(request, measured_pass, workload, **fields))

    def sessions(self) -> list[str]:
        """Workload, device and kind of every session so far."""
        return [line.rpartition(" ")[0] for line in self.passes.read_text().splitlines()]


def worker_command(adapter: Path, socket: Path, python: str | Path | None = None) -> list[str]:
    script = str(Path(launch.__file__))
    return [str(python or sys.executable), script, "--adapter", str(adapter), "--socket", str(socket)]


def request_of(request: str, measured_pass: str, workload: str = "dense", **fields: object) -> dict:
    """A whole request, as the benchmarks send it."""
    device = str(fields.pop("device", "cpu"))
    samples = fields.pop("samples", 2)
    return {
        "request": request,
        "protocol": 2,
        "pass": measured_pass,
        **workloads.request_fields(workload, device),
        **sampling.policy(samples if isinstance(samples, int) else None),
        "threads": 2,
        **fields,
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., FakeWorker]]:
    """Starts fake workers, with these variables in their environment; they are stopped with the test."""
    workers: list[FakeWorker] = []

    def started(passes: Path | None = None, **environment: str) -> FakeWorker:
        workers.append(FakeWorker(passes or tmp_path / "passes", environment))
        workers[-1].start()
        return workers[-1]

    yield started
    for worker in workers:
        worker.stop()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A file to be told by: whoever opens it waits for the other side, so that no test has to poll or sleep."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def next_session(fifo: Path, *processes: int) -> int:
    """Waits until a session is in its first pass; gives its process id. Fails when one of the processes ends first."""
    return int(fifos.read(fifo, *processes).split()[-1])


def await_end(process_id: int) -> None:
    """Waits until a process, of whatever parent, has ended; fails when it does not in time."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], DEADLINE_SECONDS)
        assert ended, f"process {process_id} did not end"
    finally:
        os.close(descriptor)


def children_of(process_id: int) -> list[int]:
    """The children of a process, zombies too."""
    return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]
