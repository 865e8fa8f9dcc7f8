"""How many sessions fit into memory."""

from __future__ import annotations

from types import SimpleNamespace

from passtime.catalog.place import Item
from passtime.measure import room
from passtime.results.stored import Stored

VGG = Item("vgg16", "cpu", "training")
DENSE = Item("dense", "cpu", "training")
GIB = 1 << 30


def test_as_many_as_memory_holds():
    """Sessions fit by their peak, a fifth of the memory being spared; never fewer than two, nor more than the most."""
    assert room.most_together(VGG, 3 * GIB, 16 * GIB) == 3
    assert room.most_together(VGG, 30 * GIB, 16 * GIB) == 2
    assert room.most_together(DENSE, 1e6, 16 * GIB) == room.MOST_TOGETHER


def test_what_was_never_measured_is_taken_to_be_large():
    """A model of unknown peak is expected to need more than a layer."""
    assert room.most_together(VGG, None, 24 * GIB) < room.most_together(DENSE, None, 24 * GIB)


def test_the_largest_peak_of_any_release_counts():
    """Releases differ in memory; the largest is what has to fit."""
    stored = [Stored(SimpleNamespace(name=name), {}, {VGG: peak}) for name, peak in (("a", 1e9), ("b", 2e9))]
    assert room.peaks(stored) == {VGG: 2e9}


def test_the_limit_of_a_container_counts(tmp_path):
    """What is left is the computer's or the control group's, whichever is less."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    8388608 kB\n")
    assert room.available_bytes(tmp_path) == 8 * GIB
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{4 * GIB}\n")
    (group / "memory.current").write_text(f"{GIB}\n")
    assert room.available_bytes(tmp_path) == 3 * GIB
    (group / "memory.max").write_text("max\n")
    assert room.available_bytes(tmp_path) == 8 * GIB
