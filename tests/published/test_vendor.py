"""The shipped files are what their table says, and what asv would load."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import asv
import pytest

from passtime.asv.publishing.offline import VENDOR, tomllib

ASV_INDEX = Path(asv.__file__).parent / "www" / "index.html"
TABLE = tomllib.loads((VENDOR / "vendor.toml").read_text("utf-8"))
FILES = {file["path"]: file for package in TABLE["package"] for file in package["file"]}


def test_the_folder_holds_what_the_table_lists() -> None:
    """A file that the table lacks, or the folder, is noticed."""
    there = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert there == {*FILES, "vendor.toml"}


@pytest.mark.parametrize("path", FILES)
def test_no_byte_was_changed(path: str) -> None:
    """Each file has the hash that it had in its package."""
    assert hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() == FILES[path]["sha256"]


@pytest.mark.parametrize("package", TABLE["package"], ids=lambda package: package["name"])
def test_every_package_brings_its_licence(package: dict[str, Any]) -> None:
    """Beside the files of each package lies the licence under which they are passed on."""
    folder = f"{package['name']}-{package['version']}/"
    assert all(file["path"].startswith(folder) for file in package["file"])
    (licence,) = [file["path"] for file in package["file"] if Path(file["path"]).stem == "LICENSE"]
    assert "Permission is hereby granted, free of charge" in " ".join((VENDOR / licence).read_text("utf-8").split())


def test_the_files_are_those_that_asv_names() -> None:
    """All but flot, as written and not minified, and the sorter have the very hash that asv states."""
    stated = dict(re.findall(r'(?:src|href)="([^"]+)" integrity="([^"]+)"', ASV_INDEX.read_text("utf-8")))
    ours = {file["replaces"]: VENDOR / path for path, file in FILES.items() if "replaces" in file}
    assert ours.keys() == stated.keys()
    differing = {path.parent.name for url, path in ours.items() if _integrity(path, stated[url]) != stated[url]}
    assert differing == {"flot-0.8.3", "stupid-table-plugin-1.1.3"}


def _integrity(path: Path, like: str) -> str:
    algorithm = like.partition("-")[0]
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, path.read_bytes()).digest()).decode()}"


def test_a_style_sheet_finds_its_fonts() -> None:
    """What the shipped style sheets refer to is shipped as well."""
    for path in FILES:
        if path.endswith(".css"):
            style = VENDOR / path
            for address in re.findall(r"url\(([^)?#]+)", style.read_text("utf-8")):
                assert (style.parent / address).resolve().relative_to(VENDOR.resolve()).as_posix() in FILES
