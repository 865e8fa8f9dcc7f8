"""A report in the terminal, as Markdown and as JSON."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from passtime.amounts import duration, percent, share, time
from passtime.catalog.place import Place
from passtime.cli import output
from passtime.errors import plain
from passtime.measure.report import Report, Row
from passtime.stats import judge
from passtime.stats.judge import Change

# Of `as_json`: raised where a field goes, or means something else. A new field raises nothing.
SCHEMA = 2

_STYLES = MappingProxyType(
    {
        **{judge.SLOWER: "red", judge.FASTER: "green", judge.SAME: "bold", judge.CANNOT_TELL: "dim"},
        judge.NOT_COMPARED: "dim",
    }
)
_COLUMNS = ("workload", "device", "pass", "{base}", "{other}", "change", "95 % interval", "can see", "heats", "verdict")
_TEXTS = ("workload", "device", "pass", "verdict")

# In the place of an interval that tells nothing.
TOO_NOISY = "too noisy to compare"
# In the place of all of a change.
_NONE = "-"


def show(report: Report) -> None:
    """Prints it to stdout, the largest changes first."""
    table = Table(title=f"{report.base} to {report.other} on {report.machine}")
    for heading in _headings(report):
        table.add_column(heading, justify="left" if heading in _TEXTS else "right", no_wrap=True)
    for row in _ordered(report):
        *cells, verdict = _cells(row)
        table.add_row(*cells, Text(verdict, _STYLES[row.verdict]))
    if report.rows:
        output.show(table)
        output.show(_means(report))
    for line in _notes(report):
        output.say(line)


def markdown(report: Report) -> str:
    """As for a pull request or a job's summary."""
    out = io.StringIO()
    out.write(f"## {report.base} to {report.other} on {report.machine}: {report.outcome}\n\n")
    if report.rows:
        out.write(output.markdown_table(["", *_means_headings(report)], _means_rows(report)) + "\n")
        out.write(output.markdown_table(_headings(report), [_cells(row) for row in _ordered(report)]) + "\n")
    out.writelines(f"- {plain(line)}\n" for line in _notes(report))
    return out.getvalue()


def as_json(report: Report) -> str:
    """For programs: times in seconds, changes as ratios; null for what no session tells, or what is too noisy.

    docs/json.md has the fields.
    """
    return output.as_json(content_of(report))


def content_of(report: Report) -> dict[str, Any]:
    """What `as_json` writes."""
    return {
        "schema": SCHEMA,
        "machine": report.machine,
        "base": report.base,
        "other": report.other,
        "margin": report.margin,
        "outcome": report.outcome,
        "rows": [
            {
                **_json_place(row.place),
                "base_seconds": row.base.seconds,
                "other_seconds": row.other.seconds,
                **_json_change(row.change),
                "verdict": row.verdict,
                "heats": row.heats,
                "doubts": list(row.doubts),
            }
            for row in report.rows
        ],
        "means": [
            {
                "of": of,
                "device": device,
                "pass": measured_pass,
                "rows": count,
                **_json_change(change),
                "verdict": verdict,
            }
            for (of, device, measured_pass), (change, verdict, count) in report.means.items()
        ],
        "refused": [{**_json_place(one.place), "reason": one.reason} for one in report.refused],
        "differences": [vars(one) for one in report.differences],
        "explanations": [
            {
                **_json_place(one.row.place),
                "layers": [layer.place.workload for layer in one.layers],
                "is_within_what_its_layers_did": one.is_within,
                "least_share": round(one.least, 3),
                "most_share": round(one.most, 3),
            }
            for one in report.explanations
        ],
    }


def _json_place(place: Place) -> dict[str, str]:
    return {"workload": place.workload, "device": place.device, "pass": place.measured_pass}


def _json_change(change: Change | None) -> dict[str, float | bool | None]:
    known: dict[str, float] = {}
    if change is not None:
        known = {"ratio": change.ratio}
        if not math.isinf(change.error):
            known["p_value"] = change.p_value
            if not change.is_too_wide:
                known |= {"low": change.low, "high": change.high, "detectable": change.detectable}
    values = {key: known.get(key) for key in ("ratio", "low", "high", "p_value", "detectable")}
    short = {key: None if value is None else float(f"{value:.6g}") for key, value in values.items()}
    return {**short, "too_noisy": change is not None and change.is_too_wide}


def _headings(report: Report) -> list[str]:
    return [heading.format(base=report.base, other=report.other) for heading in _COLUMNS]


def _ordered(report: Report) -> list[Row]:
    """Slower, faster, cannot tell, same, not compared; of each the largest changes first."""
    order = (judge.SLOWER, judge.FASTER, judge.CANNOT_TELL, judge.SAME, judge.NOT_COMPARED)
    return sorted(report.rows, key=lambda row: (order.index(row.verdict), -_size(row.change)))


def _size(change: Change | None) -> float:
    return 0.0 if change is None else abs(math.log(change.ratio))


def _cells(row: Row) -> list[str]:
    change = row.change
    times = [*row.place, time(row.base.seconds), time(row.other.seconds)]
    verdict = row.verdict + (" *" if row.doubts else "")
    if change is None:
        return [*times, _NONE, _NONE, _NONE, _NONE, verdict]
    detectable = "" if math.isinf(change.detectable) or change.is_too_wide else percent(1 + change.detectable)
    return [*times, percent(change.ratio), interval(change), detectable, f"{row.heats}", verdict]


def shown(change: Change | None) -> str:
    """A change with its interval, in words; where the interval tells nothing, neither does the change."""
    if change is None:
        return judge.NOT_COMPARED
    return interval(change) if change.is_too_wide else f"{percent(change.ratio)} ({interval(change)})"


def interval(change: Change) -> str:
    """What is between the ends of the interval, or why it has none that could be read."""
    if math.isinf(change.error):
        return "unknown"
    return TOO_NOISY if change.is_too_wide else f"{percent(change.low)} to {percent(change.high)}"


def _means_headings(report: Report) -> list[str]:
    return list(dict.fromkeys(measured_pass for _, _, measured_pass in report.means))


def _means_rows(report: Report) -> list[list[str]]:
    passes = _means_headings(report)
    rows = []
    for of, device in dict.fromkeys((of, device) for of, device, _ in report.means):
        cells = [f"{of}, {device}, geometric mean"]
        for measured_pass in passes:
            mean = report.means.get((of, device, measured_pass))
            cells.append("" if mean is None else _mean(*mean[:2]))
        rows.append(cells)
    return rows


def _mean(change: Change, verdict: str) -> str:
    return shown(change) if change.is_too_wide else f"{shown(change)}: {verdict}"


def _means(report: Report) -> Table:
    table = Table("", *_means_headings(report))
    for row in _means_rows(report):
        table.add_row(*row)
    return table


def _notes(report: Report) -> Iterator[str]:
    """What stands beside the table: what it means, what else differs, what was refused."""
    counts = [(verdict, sum(row.verdict == verdict for row in report.rows)) for verdict in _STYLES]
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts if count or verdict != judge.NOT_COMPARED)
    yield f"{report.outcome}: of {len(report.rows)} passes {said}"
    if report.compared:
        yield (
            "times: medians of all samples; change: from heats alone, in which both took turns, so it may not be the "
            "times' ratio; slower and faster: false discoveries held to 5 % over all rows; same: within "
            f"{percent(1 + report.margin)[1:]} at 95 %; can see: the slowdown that a row shows in 4 of 5 cases"
        )
    if missing := len(report.rows) - len(report.compared):
        yield (
            f"not compared ({_passes(missing)}): no heat connects the two releases, so the machine's hour would be in "
            f"the change; `passtime measure {report.base} {report.other}` measures them together"
        )
    if wide := sum(row.change.is_too_wide for row in report.rows if row.change is not None):
        yield (
            f"{TOO_NOISY} ({_passes(wide)}): an end of the interval is {judge.TOO_WIDE:.0f} times the change away; "
            "`passtime measure` takes more heats, which narrow it"
        )
    for one in report.explanations:
        layers = ", ".join(f"{layer.place.workload} {percent(layer.ratio)}" for layer in one.layers)
        where = "within" if one.is_within else "not within"
        part = f"{share(one.least)} to {share(one.most)}" if round(one.most, 2) else "nothing"
        place = one.row.place
        yield (
            f"{place.workload} {place.measured_pass} ({place.device}), {percent(one.row.ratio)}: its "
            f"layers account for {part} of that, which is {where} what they did: {layers}"
        )
    for difference in report.differences:
        yield f"{difference.setting}: {difference.base}, then {difference.other} ({_passes(difference.rows)})"
    for reason, places in _by_reason([(one.reason, one) for one in report.refused]).items():
        names = dict.fromkeys(one.place.workload for one in places)
        yield f"not compared, {_passes(len(places))} of {', '.join(names)}: {reason}"
    for doubt, rows in _by_reason([(doubt, row) for row in report.rows for doubt in row.doubts]).items():
        names = dict.fromkeys(row.place.workload for row in rows)
        yield f"* {doubt} ({_passes(len(rows))} of {', '.join(names)})"


def _passes(count: int) -> str:
    return f"{count} pass{'es' * (count != 1)}"


def _range(least_seconds: float, most_seconds: float) -> str:
    least, most = duration(least_seconds), duration(most_seconds)
    return least if least == most else f"{least} to {most}"


def _by_reason(pairs: Sequence[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for reason, one in pairs:
        found.setdefault(reason, []).append(one)
    return found


FORMATS: Mapping[str, Callable[[Report], str | None]] = MappingProxyType(
    {"rich": show, "md": markdown, "json": as_json}
)


def write(reports: Sequence[Report], form: str) -> None:
    """Prints reports, of one base, in one of FORMATS; of several the JSON is a list."""
    if form == "json" and len(reports) > 1:
        click.echo(output.as_json([content_of(one) for one in reports]), nl=False)
        return
    for one in reports:
        text = FORMATS[form](one)
        if text is not None:
            click.echo(text, nl=False)
