"""The first page: tables, upgrades and histories, over the numbers in data/; asv's own pages stand beside it."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.publishing import OutputPublisher

from passtime import places, site

PAGE = Path(site.__file__).parent / "front"
ASV_PAGE = "asv.html"

_NAVIGATION = '<li id="nav-li-" class="active">'
_HEAD = "<head>"
# Opened as a file, asv's page finds no server; ours says how to start one.
_FROM_A_FOLDER = '<script>if (location.protocol === "file:") location.replace("index.html");</script>'
_LINK = '<li><a href="index.html">Tables, upgrades, histories</a></li> '


class FrontPage(OutputPublisher):
    """Runs last: what asv and the other publishers made of index.html becomes asv.html.

    Links into asv's pages, of its feed and of bookmarks, lead to index.html; ours sends them on.
    """

    name = "front"
    description = "Tables, upgrades and histories"
    order = math.inf

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        from passtime.site import believing, data  # here, since they load SciPy; asv loads this for every command

        html = Path(conf.html_dir)
        page = (html / "index.html").read_text("utf-8")
        page = page.replace(_HEAD, _HEAD + _FROM_A_FOLDER, 1).replace(_NAVIGATION, _LINK + _NAVIGATION, 1)
        (html / ASV_PAGE).write_text(page, "utf-8")
        shutil.copytree(PAGE, html / "front", ignore=shutil.ignore_patterns("index.html"))
        shutil.copyfile(PAGE / "index.html", html / "index.html")
        believing.write(places.root(), html)
        data.write(places.root(), html)
