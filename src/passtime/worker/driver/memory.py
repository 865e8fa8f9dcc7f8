"""Whether a worker's memory stays with its process between passes, as a GPU's does with its framework."""

from __future__ import annotations

import os
from collections.abc import Mapping

from passtime.errors import PasstimeError

VARIABLE = "PASSTIME_MEMORY"
KEPT, SYSTEM = "kept", "system"

# glibc takes no memory by mmap, which it would give back at once, and gives nothing of its heap back. All its versions
# from 2.1 on read these; other C libraries and allocators do not.
KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}

# Who sets one of these has chosen how memory is had.
_CHOSEN_BY = ("MALLOC_", "LD_PRELOAD", "GLIBC_TUNABLES")


def variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a worker's environment that decide on it, and PASSTIME_MEMORY, which says what was decided.

    By default memory is kept. It is had as the system has it where PASSTIME_MEMORY is `system`, or where the
    environment sets the allocator already. Raises PasstimeError when PASSTIME_MEMORY is neither `kept` nor `system`.
    """
    environment = os.environ if environment is None else environment
    chosen = environment.get(VARIABLE, "").strip() or KEPT
    if chosen not in (KEPT, SYSTEM):
        raise PasstimeError(f"{VARIABLE} is {chosen!r}: set it to {KEPT} or {SYSTEM}, or unset it")
    if chosen == SYSTEM or any(name.startswith(_CHOSEN_BY) for name, value in environment.items() if value):
        return {VARIABLE: SYSTEM}
    return {VARIABLE: KEPT, **KEEPING}
