"""What holds for all tests: signals reach what they start, and `make test` shares them out among processes."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

# Interrupts and hang-ups reach what tests start, which a shell's background and nohup would have ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# More make no difference: they would wait for the longest test, and each makes shared fixtures anew.
MOST_PROCESSES = 8

# The tests of such a group run in one process, in their order; all others one by one in whichever process is free.
GROUPS = {
    # They share a browser and two sites, which take seconds to make.
    "published": ("tests/published/",),
    "asv's reading": ("tests/asv_plugin/test_reading.py",),
    # They share the user's runtimes, and run frameworks on all cores: never two of those that are `real` at once.
    "real": (
        *("tests/runtimes/test_real_julia.py", "tests/runtimes/test_store.py"),
        *("tests/worker/test_flux.py", "tests/worker/test_tinygrad.py", "tests/worker/test_torch.py"),
    ),
}


def _group(nodeid: str) -> str:
    """The group that a test is in; of a group of its own, the test."""
    return next((name for name, places in GROUPS.items() if nodeid.startswith(places)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: a process for each core, and one more, since tests wait for the processes that they start."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_PROCESSES)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Shares tests out by group, the largest group first."""
    from xdist.scheduler import LoadScopeScheduling  # here, since it is only there where tests are shared out

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no process is left with one when the others are done."""
    alone = [item.nodeid for item in items if item.get_closest_marker("real") and _group(item.nodeid) != "real"]
    if alone:
        raise pytest.UsageError(f"tests/conftest.py has no group for the files of these real tests: {alone}")
    items.sort(key=lambda item: "test_a_table_is_what_its_command_prints" not in item.name)
