"""What the plugin replaces or overrides in asv is still there, and takes the same arguments."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys

import asv.benchmarks
import asv.commands.check
import asv.commands.compare
import asv.commands.find
import asv.commands.run
import asv.environment
import asv.machine
import asv.plugins.git
import asv.results
import asv.runner
import asv.util
import pytest
from asv.commands import Command

from passtime.asv import lean
from passtime.asv.environment import PasstimeEnvironment
from passtime.asv.repo import TimelineRepo
from passtime.asv.results import KeptResults
from passtime.asv.runner import Runner
from passtime.asv.suite import Suite


def parameters(function: object) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


@pytest.mark.parametrize(
    ("module", "name", "original"),
    [
        (asv.commands.run, "Results", asv.results.Results),
        (asv.commands.run, "Benchmarks", asv.benchmarks.Benchmarks),
        (asv.commands.run, "run_benchmarks", asv.runner.run_benchmarks),
        (asv.commands.run, "skip_benchmarks", asv.runner.skip_benchmarks),
        (asv.commands.find, "Results", asv.results.Results),
        (asv.commands.find, "Benchmarks", asv.benchmarks.Benchmarks),
        (asv.commands.find, "run_benchmarks", asv.runner.run_benchmarks),
        (asv.commands.check, "Benchmarks", asv.benchmarks.Benchmarks),
    ],
)
def test_the_commands_look_up_what_we_replace(module, name, original):
    """asv's commands still find by these names, in their own modules, what the plugin puts ours in the place of."""
    assert getattr(module, name) is original


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Runner.run_benchmarks, asv.runner.run_benchmarks),
        (Runner.skip_benchmarks, asv.runner.skip_benchmarks),
        (Suite.discover, asv.benchmarks.Benchmarks.discover),
        (KeptResults.load_data, asv.results.Results.load_data),
        (KeptResults.save, asv.results.Results.save),
        (KeptResults.set_build_duration, asv.results.Results.set_build_duration),
        (PasstimeEnvironment, asv.environment.Environment),
        (PasstimeEnvironment.install_project, asv.environment.Environment.install_project),
        (PasstimeEnvironment.run, asv.environment.Environment.run),
        (TimelineRepo.get_hash_from_name, asv.plugins.git.Git.get_hash_from_name),
        (TimelineRepo.get_tags, asv.plugins.git.Git.get_tags),
    ],
)
def test_ours_takes_what_asv_gives(ours, theirs):
    """Each function that stands in for one of asv's has its parameters, in its order."""
    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize(
    ("function", "needed"),
    [
        (
            asv.results.Results.add_result,
            ["benchmark", "result", "started_at", "duration", "record_samples", "append_samples", "selected_idx"],
        ),
        (
            asv.runner.run_benchmark,
            ["benchmark", "spawner", "profile", "selected_idx", "extra_params", "cwd", "prev_result"],
        ),
        (asv.commands.compare.unroll_result, ["benchmark_name", "params", "values"]),
        (asv.runner.get_spawner, ["env", "benchmark_dir", "launch_method"]),
        (asv.results.get_filename, ["machine", "commit_hash", "env_name"]),
        (asv.machine.MachineCollection.load, ["machine_name", "_path"]),
        (asv.machine.MachineCollection.save, ["machine_name", "machine_info", "_path"]),
    ],
)
def test_asv_takes_what_we_give(function, needed):
    """The functions of asv that the plugin calls, or replaces by ones of its own, have the parameters they had."""
    assert parameters(function) == needed


def test_every_command_starts_where_we_prepare_it():
    """Each of asv's commands but `quickstart`, which needs no project, has a `run_from_conf_args` of its own."""
    commands = {command.__name__: command for command in asv.util.iter_subclasses(Command)}
    assert {"Run", "Continuous", "Find", "Compare", "Publish", "Show"} < set(commands)
    assert [name for name, command in commands.items() if "run_from_conf_args" not in vars(command)] == ["Quickstart"]


def test_a_benchmarks_process_imports_no_numpy(tmp_path):
    """asv's runner works without pympler, finds what follows its script, and so needs no NumPy."""
    script = tmp_path / "script.py"
    script.write_text("import sys, asv_runner.run\nprint(sys.argv, *map(repr, sys.modules))", "utf-8")
    printed = subprocess.check_output([sys.executable, lean.__file__, str(script), "run"], text=True)
    assert printed.startswith(str([str(script), "run"]))
    assert "'asv_runner.benchmarks.time'" in printed
    assert "'numpy'" not in printed


def test_a_benchmarks_process_looks_at_no_packages(tmp_path):
    """asv's runner reads no package's metadata, which takes half of such a process's time; a benchmark may."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, asv_runner.run\nprint('importlib.metadata' in sys.modules)\n"
        "from importlib.metadata import version\nprint(version('asv_runner'))",
        "utf-8",
    )
    printed = subprocess.check_output([sys.executable, lean.__file__, str(script), "run"], text=True)
    assert printed == f"False\n{importlib.metadata.version('asv_runner')}\n"


def test_what_asv_loads_for_every_command_is_light():
    """The plugin loads no SciPy and no NumPy, which take longer to load than asv itself."""
    program = "import sys, passtime.asv.plugin\nprint({'numpy', 'scipy', 'rich', 'markdown_it'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"


def test_asv_still_asks_for_the_machines_name():
    """The name that asv lets a program set for the machine is still read."""
    assert asv.machine.Machine.hardcoded_machine_name is None
    assert "hardcoded_machine_name" in inspect.getsource(asv.machine.Machine.get_unique_machine_name)
    assert asv.runner.BenchmarkResult._fields == ("result", "samples", "number", "errcode", "stderr", "profile")
