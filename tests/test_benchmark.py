"""asv's own runner over PassBenchmark, with a worker's replies scripted."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from asv_runner import discovery

from passtime.asv import benchmark
from passtime.catalog import workloads
from passtime.worker.driver import client

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Every request that reaches the worker; each is answered by the reply under "reply"."""
    requests: list[dict] = []
    script = {"reply": {"reply": "samples", "elapsed_seconds": [0.3, 0.1, 0.2], "provenance.threads": 2}}

    def ask(address, fields):
        requests.append(fields)
        if isinstance(script["reply"], Exception):
            raise script["reply"]
        return script["reply"]

    monkeypatch.setattr(client, "ask", ask)
    monkeypatch.setenv(benchmark.WORKER_VARIABLE, "the socket")
    monkeypatch.setenv(benchmark.SESSION_LOG_VARIABLE, str(tmp_path / "sessions"))
    monkeypatch.delenv(benchmark.SAMPLES_VARIABLE, raising=False)
    return requests, script, tmp_path / "sessions"


def run_asv(monkeypatch, name, extra_params=None):
    """What asv's runner records for one benchmark of the suite."""
    monkeypatch.setenv(benchmark.BENCHMARK_VARIABLE, name)
    found = discovery.get_benchmark_from_name(BENCHMARKS, name, extra_params=extra_params or {})
    found.set_cache(None)
    skipped = found.do_setup()
    result = math.nan if skipped else found.do_run()
    found.do_teardown()
    return result


def test_asv_records_exactly_the_workers_samples(asked, monkeypatch):
    """asv's samples are the worker's, in order, each counted once."""
    result = run_asv(monkeypatch, "models.ResNet.time_forward-0")
    assert result == {"samples": [0.3, 0.1, 0.2], "number": 1}


def test_one_benchmark_asks_the_worker_once(asked, monkeypatch):
    """The repeated setups of asv open no further session."""
    requests, _, _ = asked
    run_asv(monkeypatch, "models.ResNet.time_backward-0")
    assert [(r["request"], r["pass"], r["workload"], r["device"]) for r in requests] == [
        ("sample", "backward", "resnet18", "cpu")
    ]


def test_quick_takes_one_sample(asked, monkeypatch):
    """asv's --quick attributes leave one sample of the set, and the request asks for no more."""
    requests, _, _ = asked
    monkeypatch.setenv(benchmark.SAMPLES_VARIABLE, "1")
    quick = {"number": 1, "repeat": 1, "warmup_time": 0, "rounds": 1}
    assert run_asv(monkeypatch, "layers.Dense.time_total-0", quick)["samples"] == [0.3]
    assert requests[0]["maximum_samples"] == requests[0]["minimum_samples"] == 1


def test_memory_is_tracked_in_bytes(asked, monkeypatch):
    """A track benchmark records the peak that the worker reports for the same session."""
    requests, script, _ = asked
    script["reply"] = {"reply": "memory", "peak_bytes": 12345}
    assert run_asv(monkeypatch, "models.VGG.track_training_memory-1") == 12345
    assert (requests[0]["request"], requests[0]["pass"], requests[0]["device"]) == ("memory", "total", "gpu")


def test_what_a_release_lacks_is_not_available(asked, monkeypatch):
    """A worker that says unavailable gives asv's n/a, not a failure."""
    _, script, _ = asked
    script["reply"] = client.WorkerError("unavailable", "torch 1.0.1 has no resnext50_32x4d")
    assert math.isnan(run_asv(monkeypatch, "models.ResNet.time_total-10"))


def test_provenance_reaches_the_session_log(asked, monkeypatch):
    """Each reply leaves one line in the session log: how many samples it had, and not which."""
    _, _, log = asked
    samples = run_asv(monkeypatch, "layers.Dense.time_total-0")["samples"]
    (line,) = log.read_text().splitlines()
    assert json.loads(line)["provenance.threads"] == 2
    assert json.loads(line)["samples"] == len(samples) == 3
    assert "elapsed_seconds" not in json.loads(line)


def test_asv_discovers_every_workload_and_nothing_else():
    """The suite holds 4 passes and 2 memory tracks for each of 18 models and 8 layers, on both devices."""
    listing = io.StringIO()
    discovery.list_benchmarks(BENCHMARKS, listing)
    found = json.loads(listing.getvalue())
    cells = {
        (entry["name"].rpartition(".")[2], workload.strip("'"), device.strip("'"))
        for entry in found
        for workload in entry["params"][0]
        for device in entry["params"][1]
    }
    methods = {
        *("time_forward", "time_backward", "time_total", "time_inference"),
        *("track_training_memory", "track_inference_memory"),
    }
    names = (*workloads.MODELS, *workloads.LAYERS)
    assert (len(workloads.MODELS), len(workloads.LAYERS)) == (18, 8)
    assert cells == {(m, w, d) for m in methods for w in names for d in ("cpu", "gpu")}


def test_versions_are_set_by_hand():
    """A benchmark's version does not follow its source, so that refactoring orphans no history."""
    listing = io.StringIO()
    discovery.list_benchmarks(BENCHMARKS, listing)
    assert {entry["version"] for entry in json.loads(listing.getvalue())} == {"2"}
