"""Times and sizes as people write them."""

from __future__ import annotations

import click
import pytest

from passtime import amounts as written
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


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (7300, "2 h 2 min"), (26400, "7 h 20 min")]
)
def test_durations_are_for_readers(seconds, text):
    """Seconds, minutes or hours, whichever reads best."""
    assert written.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(120.0, "120 s"), (12.34, "12.3 s"), (1.0, "1.00 s"), (0.01324, "13.2 ms"), (8.5e-4, "850 µs")],
)
def test_a_time_has_three_digits_and_its_unit(seconds, text):
    """Seconds, milliseconds or microseconds."""
    assert written.time(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.0, "+0.0 %"), (1.066, "+6.6 %"), (0.95, "-5.0 %"), (1.0994, "+9.9 %"), (2.5, "+150 %")]
)
def test_a_ratio_reads_as_a_change(ratio, text):
    """In percent, with a digit after the point below ten."""
    assert written.percent(ratio) == text


@pytest.mark.parametrize(
    ("value", "spread", "texts"),
    [(13.237, 0.412, ("13.24", "0.41")), (1234.5, 3.0, ("1234", "3")), (0.01234, 0.5, ("0.0123", "0.5"))],
)
def test_a_value_has_no_more_digits_than_its_spread_allows(value, spread, texts):
    """Three digits at the least, four at the most."""
    assert written.value_and_spread(value, spread) == texts


def test_shares_and_sizes():
    """A part of a whole in percent, a size in gigabytes."""
    assert (written.share(0.25), written.gigabytes(5.123e9), written.gigabytes(2e9, 2)) == ("25 %", "5.1 GB", "2.00 GB")
