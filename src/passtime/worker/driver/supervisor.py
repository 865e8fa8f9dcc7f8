"""The driver's side of a worker's life: started, kept, ended. A worker never outlives the process that started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.worker.driver import client

# Importing a framework from a cold disk takes most of a minute.
START_SECONDS = 180.0
STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02

# The driver's packages are not the runtime's.
_NOT_FOR_WORKERS = ("PYTHONPATH", "PYTHONHOME")


class Worker:
    """One release's worker, a context manager.

    `command` gives the command line of a worker that listens at a socket; `name`, the release's, is for messages. The
    worker's standard input is a pipe that this process holds, so it ends with this process, whatever the cause; the
    worker is in a session of its own, so that an interrupt at the terminal reaches it that way alone.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[Path], Sequence[str]],
        environment: Mapping[str, str] | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.name = name
        self.hello: dict = {}
        self.identity = ""  # of the process that runs: another one after each start
        self._command = command
        self._environment = dict(os.environ if environment is None else environment)
        for variable in _NOT_FOR_WORKERS:
            self._environment.pop(variable, None)
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        # A file without a name: nothing to clean up, whatever happens.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the worker

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> Path:
        """The socket at which the worker listens. Raises RuntimeError before it is started."""
        if self._folder is None:
            raise RuntimeError(f"the worker of {self.name} is not started")
        return self._folder / "socket"

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the worker, unless it runs already, and waits until it has said hello.

        Raises PasstimeError, with the last line that the worker printed, when it does not.
        """
        if self.alive():
            return
        self._end()
        self._folder = Path(tempfile.mkdtemp(prefix="passtime-"))
        try:
            self._process = subprocess.Popen(
                list(self._command(self.address)),
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                env=self._environment,
                start_new_session=True,
            )
            self.hello = self._await_hello()
            self.identity = uuid.uuid4().hex[:8]
        except BaseException as error:
            self._end()
            if isinstance(error, (OSError, client.WorkerError)):
                raise self._did_not_start(str(error)) from None
            raise

    def restart(self) -> None:
        """A new process in the place of the one that runs, if one does. Raises as `start`."""
        self._end()
        self.start()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """All that the worker printed since it was first started."""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode("utf-8", "replace")

    def stop(self) -> None:
        """Ends the worker and its session; its socket's folder and its log are gone afterwards."""
        self._end()
        self._log.close()

    def _end(self) -> None:
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _await_hello(self) -> dict:
        assert self._process is not None
        deadline = time.monotonic() + self._start_seconds
        while not self.address.exists():
            if self._process.poll() is not None:
                raise self._did_not_start(f"exit status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._did_not_start(f"nothing for {self._start_seconds:.0f} s")
            time.sleep(_POLL_SECONDS)
        return client.ask(self.address, {"request": "hello"})

    def _did_not_start(self, reason: str) -> PasstimeError:
        lines = self.log().strip().splitlines()
        said = lines[-1].strip() if lines else reason
        return PasstimeError(
            f"the worker of {self.name} did not start: {said}; "
            f"if its runtime is damaged, `passtime runtimes remove {self.name}` and run again"
        )
