"""What holds for all tests: signals reach what they start, and how `make test` shares them out among processes."""

from __future__ import annotations

import os
import signal

import pytest

# Interrupts and hang-ups reach what tests start, which a shell's background and nohup would have ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# More make no difference: they would wait for the longest test, and each makes shared fixtures anew.
MOST_PROCESSES = 8

# Fixtures that take seconds to make. The tests of a file that need one run in one process.
SHARED = {"measured", "any_julia"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: a process for each core, and one more, since tests wait for the processes that they start."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_PROCESSES)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with one group run in one process; all others go one by one to whichever process is free."""
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    # The longest first, so that no process is left with one when the others are done.
    items.sort(key=lambda item: "test_a_table_is_what_its_command_prints" not in item.name)


def _group(item: pytest.Item) -> str | None:
    if item.get_closest_marker("real"):
        return "real"  # they share the user's runtimes, and time frameworks: never two at once
    if item.path.parent.name == "published":
        return "published"  # they share a browser and two sites
    return item.path.stem if SHARED & set(getattr(item, "fixturenames", ())) else None
