"""What this computer is called and what is known of it: found out, never asked.

asv keeps machines in a file in the home folder, asks six questions when this one is not in it, and fails without a
terminal. It also turns each key of a machine into a selector of the charts, so nothing may stand there that an update
of the kernel changes.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import click
from asv import machine, util

from passtime.errors import PasstimeError

# Words in the names of processors that tell none from another.
_NOISE = re.compile(r"\((r|tm)\)|@.*|\b\d+-core\b|\b(cpu|processor|with)\b|\bradeon.*", re.IGNORECASE)
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def _checked(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if given is not None and not re.fullmatch(r"\w[\w.-]*", given):
        raise click.BadParameter(f"{given!r} names a folder of results: letters, digits, '.', '-' and '_'")
    return given


_save_as_asv = machine.Machine.save

# As `asv run --machine`, for the commands that measure.
machine_option = click.option(
    "--machine", metavar="M", callback=_checked, help="The name to keep results under; by default this machine's."
)


def install(results: Path) -> None:
    """Makes asv take machines from `results`, and this one from what it says of itself."""

    def load(machine_name: str, _path: str | None = None) -> dict[str, str]:
        # A machine keeps the description that it was first given: a new one would split its charts.
        described = results / machine_name / "machine.json"
        if described.is_file():
            try:
                return util.load_json(str(described), machine.Machine.api_version)
            except util.UserError as error:  # of which asv makes a machine without a name
                raise PasstimeError(f"{described} is damaged ({error}): `git checkout` it, or remove it") from None
        return dict(sorted({**facts(), "machine": machine_name}.items()))  # as in the file

    def save(machine_name: str, machine_info: dict[str, str], _path: str | None = None) -> None:
        """Nothing: `results/<machine>/machine.json`, which asv writes too, is enough."""

    def save_once(self: machine.Machine, results_dir: str) -> None:
        """As asv, which writes it anew in every run: an end in the middle would leave half of it."""
        if not Path(results_dir, self.machine, "machine.json").is_file():
            _save_as_asv(self, results_dir)

    machine.Machine.save = save_once
    machine.Machine.hardcoded_machine_name = this_machine()
    machine.MachineCollection.load = staticmethod(load)
    machine.MachineCollection.save = staticmethod(save)


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
