"""The arrays that two Python workers share in a folder where parity is checked; docs/protocol.md says which."""

import os
from typing import Any

from passtime.worker import protocol


def load(folder: str, name: str, shape: Any) -> Any:
    """The reference's NumPy array of that name. Raises Failure where it has none, or one of another shape."""
    import numpy  # type: ignore[import-not-found, unused-ignore]

    path = os.path.join(folder, name + ".npy")
    here = list(shape)
    found = list(numpy.load(path, mmap_mode="r").shape) if os.path.exists(path) else "none"
    if found != here:
        raise protocol.Failure(protocol.FAILED, f"{name} has shape {here} here, the reference's {found}")
    return numpy.load(path)
