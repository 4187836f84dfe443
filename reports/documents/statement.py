"""What the server signs of an issued document, and how a file is held against it, offline. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from fsm.evidence import statements
from fsm.evidence.receipts import BadReceipt, key_id, public_key
from fsm.evidence.statements import BadStatement

STATEMENT: Final = "fsm-document-statement/1"
"""The `type` of the statement."""


class StatementRefused(ValueError):
    """What was given is no such statement at all."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking came to; `findings` is empty where the file is the one that was issued."""

    number: str
    kind: str
    company: str
    issued_at: str
    kid: str
    findings: tuple[str, ...]
    is_key_given: bool

    @property
    def is_genuine(self) -> bool:
        return not self.findings


def check(
    content: bytes, statement: bytes, keys: Sequence[str], snapshot: bytes | None = None
) -> Checked:
    """Hold a file, and its snapshot where given, against the server's signed statement.

    `keys` are public keys as `ed25519:…`; without any the key inside is used, which proves that file and
    statement belong together and not who made them. Raises `StatementRefused` for what is no statement, and
    `BadReceipt` for a key that is none.
    """
    told = _read(statement)
    findings = []
    given = {key_id(public): public for public in map(public_key, keys)}
    try:
        inside = public_key(told["public_key"])
        statements.verify(told, STATEMENT, given or {key_id(inside): inside})
    except (BadStatement, BadReceipt) as error:
        findings.append(f"The statement is not genuine. {error}")
    if sha256(content).hexdigest() != told["file"]["sha256"]:
        findings.append("The file is not the one that was issued: its SHA-256 is another.")
    if snapshot is not None and sha256(snapshot).hexdigest() != told["snapshot_sha256"]:
        findings.append("The snapshot is not the one that the document was made of.")
    return Checked(
        number=str(told["number"]),
        kind=str(told["kind"]),
        company=str(told["tenant"]["name"]),
        issued_at=str(told["issued_at"]),
        kid=str(told["kid"]),
        findings=tuple(findings),
        is_key_given=bool(given),
    )


def _read(statement: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(statement)
        for name in (
            "number",
            "kind",
            "issued_at",
            "kid",
            "public_key",
            "snapshot_sha256",
            "signature",
        ):
            if not isinstance(told[name], str):
                raise TypeError(name)
        told["file"]["sha256"], told["tenant"]["name"]
    except (ValueError, KeyError, TypeError) as error:
        raise StatementRefused("It holds no statement about a document.") from error
    if told.get("type") != STATEMENT:
        raise StatementRefused("It holds no statement about a document.")
    return dict(told)
