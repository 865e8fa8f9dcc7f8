"""Machines are named after what they are."""

from __future__ import annotations

import pytest

from passtime.results import machine


@pytest.mark.parametrize(
    ("cpu", "cpus", "gpu", "name"),
    [
        ({"model name": "Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz"}, 20, "", "intel-xeon-silver-4114-20cpu"),
        ({"model name": "AMD Ryzen 9 5950X 16-Core Processor"}, 32, "", "amd-ryzen-9-5950x-32cpu"),
        (
            {"model name": "AMD Ryzen 7 7840U w/ Radeon 780M Graphics", "cpu family": "25"},
            16,
            "",
            "amd-ryzen-7-7840u-w-16cpu",
        ),
        ({"model name": "AMD EPYC", "cpu family": "25", "model": "17"}, 2, "", "amd-epyc-family25-model17-2cpu"),
        ({"model name": "AMD EPYC 9454P 48-Core Processor"}, 96, "NVIDIA H200", "amd-epyc-9454p-96cpu-nvidia-h200"),
        ({}, 8, "", "riscv64-8cpu"),
    ],
)
def test_a_name_tells_machines_apart(cpu, cpus, gpu, name):
    """The name has the processor's model, or family and model where it is masked, the CPUs, and the GPU."""
    assert machine.name(cpu, "riscv64", cpus, gpu) == name


def test_facts_outlive_a_kernel_update():
    """No fact of the machine holds the kernel's release, and memory is in whole GiB."""
    facts = machine.facts()
    assert facts["os"] == "Linux"
    assert facts["ram"].removesuffix(" GiB").isdigit()
