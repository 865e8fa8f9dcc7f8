"""Where a worker's socket lies: in a folder of its own, whose path the kernel takes for a socket."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from passtime.errors import PasstimeError

NAME = "socket"
# The name under which a worker makes it, until it listens. A socket's whole path has 107 bytes at the most.
_NAME_UNTIL_IT_LISTENS = NAME + ".new"


def make_folder() -> Path:
    """A new folder of this user alone, in which a socket can be made.

    In the folder for temporary files (TMPDIR); in another one if that folder's path is too long, or its file system
    has no sockets. Raises PasstimeError where none will do.
    """
    tried = []
    for place in _places():
        try:
            folder = Path(tempfile.mkdtemp(prefix="passtime-", dir=place))
        except OSError as error:
            tried.append(f"{place} ({error.strerror})")
            continue
        try:
            _try(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            tried.append(f"{place} ({error.strerror or error})")
            continue
        return folder
    raise PasstimeError(
        f"no folder can hold a worker's socket, of {', '.join(tried)}: "
        "set TMPDIR to a folder with a short path that can be written to"
    )


def _places() -> Iterator[str]:
    """Folders for temporary files, each once, those that are the user's choice first."""
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", "/dev/shm"]
    try:
        places.insert(0, tempfile.gettempdir())
    except FileNotFoundError:  # it can write to none of those that it knows
        places.insert(0, os.environ.get("TMPDIR", ""))
    yield from dict.fromkeys(place for place in places if os.path.isabs(place))


def _try(folder: Path) -> None:
    path = folder / _NAME_UNTIL_IT_LISTENS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.bind(str(path))
    path.unlink()
