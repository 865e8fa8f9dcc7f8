"""The one exception that users see: a line that says what is wrong and what to do."""

from __future__ import annotations

import re

# What moves the cursor, colours, hides or turns round what follows it; lines and tabs stay.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class PasstimeError(Exception):
    """Something the user can act on.

    Its text is one line; the CLI and the asv plugin print that line, without a trace-back, and exit nonzero. What it
    quotes is text of others: line ends become spaces, and control characters are written out.
    """

    def __init__(self, text: str) -> None:
        super().__init__(plain(" ".join(text.splitlines())))


def plain(text: str) -> str:
    """Text of others, for a terminal: each control character as Python writes it, `\\x1b`."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
