"""What two workers make of the same arrays, compared."""

from __future__ import annotations

import math
import re

import pytest
from fake import adapter as fake

from passtime.measure.parity import check, check_all
from passtime.worker import protocol
from passtime.worker.driver import client


def test_the_same_work_holds(reference, follower):
    """Equal parameters, shapes, outputs and gradients are parity; a gradient of rounding errors is no difference."""
    parity = check(reference, follower, "dense", "cpu")
    assert parity.holds
    assert (parity.parameters, parity.output_shape) == (fake.PARAMETERS, (101,))
    assert parity.output_error == 0
    assert 0 < parity.gradient_error < 1e-4


@pytest.mark.parametrize(
    ("follower", "said"),
    [
        ("shifted", r"outputs differ by 1\.0e-01 of their size"),
        ("not_a_number", "outputs differ by nan of their size"),
        ("steeper", r"gradients differ by 5\.0e-01 of their size"),
        ("larger", "parameters: 1001, not 1000"),
    ],
    indirect=["follower"],
)
def test_other_work_differs_and_is_told(reference, follower, said):
    """Another output, gradient or number of parameters is named with its size."""
    parity = check(reference, follower, "dense", "cpu")
    assert not parity.holds
    assert re.fullmatch(said, parity.difference)


@pytest.mark.parametrize("follower", ["larger"], indirect=True)
def test_arrays_of_other_models_are_not_compared(reference, follower):
    """Where the models are not the same, there is no error to speak of."""
    assert math.isnan(check(reference, follower, "dense", "cpu").output_error)


@pytest.mark.parametrize("follower", ["hang"], indirect=True)
def test_a_step_that_does_not_end_is_given_up(reference, follower):
    """A worker that hangs is told after a while, and its session is ended."""
    with pytest.raises(client.WorkerError, match=r"parity total of dense on cpu did not end within 1 s"):
        check(reference, follower, "dense", "cpu", timeout_seconds=1.0)


@pytest.mark.parametrize("follower", ["unavailable"], indirect=True)
def test_what_a_release_lacks_is_told_and_the_others_are_checked(reference, follower):
    """A workload that one of the two has not got is its worker's error; the next one is checked."""
    found = dict(check_all(reference, follower, ["dense", "batchnorm"], "cpu"))
    assert isinstance(found["dense"], client.WorkerError)
    assert found["dense"].kind == protocol.UNAVAILABLE
    assert not isinstance(found["batchnorm"], client.WorkerError)
    assert found["batchnorm"].holds
