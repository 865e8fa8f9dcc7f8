"""Amounts on a command line, as people write them: a time or a size."""

from __future__ import annotations

import re
from typing import Any

import click

from passtime.results.machine import is_name

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_PREFIXES = ("", "K", "M", "G", "T")


class Percent(click.FloatRange):
    """A percentage above 0 and up to 100; `nan` is none."""

    def __init__(self) -> None:
        super().__init__(0, 100, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if found != found:
            self.fail(f"{value!r} is no percentage", param, ctx)
        return found


class Duration(click.ParamType):
    """A length of time, `90s`, `20m` or `1.5h`: in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", value)
        if not found:
            self.fail(f"{value!r} is no time: write 90s, 20m or 1.5h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class Size(click.ParamType):
    """A size on disk, `20GB`, `500 MB` or `2TiB`: in bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", value.strip(), re.IGNORECASE)
        if not found:
            self.fail(f"{value!r} is no size: write it like 20GB or 500MB", param, ctx)
        unit: int = (1024 if found[3] else 1000) ** _PREFIXES.index(found[2].upper())
        return int(float(found[1]) * unit)


def _checked(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if not is_name(given):
        raise click.BadParameter(f"{given!r} names a folder of results: letters, digits, '.', '-' and '_'")
    return given


# As `asv run --machine`, for the commands that measure.
machine_option = click.option(
    "--machine", metavar="M", callback=_checked, help="The name to keep results under; by default this machine's."
)
