"""Machines: what this computer is called and what is known of it, found out and never asked."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from passtime.errors import PasstimeError

# What asv keeps of a machine, in its folder of results.
FILE = "machine.json"

# Words in the names of processors that tell none from another.
_NOISE = re.compile(r"\((r|tm)\)|@.*|\b\d+-core\b|\b(cpu|processor|with)\b|\bradeon.*", re.IGNORECASE)
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def this_machine() -> str:
    """The name under which this machine's results are kept, unless `--machine` says otherwise."""
    return name(_cpu_fields(), platform.machine(), _cpus(), gpu_model())


def name(cpu: dict[str, str], architecture: str, cpus: int, gpu: str = "") -> str:
    """For instance `intel-xeon-silver-4114-20cpu`, `amd-epyc-9454p-96cpu-nvidia-h200`.

    `cpu` has the fields of /proc/cpuinfo. Hypervisors mask models as `AMD EPYC`: where no digit tells which,
    the processor's family and model numbers are added.
    """
    model = _slug(_NOISE.sub(" ", cpu.get("model name", ""))) or architecture
    numbers = [f"{word}{cpu[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in cpu]
    if not any(character.isdigit() for character in model):
        model = "-".join([model, *numbers])
    return "-".join(part for part in (model, f"{cpus}cpu", _slug(gpu)) if part)


def facts() -> dict[str, str]:
    """What results say of this machine."""
    gpu = gpu_model()
    return {
        "os": platform.system(),
        "arch": platform.machine(),
        "cpu": _cpu_fields().get("model name", platform.machine()),
        "num_cpu": str(_cpus()),
        "ram": f"{round(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30)} GiB",
        **({"gpu": gpu} if gpu else {}),
    }


def gpu_model() -> str:
    """The first GPU's name, as its driver gives it; empty where there is none. Touches no GPU."""
    for card in sorted(_NVIDIA.glob("*/information")):
        found = re.search(r"^Model:\s*(.+)$", card.read_text("utf-8"), re.MULTILINE)
        if found:
            return found[1].strip()
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return listed.stdout.partition("\n")[0].strip() if listed.returncode == 0 else ""


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _cpu_fields() -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def is_name(name: str | None) -> bool:
    """Whether a folder of results may have this name; none at all is this machine's."""
    return name is None or re.fullmatch(r"\w[\w.-]*", name) is not None


def described(results: Path, name: str) -> dict[str, str]:
    """What is stored of a machine. Raises PasstimeError where its file is missing or damaged."""
    path = results / name / FILE
    try:
        found = json.loads(path.read_text("utf-8"))
        facts = {key: value for key, value in found.items() if key != "version"}
        if not isinstance(facts["machine"], str) or not all(isinstance(value, str) for value in facts.values()):
            raise ValueError("it is no description of a machine")
    except OSError as error:
        raise PasstimeError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PasstimeError(f"{path} is damaged ({error}): restore it, for instance by `git checkout`") from None
    return facts


def title(device: str, machine: Mapping[str, str]) -> str:
    """What a heading says of the machine: its GPU, or its CPU and how many of them."""
    if device == "gpu":
        return machine.get("gpu") or machine["machine"]
    cpus = machine.get("num_cpu", "unknown")
    return machine["cpu"] + (f", {cpus} CPUs" if cpus.isdigit() else "")
