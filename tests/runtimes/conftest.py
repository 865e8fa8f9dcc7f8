"""A home for runtimes, small wheels to install, and each way to install them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from passtime import places, uv
from passtime.timeline.manifest import Release
from tests.fake.wheels import wheel

HERE = ".".join(map(str, sys.version_info[:2]))


def release(version: str = "1.0", **fields) -> Release:
    fields = {"framework": "fakeframe", "python": HERE, "requirements": (f"fakeframe=={version}",), **fields}
    return Release(version=version, date=datetime(2020, 1, 1, tzinfo=timezone.utc), branch="fakeframe", **fields)


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """A home for runtimes, and a folder of wheels that is all that the installers can reach."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, "fakeframe", version)
    wheel(folder, "fakeframe", "3.0", platform="win_amd64")
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def index(wheels, monkeypatch):
    """Makes both installers use this index and nothing else, and try it once."""

    def use(url: str) -> None:
        for name in ("UV", "PIP"):
            monkeypatch.delenv(f"{name}_NO_INDEX")
            monkeypatch.delenv(f"{name}_FIND_LINKS")
            monkeypatch.setenv(f"{name}_INDEX_URL", url)
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("PIP_RETRIES", "1")  # with none pip says nothing of the network
        monkeypatch.setenv("PIP_RESUME_RETRIES", "0")

    return use


@pytest.fixture(params=["uv", "pip"])
def tool(request, monkeypatch) -> Iterator[str]:
    """Each of the ways to install; for pip, uv is neither a package nor on PATH."""
    if request.param == "pip":
        folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not shutil.which("uv", path=folder)]
        monkeypatch.setitem(sys.modules, "uv", None)
        monkeypatch.setenv("PATH", os.pathsep.join(folders))
        monkeypatch.setenv("VIRTUALENV_SYMLINK_APP_DATA", "1")  # or every test would compile a pip of its own
        uv.find.cache_clear()
        assert uv.find() is None
    elif uv.find() is None:
        pytest.skip("uv is not here")
    yield request.param
    uv.find.cache_clear()
