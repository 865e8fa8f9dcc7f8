"""A package index on loopback, of the form that real ones have (PEP 691 and 700)."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

LONG_AGO = "2020-01-01T00:00:00Z"


@contextlib.contextmanager
def serve(folder: Path, dates: Mapping[str, str]) -> Iterator[str]:
    """Serves the wheels in `folder`, and gives the address; `dates` says when a version (`torch-2.0`) was uploaded."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/simple/"):
                return super().do_GET()
            package = self.path.split("/")[2]
            files = [
                {
                    "filename": path.name,
                    "url": f"/{path.name}",
                    "hashes": {},
                    "upload-time": dates.get(f"{package}-{path.name.split('-')[1]}", LONG_AGO),
                }
                for path in sorted(folder.glob(f"{package}-*.whl"))
            ]
            body = json.dumps({"meta": {"api-version": "1.1"}, "name": package, "files": files}).encode()
            self.send_response(200 if files else 404)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
