"""What is recorded of a session, and what marks its samples."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fake import adapter as fake

from passtime.worker import protocol
from passtime.worker.inside import conditions

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def library():
    """The path of a library that every program can load."""
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    return next(path for path in sorted(mapped) if os.path.basename(path).startswith("libm."))


def test_what_changes_a_framework_is_told_with_its_samples(start, library):
    """Variables that the worker was started with are in every reply, without the path of what is preloaded."""
    preloaded = {"LD_PRELOAD": library, "BEAM": "2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "1"}
    worker = start(ONEDNN_MAX_CPU_ISA="SSE41", ONEDNN_DEFAULT_FPMATH_MODE="BF16", **preloaded)
    for reply in (worker.ask("sample", "forward"), worker.ask("memory", "total"), worker.ask("sample", "inference")):
        assert {name: value for name, value in reply.items() if name.startswith("provenance.env.")} == {
            "provenance.env.ONEDNN_MAX_CPU_ISA": "SSE41",
            "provenance.env.ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
            "provenance.env.LD_PRELOAD": os.path.basename(library),
            "provenance.env.BEAM": "2",
            "provenance.env.MKL_NUM_THREADS": "1",
        }
        assert os.path.dirname(library) not in str(reply)


def test_a_sessions_conditions_come_with_its_samples(start):
    """Quota, allocator, huge pages and what happened during the samples are told in flat fields."""
    reply = start().ask("sample", "total")
    assert reply["provenance.cpu_quota"] == "none" or reply["provenance.cpu_quota"] > 0
    assert reply["provenance.affinity_cpus"] == len(os.sched_getaffinity(0))
    assert reply["provenance.allocator"] == os.confstr("CS_GNU_LIBC_VERSION")
    huge_pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if huge_pages.exists():
        assert f"[{reply['provenance.transparent_huge_pages']}]" in huge_pages.read_text()
    for name in ("observed_seconds", "preemptions", "waits", "steal_seconds", "others_cpu_seconds"):
        assert reply[f"provenance.{name}"] >= 0
    assert reply["provenance.suspended_seconds"] == 0
    assert protocol.SUSPENDED not in reply["marks"]


def test_another_allocator_is_told_by_its_file(start, tmp_path):
    """A preloaded library whose `malloc` is called has the place of the C library's."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler here: install clang or gcc")
    (tmp_path / "own.c").write_text(
        "void *__libc_malloc(unsigned long); void *malloc(unsigned long size) { return __libc_malloc(size); }"
    )
    library = tmp_path / "libjemalloc.so.2"
    command = [compiler, "-shared", "-fPIC", "-fno-builtin", "-o", str(library), str(tmp_path / "own.c")]
    subprocess.run(command, check=True)
    assert start(LD_PRELOAD=str(library)).ask("sample", "total")["provenance.allocator"] == "libjemalloc.so.2"


def test_a_session_that_was_stopped_is_marked(start):
    """A session that a signal stops during its samples is marked, and the next one is not."""
    worker = start(**{fake.MISHAPS: '{"resnet50": "stop"}'})
    reply = worker.ask("sample", "total", "resnet50")
    assert protocol.SUSPENDED in reply["marks"]
    assert 0 < reply["provenance.suspended_seconds"] <= reply["provenance.observed_seconds"]
    assert protocol.SUSPENDED not in worker.ask("sample", "total", "resnet18")["marks"]


class Made:
    """A session's conditions in a file system that says these things before the first sample and after the last."""

    def __init__(self, root, monkeypatch):
        self.root, self.cpu_seconds = root, 0.0
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 2})
        monkeypatch.setattr(conditions, "Stops", NoStops)
        self.write("proc/self/cgroup", "0::/a\n")
        self.write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        self.write("sys/fs/cgroup/a/cpu.max", "150000 100000\n")
        self.readings = []

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def reading(self, seconds, busy=0.0, steal=0.0, own=0.0, throttled=0, asleep=0.0):
        ticks = [round(part * TICKS) for part in (busy, 0, 0, 1000 + seconds, 0, 0, 0, steal, 0, 0)]
        rows = [
            f"cpu{cpu} {' '.join(map(str, ticks if cpu == 1 else [99 * cpu * len(self.readings)] * 10))}"
            for cpu in (0, 1)
        ]
        text = "\n".join([*rows, "cpu2 0 0 0 0 0 0 0 0 0 0", "intr 1 2"])
        uptime = f"{seconds + asleep + 5} 0\n"
        stat = f"usage_usec 5\nnr_periods 9\nnr_throttled {throttled}\nthrottled_usec {throttled * 1000}\n"
        self.readings.append(
            {
                "monotonic_seconds": seconds,
                "cpu_seconds": own,
                "preemptions": 2 * len(self.readings),
                "waits": 3 * len(self.readings),
                "files": [text, uptime, stat, ""],
            }
        )

    def told(self):
        document = {"replies": {"sample total": {"reply": "samples"}, "memory total": {"reply": "error"}}}
        document["observed"] = {"malloc": "libc-2.31.so", "readings": self.readings}
        made = conditions.Conditions(str(self.root))
        asked = made.asked({"threads": 2})["observe"]
        assert [os.path.relpath(path, self.root) for path in asked] == [
            *("proc/stat", "proc/uptime", "sys/fs/cgroup/a/cpu.stat", "sys/fs/cgroup/cpu.stat")
        ]
        made.tell(document, {"threads": 2})
        assert "observed" not in document
        assert document["replies"]["memory total"] == {"reply": "error"}
        reply = document["replies"]["sample total"]
        return {name.removeprefix("provenance."): value for name, value in reply.items()}


class NoStops:
    def between(self, start, end):
        return 0.0


@pytest.fixture
def made(tmp_path, monkeypatch):
    return Made(tmp_path, monkeypatch)


def test_what_happened_during_the_samples_is_a_difference(made):
    """Counters are told as what they grew by, over the CPUs that the session may use."""
    made.reading(10.0, busy=100.0, steal=1.0, own=5.0, throttled=7)
    made.reading(20.0, busy=118.0, steal=3.5, own=22.5, throttled=19)
    told = made.told()
    assert (told["observed_seconds"], told["preemptions"], told["waits"]) == (10.0, 2, 3)
    assert (told["steal_seconds"], told["others_cpu_seconds"]) == (2.5, 0.5)
    assert (told["throttled_periods"], told["throttled_seconds"], told["cpu_quota"]) == (12, 0.012, 1.5)
    assert told["suspended_seconds"] == 0
    assert told["marks"] == [protocol.THROTTLED, protocol.STOLEN]


@pytest.mark.parametrize(
    ("seconds", "changes", "marks"),
    [
        (10.0, {"busy": 9.9, "own": 9.0}, []),
        (10.0, {"busy": 10.2, "own": 9.0}, [protocol.OTHERS]),
        (0.2, {"busy": 0.29, "own": 0.2}, []),  # a few ticks of the kernel's clock are no program
        (0.2, {"busy": 0.4, "own": 0.2}, [protocol.OTHERS]),
        (10.0, {"steal": 0.9}, []),
        (10.0, {"steal": 1.1}, [protocol.STOLEN]),
        (10.0, {"throttled": 1}, [protocol.THROTTLED]),
        (10.0, {"asleep": 0.05}, []),
        (10.0, {"asleep": 60.0}, [protocol.SUSPENDED]),
    ],
)
def test_what_must_not_be_marks_the_samples(made, seconds, changes, marks):
    """A suspension, a throttled period, and a tenth of a CPU for others or stolen, are marks; less is none."""
    made.reading(5.0)
    made.reading(5.0 + seconds, **changes)
    assert made.told()["marks"] == marks


def test_clocks_are_told_where_the_kernel_shows_them(made):
    """Governor and turbo are settings where there are any, and huge pages are told by the choice that is on."""
    assert not {"governor", "turbo", "transparent_huge_pages"} & made.told().keys()
    for cpu, governor in enumerate(("powersave", "performance", "schedutil")):
        made.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", f"{governor}\n")
    made.write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    made.write("sys/devices/system/cpu/cpufreq/boost", "1\n")
    told = made.told()
    assert (told["governor"], told["turbo"]) == ("performance and schedutil", "on")
    assert told["transparent_huge_pages"] == "madvise"
    made.write("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n")
    assert made.told()["turbo"] == "off"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("libc-2.31.so", os.confstr("CS_GNU_LIBC_VERSION")),
        ("libc.so.6", os.confstr("CS_GNU_LIBC_VERSION")),
        ("libjemalloc.so.2", "libjemalloc.so.2"),
        ("libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so.4"),
        ("ld-musl-x86_64.so.1", "ld-musl-x86_64.so.1"),
        ("", "unknown"),
    ],
)
def test_an_allocator_is_named(file, said):
    """The C library's allocator has its version, another one the name of its file."""
    assert conditions.allocator(file) == said


def test_a_worker_that_takes_no_readings_is_not_marked(made):
    """Where a session told nothing of its samples, nothing is said of what disturbed them."""
    told = made.told()
    assert "marks" not in told
    assert told["cpu_quota"] == 1.5
