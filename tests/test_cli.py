"""The passtime command: errors as one line, rooms imported when asked for."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from fake.fifo import DEADLINE_SECONDS

from passtime import __version__, cli
from passtime.errors import PasstimeError


@pytest.fixture
def fail_with(monkeypatch):
    """Runs `passtime fails`, whose command raises the given error."""

    def run(error: BaseException):
        @click.command()
        def fails() -> None:
            raise error

        monkeypatch.setattr(cli._Rooms, "get_command", lambda self, ctx, name: fails)
        return CliRunner().invoke(cli.main, ["fails"])

    return run


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (PasstimeError("no such release: see the list"), "Error: no such release: see the list", 1),
        (KeyboardInterrupt(), "Interrupted. The same command goes on from here.", 130),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Error: Permission denied (/x)", 1),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "Error: No space left on device: free some space, for instance with `passtime runtimes prune`, "
            "and start again",
            1,
        ),
    ],
)
def test_a_failure_is_one_line_on_stderr(fail_with, error, line, status):
    """What a user can act on ends the command with one line on stderr, nothing on stdout, and a nonzero status."""
    result = fail_with(error)
    assert (result.stderr.splitlines(), result.stdout, result.exit_code) == ([line], "", status)


def test_a_defect_keeps_its_traceback(fail_with):
    """An error that nobody foresaw is not dressed up as the user's."""
    assert isinstance(fail_with(ZeroDivisionError()).exception, ZeroDivisionError)


def test_a_broken_room_breaks_no_other_command(monkeypatch):
    """A room that does not import leaves the version and the other rooms' commands alone."""
    monkeypatch.setitem(cli._ROOMS, "timeline", "passtime.there_is_no_such_module")
    assert CliRunner().invoke(cli.main, ["--version"]).stdout == f"passtime, version {__version__}\n"
    assert CliRunner().invoke(cli.main, ["runtimes", "--help"]).exit_code == 0


def test_an_unknown_command_is_refused():
    """A command that does not exist is a usage error that names it."""
    result = CliRunner().invoke(cli.main, ["frobnicate"])
    assert result.exit_code == 2
    assert "No such command 'frobnicate'" in result.stderr


def test_an_interrupted_command_ends_with_130():
    """A real SIGINT to the installed command ends it with one line and the status that shells expect."""
    program = """
import os, signal, click
from passtime import cli
wait = click.Command("wait", callback=lambda: (print("ready", flush=True), signal.pause()))
cli._Rooms.get_command = lambda self, ctx, name: wait
cli.main(["wait"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, len(stderr.splitlines())) == (130, 1)


def test_no_command_loads_the_whole_of_scipy():
    """`passtime --help`, which loads every command, starts without scipy.stats: it would double the time."""
    program = (
        "import sys\nfrom passtime import cli\ntry:\n    cli.main()\nfinally:\n    print('scipy.stats' in sys.modules)"
    )
    printed = subprocess.check_output([sys.executable, "-c", program, "--help"], text=True)
    assert "verdict" in printed
    assert printed.endswith("False\n")
