"""What asv's publishers are given: only benchmarks that were measured, in one order."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.graph import GraphSet
from asv.publishing import OutputPublisher

from passtime.errors import PasstimeError

_HTML = re.compile("[<>&]|\\\\u00(26|3[ceCE])")


class MeasuredBenchmarks(OutputPublisher):
    """Runs before asv's own publishers.

    asv shows all that benchmarks.json lists; after a run of a few of them, the rest are empty tiles whose graphs its
    pages ask for in vain. And it has the graphs in the order of a set, so each publishing would list the regressions in
    another.
    """

    name = "measured"
    description = "Which benchmarks have results"
    order = -math.inf

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Benchmarks, graphs: GraphSet, revisions: Any) -> None:
        """Raises PasstimeError for a machine of which asv's pages would show something else than text."""
        for path in sorted(Path(conf.results_dir).glob("*/machine.json")):
            if found := _HTML.search(path.read_text("utf-8")):
                raise PasstimeError(f"{path} holds {found[0]!r}, and asv's pages show it as HTML: write it without")
        for name in list(benchmarks):
            if not graphs.get_graph_group(name):
                del benchmarks[name]
            else:
                # asv's pages show it as HTML.
                benchmarks[name] = {**benchmarks[name], "code": html.escape(benchmarks[name]["code"], quote=False)}
        graphs._graphs = dict(sorted(graphs._graphs.items()))
