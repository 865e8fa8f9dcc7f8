"""HOW MANY samples a worker takes: one policy, sent with every request, so that every framework samples alike.

Why these numbers: asv's rank test needs more than six samples a side to call any difference, and its power at a 2 %
change with 1 % noise is 0.79 with ten samples a side (docs/decisions). asv runs three rounds, a session each, and two
sessions of the minimum are what a comparison needs.
"""

from __future__ import annotations

from collections.abc import Mapping

# How long a session may take: it covers a whole sample set of the slowest workload on a slow machine.
SESSION_SECONDS = 1800.0

POLICY: Mapping[str, float] = {
    # A sample of a short pass is the mean over a batch of passes that lasts at least this long.
    "batch_seconds": 0.02,
    # Samples of one session, at the least: for passes of under `long_pass_seconds`, and for longer ones.
    "minimum_samples": 5,
    "minimum_long_samples": 4,
    "long_pass_seconds": 1.0,
    # Past the minimum, sampling stops as soon as the 95 % interval of the median is this tight (half width over
    # median), or these many samples or seconds of sampling are reached.
    "target_precision": 0.005,
    "maximum_samples": 25,
    "maximum_seconds": 3.0,
    # Warm-up: at least one step; then until a step is no longer this much faster than the best before it, or
    # this many seconds have gone by.
    "warmup_tolerance": 0.02,
    "warmup_seconds": 3.0,
}


def policy(samples: int | None = None) -> dict[str, float]:
    """The sampling fields of a request; with `samples`, exactly so many samples and one warm-up step."""
    fields = dict(POLICY)
    if samples is not None:
        fields.update(minimum_samples=samples, minimum_long_samples=samples, maximum_samples=samples)
    if samples == 1:
        fields.update(warmup_seconds=0.0)
    return fields


def policy_for_heats() -> dict[str, float]:
    """The sampling fields where releases take turns: shorter samples, and so more turns in the same time.

    What hits the machine for a moment hits one turn; how many turns there are is decided while measuring.
    """
    return {**policy(), "batch_seconds": 0.01}
