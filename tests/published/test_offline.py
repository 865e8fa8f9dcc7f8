"""Plain `asv publish` gives a site that loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake.fifo import DEADLINE_SECONDS
from fake.project import Project

from passtime.asv.publishing.offline import OfflineAssets
from passtime.errors import PasstimeError

from .test_vendor import ASV_INDEX, FILES, VENDOR

# What a page loads by itself; links that a visitor may follow are not among it.
LOADED = re.compile(r'<(?:script|link|img)\b[^>]*?\b(?:src|href)="([^"]*)"')


def test_every_file_that_the_pages_name_is_there(site: Path) -> None:
    """All that the pages load lies in html/."""
    for page in ("index.html", "asv.html", "error.html"):
        loaded = LOADED.findall((site / page).read_text("utf-8"))
        assert loaded
        assert [address for address in loaded if not (site / address).is_file()] == []


def test_the_site_holds_the_shipped_files(site: Path) -> None:
    """html/vendor/ is the shipped files with their licences, byte for byte."""
    there = {path.relative_to(site / "vendor").as_posix(): path for path in (site / "vendor").rglob("*")}
    assert {name: path.read_bytes() for name, path in there.items() if path.is_file()} == {
        name: (VENDOR / name).read_bytes() for name in FILES
    }


def test_a_local_script_keeps_its_error_page(site: Path) -> None:
    """Tags keep what asv put there, but what only another server's file needs."""
    page = (site / "asv.html").read_text("utf-8")
    assert '<script src="vendor/jquery-3.3.1/jquery.min.js" onerror="js_load_failure()"></script>' in page
    assert '<link rel="stylesheet" href="vendor/bootstrap-3.1.1/css/bootstrap.min.css">' in page
    assert not re.search("integrity=|crossorigin=|referrerpolicy=", page)


def test_the_rest_of_the_page_is_asvs(site: Path) -> None:
    """Only the tags of the shipped files, a link to the first page and a way to it from a folder differ from asv."""
    ours, theirs = (path.read_text("utf-8").splitlines() for path in (site / "asv.html", ASV_INDEX))
    changed = [line for line, original in zip(ours, theirs, strict=True) if line != original]
    local = [line for line in changed if '"vendor/' in line]
    assert len(local) == sum("replaces" in file for file in FILES.values())
    head, link = [line for line in changed if line not in local]
    assert head.strip() == '<head><script>if (location.protocol === "file:") location.replace("index.html");</script>'
    assert '<a href="index.html">' in link


def test_only_what_was_measured_is_shown(site: Path) -> None:
    """The site lists the passes of the step that was measured, and not inference, which was not."""
    listed = json.loads((site / "index.json").read_text("utf-8"))["benchmarks"]
    passes = ("time_forward", "time_backward", "time_total", "track_training_memory")
    assert listed.keys() == {f"nets.{kind}.{name}" for kind in ("Net", "Layer") for name in passes}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("jquery-3.3.1.min.js", "jquery-4.0.0.min.js", "jquery-4.0.0.min.js"),
        ("</head>", '<script src="https://cdn.example/new.js"></script></head>', "https://cdn.example/new.js"),
        ("</head>", "<link rel='stylesheet'\n href=\"//cdn.example/new.css\"></head>", "//cdn.example/new.css"),
        ("https://cdnjs.cloudflare.com/ajax/libs/blueimp-md5/2.19.0/js/", "", "blueimp-md5/2.19.0/js/md5.min.js"),
    ],
)
def test_another_asv_is_noticed(tmp_path: Path, old: str, new: str, named: str) -> None:
    """An index.html that loads something else is refused in one line that names it, and is left as it was."""
    changed = ASV_INDEX.read_text("utf-8").replace(old, new)
    (tmp_path / "index.html").write_text(changed, "utf-8")
    with pytest.raises(PasstimeError) as refused:
        OfflineAssets.publish(SimpleNamespace(html_dir=str(tmp_path)), None, None, None, None)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (tmp_path / "index.html").read_text("utf-8") == changed


def test_preview_serves_it(project: Project) -> None:
    """`asv preview` serves the page and the shipped files."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    preview = project.start("preview", "--port", str(port), PYTHONUNBUFFERED="1")
    try:
        assert preview.stdout is not None
        address = next(line for line in preview.stdout if "Serving at" in line).split()[-1]
        for name in ("index.html", "vendor/jquery-3.3.1/jquery.min.js", "index.json"):
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address + name) as answer:
                assert answer.read() == (project.root / "html" / name).read_bytes()
    finally:
        preview.terminate()
        preview.communicate(timeout=DEADLINE_SECONDS)
