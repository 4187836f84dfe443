"""A small server on loopback that speaks Nominatim's /search, well or badly as a test wants it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

EIFFEL_TOWER = [
    {
        "place_id": 88291917,
        "licence": "Data © OpenStreetMap contributors, ODbL 1.0.",
        "lat": "48.8582599",
        "lon": "2.2945006",
        "class": "man_made",
        "type": "tower",
        "importance": 0.7,
        "display_name": "Tour Eiffel, 5, Avenue Anatole France, Paris, France",
        "boundingbox": ["48.8574753", "48.8590453", "2.2933119", "2.2956897"],
    }
]


@dataclass
class Behaviour:
    """How the server answers, and what it was asked: (path, query, User-Agent)."""

    status: int = 200
    body: bytes = json.dumps(EIFFEL_TOWER).encode()
    silent: bool = False
    dripping: bool = False
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def answer(self, value: Any) -> None:
        self.body = json.dumps(value).encode()


@contextmanager
def nominatim(behaviour: Behaviour) -> Iterator[str]:
    """Run the server and yield its base address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            behaviour.asked.append((parts.path, query, self.headers["User-Agent"]))
            if behaviour.silent:
                behaviour.stopped.wait(20)
                return
            self.send_response(behaviour.status)
            self.send_header("Content-Type", "application/json")
            length = 10_000 if behaviour.dripping else len(behaviour.body)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            while behaviour.dripping and not behaviour.stopped.wait(0.02):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
            self.wfile.write(b"" if behaviour.dripping else behaviour.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        behaviour.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
