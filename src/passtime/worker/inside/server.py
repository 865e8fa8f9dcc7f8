"""The worker's parent process: it has sessions run, one at a time, and hands out their replies.

It runs no operator, starts no thread and touches no GPU: a framework that has done so hangs in a forked child. One
loop waits for all there is to wait for: standard input, whose end is the end of the worker; clients; the session's
result. So a client that hangs up ends its session in the middle of a pass, and the death of whoever started the
worker ends everything.
"""
# ruff: noqa: UP006, UP035, UP045

import contextlib
import functools
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, Dict, List, Optional

from passtime.worker import protocol
from passtime.worker.inside.conditions import Conditions

# A client that does not take its few kilobytes in this time is gone.
_SEND_SECONDS = 5.0


def serve(source: Any, path: str) -> None:
    """Answers requests at the socket `path` until standard input ends; then removes the socket.

    Its folder is removed too if that leaves it empty: whoever made it may have been killed.

    `source` runs the sessions (`forked.py`, `resident.py`): `session(request, close_inherited)` starts one, and
    `probe(close_inherited)` the look at the framework and its devices; each gives something that a selector takes, with
    `read()`, `document()` and `kill()` as `Child` has them. `hold(request, close_inherited)` starts one that is held, a
    `Talking`; `holds_one` says that it can be one alone. `unprobed(failure)` says what to do where that look failed.
    `close()` ends what stays between sessions.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Whoever sees the socket may connect: it gets its name once it listens.
    listener.bind(path + ".new")
    listener.listen(16)
    os.rename(path + ".new", path)
    try:
        signal.signal(signal.SIGTERM, _exit)
        _Server(source, listener).run()
    finally:
        listener.close()
        os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(os.path.abspath(path)))


def _exit(number: int, frame: Any) -> None:
    sys.exit(128 + number)


class _Client:
    """A connection, and what it sent that was not taken yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.unread = b""


class _Holding:
    """A session that is held for a client: the request that opened it, and what happened during its steps."""

    def __init__(self, session: Any, request: dict) -> None:
        self.session = session
        self.request = request
        self.so_far: Dict[str, Any] = {}


class _Server:
    def __init__(self, source: Any, listener: socket.socket) -> None:
        self._source = source
        self._listener = listener
        self._selector = selectors.PollSelector()
        self._is_ended = False
        self._clients: List[_Client] = []
        # The request whose reply a client waits for, in the order of their coming.
        self._waiting: Dict[_Client, dict] = {}
        # The session that runs, and the client that it runs for; none for the look at the devices at the start.
        self._running: Any = None
        self._served: Optional[_Client] = None
        # The sessions that are held, by the client that each is for; one of them may be what runs.
        self._held: Dict[_Client, _Holding] = {}
        self._identity: Optional[dict] = None
        # What was measured and not asked for yet: of each session, the replies by "sample forward" and the like.
        self._store: Dict[str, Dict[str, dict]] = {}
        self._conditions = Conditions()

    def run(self) -> None:
        self._selector.register(0, selectors.EVENT_READ, self._read_standard_input)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        try:
            self._watch(self._source.probe(self._close_inherited))
            while not self._is_ended:
                for key, _ in self._selector.select():
                    key.data()
                while self._advance():
                    pass
        finally:
            if self._running is not None and self._served not in self._held:
                self._running.kill()
            for holding in self._held.values():
                holding.session.kill()
            self._source.close()

    # What is waited for. What an event is about may be gone by an event before it in the same round.

    def _read_standard_input(self) -> None:
        self._is_ended = not os.read(0, 1 << 12)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(_SEND_SECONDS)
        client = _Client(connection)
        self._clients.append(client)
        self._selector.register(connection, selectors.EVENT_READ, functools.partial(self._read_client, client))

    def _read_client(self, client: _Client) -> None:
        if client not in self._clients:
            return
        try:
            chunk = client.connection.recv(1 << 16)
        except OSError:
            chunk = b""
        if chunk:
            client.unread += chunk
        else:
            self._drop(client)

    def _read_running(self, running: Any) -> None:
        if running is not self._running or running.read():
            return
        self._selector.unregister(running)
        client, self._running, self._served = self._served, None, None
        try:
            document = running.document()
        except protocol.Failure as failure:
            document = {"error": failure.reply()} if client else self._source.unprobed(failure)
        if client is None:
            self._identity = document
        elif client in self._held:
            self._finish_held(client, document)
        else:
            self._finish_session(client, document)

    # What follows from it.

    def _advance(self) -> bool:
        """Takes requests, answers those that can be answered, starts a session; False when nothing moved."""
        moved = False
        for client in list(self._clients):
            moved = self._take_request(client) or moved
        for client, request in list(self._waiting.items()):
            reply = self._ready_reply(request)
            if reply is not None:
                self._answer(client, reply)
                moved = True
        if self._running is None and self._waiting:
            client, request = next(iter(self._waiting.items()))
            try:
                self._start(client, request)
                self._served = client
            except protocol.Failure as failure:
                self._finish_session(client, {"error": failure.reply()})
                moved = True
        return moved

    def _start(self, client: _Client, request: dict) -> None:
        """Has the request's work begun. Raises Failure where it cannot be."""
        kind = request["request"]
        if client in self._held:
            self._held[client].session.ask(request)
            self._watch(self._held[client].session)
            return
        if self._held and self._source.holds_one:
            raise protocol.Failure(protocol.FAILED, "this worker holds a session already, and can hold one alone")
        asked = self._conditions.asked(request)
        if kind == "open":
            self._held[client] = _Holding(self._source.hold(asked, self._close_inherited), request)
            self._watch(self._held[client].session)
        else:
            self._watch(self._source.session(asked, self._close_inherited))

    def _take_request(self, client: _Client) -> bool:
        """The client's next request joins those that wait, once the one before it is answered."""
        is_line = b"\n" in client.unread or len(client.unread) > protocol.LONGEST_LINE_BYTES
        if client in self._waiting or not is_line:
            return False
        line, _, client.unread = client.unread.partition(b"\n")
        try:
            request = protocol.decode(line)
            protocol.check(request)
            self._check_order(client, request["request"])
        except protocol.Failure as failure:
            self._answer(client, failure.reply())
        else:
            self._waiting[client] = request
        return True

    def _check_order(self, client: _Client, kind: str) -> None:
        if kind != "hello" and (kind in (protocol.STEP, protocol.CLOSE)) != (client in self._held):
            said = "holds a session: only step and close are for it" if client in self._held else "holds no session"
            raise protocol.Failure(protocol.BAD_REQUEST, f"{kind}: this connection {said}")

    def _ready_reply(self, request: dict) -> Optional[dict]:
        if request["request"] in (protocol.STEP, protocol.CLOSE):
            return None
        if request["request"] != "hello":
            # Handed out once: asked for again, it is measured again.
            return self._store.get(_session_key(request), {}).pop(_reply_key(request), None)
        if self._identity is None:
            return None
        return {"reply": "hello", "protocol": protocol.VERSION, **self._identity}

    def _finish_session(self, client: _Client, document: dict) -> None:
        request = self._waiting[client]
        if "replies" in document:
            self._conditions.tell(document, request)
            self._store[_session_key(request)] = document["replies"]
            return
        self._answer(client, _error_of(document["error"], request))

    def _finish_held(self, client: _Client, document: dict) -> None:
        """Answers a request to a session that is held. After an error, and after its close, it is no more."""
        kind = self._waiting[client]["request"]
        holding = self._held[client]
        if "error" in document or kind == protocol.CLOSE:
            del self._held[client]
            holding.session.kill()
        if "error" in document:
            self._answer(client, _error_of(document["error"], holding.request))
            return
        if kind == protocol.STEP:
            self._conditions.tell_step(document, holding.so_far)
        elif kind == protocol.CLOSE:
            self._conditions.tell_end(document, holding.request, holding.so_far)
        self._answer(client, document["reply"])

    def _answer(self, client: _Client, reply: dict) -> None:
        self._waiting.pop(client, None)
        try:
            client.connection.sendall(protocol.encode(reply))
        except OSError:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        """The client hung up: the session that runs for it is worth nothing any more."""
        self._selector.unregister(client.connection)
        client.connection.close()
        self._clients.remove(client)
        self._waiting.pop(client, None)
        holding = self._held.pop(client, None)
        if client is self._served and self._running is not None:
            self._selector.unregister(self._running)
            if holding is None:
                self._running.kill()
            self._running = self._served = None
        if holding is not None:
            holding.session.kill()

    def _watch(self, running: Any) -> None:
        self._running = running
        self._selector.register(running, selectors.EVENT_READ, functools.partial(self._read_running, running))

    def _close_inherited(self) -> None:
        self._selector.close()
        self._listener.close()
        for client in self._clients:
            client.connection.close()


def _error_of(error: dict, request: dict) -> dict:
    """An error's reply that says what was asked for."""
    return {
        **error,
        "message": f"{error['message']} ({request['pass']} of {request['workload']} on {request['device']})",
    }


def _session_key(request: dict) -> str:
    """The same for all requests that one session answers."""
    fields = {name: value for name, value in request.items() if name not in ("request", "pass", "protocol")}
    return f"{protocol.session_of(request)} {json.dumps(fields, sort_keys=True)}"


def _reply_key(request: dict) -> str:
    return f"{request['request']} {request['pass']}"
