"""Results are never lost, and no failure keeps the others from being measured."""

from __future__ import annotations

import errno
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from fake import adapter
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project

import passtime
from asv_plugin.conftest import await_session
from passtime.asv import commands
from passtime.asv import process as asv_process
from passtime.asv.results import KeptResults
from passtime.errors import PasstimeError
from passtime.results.sessions import Cell

JULIA = Path(__file__).parents[1] / "fake/julia"
# A release that is installed by a Julia.
HANGING = """
[[release]]
framework = "flux"
version = "9.9"
date = 2029-01-01T00:00:00Z
julia = "1.10"
requirements = ["Flux==9.9"]
"""

# A commit of the fake framework's own repository, wherever it was built.
COMMIT = """
[[release]]
framework = "fake"
version = "{revision:.12}"
branch = "fake-main"
date = 2029-01-01T00:00:00Z
interpreter = "{python}"
revision = "{revision}"
"""

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
ONE_ROUND = ("-a", "rounds=1")
FORWARD = ("-b", r"time_forward\(.*'cpu'")  # three cells: dense, resnet18, resnet50
DENSE, RESNET18, RESNET50 = (
    "nets.Layer.time_forward(dense, cpu)",
    "nets.Net.time_forward(resnet18, cpu)",
    "nets.Net.time_forward(resnet50, cpu)",
)


def run(project: Project, *arguments: str, expect: int = 0, **mishaps: str) -> str:
    """`asv run` with a mishap for each of these workloads."""
    return project.asv("run", *arguments, expect=expect, **{adapter.MISHAPS: json.dumps(mishaps)})


def measured_cells(printed: str) -> list[str]:
    """The cells that asv said it measured, in order."""
    return re.findall(r"\] ··· (nets\.\S+ [^)]*\))", printed)


def releases(printed: str) -> list[str]:
    """The releases that asv said it came to, in order."""
    return re.findall(r"For passtime commit \w+ <(.*?)>", printed)


@pytest.mark.parametrize(
    ("mishap", "reason"),
    [
        ("crash", "the worker's session died of SIGKILL"),
        ("error", "RuntimeError: the fake framework broke"),
        ("out_of_memory", "out of memory"),
    ],
)
def test_a_failure_is_one_line_and_replaces_nothing(project, mishap, reason):
    """A pass that fails is told in one line, its stored value and samples stay, and the other cells are measured."""
    run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND)
    before = {column: project.stored("fake-1.0", column) for column in ("result", "samples", "stats_ci_99_a")}
    printed = run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND, expect=2, resnet18=mishap)
    (line,) = [line for line in printed.splitlines() if reason in line]
    assert RESNET18 in line
    assert "Traceback" not in printed
    assert measured_cells(printed)[:3] == [DENSE, RESNET18, RESNET50]
    after = {column: project.stored("fake-1.0", column) for column in before}
    assert {column: values[RESNET18] for column, values in after.items()} == {
        column: values[RESNET18] for column, values in before.items()
    }
    # The others have another session.
    for cell in (DENSE, RESNET50):
        assert after["samples"][cell][: len(before["samples"][cell])] == before["samples"][cell]
        assert len(after["samples"][cell]) > len(before["samples"][cell])


@pytest.mark.parametrize("order", [(), ("--interleave-rounds",)])
def test_each_round_has_a_worker_of_its_own(project, order):
    """The cells of a round share one worker, the next round has another, and the provenance tells them apart."""
    run(project, "fake-1.0 fake-2.0", *FORWARD, *order)
    for release in ("fake-1.0", "fake-2.0"):
        by_cell: dict[str, list[str]] = {}
        for line in project.sessions(release):
            by_cell.setdefault(line["params"][0], []).append(line["worker"])
        (workers,) = {tuple(found) for found in by_cell.values()}
        assert len(by_cell) == 3
        assert len(set(workers)) == 3


def test_show_stderr_tells_all_of_a_failure(project):
    """With -e the trace-back of a failure is there."""
    printed = run(project, "fake-1.0^!", "-b", "Layer.time_forward", *ONE_ROUND, "-e", expect=2, dense="error")
    assert "Traceback" in printed


def test_what_fails_at_first_is_null_and_what_a_release_lacks_is_nan(project):
    """A failed cell without a value is null; one that the release does not have is NaN, and no failure."""
    run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND, expect=2, resnet18="error", resnet50="unavailable")
    values = project.stored("fake-1.0")
    assert values[RESNET18] is None
    assert values[RESNET50] != values[RESNET50]
    assert values[DENSE] > 0


def test_a_benchmark_that_times_out_is_ended(project, sessions):
    """After its time-out a benchmark's session is killed, and the next benchmark runs."""
    arguments = ["run", "fake-1.0^!", *FORWARD, *ONE_ROUND, "-a", "timeout=8"]
    process = project.start(*arguments, **{adapter.MISHAPS: '{"resnet18": "hang"}'})
    hanging = await_session(sessions, "resnet18", process.pid)
    await_session(sessions, "resnet50", process.pid)
    printed, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert f"{RESNET18}: benchmark timed out (timeout 8.0s)" in printed
    assert not Path(f"/proc/{hanging}").exists()
    assert project.stored("fake-1.0")[RESNET50] > 0


def test_a_killed_worker_is_started_again(project, sessions):
    """When the whole worker is killed, the cell it was at fails, and the next one has a new worker."""
    process = project.start(*["run", "fake-1.0^!", *FORWARD, *ONE_ROUND], **{adapter.MISHAPS: '{"resnet18": "hang"}'})
    session = await_session(sessions, "resnet18", process.pid)
    os.kill(parent_of(session), signal.SIGKILL)
    await_session(sessions, "resnet50", process.pid)
    printed, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert f"{RESNET18}: the worker ended in the middle of sample forward of resnet18 on cpu" in printed
    assert project.stored("fake-1.0")[RESNET50] > 0


def parent_of(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()[1])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_all_that_was_measured(project, sessions, ending):
    """Interrupted in the middle of a pass, asv ends with one line; resuming measures what is missing, cell by cell."""
    arguments = ["run", "fake-1.0^!", *FORWARD]
    process = project.start(*arguments, **{adapter.MISHAPS: '{"resnet50": "hang"}'})
    await_session(sessions, "resnet50", process.pid)
    process.send_signal(ending)
    printed, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 1
    assert "Interrupted. What was measured is kept" in printed.splitlines()[-1]
    assert "Traceback" not in printed
    assert project.survivors() == []
    first = project.stored("fake-1.0", "samples")
    assert RESNET50 not in first

    del project.environment[adapter.PASSES]
    resumed = project.asv(*arguments, "--skip-existing-successful")
    # All were in their first of three rounds.
    assert measured_cells(resumed) == [RESNET50, *[DENSE, RESNET18, RESNET50] * 2]
    samples = project.stored("fake-1.0", "samples")
    assert samples[DENSE][: len(first[DENSE])] == first[DENSE]
    assert all(len(samples[cell]) >= 15 for cell in (DENSE, RESNET18, RESNET50))
    assert measured_cells(project.asv(*arguments, "--skip-existing-successful")) == []


def test_nothing_outlives_a_killed_asv(project, sessions):
    """When asv itself is killed, its worker, the session and the benchmark process end too."""
    process = project.start("run", "fake-1.0^!", *FORWARD, **{adapter.MISHAPS: '{"resnet18": "hang"}'})
    session = await_session(sessions, "resnet18", process.pid)
    left = [session, *children_of(process.pid)]  # the worker and the benchmark process
    assert len(left) == 3
    ends = [os.pidfd_open(process_id) for process_id in left]
    process.kill()
    process.communicate(timeout=DEADLINE_SECONDS)
    await_ends(ends)
    assert project.stored("fake-1.0")[DENSE] > 0


def children_of(process_id: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text("ascii").split()]


def await_ends(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], DEADLINE_SECONDS)[0]
        os.close(descriptor)


def test_an_install_that_hangs_is_ended(project):
    """An install ends with one line once it takes longer than asv's setting allows, and the others are measured."""
    settings = project.root / "asv.conf.json"
    settings.write_text(re.sub(r'("install_timeout": )\d+', r"\g<1>2", settings.read_text("utf-8")), "utf-8")
    with open(project.root / "releases.toml", "a", encoding="utf-8") as manifest:
        manifest.write(HANGING)
    julia = {"PASSTIME_JULIA": str(JULIA), "FAKE_JULIA_LOG": str(project.root / "said"), "FAKE_JULIA_HANGS": "1"}
    printed = project.asv("run", "flux-9.9 fake-1.0", *FORWARD, *ONE_ROUND, expect=2, **julia)
    assert len([line for line in printed.splitlines() if "flux-9.9 is not installed within 2 s" in line]) == 1
    assert measured_cells(printed) == [DENSE, RESNET18, RESNET50]


def test_a_session_says_which_commit_it_measured(project):
    """A release's date is in its provenance, and of a source commit its hash."""
    revision = f"{4:012}{0:028}"
    with open(project.root / "releases.toml", "a", encoding="utf-8") as manifest:
        manifest.write(COMMIT.format(python=sys.executable, revision=revision))
    run(project, f"fake-1.0 fake-{revision[:12]}", "-b", "Layer.time_forward", *ONE_ROUND)
    assert {line["revision"] for line in project.sessions(f"fake-{revision[:12]}")} == {revision}
    (session,) = project.sessions("fake-1.0")
    assert "revision" not in session
    assert session["release_date"] == "2021-01-01T00:00:00+00:00"


def test_a_session_says_what_it_was_measured_under(project):
    """Variables that change a framework's speed, passtime's version and an unusual policy are in a session's line."""
    layer = ("-b", r"Layer\.time_.*'cpu'")
    project.asv("run", "fake-1.0", *layer, ONEDNN_MAX_CPU_ISA="SSE41")
    usual = project.sessions("fake-1.0")
    project.asv("run", "fake-2.0", *layer, "--quick")
    quick = project.sessions("fake-2.0")
    assert {line["provenance.env.ONEDNN_MAX_CPU_ISA"] for line in usual} == {"SSE41"}
    assert {line["passtime"] for line in usual + quick} == {passtime.__version__}
    assert all(isinstance(line["marks"], list) for line in usual + quick)
    assert not [name for line in usual for name in line if name.startswith("policy.")]
    assert {(line["policy.maximum_samples"], line["policy.warmup_seconds"]) for line in quick} == {(1, 0.0)}
    assert not [name for line in quick for name in line if name.startswith("provenance.env.")]


def test_a_failed_install_keeps_values_and_stops_no_other(project):
    """A release that cannot be installed is one line; its stored values stay, the others are measured, exit nonzero."""
    run(project, "fake-2.0^!", "-b", "Layer.time_forward", *ONE_ROUND)
    before = project.result_file("fake-2.0").read_bytes()
    project.write_releases(missing=("fake-2.0",))
    printed = run(project, "fake-0.1..fake-3.0", "-b", "Layer.time_forward", *ONE_ROUND, expect=2)
    assert len([line for line in printed.splitlines() if "nowhere/python is gone" in line]) == 1
    assert "fake-2.0 is skipped" in printed
    assert project.result_file("fake-2.0").read_bytes() == before
    for release in ("fake-1.0", "fake-3.0"):
        assert project.stored(release)[DENSE] > 0


def test_a_worker_that_does_not_start_stops_no_other_release(project):
    """A release whose worker does not start is one line, and nothing is stored of it."""
    project.write_releases(missing=("fake-2.0",))
    (project.root / "nowhere").mkdir()
    broken = project.root / "nowhere/python"
    broken.write_text("#!/bin/sh\necho no such framework >&2\nexit 1\n", "utf-8")
    broken.chmod(0o755)
    printed = run(project, "fake-2.0 fake-3.0", "-b", "Layer.time_forward", *ONE_ROUND, expect=2)
    assert "the worker of fake-2.0 did not start: no such framework" in printed
    assert project.stored("fake-3.0")[DENSE] > 0
    assert not list(project.results.glob(f"*/{project.commit_of('fake-2.0')[:8]}*"))


def test_a_run_of_some_leaves_the_others(project):
    """A run of one model leaves the other's value; a model that never ran is no entry, neither failed nor n/a."""
    run(project, "fake-1.0^!", "-b", r"Net.time_forward\('resnet18'", *ONE_ROUND)
    assert {cell for cell in project.stored("fake-1.0") if "resnet50" in cell} == set()
    first = project.stored("fake-1.0", "samples")[RESNET18]
    run(project, "fake-1.0^!", "-b", r"Net.time_forward\('resnet50', 'cpu'", *ONE_ROUND)
    values, samples = project.stored("fake-1.0"), project.stored("fake-1.0", "samples")
    assert samples[RESNET18] == first
    assert values[RESNET50] > 0
    assert values["nets.Net.time_forward(resnet50, tpu)"] is None
    run(project, "fake-2.0^!", "-b", r"Layer.time_forward\(.*cpu", *ONE_ROUND)
    printed = project.asv("compare", "fake-1.0", "fake-2.0")
    assert "time_forward('resnet18', 'cpu')" in printed


def test_fewer_rounds_than_wanted_are_completed(project):
    """--skip-existing-successful completes a cell of one round with two more, and repeats nothing."""
    run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND)
    one = project.stored("fake-1.0", "samples")
    run(project, "fake-1.0^!", *FORWARD, "--skip-existing-successful")
    all_three = project.stored("fake-1.0", "samples")
    for cell, samples in one.items():
        assert all_three[cell][: len(samples)] == samples
        assert len(all_three[cell]) == 3 * len(samples)
    assert len(project.sessions("fake-1.0")) == 9


def test_measuring_again_adds_samples_and_sessions(project):
    """A cell that is measured again has the sessions of both runs, with --append-samples and without."""
    for runs, option in enumerate([(), (), ("--append-samples",)], start=1):
        run(project, "fake-1.0^!", "-b", "Layer.time_forward", "-a", "repeat=3", *option)
        assert len(project.stored("fake-1.0", "samples")[DENSE]) == 9 * runs
        assert len(project.sessions("fake-1.0")) == 3 * runs


def test_failed_cells_can_be_skipped(project):
    """--skip-existing-failed leaves the failed cell alone, --skip-existing the measured ones too."""
    run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND, expect=2, resnet18="error")
    assert measured_cells(run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND, "--skip-existing")) == []
    printed = run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND, "--skip-existing-failed")
    assert measured_cells(printed) == [DENSE, RESNET50]
    printed = run(project, "fake-1.0^!", *FORWARD, *ONE_ROUND, "--skip-existing-successful")
    assert measured_cells(printed) == [RESNET18]


def test_quick_never_replaces_samples_taken_in_earnest(project):
    """--quick takes one sample, keeps it only where there is nothing better, and counts for nothing when resuming."""
    cell = ("-b", "Layer.time_forward")
    run(project, "fake-1.0^!", *cell, "--quick")
    assert len(project.stored("fake-1.0", "samples")[DENSE]) == 1
    run(project, "fake-1.0^!", *cell, *ONE_ROUND, "--skip-existing-successful")
    earnest = project.stored("fake-1.0", "samples")[DENSE]
    assert len(earnest) >= 5
    run(project, "fake-1.0^!", *cell, "--quick")
    assert project.stored("fake-1.0", "samples")[DENSE] == earnest


def test_interleaved_rounds_take_a_worker_each(project):
    """--interleave-rounds measures A B B A A B, with a start of a worker for each heat and no other."""
    (project.root / "counting.py").write_text(
        "import os\n"
        "from passtime.worker.driver import supervisor\n"
        "start = supervisor.Worker._await_hello\n"
        "def counted(worker, *given):\n"
        # In one write: workers start side by side, and `print` writes a line in pieces.
        "    os.write(1, f'\\nstarted {worker.name}\\n'.encode())\n"
        "    return start(worker, *given)\n"
        "supervisor.Worker._await_hello = counted\n",
        "utf-8",
    )
    configuration = project.root / "asv.conf.json"
    configuration.write_text(configuration.read_text("utf-8").replace('".fake', '".counting", ".fake'), "utf-8")
    printed = run(project, "fake-1.0..fake-3.0", "-b", "Layer.time_forward", "--interleave-rounds")
    assert releases(printed) == ["fake-3.0", "fake-2.0", "fake-2.0", "fake-3.0", "fake-3.0", "fake-2.0"]
    started = re.findall(r"^started (.*)$", printed, re.MULTILINE)
    assert [{*started[place : place + 2]} for place in (0, 2, 4)] == [{"fake-2.0", "fake-3.0"}] * 3
    assert len(started) == 6
    for release in ("fake-2.0", "fake-3.0"):
        assert len([line for line in project.sessions(release) if line["benchmark"] == "nets.Layer.time_forward"]) == 3


def test_a_bare_run_takes_the_newest_that_runs_here(project):
    """`asv run` alone times the newest release that this machine can run, and says which."""
    project.write_releases(missing=("fake-3.0",))
    printed = run(project, "-b", "Layer.time_forward", *ONE_ROUND)
    assert "The newest that this machine can run: fake-2.0" in printed
    assert project.stored("fake-2.0")[DENSE] > 0


def test_names_of_releases_mean_those_releases(project):
    """Release names alone are those releases, where git would take all that leads up to them."""
    printed = run(project, "fake-3.0 fake-1.0", "-b", r"Layer.time_forward\(.*cpu", *ONE_ROUND)
    assert releases(printed) == ["fake-3.0", "fake-1.0"]


def test_continuous_and_find_keep_and_compare(project):
    """asv continuous compares two releases, and asv find the step between them, by the same means."""
    printed = project.asv("continuous", "fake-1.0", "fake-3.0", "-b", "Layer.time_forward", "-f", "1.05", expect=1)
    assert "PERFORMANCE DECREASED" in printed
    assert len(project.stored("fake-3.0", "samples")[DENSE]) >= 10
    assert "Greatest regression found" in project.asv("find", "fake-0.1..fake-3.0", "nets.Layer.time_forward")


def test_a_users_own_release_is_a_branch_in_the_site(project):
    """A local release's branch is measured and published beside the framework's."""
    (project.root / ".passtime").mkdir()
    (project.root / ".passtime/releases.toml").write_text(
        '[[release]]\nframework = "fake"\nversion = "4.mine"\ndate = 2026-01-01T00:00:00Z\nbranch = "fake-local"\n'
        f'interpreter = "{os.path.realpath("/proc/self/exe")}"\n',
        "utf-8",
    )
    run(project, "fake-local^!", "-b", "Layer.training_memory|Layer.track_training")
    project.asv("publish")
    index = json.loads((project.root / "html/index.json").read_text("utf-8"))
    assert index["params"]["branch"] == ["fake", "fake-local"]


def test_a_damaged_result_file_is_left_as_it_is(project):
    """A result file that cannot be read ends asv with a line that names it; its bytes stay."""
    run(project, "fake-1.0^!", "-b", "Layer.time_forward", *ONE_ROUND)
    path = project.result_file("fake-1.0")
    path.write_bytes(path.read_bytes()[:100])
    before = path.read_bytes()
    printed = run(project, "fake-1.0^!", "-b", "Layer.time_forward", *ONE_ROUND, expect=1)
    assert str(path) in printed
    assert "Traceback" not in printed
    assert path.read_bytes() == before


def test_another_name_for_the_machine_is_respected(project):
    """--machine NAME keeps the results under that name."""
    run(project, "fake-1.0^!", "-b", "Layer.time_forward", *ONE_ROUND, "--machine", "lab")
    assert json.loads((project.results / "lab/machine.json").read_text("utf-8"))["machine"] == "lab"
    assert project.result_file("fake-1.0").parent.name == "lab"


def test_removing_results_with_asv_works(project):
    """asv rm removes a benchmark, and what is left can be read and measured again."""
    run(project, "fake-1.0^!", "-b", "Layer.time_forward|Layer.time_inference", *ONE_ROUND)
    project.asv("rm", "-y", "benchmark=nets.Layer.time_forward")
    assert {cell.partition("(")[0] for cell in project.stored("fake-1.0")} == {"nets.Layer.time_inference"}
    both = ("-b", "Layer.time_forward|Layer.time_inference")
    assert measured_cells(run(project, "fake-1.0^!", *both, *ONE_ROUND, "--skip-existing-successful")) == [DENSE]


def test_a_full_disk_leaves_both_files_as_they_were(tmp_path, monkeypatch):
    """Samples and sessions are moved together: where one cannot be written neither is, and no part stays."""
    kept = KeptResults({"machine": "m"}, {}, "a" * 40, 1, "runtime", "passtime", {})
    kept.load_data(str(tmp_path))
    one = {"name": "b", "version": "1", "params": []}
    kept.put_failure(one, Cell("b", 0, ()), {"benchmark": "b", "params": [], "failure": "first"}, NOW)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 3  # and the lock
    monkeypatch.setattr(os, "fsync", is_full)
    said = (
        f"{tmp_path}/m/aaaaaaaa-passtime.json cannot be written (No space left on device): "
        "what was stored before is kept"
    )
    with pytest.raises(PasstimeError, match=re.escape(said)):
        kept.put_failure(one, Cell("b", 0, ()), {"benchmark": "b", "params": [], "failure": "second"}, NOW)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def is_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_damaged_machine_file_is_one_line(project):
    """Half a machine.json ends every command with its name, and results do not go to another machine's folder."""
    project.asv("run", "fake-1.0", "-b", "time_forward")
    (described,) = project.results.glob("*/machine.json")
    described.write_text("{", "utf-8")
    run = project.asv("run", "fake-2.0", "-b", "time_forward", expect=1)
    for said in (run, project.passtime("sweep", "fake-2.0", expect=1)):
        assert re.search(rf"{described.parent.name}/machine.json is damaged", said)
        assert "Traceback" not in said
    assert described.read_text("utf-8") == "{"


def test_results_of_a_removed_release_are_left_out(project):
    """An own build whose entry is gone makes nothing else unreadable: it is named once."""
    project.asv("run", "fake-1.0..fake-3.0", "-b", "time_forward")
    project.write_releases(names=("fake-0.1", "fake-1.0", "fake-2.0"))
    shutil.rmtree(project.root / ".passtime")
    ended = subprocess.run(
        [Path(sys.executable).with_name("passtime"), "tables", "--format", "json"],
        cwd=project.root, env=project.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "fake-3.0" not in ended.stdout
    assert "is left out: it has results of a release that is not listed any more" in ended.stderr


@pytest.mark.parametrize("end_by", [commands.end_by_interrupt, asv_process.end_when_told])
def test_what_is_to_outlive_its_terminal_does(end_by):
    """Under nohup a hang-up stays ignored; else it ends what runs as a polite kill does."""
    before = {ending: signal.getsignal(ending) for ending in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        end_by()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        end_by()
        assert callable(signal.getsignal(signal.SIGHUP))
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
