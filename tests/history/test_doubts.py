"""What is found doubtful in the tables of 2018."""

from __future__ import annotations

import pytest

from passtime.results.history import doubts, markdown

from .conftest import TABLES


@pytest.fixture(scope="module")
def found():
    """The doubts by machine, framework, workload and pass."""
    return {
        (cell.machine.device, cell.release.partition("-")[0], cell.workload, cell.measured_pass): "; ".join(said)
        for cell, said in doubts.of_cells(markdown.read(TABLES)).items()
    }


def test_totals_that_are_not_their_parts_are_found(found):
    """A total that is not forward plus backward, by over a hundredth, says by how much; others say nothing of it."""
    wrong = {place for place, said in found.items() if "than forward and backward together" in said}
    assert wrong == {
        ("cpu", "flux", "vgg16_bn", "total"),
        ("gpu", "flux", "resnet50", "total"),
        ("gpu", "torch", "conv5x5/1", "total"),
    }
    assert "1000 ms more" in found["cpu", "flux", "vgg16_bn", "total"]
    assert "30 ms less" in found["gpu", "flux", "resnet50", "total"]


def test_a_number_that_stands_twice_is_found(found):
    """One number in two models' rows is doubted in both."""
    assert "the same number as that of vgg19" in found["gpu", "flux", "vgg16", "backward"]
    assert "the same number as that of vgg16" in found["gpu", "flux", "vgg19", "backward"]
    assert sum("the same number" in said for said in found.values()) == 2


def test_inference_of_torch_was_a_forward_pass(found):
    """All of PyTorch's inference column is doubted, and none of Flux's for that reason."""
    assert all("instead of inference" in said for place, said in found.items() if place[1::2] == ("torch", "inference"))
    assert not any("instead of inference" in said for place, said in found.items() if place[1] == "flux")
    assert ("gpu", "torch", "resnet152", "inference") in found


def test_blank_cells_have_no_doubts(found):
    """Where nothing was measured there is nothing to doubt."""
    assert ("gpu", "flux", "resnet152", "backward") not in found
    assert ("cpu", "torch", "resnet18", "total") not in found
