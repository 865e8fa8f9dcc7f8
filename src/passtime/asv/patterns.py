"""What `--bench` takes."""

from __future__ import annotations

import re

from passtime.errors import PasstimeError


def compiled(bench: str | None) -> re.Pattern[str]:
    """A `--bench`; none is all. Raises PasstimeError where it is no regular expression."""
    try:
        return re.compile(bench or "")
    except re.error as error:
        raise PasstimeError(f"--bench {bench} is no regular expression: {error}") from None
