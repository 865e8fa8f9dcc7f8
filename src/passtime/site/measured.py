"""A benchmark that was never measured is not on the site."""

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
    pages ask for in vain.
    """

    name = "measured"
    description = "Which benchmarks have results"
    order = -math.inf

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Benchmarks, graphs: GraphSet, revisions: Any) -> None:
        for name in list(benchmarks):
            if not graphs.get_graph_group(name):
                del benchmarks[name]
