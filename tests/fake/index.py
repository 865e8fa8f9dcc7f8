"""Package indexes on loopback, of the forms that real ones have."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

LONG_AGO = "2020-01-01T00:00:00Z"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files of the folder, and what `page` gives."""

    def page(self, path: str) -> tuple[str, bytes] | None:
        """The media type and the text of a page; None for a file. No text is 404."""
        raise NotImplementedError

    def do_GET(self) -> None:
        page = self.page(self.path)
        if page is None:
            return super().do_GET()
        media_type, body = page
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path, dates: Mapping[str, str]) -> Iterator[str]:
    """Serves the wheels in `folder` as PyPI does (PEP 691 and 700), and gives the address.

    `dates` says when a version (`torch-2.0`) was uploaded.
    """

    class Handler(_Handler):
        def page(self, path: str) -> tuple[str, bytes] | None:
            if not path.startswith("/simple/"):
                return None
            package = path.split("/")[2]
            files = [
                {
                    "filename": file.name,
                    "url": f"/{file.name}",
                    "hashes": {},
                    "upload-time": dates.get(f"{package}-{file.name.split('-')[1]}", LONG_AGO),
                }
                for file in sorted(folder.glob(f"{package}-*.whl"))
            ]
            body = json.dumps({"meta": {"api-version": "1.1"}, "name": package, "files": files}) if files else ""
            return "application/vnd.pypi.simple.v1+json", body.encode()

    with _serving(Handler, folder) as address:
        yield address


@contextlib.contextmanager
def serve_pages(folder: Path, has_metadata: bool = True) -> Iterator[str]:
    """Serves the wheels in `folder` as PyTorch's index of nightlies does, and gives the address.

    Pages of links with hashes (PEP 503), and, unless told otherwise, metadata beside the wheels (PEP 658).
    """

    class Handler(_Handler):
        def page(self, path: str) -> tuple[str, bytes] | None:
            if path.endswith(".metadata"):
                return "application/octet-stream", _metadata(folder / unquote(path[1:]).removesuffix(".metadata"))
            if not path.startswith("/nightly/cpu/"):
                return None
            package = path.split("/")[3]
            named = [one for one in folder.glob("*.whl") if canonicalize_name(one.name.split("-")[0]) == package]
            attribute = ' data-core-metadata="true"' if has_metadata else ""
            links = [
                f'<a href="/{quote(one.name)}#sha256={hashlib.sha256(one.read_bytes()).hexdigest()}"{attribute}>'
                f"{one.name}</a><br/>\n"
                for one in sorted(named)
            ]
            body = f"<!DOCTYPE html>\n<html><body>\n<h1>Links</h1>\n{''.join(links)}</body></html>\n" if links else ""
            return "text/html", body.encode()

    with _serving(Handler, folder) as address:
        yield f"{address}/nightly/cpu/"


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA")))


@contextlib.contextmanager
def _serving(handler: type[_Handler], folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: handler(*a, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
