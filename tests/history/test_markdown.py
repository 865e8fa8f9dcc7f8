"""What is read from tables of others, and what is refused."""

from __future__ import annotations

import pytest

from passtime.errors import PasstimeError
from passtime.results.history import markdown

from .conftest import TABLES

HEADING = "## CPU USED --- Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz\n"
MODELS = "|Model|Framework|Forward Pass|Inference|\n|:---:|:---:|:---:|:---:|\n"


def write(path, text):
    file = path / "tables.md"
    file.write_text(text, "utf-8")
    return file


def test_every_cell_of_2018_is_read():
    """Both machines' tables of models and layers have all their cells, blank or not."""
    cells = markdown.read(TABLES)
    assert len(cells) == 2 * (9 * 2 * 4 + 6 * 2 * 3)
    assert {cell.machine.name for cell in cells} == {"titan-1080ti", "xeon-silver-4114"}
    found = {(c.machine.name, c.release, c.workload, c.measured_pass): c.seconds for c in cells}
    assert found["titan-1080ti", "torch-0.4.0", "resnet152", "backward"] == 0.05337
    assert found["titan-1080ti", "torch-0.4.0", "conv3x3/1", "forward"] == 0.0002312
    assert found["titan-1080ti", "flux-master-2018-07", "resnet152", "total"] is None
    assert found["xeon-silver-4114", "flux-master-2018-07", "vgg16_bn", "total"] == 49.282
    assert found["xeon-silver-4114", "torch-0.4.0", "dense", "total"] is None


def test_a_row_without_a_name_belongs_to_the_one_above(tmp_path):
    """A framework's row takes the model of the row above, and units are seconds and milliseconds."""
    file = write(tmp_path, HEADING + MODELS + "|VGG16 BN|Pytorch 0.4|1.5 s|2 ms|\n||Flux|3 s||\n")
    assert [(c.workload, c.release, c.measured_pass, c.seconds) for c in markdown.read(file)] == [
        ("vgg16_bn", "torch-0.4.0", "forward", 1.5),
        ("vgg16_bn", "torch-0.4.0", "inference", 0.002),
        ("vgg16_bn", "flux-master-2018-07", "forward", 3.0),
        ("vgg16_bn", "flux-master-2018-07", "inference", None),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEADING + MODELS + "|VGG17|Flux|1 s|2 s|\n", "line 4: unknown row 'VGG17'"),
        (HEADING + MODELS + "||Flux|1 s|2 s|\n", "line 4: unknown row ''"),
        (HEADING + MODELS + "|Dense|Flux|1 s|2 s|\n", "line 4: unknown row 'Dense'"),
        (HEADING + MODELS + "|VGG16|Keras|1 s|2 s|\n", "line 4: unknown framework 'Keras'"),
        (HEADING + MODELS + "|VGG16|Flux|1 us|2 s|\n", "line 4: unknown unit in '1 us'"),
        (HEADING + MODELS + "|VGG16|Flux|1|2 s|\n", "line 4: unknown unit in '1'"),
        (HEADING + MODELS + "|VGG16|Flux|fast s|2 s|\n", "line 4: 'fast s' is no number"),
        (HEADING + MODELS + "|VGG16|Flux|nan s|2 s|\n", "line 4: 'nan s' is no time"),
        (HEADING + MODELS + "|VGG16|Flux|-1 s|2 s|\n", "line 4: '-1 s' is no time"),
        (HEADING + MODELS + "|VGG16|Flux|1 s|\n", "line 4: 3 cells, where the table has 4 columns"),
        (HEADING + "|Model|Framework|Memory|\n", "line 2: unknown column 'Memory'"),
        (HEADING + "|Optimiser|Framework|Total Time|\n", "line 2: unknown table 'Optimiser'"),
        (MODELS, "line 1: a table before any heading"),
        ("## CPU USED --- Cray-1\n" + MODELS, "line 1: unknown CPU 'Cray-1'"),
        ("Nothing but words.\n", "has no table under a heading"),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(tmp_path, text, reason):
    """An unknown row, framework, unit, column or machine, or no number, refuses the file in one line with the place."""
    with pytest.raises(PasstimeError) as refused:
        markdown.read(write(tmp_path, text))
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    """A missing file is said, not shown as a trace-back."""
    with pytest.raises(PasstimeError, match=r"nowhere\.md is not there"):
        markdown.read(tmp_path / "nowhere.md")
