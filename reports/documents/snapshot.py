"""The frozen JSON that a document is made of, and its hash: live rows never reach a template. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
import rfc8785

from fsm.canonical import doubles

TYPE: Final = "fsm-document/1"
"""The `type` of every snapshot: the shape of its frame, not of the content."""

SHORT: Final = 16
"""Hex digits of the hash that stand in the printed address."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`frozen` is the RFC 8785 form of `data`, `sha256` its hash in hex."""

    data: Mapping[str, Any]
    frozen: bytes
    sha256: str

    @property
    def kind(self) -> str:
        return str(self.data["kind"])

    @property
    def language(self) -> str:
        return str(self.data["language"])

    @property
    def content(self) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self.data["content"]
        return content

    @property
    def code(self) -> str:
        """What the printed address ends with: the document's id and the beginning of this hash."""
        return code_of(UUID(self.data["id"]), self.sha256)


def freeze(data: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of plain values; instants, days, money, ids and bytes are written as text."""
    form = rfc8785.dumps(doubles(plain(data)))
    return thaw(form)


def thaw(frozen: bytes) -> Snapshot:
    """Return the snapshot that was stored."""
    return Snapshot(msgspec.json.decode(frozen), frozen, sha256(frozen).hexdigest())


def code_of(document_id: UUID, digest: str) -> str:
    return f"{document_id.hex}-{digest[:SHORT]}"


def read_code(code: str) -> tuple[UUID, str] | None:
    """Return id and hash digits of a printed address, None where it cannot be one of ours."""
    name, dash, digits = code.partition("-")
    if not dash or len(name) != 32 or len(digits) != SHORT:
        return None
    try:
        int(digits, 16)
        return UUID(hex=name), digits.lower()
    except ValueError:
        return None


def plain(value: Any) -> Any:
    """Return a value as JSON has it. Instants are UTC with a Z, decimals keep their digits as text."""
    match value:
        case None | bool() | int() | float() | str():
            return str(value) if isinstance(value, StrEnum) else value
        case Decimal() | UUID():
            return str(value)
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case msgspec.Struct():
            return plain(msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date, UUID)))
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
    raise TypeError(f"A snapshot cannot hold a {type(value).__name__}.")


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
