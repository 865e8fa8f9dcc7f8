"""The command line: one group, whose rooms bring their own commands."""

from __future__ import annotations

import errno
import importlib
import signal
from typing import Any

import click

from passtime import __version__
from passtime.errors import PasstimeError

# Imported when asked for, so that a room that does not import breaks no other's commands.
_ROOMS = {
    "bisect": "passtime.cli.bisect",
    "dashboard": "passtime.cli.dashboard",
    "history": "passtime.cli.history",
    "measure": "passtime.cli.measure",
    "parity": "passtime.cli.parity",
    "results": "passtime.cli.results",
    "runtimes": "passtime.cli.runtimes",
    "sweep": "passtime.cli.sweep",
    "tables": "passtime.cli.tables",
    "timeline": "passtime.cli.timeline",
    "verdict": "passtime.cli.verdict",
}

# What shells report for a process that a signal ended: this, and the signal's number.
_ENDED_BY = 128


class _Rooms(click.Group):
    """Finds commands in the rooms, and turns what a user can act on into one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _ROOMS.get(cmd_name)
        return getattr(importlib.import_module(module), cmd_name) if module else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PasstimeError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt as ending:
            click.echo("Interrupted. The same command goes on from here.", err=True)
            # Python's own, at Ctrl-C, has no number.
            ctx.exit(_ENDED_BY + (ending.args[0] if ending.args else signal.SIGINT))
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output left; click ends quietly
                raise
            raise click.ClickException(_explain(error)) from None


def _explain(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    what = f"{error.strerror or error}{where}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}: free some space, for instance with `passtime runtimes prune`, and start again"
    return what


@click.group(cls=_Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="passtime")
def main() -> None:
    """Times the passes of deep-learning models and layers across framework releases.

    Measuring, comparing and publishing are asv's own commands: asv run, asv compare, asv publish, asv preview.
    """
