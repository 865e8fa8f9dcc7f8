"""Whether memory is kept between passes: what workers are given, and what is recorded."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from passtime.errors import PasstimeError
from passtime.worker.driver import memory

# Takes and frees as much as an activation, again and again, and prints how often a page had to be had anew.
_FAULTS = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def once():
    place = libc.malloc(50_000_000)
    ctypes.memset(place, 1, 50_000_000)
    libc.free(place)
once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(variables):
    environment = {**os.environ, **variables}
    found = subprocess.run([sys.executable, "-c", _FAULTS], env=environment, capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="only glibc reads the variables")
def test_what_is_freed_is_not_had_anew_from_the_kernel():
    """With the variables that keep memory, a block of 50 MB that is freed and taken again costs no page fault."""
    assert faults(memory.variables({})) < 1000 < 50_000 < faults(memory.variables({memory.VARIABLE: memory.SYSTEM}))


def test_memory_is_kept_unless_the_environment_says_otherwise():
    """Memory is kept by default; not where the user says so, or has chosen an allocator or its settings."""
    assert memory.variables({})[memory.VARIABLE] == memory.KEPT
    for environment in (
        {memory.VARIABLE: "system"},
        {"MALLOC_ARENA_MAX": "1"},
        {"LD_PRELOAD": "libjemalloc.so.2"},
        {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    ):
        assert memory.variables(environment) == {memory.VARIABLE: memory.SYSTEM}


def test_another_word_is_refused():
    """A value of PASSTIME_MEMORY that is neither of the two is one line that says which there are."""
    with pytest.raises(PasstimeError, match="PASSTIME_MEMORY is 'much': set it to kept or system, or unset it"):
        memory.variables({memory.VARIABLE: "much"})


@pytest.mark.parametrize("setting", [memory.KEPT, memory.SYSTEM])
def test_a_session_tells_whether_its_memory_was_kept(start, setting):
    """A session's provenance says how its memory was had, and not by which variables passtime did that."""
    worker = start(**memory.variables({memory.VARIABLE: setting}))
    reply = worker.ask("sample", "total")
    assert reply["provenance.memory"] == setting
    assert not [name for name in reply if name.startswith("provenance.env.MALLOC_")]
