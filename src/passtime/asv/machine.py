"""What this computer is called and what is known of it: found out, never asked.

asv keeps machines in a file in the home folder, asks six questions when this one is not in it, and fails without a
terminal. It also turns each key of a machine into a selector of the charts, so nothing may stand there that an update
of the kernel changes.
"""

from __future__ import annotations

from pathlib import Path

from asv import machine

from passtime.results import machine as machine_of_results

_save_as_asv = machine.Machine.save


def install(results: Path) -> None:
    """Makes asv take machines from `results`, and this one from what it says of itself."""

    def load(machine_name: str, _path: str | None = None) -> dict[str, str]:
        # A machine keeps the description that it was first given: a new one would split its charts.
        if (results / machine_name / machine_of_results.FILE).is_file():
            return machine_of_results.described(results, machine_name)
        return dict(sorted({**machine_of_results.facts(), "machine": machine_name}.items()))  # as in the file

    def save(machine_name: str, machine_info: dict[str, str], _path: str | None = None) -> None:
        """Nothing: `results/<machine>/machine.json`, which asv writes too, is enough."""

    def save_once(self: machine.Machine, results_dir: str) -> None:
        """As asv, which writes it anew in every run: an end in the middle would leave half of it."""
        if not Path(results_dir, self.machine, machine_of_results.FILE).is_file():
            _save_as_asv(self, results_dir)

    machine.Machine.save = save_once
    machine.Machine.hardcoded_machine_name = machine_of_results.this_machine()
    machine.MachineCollection.load = staticmethod(load)
    machine.MachineCollection.save = staticmethod(save)
