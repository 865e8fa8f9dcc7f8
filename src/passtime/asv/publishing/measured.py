"""What asv's publishers are given: only benchmarks that were measured, in one order."""

from __future__ import annotations

import math
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.graph import GraphSet
from asv.publishing import OutputPublisher


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
        for name in list(benchmarks):
            if not graphs.get_graph_group(name):
                del benchmarks[name]
        graphs._graphs = dict(sorted(graphs._graphs.items()))
