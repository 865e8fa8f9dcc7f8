"""A resident process of a fake framework: what the session is to do is the request's workload.

Called as `python resident_program.py DESCRIPTOR`. Each start and each request is one line of the file that
PASSTIME_FAKE_PASSES names, which may be a FIFO.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time


def note(what: str) -> None:
    with open(os.environ["PASSTIME_FAKE_PASSES"], "a", encoding="utf-8") as log:
        log.write(f"{what} {os.getpid()}\n")


def main() -> None:
    replies = os.fdopen(int(sys.argv[-1]), "w")
    begin = os.environ.get("PASSTIME_FAKE_BEGIN")
    if begin == "fail":
        print("a warning: it is old", file=sys.stderr)
        print("passtime: the fake framework cannot be loaded: no such package", file=sys.stderr)
        sys.exit(3)
    if begin == "die":
        os.kill(os.getpid(), 11)
    note("start")
    print("a framework that prints while it is loaded")
    print(json.dumps({"framework": "fake", "version": "1.0", "devices": ["cpu"]}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        workload = request.get("workload", request["request"])
        note(workload)
        print("and in its sessions", flush=True)
        if workload == "vgg11":
            sys.stdin.readline()  # hangs
        if workload == "vgg13":
            os.kill(os.getpid(), 9)
        if workload == "vgg19":
            print("no document", file=replies, flush=True)
            continue
        before = reading(request)
        if workload == "resnet34":
            stop()
        observed = {"malloc": "", "readings": [before, reading(request)]} if workload.startswith("resnet") else None
        print(json.dumps({**document(request), "observed": observed}), file=replies, flush=True)


def reading(request: dict) -> dict:
    counters = {"cpu_seconds": 0.0, "preemptions": 0, "waits": 0}
    return {"monotonic_seconds": time.monotonic(), "files": ["" for _ in request.get("observe", ())], **counters}


def stop() -> None:
    """Stops this process, until another one, which waits for that, has it go on."""
    number = os.getpid()
    wait = f"until grep -q '^State:.T' /proc/{number}/status; do :; done; kill -CONT {number}"
    with subprocess.Popen(["sh", "-c", wait]):
        os.kill(number, signal.SIGSTOP)


def document(request: dict) -> dict:
    if request.get("workload") == "vgg16":
        return {"error": {"reply": "error", "kind": "unavailable", "message": "fake 1.0 has no vgg16"}}
    if request["request"] == "open":
        return {"reply": {"reply": "opened", "passes_per_sample": 1, "step_seconds": 3.0, "process_id": os.getpid()}}
    if request["request"] == "step":
        if request["samples"] == 0:
            os.kill(os.getpid(), 9)
        return {"reply": {"reply": "stepped", "elapsed_seconds.total": [3.0] * request["samples"]}}
    if request["request"] == "close":
        return {"reply": {"reply": "closed", "peak_bytes": 1}}
    if request["request"] == "parity":
        return {"replies": {"parity total": {"reply": "parity", "pass": "total"}}}
    if request["pass"] == "inference":
        return {"replies": {"sample inference": {"reply": "samples", "elapsed_seconds": [0.5]}}}
    return {
        "replies": {
            f"sample {name}": {"reply": "samples", "pass": name, "elapsed_seconds": [seconds]}
            for name, seconds in (("forward", 1.0), ("backward", 2.0), ("total", 3.0))
        }
    }


main()
