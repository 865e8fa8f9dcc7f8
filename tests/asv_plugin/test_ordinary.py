"""Ordinary asv benchmarks, which ask no worker, live beside those of passes and break nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake.project import Project

from asv_plugin.conftest import checked
from asv_plugin.test_keeping import ONE_ROUND
from passtime.catalog import requests

BENCHMARKS = """
class Imports:
    def time_import(self):
        import json


class Sized:
    params = [10, 1000]
    param_names = ["n"]

    def setup(self, n):
        self.items = list(range(n))

    def time_sum(self, n):
        sum(self.items)

    def mem_items(self, n):
        return self.items

    def peakmem_items(self, n):
        return self.items

    def track_count(self, n):
        return len(self.items)

    track_count.unit = "items"


class NamedAsPasses:
    # Methods named as passes, with other parameters than a worker's benchmark.
    params = ([1, 2], [3, 4])
    param_names = ["rows", "columns"]

    def time_total(self, rows, columns):
        list(range(rows * columns))

    def track_training_memory(self, rows, columns):
        return rows * columns


class Three:
    params = ([1, 2], ["a", "cpu"], [True])

    def time_forward(self, number, letter, truth):
        pass


class Cached:
    def setup_cache(self):
        with open("made", "w") as made:
            made.write("once")
        return {"n": 3}

    def time_read(self, cache):
        open("made").close()

    def track_n(self, cache):
        return cache["n"]


class Device:
    params = ["cpu", "tpu"]
    param_names = ["device"]

    def time_nothing(self, device):
        pass


def time_function():
    pass
"""

BROKEN = """
class Broken:
    def setup_cache(self):
        print("looking")
        raise ValueError("no such data")

    def time_it(self, cache):
        pass

    def track_it(self, cache):
        return 1


class Failing:
    def time_raise(self):
        raise ValueError("not today")

    def track_nothing(self):
        return None

    def track_array(self):
        import numpy
        return numpy.int64(3)

    def track_number(self):
        import numpy
        return numpy.float64(3.5)
"""

ORDINARY = ("-b", "^ordinary")
SOME = ("-b", "Imports|NamedAsPasses|Three|Cached|mem_items|Layer.time_total.*cpu")
# Of each benchmark its cells, in asv's order.
CELLS = {
    "ordinary.Imports.time_import": 1,
    "ordinary.Sized.time_sum": 2,
    "ordinary.Sized.mem_items": 2,
    "ordinary.Sized.peakmem_items": 2,
    "ordinary.Sized.track_count": 2,
    "ordinary.NamedAsPasses.time_total": 4,
    "ordinary.NamedAsPasses.track_training_memory": 4,
    "ordinary.Three.time_forward": 4,
    "ordinary.Cached.time_read": 1,
    "ordinary.Cached.track_n": 1,
    "ordinary.Device.time_nothing": 2,
    "ordinary.time_function": 1,
}


def with_ordinary(root: Path, source: str = BENCHMARKS) -> Iterator[Project]:
    for project in checked(root):
        (root / "benchmarks/ordinary.py").write_text(source, "utf-8")
        yield project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with ordinary benchmarks, in which nothing was measured yet."""
    yield from with_ordinary(tmp_path)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which two releases have a layer's pass, and ordinary benchmarks of each kind."""
    for project in with_ordinary(tmp_path_factory.mktemp("ordinary")):
        for release in ("fake-2.0", "fake-3.0"):
            project.asv("run", release, *SOME, *ONE_ROUND)
        yield project


def values(project: Project, release: str) -> dict[str, list[Any]]:
    """What is stored of each benchmark."""
    content = json.loads(project.result_file(release).read_text("utf-8"))
    place = content["result_columns"].index("result")
    return {name: row[place] for name, row in content["results"].items()}


def test_they_need_no_release(project):
    """They run where the release cannot be installed: no worker starts, and each is kept and has its line."""
    printed = project.asv("run", "fake-0.1", *ORDINARY, *ONE_ROUND)
    assert "nowhere/python" not in printed
    stored = values(project, "fake-0.1")
    assert {name: len(found) for name, found in stored.items()} == CELLS
    assert all(value is not None and value == value for found in stored.values() for value in found)
    assert stored["ordinary.Sized.track_count"] == [10, 1000]
    assert stored["ordinary.NamedAsPasses.track_training_memory"] == [3, 4, 6, 8]
    assert stored["ordinary.Cached.track_n"] == [3]
    assert stored["ordinary.Sized.mem_items"][1] > stored["ordinary.Sized.mem_items"][0] > 0
    lines = project.sessions("fake-0.1")
    assert {line["benchmark"] for line in lines} == CELLS.keys()
    assert not any("worker" in line for line in lines)
    assert all(line["computer"] for line in lines)
    assert list((project.root / "tmp").iterdir()) == []  # what setup_cache left is gone


def test_what_is_measured_is_not_measured_again(measured):
    """A run that skips what is there takes no round of them, though a worker never said anything of them."""
    before = measured.sessions("fake-2.0")
    printed = measured.asv("run", "fake-2.0", *SOME, *ONE_ROUND, "--skip-existing-successful")
    assert "to measure" not in printed
    assert measured.sessions("fake-2.0") == before
    said = measured.passtime("sweep", "fake-2.0", "fake-3.0", "-b", "mem_items|track_n", expect=1)
    assert "no benchmark of a device that is here matches" in said  # they are in no heat


def test_asv_compares_them(measured):
    """They are rows of `asv compare`, beside those of passes."""
    printed = measured.asv("compare", "fake-2.0", "fake-3.0")
    for row in (
        "ordinary.Imports.time_import",
        "ordinary.NamedAsPasses.time_total(2, 4)",
        "ordinary.Three.time_forward(1, 'cpu', True)",
        "ordinary.Cached.track_n",
        "ordinary.Sized.mem_items(1000)",
        "nets.Layer.time_total('dense', 'cpu')",
    ):
        assert re.search(rf"\| *{re.escape(row)} *\|", printed)
    assert "parity unchecked" not in printed


def test_verdicts_and_tables_are_of_passes_alone(measured):
    """`passtime verdict` and `passtime tables` leave them out, and a release that has nothing else, too."""
    measured.asv("run", "fake-1.0", "-b", "NamedAsPasses", *ONE_ROUND)
    report = json.loads(measured.passtime("verdict", "fake-2.0", "fake-3.0", "--format", "json", expect=4))
    assert {row["workload"] for row in report["rows"]} == {"dense"}
    assert "fake-3.0" in measured.passtime("tables", "--format", "md")
    assert "no times of both fake-1.0 and fake-3.0" in measured.passtime("verdict", "fake-1.0", "fake-3.0", expect=1)


def test_the_site_shows_them_on_asvs_pages(measured):
    """They are published as asv does, and the first page's data has passes alone."""
    measured.asv("publish")
    html = measured.root / "html"
    shown = {"ordinary.Imports.time_import", "ordinary.Three.time_forward", "ordinary.Cached.track_n"}
    assert shown < json.loads((html / "index.json").read_text("utf-8"))["benchmarks"].keys()
    (machine,) = json.loads((html / "data/index.json").read_text("utf-8"))["machines"]
    assert machine["devices"]["cpu"]["workloads"] == ["dense"]


def test_releases_are_measured_in_turn_beside_them(measured):
    """`passtime measure` takes sessions of passes, and leaves ordinary benchmarks as they are."""
    before = values(measured, "fake-3.0")["ordinary.Three.time_forward"]
    measuring = ("measure", "fake-2.0", "fake-3.0", "--bench", "Three|NamedAsPasses|Layer.time_total")
    printed = measured.passtime(*measuring, "--format", "json", expect=3)
    assert {row["workload"] for row in json.loads(printed)["rows"]} == {"dense"}
    assert values(measured, "fake-3.0")["ordinary.Three.time_forward"] == before


def test_a_failure_is_one_line_with_its_cause(tmp_path):
    """What fails in a benchmark or in its setup_cache is told in a line, and the others are measured."""
    for project in with_ordinary(tmp_path, BENCHMARKS + BROKEN):
        printed = project.asv("run", "fake-1.0", "-b", "Broken|Failing|Imports", expect=2)
        for name in ("Broken.time_it", "Broken.track_it"):
            assert f"ordinary.{name}: its setup_cache failed: ValueError: no such data" in printed
        assert "ordinary.Failing.time_raise: ValueError: not today" in printed
        assert "ordinary.Failing.track_nothing: its method returned None: return a number" in printed
        assert "ordinary.Failing.track_array: its method returned a int64: return a number of Python's own" in printed
        assert values(project, "fake-1.0")["ordinary.Failing.track_number"] == [3.5]
        assert "Traceback" not in printed
        assert values(project, "fake-1.0")["ordinary.Imports.time_import"][0] > 0


def test_a_pass_whose_device_has_another_name_is_told(project):
    """A class of passes whose second parameter is not `device` has no worker, and the line says how to get one."""
    source = (project.root / "benchmarks/nets.py").read_text("utf-8").replace('"device")', '"where")')
    (project.root / "benchmarks/nets.py").write_text(source, "utf-8")
    printed = project.asv("run", "fake-1.0", "-b", r"Layer.time_total\(.*cpu", expect=2)
    assert "no worker was started for this benchmark: name its second parameter `device`" in printed


@pytest.mark.parametrize(
    ("benchmark", "params"),
    [
        ("a.B.time_total", ()),
        ("a.B.time_total", ("1", "2")),
        ("a.B.time_total", ("resnet18", "cpu", "1")),
        ("a.B.time_import", ("resnet18", "cpu")),
    ],
)
def test_a_stored_cell_of_none_of_a_workers_shapes_is_no_item(benchmark, params):
    """Only a pass's method, with a workload and a device, is an item."""
    assert requests.item_of("a.B.time_total", ("resnet18", "cpu")) == ("resnet18", "cpu", "training")
    assert requests.item_of(benchmark, params) is None
