"""The bodies and answers of `/sync/v1`, as they go over the wire and into the OpenAPI document."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from mobile_api import intents, pull
from mobile_api.encodings import TAKEN
from mobile_api.push import MOST_INTENTS


class Registration(intents.Body):
    """An installation of the app. `key` is its Ed25519 public key, `schema` the data it understands."""

    install_id: Annotated[str, pydantic.Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")]
    platform: Annotated[str, pydantic.Field(max_length=60, pattern=r"^[^\x00]*$")] = ""
    app: Annotated[str, pydantic.Field(max_length=60, pattern=r"^[^\x00]*$")] = ""
    schema_version: Annotated[int, pydantic.Field(ge=1, le=10_000, alias="schema")]
    key: Annotated[str, pydantic.Field(max_length=100)] | None = None


class Limits(msgspec.Struct, frozen=True):
    """What a device may send and gets at once: numbers of rows, and bytes."""

    pull_changes: int
    pull_bytes: int
    push_intents: int
    push_bytes: int
    push_inflated_bytes: int
    photo_bytes: int


class KeyView(msgspec.Struct, frozen=True):
    """A public key that signs receipts."""

    kid: str
    key: str


class Registered(msgspec.Struct, frozen=True):
    """`token` is shown this once; the device sends it as `Authorization: Bearer`.

    An app that has lost or restored its data goes on numbering its intents at `next_seq`, or higher.
    """

    device_id: UUID
    token: str
    epoch: UUID
    server_time: str
    next_seq: int
    limits: Limits
    receipt_keys: list[KeyView]


class Change(msgspec.Struct, frozen=True):
    """One object of collection `c` in scope number `s`: `put` with `d`, or `gone` with `why`."""

    c: str
    id: UUID
    s: int
    rev: int
    op: str
    d: dict[str, Any] | None = None
    why: str | None = None


class PullAnswer(pull.PullHead, frozen=True, kw_only=True):
    """`digest` comes with a complete page, unless a change was just then on its way."""

    changes: list[Change]
    digest: dict[str, pull.Digest] | None = None


class ReconcileAnswer(msgspec.Struct, frozen=True):
    epoch: UUID
    head: int
    scopes: list[str]
    put: list[Change]
    gone: dict[str, list[UUID]]
    since: str | None
    complete: bool
    forget_upto: int
    server_time: str


class PushAnswer(msgspec.Struct, frozen=True):
    """`want` names numbers of the device that never arrived; `outcomes` says what became of each intent."""

    head: int
    want: list[int]
    outcomes: list[dict[str, Any]]


class OutcomeView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an intent, as it stands now."""

    id: UUID
    status: str
    received_at: str
    seq: int
    type: str
    notes: list[dict[str, Any]] = []
    problem: dict[str, Any] | None = None
    settled_at: str | None = None
    released_by: str | None = None
    discarded_at: str | None = None
    discarded_by: str | None = None
    reason: str | None = None


class OutcomePage(msgspec.Struct, frozen=True):
    items: list[OutcomeView]
    next: str | None


class HaveBody(intents.Body):
    """collection → [id, rev] of every row that the device holds.

    `reason` is said with the first page of a comparison: `digest` when the sum differed, `restored` or
    `expired` when the feed began anew. Any other word is taken too.
    """

    have: Annotated[
        dict[
            Annotated[str, pydantic.Field(max_length=40)],
            Annotated[list[tuple[UUID, int]], pydantic.Field(max_length=20_000)],
        ],
        pydantic.Field(max_length=100),
    ]
    reason: Annotated[str, pydantic.Field(max_length=40)] | None = None


def _push_body() -> RequestBody:
    intent = Schema(
        type=OpenAPIType.OBJECT,
        required=["id", "seq", "type", "data"],
        properties={
            "id": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
            "seq": Schema(type=OpenAPIType.INTEGER, minimum=1),
            "type": Schema(type=OpenAPIType.STRING, enum=sorted(intents.DATA)),
            "base_seq": Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL]),
            "occurred_at": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
            "boot": Schema(type=OpenAPIType.STRING),
            "mono_ms": Schema(type=OpenAPIType.INTEGER, minimum=0),
            "after": Schema(
                type=OpenAPIType.ARRAY,
                items=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
            ),
            "data": Schema(type=OpenAPIType.OBJECT),
            "chain": Schema(
                type=OpenAPIType.OBJECT,
                required=["prev", "h", "sig"],
                description="The app's own chain over one visit, all base64url without padding: `h` is "
                "SHA-256 over `prev` and the RFC 8785 form of the intent without `chain`, `prev` the `h` of "
                "the intent before it about the same visit, or the visit's `nonce`; `sig` is the device's "
                "Ed25519 signature over the 32 bytes of `h`. A break is shown to the office and refuses "
                "nothing.",
                properties={name: Schema(type=OpenAPIType.STRING) for name in ("prev", "h", "sig")},
            ),
        },
    )
    batch = Schema(
        type=OpenAPIType.OBJECT,
        required=["device_id", "intents"],
        properties={
            "device_id": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
            "outbox_empty_at": Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL]),
            "sent_at": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
            "boot": Schema(type=OpenAPIType.STRING),
            "mono_ms": Schema(type=OpenAPIType.INTEGER, minimum=0),
            "from_seq": Schema(type=OpenAPIType.INTEGER, minimum=1),
            "intents": Schema(type=OpenAPIType.ARRAY, items=intent),
        },
    )
    return RequestBody(
        required=True,
        description=f"At most {MOST_INTENTS} intents; {', '.join(TAKEN)} by Content-Encoding.",
        content={"application/json": OpenAPIMediaType(schema=batch)},
    )


@dataclass
class PushOperation(Operation):
    """Says in OpenAPI what the body is, which the handler reads itself: raw, bounded, compressed."""

    def __post_init__(self) -> None:
        self.request_body = _push_body()
