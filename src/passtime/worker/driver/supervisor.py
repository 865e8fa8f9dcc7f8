"""The driver's side of a worker's life: started, kept, ended. A worker never outlives the process that started it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from passtime.errors import PasstimeError
from passtime.worker import protocol
from passtime.worker.driver import client, last_words, limits, sockets

STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02

# A runtime whose interpreter is gone, or is no program of this machine.
_OF_AN_INTERPRETER = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC)

# The driver's packages are not the runtime's.
_NOT_FOR_WORKERS = ("PYTHONPATH", "PYTHONHOME")


class Worker:
    """One release's worker, a context manager.

    `command` gives the command line of a worker that listens at a socket; `name`, the release's, is for messages. The
    worker's standard input is a pipe that this process holds, so it ends with this process, whatever the cause; the
    worker is in a session of its own, so that an interrupt at the terminal reaches it that way alone.

    `start_seconds` is how long the worker may take to say hello, by default what `limits.start_seconds` gives. What a
    worker printed that did not start is kept in the folder `logs`, if one is given.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[Path], Sequence[str]],
        environment: Mapping[str, str] | None = None,
        start_seconds: float | None = None,
        logs: Path | None = None,
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
        self._logs = logs
        # In memory: nothing to clean up, whatever happens, and no disk to be full.
        self._log = os.fdopen(os.memfd_create("passtime-worker"), "w+b")
        self._log_start = 0  # where in it the words of the process that runs begin

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
        return self._folder / sockets.NAME

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the worker, unless it runs already, and waits until it has said hello.

        Raises PasstimeError, with the cause, when it does not.
        """
        if self.alive():
            return
        self._end()
        limit_seconds = limits.start_seconds() if self._start_seconds is None else self._start_seconds
        self._log_start = self._log_size()
        self._folder = sockets.make_folder()
        try:
            self._process = self._started()
            self.hello = self._await_hello(limit_seconds)
            self.identity = uuid.uuid4().hex[:8]
        except BaseException:
            self._end()
            raise

    def restart(self) -> None:
        """A new process in the place of the one that runs, if one does. Raises as `start`."""
        self._end()
        self.start()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """All that the worker printed since it was first started."""
        return self._printed(since=0)

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
                # A process in the middle of a driver's call ends when that returns, if ever.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _started(self) -> subprocess.Popen[bytes]:
        command = list(self._command(self.address))
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            cause = f"{command[0]} cannot be run: {error.strerror}"
            raise self._did_not_start(cause, is_of_runtime=error.errno in _OF_AN_INTERPRETER) from None

    def _await_hello(self, limit_seconds: float) -> dict:
        assert self._process is not None
        deadline = time.monotonic() + limit_seconds
        while not self.address.exists():
            if self._process.poll() is not None:
                raise self._ended_before_its_hello()
            if time.monotonic() > deadline:
                raise self._hung("it did not listen at its socket", limit_seconds)
            time.sleep(_POLL_SECONDS)
        try:
            left_seconds = max(_POLL_SECONDS, deadline - time.monotonic())
            return client.ask(self.address, {"request": "hello"}, left_seconds)
        except client.TooLate:
            raise self._hung("it did not answer its hello", limit_seconds) from None
        except client.WorkerError as error:
            if error.kind == protocol.FAILED:  # it hung up, most likely because it ends
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS)
            if self._process.poll() is not None:
                raise self._ended_before_its_hello() from None
            raise self._did_not_start(str(error)) from None

    def _ended_before_its_hello(self) -> PasstimeError:
        assert self._process is not None
        return self._did_not_start(*last_words.read(self._printed(self._log_start), self._process.returncode))

    def _hung(self, what: str, limit_seconds: float) -> PasstimeError:
        return self._did_not_start(
            f"{what} within {limit_seconds:g} s: give it longer by {limits.START_VARIABLE}, or find out where it hangs"
        )

    def _did_not_start(self, cause: str, is_of_runtime: bool = False) -> PasstimeError:
        printed = self._printed(self._log_start)
        message = f"the worker of {self.name} did not start: {cause}"
        if is_of_runtime:
            message += f"; if its runtime is damaged, `passtime runtimes remove {self.name}` and run again"
        is_all_said = printed.strip().removeprefix(protocol.LAST_WORDS) in message
        kept = None if is_all_said else self._keep(printed)
        return PasstimeError(message + (f" (all that it printed is in {kept})" if kept else ""))

    def _keep(self, printed: str) -> Path | None:
        """Writes it into the folder of logs, in the place of what is there of this release; None if that fails."""
        if self._logs is None:
            return None
        path = self._logs / f"{self.name}.worker.log"
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            path.write_text(printed, "utf-8")
        except OSError:
            return None
        return path

    def _log_size(self) -> int:
        return os.fstat(self._log.fileno()).st_size

    def _printed(self, since: int) -> str:
        return os.pread(self._log.fileno(), self._log_size() - since, since).decode("utf-8", "replace")
