"""A device's own durable memory, an append-only file, and what it may compute without the server's code.

Nothing here imports the product: the journal is what the server is judged by.
"""

import hashlib
import json
import os
import random
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """One JSON object a line, each behind the CRC-32 of its text; a line that a crash tore is not one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        size = os.fstat(self._file).st_size
        if size and path.read_bytes()[-1:] != b"\n":
            os.write(self._file, b"\n")  # what comes next must not grow on to a torn line

    def append(self, *records: dict[str, Any]) -> None:
        """Keep records: they outlive this process from here on."""
        lines = []
        for record in records:
            text = json.dumps(record, separators=(",", ":")).encode()
            lines.append(b"%08x %s\n" % (zlib.crc32(text), text))
        os.write(self._file, b"".join(lines))

    def close(self) -> None:
        os.close(self._file)


def read_journal(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (offset behind it, record) for every whole line from `offset` on."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if not line.endswith(b"\n"):
                return
            crc, _, text = line[:-1].partition(b" ")
            if len(crc) == 8 and int(crc, 16) == zlib.crc32(text):
                yield offset, json.loads(text)


def intent_hash(intent: dict[str, Any]) -> str:
    """Return SHA-256 of the RFC 8785 form.

    Devices here write member names and values whose canonical form Python's sorted, dense JSON already is:
    ASCII names, whole numbers, strings without control characters.
    """
    text = json.dumps(intent, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(rows: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the protocol says of granted rows: per collection how many, and the sum over `id:rev`."""
    sums: dict[str, list[int]] = {}
    for (coll, row_id), change in rows.items():
        if change["d"].get("access") == "revoked":
            continue
        one = sums.setdefault(coll, [0, 0])
        one[0] += 1
        first = hashlib.sha256(f"{row_id}:{change['rev']}".encode()).digest()[:8]
        one[1] = (one[1] + int.from_bytes(first)) % 2**64
    return {coll: {"n": n, "sum": f"{total:016x}"} for coll, (n, total) in sums.items()}


def uuid7() -> str:
    """Return a UUIDv7 of the device's own making."""
    ms = time.time_ns() // 1_000_000
    value = (
        ms << 80 | 0x7 << 76 | random.getrandbits(12) << 64 | 0b10 << 62 | random.getrandbits(62)
    )
    return str(uuid.UUID(int=value))
