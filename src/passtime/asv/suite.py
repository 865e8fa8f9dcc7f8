"""The benchmarks, found without a release; and, for `asv run`, every release's runtime made before the first timing."""

from __future__ import annotations

import contextlib
from typing import Any

from asv.benchmarks import Benchmarks

from passtime.catalog import requests
from passtime.catalog.place import Item
from passtime.results.sessions import Cell, cells_of
from passtime.results.store import Cells

JUST_DISCOVER = ["just-discover"]  # asv's way to say: write benchmarks.json, run nothing


class Suite(Benchmarks):
    """asv finds benchmarks by installing the first commit, or the next that can be: gigabytes, for a list of names."""

    @classmethod
    def discover(
        cls, conf: Any, repo: Any, environments: list, commit_hash: list, regex: Any = None, check: bool = False
    ) -> Suite:
        with contextlib.ExitStack() as stack:
            for environment in environments:
                stack.enter_context(environment.finding_benchmarks())
            found = super().discover(conf, repo, environments, commit_hash, regex=regex, check=check)
        for environment in environments:
            environment.needs_runtimes = any(map(requests.are_asked, found.values()))
        return found


class InstallingSuite(Suite):
    """`asv run` installs each commit when its turn comes; a download next to a measurement disturbs it."""

    @classmethod
    def discover(
        cls, conf: Any, repo: Any, environments: list, commit_hash: list, regex: Any = None, check: bool = False
    ) -> Suite:
        found = super().discover(conf, repo, environments, commit_hash, regex=regex, check=check)
        if found and regex != JUST_DISCOVER:
            for environment in environments:
                environment.install_all(conf, repo, commit_hash)
        return found


def by_session(found: Benchmarks) -> dict[Item, Cells]:
    """What each session measures of the benchmarks that asv has selected, in their order."""
    cells: dict[Item, dict[str, tuple[dict, Cell]]] = {}
    for name, one in found.items():
        method = requests.method_of(name)
        if requests.are_asked(one):
            for cell in selected(found, name):
                workload, device = cell.params
                cells.setdefault(Item(workload, device, requests.session_of(method)), {})[method] = (one, cell)
    return {**cells}


def selected(found: Benchmarks, name: str) -> list[Cell]:
    """The cells of a benchmark that asv has selected."""
    chosen = found.benchmark_selection[name]
    return [cell for cell in cells_of(found[name]) if chosen is None or cell.index in chosen]
