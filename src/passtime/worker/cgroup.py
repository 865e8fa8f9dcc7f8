"""How much CPU time the control groups of this process give it; for both sides of a worker, so valid for Python 3.6.

A control group of version 2 has its limit in `cpu.max`, one of version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
A group's limit holds for the groups inside it, so each group from this process's up to the root counts. Source: the
kernel's Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst.
"""
# ruff: noqa: UP006, UP035, UP045

import os
import re
from typing import Iterator, List, Optional, Tuple

# Where the groups are, if the kernel does not say.
_USUAL_MOUNTS = (("", "/sys/fs/cgroup"), ("cpu", "/sys/fs/cgroup/cpu"), ("cpu", "/sys/fs/cgroup/cpu,cpuacct"))


def folders(root: str = "/") -> List[str]:
    """The folders of this process's groups that may limit its CPU time, from the innermost out.

    `root` is where `proc` and `sys` are. Empty where there are no control groups.
    """
    paths = dict(_own_paths(root))
    found: List[str] = []
    for hierarchy, mounted_group, mount in _mounts(root):
        if hierarchy not in paths:
            continue
        top = os.path.normpath(os.path.join(root, mount.lstrip("/")))
        folder = os.path.normpath(os.path.join(top, _below(paths[hierarchy], mounted_group)))
        # In a container the path may be one of the host's, which is not there: what is mounted is its own group.
        while folder.startswith(top + "/"):
            if os.path.isdir(folder) and folder not in found:
                found.append(folder)
            folder = os.path.dirname(folder)
        if os.path.isdir(top) and top not in found:
            found.append(top)
    return found


def quota(root: str = "/") -> Optional[float]:
    """How many CPUs' time this process may use, the least of its groups' limits; None where none has a limit."""
    limits = [limit for limit in map(_limit, folders(root)) if limit is not None]
    return min(limits) if limits else None


def _own_paths(root: str) -> Iterator[Tuple[str, str]]:
    """This process's group by hierarchy: of version 2 under "", of version 1's controller of CPU time under "cpu"."""
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            yield "", path
        elif "cpu" in controllers.split(","):
            yield "cpu", path


def _mounts(root: str) -> List[Tuple[str, str, str]]:
    """Each mounted hierarchy, the group that is at its mount, and the folder of the mount."""
    found = []
    for line in _read(os.path.join(root, "proc/self/mountinfo")).splitlines():
        # The fields before the dash and after it; their number before it varies.
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        if kind[0] == "cgroup2" or "cpu" in kind[2].split(","):
            hierarchy = "" if kind[0] == "cgroup2" else "cpu"
            found.append((hierarchy, _unescaped(fields[3]), _unescaped(fields[4])))
    return found or [(hierarchy, "/", mount) for hierarchy, mount in _USUAL_MOUNTS]


def _below(path: str, mounted_group: str) -> str:
    """A group's path below the mount, where the mount's top is `mounted_group`."""
    if mounted_group != "/" and (path + "/").startswith(mounted_group + "/"):
        path = path[len(mounted_group) :]
    # A group outside of this process's namespace begins with "/..": nothing of it is mounted.
    return "" if path.startswith("/..") else path.strip("/")


def _limit(folder: str) -> Optional[float]:
    """A group's own limit in CPUs, None for none."""
    quota_us, period_us = [*_read(os.path.join(folder, "cpu.max")).split(), "", ""][:2]
    if not quota_us:
        quota_us = _read(os.path.join(folder, "cpu.cfs_quota_us")).strip()
        period_us = _read(os.path.join(folder, "cpu.cfs_period_us")).strip()
    # "max" in version 2 and -1 in version 1 are no limit.
    if quota_us.isdigit() and period_us.isdigit() and int(period_us) > 0:
        return int(quota_us) / int(period_us)
    return None


def _unescaped(field: str) -> str:
    """mountinfo writes a space as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
