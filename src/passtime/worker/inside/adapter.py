"""What an adapter is: the one part of a worker that knows a framework, and what all adapters share.

An adapter's file defines a subclass of `Adapter` and makes `ADAPTER` of it. To import the file is to import the
framework; it must run no operator, start no thread and touch no GPU, since sessions are forked from that process.

*Array* below is whatever the framework computes with: a tensor with a `shape`. Shapes are in torch's order: batch,
channels, height, width; or batch, features. All numbers are float32.
"""
# ruff: noqa: UP006, UP035, UP045

import math
import os
import random
import re
import sys
import time
from typing import Any, Dict, Iterable, List, Optional, Sequence

from passtime.worker import protocol

# A prime number of normal values, so that a weight's rows, of whatever length, do not repeat.
TILE_LENGTH = 8191

# What frameworks and the libraries under them say, over the years, when memory ends.
_OUT_OF_MEMORY = re.compile(
    "out of memory|can't allocate memory|cannot allocate memory|not enough memory|bad_alloc|ALLOC_FAILED"
    "|Unable to allocate",
    re.IGNORECASE,
)


class Workload:
    """A model or a layer on its device, its weights filled, with the operations that `sampler.py` times.

    An operation may return before its work is done: the clock is read only after `synchronize()`. The sampler looks
    an operation up once for each session; a subclass may so set a faster callable in the place of a method, as an
    attribute of the object.
    """

    # The parameters, in the order of docs/protocol.md; a layer may have none.
    parameters: Sequence[Any] = ()
    # The input, an array of the request's `input_shape`.
    batch: Any = None
    # The output's shape, once a pass has shown it; may stay None in inference.
    output_shape: Optional[List[int]] = None

    def forward(self) -> Any:
        """A forward pass in training mode, recorded for a backward pass. Gives an output, which `backward` takes."""
        raise NotImplementedError

    def backward(self, output: Any) -> None:
        """The backward pass of the step whose forward pass gave `output`, from an output gradient of ones.

        It writes the gradients of the parameters; where there are none, that of the input. It adds to nothing.
        """
        raise NotImplementedError

    def infer(self) -> Any:
        """A pass in evaluation mode, without a graph. The output is dropped."""
        raise NotImplementedError

    def prepare(self) -> None:
        """What comes before each pass, outside the clock: gradients are cleared, a GPU's cache is emptied."""

    def synchronize(self) -> None:
        """Returns when the device has done all that it was given. A CPU has, when an operation returns."""

    def mark(self) -> Any:
        """A moment on the device's own clock, in its queue of work; None where it has no clock."""
        return None

    def seconds_between(self, start: Any, end: Any) -> float:
        """The seconds from one mark to another, both of them passed. Never called where `mark` gives None."""
        raise NotImplementedError("this device has no clock of its own")

    def observe(self) -> None:
        """Called before the first sample, when all is warm, and after the last: what the device says of itself."""

    def peak_bytes(self) -> Optional[int]:
        """The most bytes that the workload held until now; None where the process's own memory is to tell."""
        return None

    # For parity, where nothing is timed.

    def numpy_of(self, array: Any) -> Any:
        """The array's values as a NumPy array, in memory of its own or the array's."""
        raise NotImplementedError

    def assign(self, array: Any, values: Any) -> None:
        """Gives one of the workload's arrays the values of a NumPy array of its shape, in place."""
        raise NotImplementedError

    def take_normal_gradient(self, output: Any) -> Any:
        """Has `backward` start from normal numbers, and no more from ones. Gives the array that they are in."""
        raise NotImplementedError

    def result(self, output: Any) -> Any:
        """The array in an output of `forward`."""
        return output

    def gradients(self) -> List[Any]:
        """What the last `backward` wrote: an array for each parameter, or the input's alone."""
        raise NotImplementedError


class Adapter:
    """A framework, as a session sees it. What it cannot give it raises as `protocol.Failure`."""

    # The framework's name in `passtime.catalog.frameworks`, and its version: of 2.15.0+cu130 the first part.
    FRAMEWORK: str
    VERSION: str

    # Seconds, of the best resolution there is; the same clock in a forked child.
    clock = staticmethod(time.perf_counter)

    def devices(self) -> List[str]:
        """Of `cpu` and `gpu`, what the framework sees here. Called in a child of its own."""
        return ["cpu"]

    def build(self, request: Dict[str, Any], session: str) -> Workload:
        """The workload of a request (its fields: docs/protocol.md) for a session, `training` or `inference`.

        Weights are normal numbers of variance 2 / fan-in (`weight_scale`), biases 0, a normalisation's weights 1; the
        input is normal numbers. All are the same in each session, made of `normal_tile`. Dropout is off where
        the request is `parity`: it chooses by chance. A pass uses the request's `threads`.

        Raises Failure, `unavailable`, where this release or machine lacks the workload or the device.
        """
        raise NotImplementedError

    def settings(self, workload: Workload) -> Dict[str, Any]:
        """What explains a number, beyond what `provenance` tells of every framework; flat, None for what is unknown."""
        raise NotImplementedError

    def error_kind(self, error: Exception) -> str:
        """The protocol's kind for an exception of the framework: `out_of_memory`, `unavailable` or `failed`."""
        return protocol.OUT_OF_MEMORY if _OUT_OF_MEMORY.search(str(error)) else protocol.FAILED

    def provenance(self, workload: Workload) -> Dict[str, Any]:
        """Settings and versions that explain a number; what a release does not say is left out."""
        told = {
            "framework_version": self.VERSION,
            "numpy_version": getattr(sys.modules.get("numpy"), "__version__", None),
            "parameters": count_values(workload.parameters),
            "input_shape": list(workload.batch.shape),
            "output_shape": workload.output_shape,
        }
        told.update(self.settings(workload))
        return {name: value for name, value in told.items() if value is not None}

    def exchange(self, workload: Workload, folder: str, role: str) -> Dict[str, Any]:
        """One training step on the arrays in `folder` (docs/protocol.md), and what the reply to `parity` says of it.

        The reference writes its parameters, its input and an output gradient; the follower takes them over. Raises
        Failure where its own have another shape.
        """
        import numpy  # type: ignore[import-not-found, unused-ignore]

        def write(name: str, array: Any) -> None:
            numpy.save(os.path.join(folder, name + ".npy"), workload.numpy_of(array))

        def share(name: str, array: Any) -> None:
            if role == protocol.REFERENCE:
                write(name, array)
            else:
                workload.assign(array, _load(folder, name, array.shape))

        for index, parameter in enumerate(workload.parameters):
            share(f"parameter-{index}", parameter)
        share("input", workload.batch)
        output = workload.forward()
        share("output_gradient", workload.take_normal_gradient(output))
        workload.prepare()
        workload.backward(output)
        workload.synchronize()
        result, gradients = workload.result(output), workload.gradients()
        write(role + "-output", result)
        for index, gradient in enumerate(gradients):
            write(f"{role}-gradient-{index}", gradient)
        return {
            "parameters": count_values(workload.parameters),
            "gradients": len(gradients),
            "output_shape": list(result.shape),
        }


def _load(folder: str, name: str, shape: Any) -> Any:
    """The reference's NumPy array of that name. Raises Failure where it has none, or one of another shape."""
    import numpy

    path = os.path.join(folder, name + ".npy")
    here = list(shape)
    found = list(numpy.load(path, mmap_mode="r").shape) if os.path.exists(path) else "none"
    if found != here:
        raise protocol.Failure(protocol.FAILED, f"{name} has shape {here} here, the reference's {found}")
    return numpy.load(path)


def normal_tile() -> List[float]:
    """Normal numbers, the same in every framework and release, to be repeated over weights and input.

    They are from Python's generator, not the framework's. None is near a denormal.
    """
    generator = random.Random(0)
    return [generator.gauss(0.0, 1.0) for _ in range(TILE_LENGTH)]


def weight_scale(shape: Sequence[int]) -> float:
    """What a weight's normal numbers are multiplied by, to keep activations at their size: sqrt(2 / fan-in).

    Source: He et al. 2015. The shape's first number is that of the outputs.
    """
    return math.sqrt(2.0 * shape[0] / count(shape))


def count(shape: Iterable[int]) -> int:
    """The number of values of an array of that shape."""
    values = 1
    for size in shape:
        values *= size
    return values


def count_values(arrays: Iterable[Any]) -> int:
    """The number of values of arrays."""
    return sum(count(array.shape) for array in arrays)
