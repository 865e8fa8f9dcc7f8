"""A page of the numbers that are doubtful, and why, where there are any: those of tables that others measured."""

from __future__ import annotations

import html
from collections import defaultdict
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.publishing import OutputPublisher

from passtime.results.sessions import DOUBTS, IMPORTED
from passtime.results.store import read_sessions

PAGE = "doubtful.html"

_NAVIGATION_END = '<li id="nav-li-graphdisplay">'
_LINK = f'<li><a href="{PAGE}">Doubtful numbers</a></li>\n        '
_COLUMNS = ("release", "pass", "what is doubtful", "workloads")

_HTML = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Doubtful numbers</title>
    <link rel="shortcut icon" href="swallow.ico">
    <link rel="stylesheet" href="vendor/bootstrap-3.1.1/css/bootstrap.min.css">
  </head>
  <body class="container">
    <h1>Doubtful numbers</h1>
    <p>
      These were not measured by passtime but taken over from tables of others, as they stood there. What was done to
      get them differs from what is done for every other number here, so neither their ratios nor their differences to
      newer ones should be believed without a look at this page. <a href="index.html">All benchmarks</a>
    </p>
{tables}
  </body>
</html>
"""

_Row = tuple[str, str, str]


class DoubtfulNumbers(OutputPublisher):
    """Runs after OfflineAssets, on the index.html that asv copied: a link in its navigation leads to the page."""

    name = "doubtful"
    description = "What is doubtful in imported results"
    order = 1001

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        tables = [
            _table(folder.name, sources, rows)
            for folder in sorted(Path(conf.results_dir).iterdir())
            if folder.is_dir()
            for sources, rows in [_doubts(folder)]
            if rows
        ]
        if not tables:
            return
        site = Path(conf.html_dir)
        (site / PAGE).write_text(_HTML.format(tables="\n".join(tables)), "utf-8")
        index = site / "index.html"
        index.write_text(index.read_text("utf-8").replace(_NAVIGATION_END, _LINK + _NAVIGATION_END, 1), "utf-8")


def _doubts(folder: Path) -> tuple[list[str], dict[_Row, list[str]]]:
    """A machine's imported files, and the workloads of each release, pass and doubt."""
    sources, rows = set(), defaultdict(list)
    for path in sorted(folder.glob("*.provenance.jsonl")):
        # Most files are long, and of measurements: not worth reading twice.
        imported = read_sessions(path).lines() if f'"{IMPORTED}"' in path.read_text("utf-8") else []
        for line in imported:
            for doubt in line.get(DOUBTS, []):
                sources.add(line[IMPORTED])
                measured_pass = line["benchmark"].rpartition(".time_")[2]
                rows[line["release"], measured_pass, doubt].append(line["params"][0])
    return sorted(sources), rows


def _table(machine: str, sources: list[str], rows: dict[_Row, list[str]]) -> str:
    heading = f"<h2>{html.escape(machine)}</h2>\n<p>From {html.escape(', '.join(sources))}.</p>"
    lines = [
        "".join(f"<td>{html.escape(cell)}</td>" for cell in (*row, ", ".join(workloads)))
        for row, workloads in rows.items()
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    return f'{heading}\n<table class="table">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'
