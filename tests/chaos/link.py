"""The line between phones and servers, as its own process: it cuts, delays, duplicates and corrupts.

    python -m tests.chaos.link PORT SEED STATS ODDS UPSTREAM…

ODDS multiply those of `STORM`, or name the one fault that is to fall often. SIGUSR2 lets it storm, SIGUSR1
calms it. It knows requests from their framing, so that it can repeat a whole one, also long after. It flips
bytes only where the protocol can notice: in gzip bodies, which carry a CRC, and in the bytes of photos, which
carry a SHA-256. Nothing in HTTP/1.1 protects a header; that is TLS's office.
"""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.chaos.processes import die_with_parent

STORM = {
    "cut request": 0.010,
    "cut answer": 0.015,
    "delay": 0.020,
    "duplicate": 0.015,
    "late duplicate": 0.008,
    "corrupt request": 0.010,
    "corrupt answer": 0.008,
}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """Forwards requests to whichever server is up, and spoils some of them."""

    def __init__(self, upstreams: list[int], seed: int, stats: Path, odds: float) -> None:
        self.odds = odds
        self.only = ""
        """The one fault that falls, every fourth time; any of them where none is named."""
        self.upstreams = upstreams
        self.rng = random.Random(seed)
        self.stats = stats
        self.faults: Counter[str] = Counter()
        self.is_storming = False
        self._tasks: set[asyncio.Task[None]] = set()

    def storm(self, on: bool) -> None:
        self.is_storming = on
        self.stats.write_text(json.dumps(self.faults))

    def _fault(self) -> str | None:
        if not self.is_storming:
            return None
        if self.only:
            return self.only if self.rng.random() < 0.25 else None
        dice = self.rng.random() / self.odds
        for name, chance in STORM.items():
            if dice < chance:
                return name
            dice -= chance
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: Streams | None = None
        try:
            while True:
                head, body = await read_message(reader)
                if upstream is None:
                    upstream = await self._open()
                if not await self._pass(head, body, upstream, writer):
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            for one in (upstream[1] if upstream else None, writer):
                if one is not None:
                    with suppress(Exception):
                        one.transport.abort()

    async def _open(self) -> Streams:
        ports = self.rng.sample(self.upstreams, len(self.upstreams))
        for port in ports:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        raise OSError("no server is up")

    async def _pass(
        self, head: bytes, body: bytes, upstream: Streams, client: asyncio.StreamWriter
    ) -> bool:
        """Forward one request and its answer; return whether the connection lives on."""
        fault = self._fault()
        reader, writer = upstream
        if fault == "corrupt request" and not _is_proved(head, body):
            fault = None
        if fault in ("cut request", "delay", "corrupt request", "duplicate", "late duplicate"):
            self.faults[fault] += 1
        if fault == "cut request":
            whole = head + body
            writer.write(whole[: self.rng.randrange(1, len(whole))])
            await writer.drain()
            await asyncio.sleep(0.01)
            return False
        if fault == "delay":
            await asyncio.sleep(self.rng.uniform(0.05, 2))
        if fault == "corrupt request":
            body = self._flipped(body)
        if fault in ("duplicate", "late duplicate"):
            pause = 0 if fault == "duplicate" else self.rng.uniform(1, 15)
            task = asyncio.create_task(self._repeat(head, body, pause))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        writer.write(head + body)
        await writer.drain()
        is_head = head.startswith(b"HEAD ")
        answer_head, answer = await read_message(reader, is_answer=True, is_head=is_head)
        if fault == "cut answer":
            self.faults[fault] += 1
            whole = answer_head + answer
            client.write(whole[: self.rng.randrange(len(whole))])
            await client.drain()
            return False
        if fault == "corrupt answer" and b"\r\ncontent-encoding: gzip" in answer_head.lower():
            self.faults[fault] += 1
            answer = self._flipped(answer)
        client.write(answer_head + answer)
        await client.drain()
        return b"\r\nconnection: close" not in answer_head.lower()

    def _flipped(self, body: bytes) -> bytes:
        at = self.rng.randrange(len(body))
        return body[:at] + bytes([body[at] ^ (1 << self.rng.randrange(8))]) + body[at + 1 :]

    async def _repeat(self, head: bytes, body: bytes, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        with suppress(OSError, EOFError, ValueError):
            reader, writer = await self._open()
            try:
                writer.write(head + body)
                await writer.drain()
                await read_message(reader, is_answer=True, is_head=head.startswith(b"HEAD "))
            finally:
                writer.transport.abort()


def _is_proved(head: bytes, body: bytes) -> bool:
    return bool(body) and (
        b"\r\ncontent-encoding: gzip" in head.lower() or head.startswith(b"PATCH /files/")
    )


async def read_message(
    reader: asyncio.StreamReader, *, is_answer: bool = False, is_head: bool = False
) -> tuple[bytes, bytes]:
    """Return head and body of one HTTP/1.1 message as they came."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if is_answer and (is_head or lower[9:12] in (b"204", b"304")):
        return head, b""
    if b"\r\ntransfer-encoding: chunked" in lower:
        parts = []
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line[:-2], 16)
            parts += [line, await reader.readexactly(size + 2)]
            if size == 0:
                return head, b"".join(parts)
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    length = int(rest.partition(b"\r\n")[0]) if found else 0
    return head, await reader.readexactly(length)


async def main(port: int, seed: int, stats: Path, odds: str, upstreams: list[int]) -> None:
    link = Link(upstreams, seed, stats, float(odds) if odds[0].isdigit() else 1.0)
    link.only = "" if odds[0].isdigit() else odds
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, link.storm, True)
    loop.add_signal_handler(signal.SIGUSR1, link.storm, False)
    server = await asyncio.start_server(link.serve, "127.0.0.1", port, limit=1 << 22)
    link.storm(False)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    die_with_parent()
    _, port, seed, stats, odds, *upstreams = sys.argv
    ports = [int(one) for one in upstreams]
    asyncio.run(main(int(port), int(seed), Path(stats), odds, ports))
