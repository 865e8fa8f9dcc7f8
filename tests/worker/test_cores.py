"""How many threads a framework gets, where control groups limit CPU time."""

from __future__ import annotations

import os

import pytest

from passtime.worker import cgroup
from passtime.worker.driver import cores

V2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
V1 = "31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n30 23 0:27 / /m rw - tmpfs t rw\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Makes a file system of these files, on a computer of four cores, and gives its root."""
    monkeypatch.delenv(cores.THREADS_VARIABLE, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3, 4, 5, 6, 7})
    topology = {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 4},{n % 4 + 4}" for n in range(8)
    }

    def made(files):
        for name, text in {**topology, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return made


def groups(own, mounts, files):
    return {"proc/self/cgroup": own, "proc/self/mountinfo": mounts, **files}


GROUP = "sys/fs/cgroup/cpu,cpuacct"
TREES = {
    "no groups": ({}, None),
    "version 2": (groups("0::/a/b\n", V2, {"sys/fs/cgroup/a/b/cpu.max": "200000 100000\n"}), 2.0),
    "version 2, without a limit": (groups("0::/a\n", V2, {"sys/fs/cgroup/a/cpu.max": "max 100000\n"}), None),
    "an ancestor's limit": (
        groups(
            "0::/a/b/c\n",
            V2,
            {
                "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/b/c/cpu.max": "300000 100000\n",
            },
        ),
        1.5,
    ),
    "a container's own group, mounted at the top": (
        groups("0::/docker/of-the-host\n", V2, {"sys/fs/cgroup/cpu.max": "50000 100000\n"}),
        0.5,
    ),
    "a group outside of the namespace": (
        groups(
            "0::/../other\n", V2, {"sys/fs/cgroup/cpu.max": "100000 50000\n", "sys/fs/other/cpu.max": "1000 1000\n"}
        ),
        2.0,
    ),
    "version 1": (
        groups(
            "9:memory:/m\n3:cpu,cpuacct:/a/b\n0::/x\n",
            V1,
            {f"{GROUP}/a/b/cpu.cfs_quota_us": "300000\n", f"{GROUP}/a/b/cpu.cfs_period_us": "100000\n"},
        ),
        3.0,
    ),
    "version 1, without a limit": (
        groups(
            "3:cpu,cpuacct:/a\n",
            V1,
            {f"{GROUP}/a/cpu.cfs_quota_us": "-1\n", f"{GROUP}/a/cpu.cfs_period_us": "100000\n"},
        ),
        None,
    ),
    "version 1, an ancestor's limit": (
        groups(
            "3:cpu,cpuacct:/a/b\n",
            V1,
            {
                f"{GROUP}/a/cpu.cfs_quota_us": "250000\n",
                f"{GROUP}/a/cpu.cfs_period_us": "100000\n",
                f"{GROUP}/a/b/cpu.cfs_quota_us": "-1\n",
                f"{GROUP}/a/b/cpu.cfs_period_us": "100000\n",
            },
        ),
        2.5,
    ),
    "version 1, a container's group as the mount's top": (
        groups(
            "3:cpu,cpuacct:/docker/one/in\n",
            V1.replace("0:28 / ", "0:28 /docker/one "),
            {f"{GROUP}/in/cpu.cfs_quota_us": "100000\n", f"{GROUP}/in/cpu.cfs_period_us": "100000\n"},
        ),
        1.0,
    ),
    "both versions": (
        groups(
            "3:cpu,cpuacct:/a\n0::/a\n",
            V1 + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "),
            {
                f"{GROUP}/a/cpu.cfs_quota_us": "100000\n",
                f"{GROUP}/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/unified/a/cgroup.procs": "",
            },
        ),
        1.0,
    ),
    "a mount with a space in its name": (
        groups("0::/a\n", V2.replace("/sys/fs/cgroup", "/my\\040groups"), {"my groups/a/cpu.max": "100000 100000\n"}),
        1.0,
    ),
    "a kernel that does not say where": (
        {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n"},
        1.0,
    ),
    "nonsense": (groups("what\n\n0::\n", "is\nthis - at all\n", {"sys/fs/cgroup/cpu.max": "many few\n"}), None),
}


@pytest.mark.parametrize(("files", "quota"), TREES.values(), ids=TREES)
def test_the_least_limit_of_all_groups_is_the_quota(tree, files, quota):
    """The limit of the process's group and of each group around it counts, in both versions of control groups."""
    root = tree(files)
    assert cgroup.quota(str(root)) == quota
    assert cores.threads(root) == (4 if quota is None else max(1, int(quota)))


@pytest.mark.parametrize(("quota", "threads"), [("50000", 1), ("150000", 1), ("250000", 2), ("900000", 4)])
def test_threads_are_what_the_quota_pays_for(tree, quota, threads):
    """A part of a CPU pays for no thread beyond the first, and a large quota for no more threads than cores."""
    root = tree(groups("0::/\n", V2, {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"}))
    assert cores.threads(root) == threads


def test_the_users_number_of_threads_goes_before_the_quota(tree, monkeypatch):
    """Whoever sets the number of threads gets it, whatever the quota."""
    root = tree(groups("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "100000 100000\n"}))
    monkeypatch.setenv(cores.THREADS_VARIABLE, "3")
    assert cores.threads(root) == 3
