"""Starts a worker: `PYTHON launch.py --socket PATH --adapter ADAPTER.py`, run by the runtime's own interpreter.

Or `--resident COMMAND...` instead of the adapter, for a worker whose sessions another program runs.

passtime is not installed in runtimes. This gives the worker's modules their names, `passtime.worker.*`, by stub
packages, and takes this folder off the import path.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import traceback
import types
from typing import Any


def main() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    room = os.path.dirname(folder)
    parser = argparse.ArgumentParser(description="Serves one framework's passes over a Unix-domain socket.")
    parser.add_argument("--socket", required=True, help="the path to listen at")
    sessions = parser.add_mutually_exclusive_group(required=True)
    sessions.add_argument("--adapter", help="the file that knows the framework")
    sessions.add_argument("--resident", nargs=argparse.REMAINDER, help="the command of the process that knows it")
    arguments = parser.parse_args()

    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != folder]
    for name, path in (("passtime", []), ("passtime.worker", [room])):
        package = types.ModuleType(name)
        package.__path__ = path
        sys.modules[name] = package
    protocol = importlib.import_module("passtime.worker.protocol")
    server = importlib.import_module("passtime.worker.inside.server")
    try:
        source = _forked(arguments.adapter) if arguments.adapter else _resident(arguments.resident)
    except protocol.Failure as failure:
        _leave(1, protocol.LAST_WORDS + str(failure))
    except Exception:
        _leave(protocol.NOT_LOADED, traceback.format_exc())
    server.serve(source, arguments.socket)
    _leave(0)


def _leave(status: int, words: str = "") -> None:
    """Ends the process at once. Python's own end would wait for threads that others started.

    It would also take a framework apart, module by module: seconds that whoever stops this worker would wait.
    """
    if words:
        print(words, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _forked(adapter: str) -> Any:
    forked = importlib.import_module("passtime.worker.inside.forked")
    forked.check_threads_at_start()
    # NumPy, which frameworks import, brings a BLAS that starts threads at its import. Nothing that is timed uses it.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    source = forked.Forked(_load(adapter).ADAPTER)
    forked.check_threads("after it imported its framework", "the framework, or a library under it,")
    return source


def _resident(command: Any) -> Any:
    return importlib.import_module("passtime.worker.inside.resident").Resident(command)


def _load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("passtime_adapter", path)
    adapter = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(adapter)  # type: ignore[union-attr]
    return adapter


if __name__ == "__main__":
    main()
