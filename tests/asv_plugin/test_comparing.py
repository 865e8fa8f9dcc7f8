"""What `asv compare` lists of two releases."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from asv.commands import compare

from passtime.asv import comparing
from passtime.results import parity as record

STATES = {"vgg16": record.HOLDS, "vgg19": record.DIFFERS}
PARAMS = [["'vgg16'", "'vgg19'", "'resnet18'"], ["'cpu'", "'gpu'"]]
NAN = float("nan")


@pytest.fixture
def listed(monkeypatch):
    """What is listed of one result, by frameworks of the two releases that are compared."""

    def rows(ours, theirs):
        releases = (SimpleNamespace(name=f"{framework}-1.0", framework=framework) for framework in (ours, theirs))
        known = SimpleNamespace(between=lambda release, other, workload, device: (
            STATES.get(workload, record.UNCHECKED) if release.framework != other.framework else record.HOLDS
        ))  # fmt: skip
        comparing.install(*releases, known)
        values = [1, NAN, 2, NAN, None, 4]
        return [(name, value) for name, value, *_ in compare.unroll_result("nets.Net.time_total", PARAMS, values)]

    monkeypatch.setattr(compare, "unroll_result", compare.unroll_result)
    return rows


def test_between_frameworks_rows_say_what_parity_found(listed):
    """A row of other work, or of work that was never compared, says so; a failure stays, what is n/a does not."""
    assert listed("torch", "flux") == [
        ("nets.Net.time_total('vgg16', 'cpu')", 1),
        ("nets.Net.time_total('vgg19', 'cpu') [other work]", 2),
        ("nets.Net.time_total('resnet18', 'cpu') [parity unchecked]", None),
        ("nets.Net.time_total('resnet18', 'gpu') [parity unchecked]", 4),
    ]


def test_releases_of_one_framework_are_listed_plainly(listed):
    """Within a framework names are asv's own."""
    assert [name for name, _ in listed("torch", "torch")] == [
        "nets.Net.time_total('vgg16', 'cpu')",
        "nets.Net.time_total('vgg19', 'cpu')",
        "nets.Net.time_total('resnet18', 'cpu')",
        "nets.Net.time_total('resnet18', 'gpu')",
    ]
