"""A bad line between a store and a real S3 server: a proxy on a loopback port that fails on request.

It passes whole HTTP exchanges on, one a connection. A planned fault takes the next exchange that it
fits. Signatures stay valid, since the server checks them against the host that the client named.
"""

import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

from fsm.settings import S3Settings
from tests.patience import PATIENCE_S

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HOP = re.compile(rb"\r\n(?:expect|connection):[^\r]*", re.IGNORECASE)


class Exchange:
    """One request that has arrived as far as its head."""

    def __init__(self, client: socket.socket, server: tuple[str, int], head: bytes, rest: bytes):
        self._client, self._server, self._head, self._rest = client, server, head, rest
        self.request = head.partition(b" HTTP/")[0].decode()
        found = _LENGTH.search(head)
        self.length = int(found[1]) if found else 0

    def body(self, most: int | None = None) -> bytes:
        """Return the request's body, or its first bytes."""
        wanted = self.length if most is None else min(most, self.length)
        if b"100-continue" in self._head.lower():
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self._rest) < wanted and (more := self._client.recv(1 << 16)):
            self._rest += more
        return self._rest[:wanted]

    def forward(self, body: bytes) -> bytes:
        """Return the server's whole answer to this request with that body; a short one is a cut."""
        with socket.create_connection(self._server, timeout=PATIENCE_S) as server:
            head = _HOP.sub(b"", self._head)
            server.sendall(head[:-4] + b"\r\nConnection: close\r\n\r\n" + body)
            if len(body) < self.length:
                return b""
            parts = []
            while part := server.recv(1 << 16):
                parts.append(part)
            return b"".join(parts)

    def answer(self, content: bytes) -> None:
        self._client.sendall(content)

    def wait_for_hanging_up(self) -> None:
        while self._client.recv(1 << 16):
            pass


Fault = Callable[[Exchange], None]


def passes(exchange: Exchange) -> None:
    exchange.answer(exchange.forward(exchange.body()))


def refuses(status: int, code: str) -> Fault:
    """The server says that it fails and does nothing."""

    def fault(exchange: Exchange) -> None:
        exchange.body()
        text = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>"
        head = f"HTTP/1.1 {status} So\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        exchange.answer((head + text).encode())

    return fault


def falls_silent(exchange: Exchange) -> None:
    """The request arrives, and nothing ever comes back."""
    exchange.body()
    exchange.wait_for_hanging_up()


def cuts_the_request(exchange: Exchange) -> None:
    """The connection breaks in the middle of the body, for both sides."""
    exchange.forward(exchange.body(exchange.length // 2)[:-1])


def loses_the_answer(exchange: Exchange) -> None:
    """The server has done it all, and the client never hears of it."""
    exchange.forward(exchange.body())


def cuts_the_answer(exchange: Exchange) -> None:
    """The last bytes of the answer are missing."""
    exchange.answer(exchange.forward(exchange.body())[:-3])


def damages_the_request(exchange: Exchange) -> None:
    """One byte of the body arrives as another."""
    body = bytearray(exchange.body())
    body[len(body) // 2] ^= 0x20
    exchange.answer(exchange.forward(bytes(body)))


@dataclass
class _Plan:
    fault: Fault
    request: re.Pattern[str]
    times: int


@dataclass
class Line:
    """The way to one server. `settings` lead over it; `happened` names the faults so far."""

    settings: S3Settings
    happened: list[str] = field(default_factory=list)
    choose: Callable[[Exchange], Fault | None] | None = None
    _plans: list[_Plan] = field(default_factory=list)
    _alone: threading.Lock = field(default_factory=threading.Lock)
    _late: list[Callable[[], object]] = field(default_factory=list)

    def fail(self, fault: Fault, request: str, times: int = 1) -> None:
        """Let the next exchanges go wrong whose "METHOD path" this pattern finds."""
        self._plans.append(_Plan(fault, re.compile(request), times))

    def delays(self, exchange: Exchange) -> None:
        """Keep the request back until `deliver`; the client gives up long before."""
        self._late.append(partial(exchange.forward, exchange.body()))
        exchange.wait_for_hanging_up()

    def deliver(self) -> int:
        """Let the server carry out what was kept back; return how many requests that were."""
        late, self._late = self._late, []
        for request in late:
            request()
        return len(late)

    def handle(self, exchange: Exchange) -> None:
        with self._alone:
            fault = self.choose(exchange) if self.choose else None
            fitting = (plan for plan in self._plans if plan.request.search(exchange.request))
            plan = next((plan for plan in fitting if plan.times > 0), None)
            if plan is not None:
                plan.times -= 1
                fault = plan.fault
            if fault is not None:
                self.happened.append(exchange.request)
        (fault or passes)(exchange)


@contextmanager
def bad_line(settings: S3Settings) -> Iterator[Line]:
    """Listen between a store and the server of these settings."""
    address = urlsplit(settings.endpoint_url)
    server = (str(address.hostname), int(address.port or 80))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(PATIENCE_S)
            received = b""
            with suppress(OSError):  # whoever hangs up has what they wanted
                while b"\r\n\r\n" not in received:
                    if not (more := self.request.recv(1 << 16)):
                        return
                    received += more
                head, _, rest = received.partition(b"\r\n\r\n")
                line.handle(Exchange(self.request, server, head + b"\r\n\r\n", rest))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        proxy.block_on_close = False
        port = proxy.server_address[1]
        line = Line(replace(settings, endpoint_url=f"http://127.0.0.1:{port}"))
        serving = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield line
        finally:
            proxy.shutdown()
            serving.join()
