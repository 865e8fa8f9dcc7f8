"""Names, versions and messages that passtime did not write: shown as text, whatever they hold."""

from __future__ import annotations

import importlib.util
import json
import types
from pathlib import Path

import pytest
from rich.table import Table

from passtime.asv.publishing.measured import MeasuredBenchmarks
from passtime.cli import output, tables_formats
from passtime.errors import PasstimeError, plain
from passtime.results.sessions import plain as parameter

ROOT = Path(__file__).parents[1]
MACHINE = {"machine": "m", "cpu": "AMD [red]EPYC[/nothing] \x1b[2J\x07:smile:", "num_cpu": "2"}


def test_an_error_is_one_line_without_control_characters():
    """What a worker wrote before it died neither breaks the line nor moves the cursor."""
    text = str(PasstimeError("it said: \x1b[31mred\x1b[0m\r\nand \u202emore\x00: look"))
    assert text == r"it said: \x1b[31mred\x1b[0m and \u202emore\x00: look"
    assert plain("a µs\n\tb") == "a µs\n\tb"


def test_a_cell_is_no_markup(capsys):
    """Brackets of a pin or a processor's name stay, and an escape character is written out."""
    table = Table("release", title="on [bold]m\x1b[2J")
    table.add_row("jax[cpu]==0.4.30 [/x] :smile:")
    output.show(table)
    printed = capsys.readouterr().out
    assert "jax[cpu]==0.4.30 [/x] :smile:" in printed
    assert "[bold]m" in printed
    assert "\x1b" not in printed


def test_a_machines_name_is_no_markup(capsys):
    """The title of a table shows what the machine says of itself, letter by letter."""
    table = tables_formats.Table("Model", "cpu", ("total",), "s", 1, ())
    tables_formats.rich([table], MACHINE)
    printed = capsys.readouterr().out
    assert "AMD [red]EPYC[/nothing]" in printed
    assert "\x1b" not in printed
    assert "\x07" not in printed


def test_a_line_is_text(capsys):
    """A line that quotes others is printed without what moves the cursor."""
    output.say("version: 1.0\x1b[1A\x9b2K, then 2.0")
    assert capsys.readouterr().out == "version: 1.0\\x1b[1A\\x9b2K, then 2.0\n"


def test_a_name_in_a_page_is_no_command(monkeypatch, tmp_path):
    """A marker in the name of a machine is text of the page: the next renewal of the page does not run it."""
    spec = importlib.util.spec_from_file_location("make_table", ROOT / "docs/make_table.py")
    assert spec is not None
    assert spec.loader is not None
    make_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_table)
    page = tmp_path / "README.md"
    page.write_text("<!-- table: ours -->\n<!-- /table -->\n")
    ran = []

    def made_by(command):
        ran.append(command)
        return "on AMD <!-- /table --> <!-- table: python -c evil -->\n x <!-- /table -->\n"

    monkeypatch.setattr(make_table, "made_by", made_by)
    monkeypatch.setattr(make_table, "PAGES", (page,))
    monkeypatch.setattr(make_table.sys, "argv", ["make_table.py", "--write"])
    make_table.main()
    once = page.read_text()
    make_table.main()
    assert ran == ["ours", "ours"]
    assert page.read_text() == once


class Graphs:
    _graphs: dict = {}  # noqa: RUF012

    def get_graph_group(self, name: str) -> list[str]:
        return [name]


@pytest.mark.parametrize("gpu", ["<img src=x onerror=alert(1)>", "a&b"])
@pytest.mark.parametrize("is_escaped", [True, False])
def test_a_machine_that_is_html_is_not_published(tmp_path, gpu, is_escaped):
    """asv's pages show what a machine is as HTML: the site is not made, and the line names the file."""
    (tmp_path / "m").mkdir()
    text = json.dumps({"machine": "m", "gpu": gpu})
    if is_escaped:
        text = text.replace("<", "\\u003c").replace(">", "\\u003E").replace("&", "\\u0026")
    (tmp_path / "m/machine.json").write_text(text)
    conf = types.SimpleNamespace(results_dir=str(tmp_path))
    with pytest.raises(PasstimeError, match=r"m/machine\.json holds .*as HTML"):
        MeasuredBenchmarks.publish(conf, None, {}, Graphs(), None)


def test_a_benchmarks_code_is_text_on_asvs_pages(tmp_path):
    """The list of benchmarks comes with results; its code is shown, and is no HTML."""
    conf = types.SimpleNamespace(results_dir=str(tmp_path))
    benchmarks = {"a.b": {"name": "a.b", "code": "def f() -> None: '<script>'"}}
    MeasuredBenchmarks.publish(conf, None, benchmarks, Graphs(), None)
    assert benchmarks["a.b"]["code"] == "def f() -&gt; None: '&lt;script&gt;'"


def test_a_parameter_that_is_no_literal_stays_as_it_is():
    """A file's parameter is read as a literal, never run; one that nests without end is text."""
    assert parameter("'cpu'") == "cpu"
    assert parameter("__import__('os').system('x')") == "__import__('os').system('x')"
    assert parameter("(" * 10_000) == "(" * 10_000
    assert parameter("-" * 100_000 + "1") == "-" * 100_000 + "1"


def test_a_cell_of_markdown_is_text():
    """A name with a `|`, a line's end or an escape character stays in its cell."""
    written = output.markdown_table(["release"], [["a|b\nc\x1b[2J"]])
    assert written == "| release |\n| --- |\n| a\\|b c\\x1b[2J |\n"
