"""Which computer this is: an identifier that stays the same over restarts and says nothing of its owner.

Results are kept under a machine's name, which is made of its processor's: many computers have the same. What another
computer measured does not count as measured here, so each session's line has the identifier of its computer.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from passtime.errors import PasstimeError
from passtime.results.sessions import COMPUTER

COMPUTER_VARIABLE = "PASSTIME_COMPUTER"

# machine-id(5) asks applications to show it to nobody, and to hash it with a key of their own.
_SALT = "passtime computer 1"
_DIGITS = 16

_MACHINE_IDS = ("etc/machine-id", "var/lib/dbus/machine-id")
_HARDWARE = "sys/class/dmi/id/product_uuid"  # root alone can read it
_CONTAINERS = (".dockerenv", "run/.containerenv", "run/systemd/container")

_CHOSEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEXADECIMAL = re.compile(r"(?=.*[1-9a-f])[0-9a-f]{32}")


def computer() -> str:
    """This computer's identifier: PASSTIME_COMPUTER, or a salted hash, as 16 hexadecimal digits.

    Raises PasstimeError where PASSTIME_COMPUTER is no identifier.
    """
    chosen = os.environ.get(COMPUTER_VARIABLE)
    if not chosen:
        return _found()
    if not _CHOSEN.fullmatch(chosen):
        raise PasstimeError(
            f"{COMPUTER_VARIABLE} is {chosen!r}: set it to 1 to 64 letters, digits, '.', '_' or '-', or unset it"
        )
    return chosen


def is_of_here(session: Mapping[str, Any]) -> bool:
    """Whether a session, by its line, was taken on this computer. A line that names none is of an unknown one."""
    return session.get(COMPUTER) == computer()


@functools.cache
def _found() -> str:
    return hashed(Path("/"), platform.node())


def hashed(root: Path, host: str) -> str:
    """The identifier of the computer whose files lie in `root` and whose name is `host`."""
    return hashlib.sha256("\0".join([_SALT, *_traits(root, host)]).encode()).hexdigest()[:_DIGITS]


def _traits(root: Path, host: str) -> Iterator[str]:
    """What tells this computer from others, the most lasting of it that there is.

    A container's machine-id came with its image, which other computers run, too.
    """
    machine_id = next(filter(None, (_hexadecimal(root / path) for path in _MACHINE_IDS)), "")
    is_container = any((root / path).exists() for path in _CONTAINERS)
    if machine_id and not is_container:
        yield machine_id
    elif hardware := _hexadecimal(root / _HARDWARE):
        yield hardware
    else:
        yield from (machine_id, host)


def _hexadecimal(path: Path) -> str:
    """The 32 digits that a file holds, or nothing: it is not there, not ours to read, or not filled in yet."""
    try:
        found = path.read_text("ascii").strip().lower().replace("-", "")
    except (OSError, ValueError):
        return ""
    return found if _HEXADECIMAL.fullmatch(found) else ""
