"""A small HTTP/1.1 client of the devices' own: one connection, and no mercy for what does not add up."""

import asyncio
import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


class Cut(Exception):
    """The line broke, or what came over it was damaged: nothing is known about the request's fate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, its body inflated and proved whole by its length or CRC."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Cut("the answer is not JSON") from None

    @property
    def code(self) -> str:
        """The problem's code, "" for anything else."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return ""
        return str(self.json().get("code") or "")


class Wire:
    """A keep-alive connection to one address, opened anew whenever it breaks."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        timeout: float = 20,
    ) -> Answer:
        """Send one request and return its answer, or raise `Cut`."""
        lines = [f"{method} {path} HTTP/1.1", "Host: fsm.test"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in ("POST", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await self._connect()
                writer.write(head + body)
                await writer.drain()
                answer, goes_on = await _read_answer(reader, method)
        except (OSError, EOFError, ValueError, TimeoutError, zlib.error, LookupError) as error:
            self.close()
            raise Cut(f"{type(error).__name__}: {error}") from None
        except BaseException:
            self.close()
            raise
        if not goes_on:
            self.close()
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self.address, limit=1 << 22)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            with suppress(Exception):
                self._streams[1].transport.abort()
            self._streams = None


async def _read_answer(reader: asyncio.StreamReader, method: str) -> tuple[Answer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, status, *_ = head[0].split(" ")
    if version != "HTTP/1.1" or len(status) != 3:
        raise ValueError("no HTTP answer")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = b""
    if method != "HEAD" and status not in ("204", "304"):
        if headers.get("transfer-encoding") == "chunked":
            while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
        else:
            body = await reader.readexactly(int(headers["content-length"]))
    match headers.get("content-encoding"):
        case None:
            pass
        case "gzip":
            inflater = zlib.decompressobj(wbits=31)
            body = inflater.decompress(body)
            if not inflater.eof:
                raise ValueError("a gzip body without its end")
        case other:
            raise ValueError(f"an encoding nobody asked for: {other}")
    return Answer(int(status), headers, body), headers.get("connection") != "close"
