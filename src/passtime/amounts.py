"""Numbers and their units, as people read them: the one place where they are written."""

from __future__ import annotations

import math

_UNITS = ((1.0, "s"), (1e-3, "ms"))

# From so many times on a percentage is no longer read.
_FACTOR = 100.0


def duration(seconds: float) -> str:
    """How long something takes: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def time(seconds: float) -> str:
    """A measured time to three digits: `1.62 s`, `13.2 ms`, `850 µs`."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1e-6, "µs"))
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"


def value_and_spread(value: float, spread: float) -> tuple[str, str]:
    """A value and half its interquartile range, both in one unit: `13.2` and `0.41`.

    To the second digit of the spread; four digits of the value at the most, three at the least.
    """
    decimals = 1 - math.floor(math.log10(spread)) if spread > 0 else 9
    leading = math.floor(math.log10(value))
    decimals = max(0, 2 - leading, min(decimals, 3 - leading))
    return f"{value:.{decimals}f}", f"{spread:.2g}"


def percent(ratio: float) -> str:
    """A ratio as a change: 1.066 is `+6.6 %`, 0.5 is `-50 %`; a factor of a hundred or more as such, `250 times`."""
    if ratio >= _FACTOR:
        return f"{ratio:.3g} times"
    change = (ratio - 1) * 100
    return f"{change:+.1f} %" if abs(change) < 9.95 else f"{change:+.0f} %"


def share(fraction: float) -> str:
    """A part of a whole: 0.25 is `25 %`."""
    return f"{100 * fraction:.0f} %"


def gigabytes(size_bytes: float, decimals: int = 1) -> str:
    """A size on disk, in units of 10^9 bytes: `5.1 GB`."""
    return f"{size_bytes / 1e9:.{decimals}f} GB"
