"""A page of the site on why to believe a verdict: docs/why-to-believe-a-verdict.md, with its measured figures."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

SOURCE = Path("docs/why-to-believe-a-verdict.md")
PAGE = "why.html"

_MORE = '<nav aria-label="More" id="more">\n'
_LINK = f'        <a href="{PAGE}">Why believe it</a>\n'

_HTML = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Why to believe a verdict</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="shortcut icon" href="swallow.ico">
    <link rel="stylesheet" href="front/style.css">
  </head>
  <body class="page">
    <p><a href="index.html">passtime</a></p>
{content}
  </body>
</html>
"""


def write(root: Path, html: Path) -> None:
    """Writes the page into a published site and links to it from the first page; nothing where the project has none."""
    source = root / SOURCE
    if not source.is_file():
        return
    content = MarkdownIt("commonmark").enable("table").render(_without_markers(source.read_text("utf-8")))
    (html / PAGE).write_text(_HTML.format(content=content), "utf-8")
    index = html / "index.html"
    index.write_text(index.read_text("utf-8").replace(_MORE, _MORE + _LINK, 1), "utf-8")


def _without_markers(text: str) -> str:
    """The commands that make the tables become text; links to pages that the site does not have become their words."""
    text = re.sub(r"<!-- table: (.*?) -->", r"`\1`", text)
    text = re.sub(r"<!-- /table -->", "", text)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
