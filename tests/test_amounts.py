"""Times and sizes as people write them."""

from __future__ import annotations

import click
import pytest

from passtime.cli import options as amounts


@pytest.mark.parametrize(
    ("size", "expected_bytes"),
    [("20GB", 20 * 10**9), ("20GiB", 20 * 2**30), ("500 MB", 500 * 10**6), ("1.5k", 1500), ("7", 7), ("2TiB", 2**41)],
)
def test_sizes_are_read_as_people_write_them(size, expected_bytes):
    """Decimal and binary units, with and without a space, in any case."""
    assert amounts.Size().convert(size, None, None) == expected_bytes


@pytest.mark.parametrize(("time", "seconds"), [("90s", 90.0), ("20m", 1200.0), ("1.5h", 5400.0)])
def test_times_are_in_seconds(time, seconds):
    """Seconds, minutes and hours."""
    assert amounts.Duration().convert(time, None, None) == seconds


@pytest.mark.parametrize("time", ["", "20", "m", "-5m", "1h30m", "2 d"])
def test_what_is_no_time_is_refused(time):
    """A time that cannot be read says how to write one."""
    with pytest.raises(click.BadParameter, match=r"is no time: write 90s, 20m or 1\.5h"):
        amounts.Duration().convert(time, None, None)
