"""Two workers run one training step each on the same arrays; what comes out is compared as float32 allows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from passtime.catalog import sampling, workloads
from passtime.results.parity import Parity
from passtime.worker.driver import client, cores
from passtime.worker.driver.supervisor import Worker
from passtime.worker.protocol import FOLLOWER, REFERENCE

# Relative Euclidean errors, of the output and of each gradient; docs/decisions/0015 says what was seen. In a
# model rounding decides anew which of two nearly equal values is the larger, in ReLU and max pooling, and each such
# choice moves a gradient as a whole.
LAYER_TOLERANCES = (1e-5, 2e-2)
MODEL_TOLERANCES = (5e-3, 2e-1)

# A gradient that is zero but for rounding, like that of a bias before a batch normalisation, has no relative error of
# its own: it is held against this fraction of what the gradients are on average.
_SMALLEST_GRADIENT = 1e-1


def check(
    reference: Worker,
    follower: Worker,
    workload: str,
    device: str,
    timeout_seconds: float | None = None,
) -> Parity:
    """Runs one step of `workload` in both workers, which are started; each may take so long, or as long as a session.

    Raises WorkerError where one of them cannot, or takes longer; where the two differ in kind, that is the answer.
    """
    with tempfile.TemporaryDirectory(prefix="passtime-parity-") as name:
        folder = Path(name)
        fields = {
            **workloads.request_fields(workload, device),
            **sampling.policy(),
            "threads": cores.threads(),
            "request": "parity",
            "pass": "total",
            "folder": name,
        }
        theirs = client.ask(reference.address, {**fields, "role": REFERENCE}, timeout_seconds)
        ours = client.ask(follower.address, {**fields, "role": FOLLOWER}, timeout_seconds)
        differences = [
            f"{what}: {ours[what]}, not {theirs[what]}"
            for what in ("parameters", "gradients", "output_shape")
            if ours[what] != theirs[what]
        ]
        output_error = gradient_error = float("nan")
        if not differences:
            output_error = _error(*_pair(folder, "output"))
            gradient_error = _largest_error(
                [_pair(folder, f"gradient-{number}") for number in range(ours["gradients"])]
            )
            output_tolerance, gradient_tolerance = (
                MODEL_TOLERANCES if workload in workloads.MODELS else LAYER_TOLERANCES
            )
            # Written so that NaN differs.
            if not output_error <= output_tolerance:
                differences.append(f"outputs differ by {output_error:.1e} of their size")
            if not gradient_error <= gradient_tolerance:
                differences.append(f"gradients differ by {gradient_error:.1e} of their size")
    return Parity(
        workload,
        device,
        theirs["parameters"],
        tuple(theirs["output_shape"]),
        output_error,
        gradient_error,
        "; ".join(differences),
    )


def _pair(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The reference's array and the follower's."""
    reference, follower = (np.load(folder / f"{role}-{name}.npy", mmap_mode="r") for role in (REFERENCE, FOLLOWER))
    return reference, follower


def _error(reference: np.ndarray, follower: np.ndarray, smallest: float = 0.0) -> float:
    """The norm of the difference over the reference's, or over `smallest` where that is more; infinite for shapes."""
    if reference.shape != follower.shape:
        return float("inf")
    difference = _norm(np.subtract(follower, reference, dtype=np.float64))
    size = max(_norm(reference), smallest)
    return difference / size if size else (0.0 if difference == 0 else float("inf"))


def _largest_error(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    values = sum(reference.size for reference, _ in pairs)
    typical = float(np.sqrt(sum(_norm(reference) ** 2 for reference, _ in pairs) / values))
    errors = [_error(*pair, _SMALLEST_GRADIENT * typical * float(np.sqrt(pair[0].size))) for pair in pairs]
    return float(np.max(errors))  # NaN where one is


def _norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(values, dtype=np.float64).ravel()))


def check_all(
    reference: Worker, follower: Worker, names: list[str], device: str
) -> Iterator[tuple[str, Parity | client.WorkerError]]:
    """Each workload's name, and its parity or why a worker cannot run it."""
    for name in names:
        try:
            reference.start()
            follower.start()
            yield name, check(reference, follower, name, device)
        except client.WorkerError as error:
            yield name, error
