"""The site in git is the site of the results in git."""

from __future__ import annotations

import re
from pathlib import Path

from fake.project import ROOT

# When it was published: in asv's info.json, and in the feed, for a feed without entries.
TIMES = re.compile(rb'"timestamp": ?\d+|<updated>[^<]*</updated>')


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): TIMES.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_published_site_is_up_to_date(own_site: Path) -> None:
    """`asv publish` of the committed results gives html/, file by file: if not, commit what `make site` gives."""
    ours, theirs = contents(own_site), contents(ROOT / "html")
    assert sorted(ours.keys() ^ theirs.keys()) == []
    assert [name for name, content in sorted(ours.items()) if theirs[name] != content] == []
