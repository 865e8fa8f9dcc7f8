"""The site needs no network: what asv's pages load from other servers is shipped beside them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.publishing import OutputPublisher

from passtime import site
from passtime.errors import PasstimeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VENDOR = Path(site.__file__).parent / "vendor"
ERROR_PAGE = Path(site.__file__).parent / "error.html"

_LOADED_FROM_ELSEWHERE = re.compile(r'<(?:script|link)\b[^>]*?\b(?:src|href)="((?:https?:)?//[^"]*)"[^>]*>')
# What a browser needs to trust another server's file. flot's hash would even be wrong: ours is not minified.
_TRUST = re.compile(r'\s(?:integrity|crossorigin|referrerpolicy)="[^"]*"')


class OfflineAssets(OutputPublisher):
    """Runs in every `asv publish`, once asv has copied its own pages and before it writes index.json.

    asv lists its publishers under "pages" in index.json, but its pages do not read that list: the navigation is
    written out in index.html, so a publisher without a page adds no button.
    """

    name = "offline"
    description = "Everything that the pages load, beside them"
    order = 1000

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        """Raises PasstimeError when asv's index.html loads other files than those of the pinned asv."""
        html = Path(conf.html_dir)
        table = tomllib.loads((VENDOR / "vendor.toml").read_text("utf-8"))
        files = [file for package in table["package"] for file in package["file"]]

        index = html / "index.html"
        local = {file["replaces"]: f"vendor/{file['path']}" for file in files if "replaces" in file}
        index.write_text(_localise(index.read_text("utf-8"), local), "utf-8")
        # asv's own asks for a network connection.
        shutil.copyfile(ERROR_PAGE, html / "error.html")
        for file in files:
            target = html / "vendor" / file["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(VENDOR / file["path"], target)


def _localise(page: str, local: Mapping[str, str]) -> str:
    """The page with each address in its script and link tags replaced by the local one.

    Raises PasstimeError unless the page loads exactly the addresses in `local`: asv has changed, and a part of the
    site would need the network, or be missing.
    """
    loaded = set(_LOADED_FROM_ELSEWHERE.findall(page))
    if loaded != local.keys():
        changed = ", ".join(sorted(loaded ^ local.keys()))
        raise PasstimeError(
            f"this asv's index.html loads other files than the pinned asv's ({changed}); "
            "install the asv that pyproject.toml pins, or bring site/vendor/vendor.toml up to date"
        )
    return _LOADED_FROM_ELSEWHERE.sub(lambda tag: _TRUST.sub("", tag[0]).replace(tag[1], local[tag[1]]), page)
