"""How far a campaign is: a line on a terminal that changes, or a line now and then in a file."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType

from rich import progress as rich
from rich.console import Console

from passtime.amounts import duration, percent
from passtime.catalog.place import Item
from passtime.measure.campaign import Campaign
from passtime.stats import judge

# In a file, where nobody watches.
LINE_SECONDS = 30.0


class Progress:
    """Shows a campaign on a console, from its beginning to the end of its time; a context manager."""

    def __init__(
        self,
        console: Console,
        campaign: Campaign,
        budget_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._campaign, self._clock = console, campaign, clock
        self._budget_seconds = budget_seconds
        self._began = self._said = clock()
        self._verdicts = dict(campaign.verdicts)
        columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.TextColumn("{task.fields[said]}"))
        self._bar = rich.Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(
            "measuring", total=None if math.isinf(budget_seconds) else budget_seconds, said=self._state()
        )

    @property
    def seconds_left(self) -> float:
        return self._budget_seconds - (self._clock() - self._began)

    def __enter__(self) -> Progress:
        self._bar.start()
        if not self._console.is_terminal:
            self._say(self._state())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if not self._console.is_terminal and kind is None:
            self._say(self._state())

    def begin(self, item: Item, releases: Sequence[str]) -> None:
        """A heat begins."""
        self._bar.update(self._task, description=f"{item}: {', '.join(releases)}")

    def show(self) -> None:
        """A heat has ended: says what it settled, and how far all is."""
        for row, verdict in self._campaign.verdicts.items():
            change = self._campaign.changes[row]
            is_new = verdict != self._verdicts.get(row) and verdict != judge.CANNOT_TELL
            if is_new and change is not None:
                self._say(f"{row.place}, {row.other}: {verdict}, {percent(change.ratio)}")
        self._verdicts = dict(self._campaign.verdicts)
        spent_seconds = min(self._clock() - self._began, self._budget_seconds)
        self._bar.update(self._task, completed=spent_seconds, said=self._state())
        if not self._console.is_terminal and self._clock() - self._said >= LINE_SECONDS:
            self._say(self._state())

    def _state(self) -> str:
        counts = Counter(self._campaign.verdicts.values())
        settled = sum(counts[name] for name in (judge.SLOWER, judge.FASTER, judge.SAME))
        found = ", ".join(f"{counts[name]} {name}" for name in (judge.SLOWER, judge.FASTER, judge.SAME) if counts[name])
        said = f"{settled} of {counts.total()} passes settled" + (f" ({found})" if found else "")
        if math.isinf(self._budget_seconds):
            return said
        return f"{said}, at most {duration(max(0.0, self.seconds_left))} left"

    def _say(self, line: str) -> None:
        self._said = self._clock()
        self._console.print(line, highlight=False, soft_wrap=True)
