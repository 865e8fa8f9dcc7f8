"""The base of the benchmark classes: the worker takes the samples, asv takes them over.

asv calls `setup` before each sample and reads `timer` around each call. The first `setup` asks the release's worker
for the whole sample set and tells asv how many samples there are; each later call only hands one over. So asv's
statistics, rounds, compare and publish apply to samples that were taken the same way in every framework.

The asv plugin tells this process, by its environment, which benchmark it runs and where the worker listens.

Import this module, not the class, in `benchmarks/`: asv reports every public class that it sees in a module there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from passtime.catalog import requests, sampling, workloads
from passtime.errors import PasstimeError
from passtime.worker.driver import client, cores

# Set by the asv plugin for each benchmark process; all but the first two may be missing.
WORKER_VARIABLE = "PASSTIME_WORKER"  # the socket at which the release's worker listens
BENCHMARK_VARIABLE = "PASSTIME_BENCHMARK"  # asv's name of the benchmark: models.ResNet.time_forward-3
SAMPLES_VARIABLE = "PASSTIME_SAMPLES"  # exactly so many samples: --quick, -a repeat=N
SESSION_LOG_VARIABLE = "PASSTIME_SESSION_LOG"  # a file that takes one JSON line per reply of the worker


class PassBenchmark:
    """The passes of workloads, on devices: asv's parameters are (workload, device).

    A subclass says which: it sets `version`, `params` and `param_names`.
    """

    version: str

    params: Sequence[Sequence[str]]
    param_names: Sequence[str] = ("workload", "device")
    rounds = 3  # a session each, in a process of its own; a change is not known from fewer heats
    timeout = sampling.SESSION_SECONDS
    warmup_time = 0
    number = 1
    repeat = 1

    _clock_seconds = 0.0
    _samples: Iterator[float] | None = None
    _peak_bytes = 0

    def setup(self, workload: str, device: str) -> None:
        """Fetches the sample set before the first sample; nothing before the others.

        Raises NotImplementedError, asv's n/a, for a workload or device that the release does not have.
        """
        self._clock_seconds = 0.0
        if self._samples is not None:
            return
        reply = _ask(workload, device)
        elapsed_seconds = reply.get("elapsed_seconds", [])
        self._samples = iter(elapsed_seconds)
        self._peak_bytes = reply.get("peak_bytes", 0)
        self.repeat = max(1, len(elapsed_seconds))

    def timer(self) -> float:
        """The worker's clock: the seconds spent inside passes, nothing else."""
        return self._clock_seconds

    def time_forward(self, workload: str, device: str) -> None:
        """Training mode, graph recorded."""
        self._hand_over_sample()

    def time_backward(self, workload: str, device: str) -> None:
        """The graph of the same step's forward pass alone."""
        self._hand_over_sample()

    def time_total(self, workload: str, device: str) -> None:
        """Forward and backward of one training step."""
        self._hand_over_sample()

    def time_inference(self, workload: str, device: str) -> None:
        """Evaluation mode, no graph."""
        self._hand_over_sample()

    def track_training_memory(self, workload: str, device: str) -> int:
        """The most memory that training steps held beyond what the session started with."""
        return self._peak_bytes

    def track_inference_memory(self, workload: str, device: str) -> int:
        """The most memory that inference held beyond what the session started with."""
        return self._peak_bytes

    def _hand_over_sample(self) -> None:
        assert self._samples is not None
        self._clock_seconds += next(self._samples)

    track_training_memory.unit = track_inference_memory.unit = "bytes"  # type: ignore[attr-defined]


def _ask(workload: str, device: str) -> dict:
    if WORKER_VARIABLE not in os.environ:
        raise PasstimeError("no worker was started for this benchmark: name its second parameter `device`")
    method = os.environ[BENCHMARK_VARIABLE].partition("-")[0].rpartition(".")[2]
    request, measured_pass = requests.REQUESTS[method]
    samples = os.environ.get(SAMPLES_VARIABLE)
    policy = sampling.policy(int(samples) if samples else None)
    fields = {
        "request": request,
        "pass": measured_pass,
        **workloads.request_fields(workload, device),
        **policy,
        "threads": cores.threads(),
    }
    try:
        reply = client.ask(os.environ[WORKER_VARIABLE], fields)
    except client.WorkerError as error:
        if error.kind == "unavailable":
            raise NotImplementedError(str(error)) from None
        raise PasstimeError(str(error)) from None
    _log_session({**requests.said_of_driver(policy), **requests.said_of_session(reply)})
    return reply


def _log_session(said: dict) -> None:
    path = os.environ.get(SESSION_LOG_VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as log:
            log.write(json.dumps(said) + "\n")
