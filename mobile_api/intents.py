"""Intents as devices send them: the envelope, the data of each type, and the form they are hashed in.

Pure. What cannot be read is not refused: it gets a `problem` and is kept, so that one bad intent never
holds up the queue behind it.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID, uuid5

import msgspec
import pydantic
import rfc8785

from fsm.canonical import canonical_form
from fsm.http import Latitude, Line, Longitude, Quantity, Text
from fsm.problems import Problem
from fsm.work_orders import photo_marks
from fsm.work_orders.photo_marks import MarkKind
from fsm.work_orders.records import TimeKind
from mobile_api.encodings import BatchTooLarge

MOST_AFTER = 50


class MalformedBatch(Problem):
    """The push itself cannot be read; nothing of it was stored."""

    code, status, title = "malformed-batch", 400, "The batch cannot be read"


class MalformedIntent(Problem):
    """Kept as it came; `errors` names each value that is not acceptable."""

    code, status, title = "malformed-intent", 422, "The intent cannot be read"


class UnknownIntent(Problem):
    """Kept as it came: a newer app may know what it means; fact `type`."""

    code, status, title = "unknown-intent", 422, "This kind of intent is not known"


class IdempotencyKeyReused(Problem):
    """Another intent with this id was stored before. This one is kept beside it."""

    code, status, title = "idempotency-key-reused", 409, "This id already names another intent"


class Body(pydantic.BaseModel):
    """Unknown members are ignored: older servers take what newer apps send."""

    model_config = pydantic.ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


# A phone whose clock was reset still works, so the years are wide.
Instant = Annotated[
    pydantic.AwareDatetime,
    pydantic.Field(ge=datetime(1970, 1, 2, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC)),
]
Number = Annotated[int, pydantic.Field(ge=0, le=2**53)]
Boot = Annotated[str, pydantic.Field(max_length=100)]


class Envelope(Body):
    """What every intent has. `seq` counts a device's intents from 1; `base_seq` is the head it knew.

    A suggestion that an adapter made of a row has no place in the device's count: its `seq` is 0.
    """

    id: UUID
    seq: Annotated[int, pydantic.Field(ge=0, le=2**53)]
    type: Annotated[str, pydantic.Field(min_length=1, max_length=40)]
    base_seq: Number | None = None
    occurred_at: Instant | None = None
    mono_ms: Number | None = None
    boot: Boot | None = None
    after: Annotated[list[UUID], pydantic.Field(max_length=MOST_AFTER)] = []
    data: dict[str, Any] = {}

    @pydantic.model_validator(mode="after")
    def _counts_from_one(self) -> Self:
        if self.seq == 0 and self.type != "state.suggest":
            raise ValueError("'seq' counts from 1")
        return self


# --- data -------------------------------------------------------------------------------------------------


Minutes = Annotated[int, pydantic.Field(ge=1, le=10_080)]


class Position(Body):
    """Where the device stood, in degrees WGS 84."""

    latitude: Latitude
    longitude: Longitude
    accuracy_m: Annotated[float, pydantic.Field(ge=0)] | None = None


ItemId = Annotated[str, pydantic.Field(min_length=1, max_length=64)]
ReasonCode = Annotated[str, pydantic.Field(min_length=1, max_length=60)]
Sha256 = Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]


class VisitData(Body):
    """What all data but those of suggestions hold: the visit that it is about."""

    visit_id: UUID


class Progress(VisitData):
    position: Position | None = None


class OnTheWay(Progress):
    """`minutes` until the technician expects to be there."""

    minutes: Minutes | None = None


class Interruption(Progress):
    reason: ReasonCode


class Abort(Progress):
    reason: ReasonCode | None = None


class Delay(Progress):
    minutes: Minutes


class Finish(VisitData):
    rules_sha256: Sha256 | None = None


class AnswerSet(VisitData):
    item: ItemId
    value: Any


class NoteAdd(VisitData):
    text: Annotated[Text, pydantic.Field(min_length=1)]


class MessageAdd(VisitData):
    text: Annotated[Text, pydantic.Field(min_length=1)]


Metres = Annotated[int, pydantic.Field(ge=0, le=5_000_000)]
"""How far was driven."""


class TimeAdd(VisitData):
    kind: TimeKind
    from_at: Instant = pydantic.Field(alias="from")
    to_at: Instant = pydantic.Field(alias="to")
    distance_m: Metres | None = None


class TimeCorrect(VisitData):
    of: UUID
    from_at: Instant = pydantic.Field(alias="from")
    to_at: Instant = pydantic.Field(alias="to")
    distance_m: Metres | None = None


class PartQuantity(VisitData):
    part_id: UUID
    qty: Quantity


class SignatureAdd(VisitData):
    item: ItemId
    photo_id: UUID
    name: Line


class SignatureDecline(VisitData):
    item: ItemId
    reason: ReasonCode


class PhotoAdd(VisitData):
    photo_id: UUID
    item: ItemId
    slot: Annotated[int, pydantic.Field(ge=0, le=1_000)] = 0
    sha256: Sha256
    size: Annotated[int, pydantic.Field(ge=1, le=2**40)]
    mime: Annotated[str, pydantic.Field(min_length=3, max_length=100)]
    captured_at: Instant
    position: Position | None = None


class PhotoRetract(VisitData):
    photo_id: UUID
    reason: Line


class PhotoMark(Body):
    """See `Mark`: places in parts of the upright picture, an angle in degrees."""

    kind: MarkKind
    x: Annotated[float, pydantic.Field(ge=0, le=1)]
    y: Annotated[float, pydantic.Field(ge=0, le=1)]
    size: Annotated[float, pydantic.Field(ge=0.02, le=1)]
    angle: Annotated[int, pydantic.Field(ge=0, le=359)] = 0


class PhotoMarks(VisitData):
    photo_id: UUID
    marks: Annotated[list[PhotoMark], pydantic.Field(max_length=photo_marks.MOST)]


class AssetSuggest(Body):
    asset_id: UUID
    base_rev: Number
    fields: Annotated[dict[str, Any], pydantic.Field(min_length=1, max_length=50)]


class SiteSuggest(Body):
    site_id: UUID
    base_rev: Number
    fields: Annotated[dict[str, Any], pydantic.Field(min_length=1, max_length=50)]


class ContactSuggest(Body):
    contact_id: UUID
    base_rev: Number
    fields: Annotated[dict[str, Any], pydantic.Field(min_length=1, max_length=50)]


class StateSuggest(Body):
    """What somebody wrote over a row that only the server writes. `base_rev` is the row's `rev` then."""

    collection: Annotated[str, pydantic.Field(min_length=1, max_length=40)]
    row_id: UUID
    base_rev: Number | None = None
    fields: Annotated[dict[str, Any], pydantic.Field(max_length=200)] = {}
    is_deleted: bool = False


class FailureRecord(VisitData):
    asset_id: UUID
    failed_at: Instant | None = None
    restored_at: Instant | None = None
    mode: ReasonCode | None = None
    mechanism: ReasonCode | None = None
    cause: ReasonCode | None = None


class FollowUp(VisitData):
    reason: Line
    skills: Annotated[list[dict[str, Any]], pydantic.Field(max_length=20)] = []


class ScopeChange(VisitData):
    lines: Annotated[list[Any], pydantic.Field(max_length=200)] = []
    price: Any = None
    consent: Any = None


class PassportClaim(VisitData):
    code: Annotated[str, pydantic.Field(min_length=1, max_length=200)]
    asset_id: UUID


DATA: dict[str, type[Body]] = {
    "visit.travel": OnTheWay,
    "visit.arrive": Progress,
    "visit.delay": Delay,
    "visit.start": Progress,
    "visit.pause": Interruption,
    "visit.resume": Progress,
    "visit.abort": Abort,
    "visit.reject": Interruption,
    "visit.finish": Finish,
    "answer.set": AnswerSet,
    "note.add": NoteAdd,
    "message.add": MessageAdd,
    "time.add": TimeAdd,
    "time.correct": TimeCorrect,
    "part.use": PartQuantity,
    "part.request": PartQuantity,
    "signature.add": SignatureAdd,
    "signature.decline": SignatureDecline,
    "photo.add": PhotoAdd,
    "photo.retract": PhotoRetract,
    "photo.mark": PhotoMarks,
    "asset.suggest": AssetSuggest,
    "site.suggest": SiteSuggest,
    "contact.suggest": ContactSuggest,
    "state.suggest": StateSuggest,
    "failure.record": FailureRecord,
    "follow_up.request": FollowUp,
    "scope.change": ScopeChange,
    "passport.claim": PassportClaim,
}
"""type → the shape of its `data`"""


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """One intent of a push: what is stored, and what was understood of it.

    `sent_id` is the id as it was written, None where there was none; `id` then is one of ours, derived
    from the contents. `body` is JSON text. Without `envelope`, `problem` says what cannot be read.
    """

    id: UUID
    sent_id: str | None
    sha256: bytes
    body: str
    seq: int = 0
    type: str = ""
    envelope: Envelope | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A push: whose it says it is, where the outbox was empty, when it was sent.

    `sent_at` is by the device's clock; `mono_ms` by its uptime since the start that `boot` names. What the
    device numbered below `from_seq` it no longer has.
    """

    device_id: UUID
    intents: Sequence[Sent]
    outbox_empty_at: int | None = None
    sent_at: datetime | None = None
    boot: str | None = None
    mono_ms: int | None = None
    from_seq: int | None = None


Read = TypeVar("Read", bound=Body)


class _BatchBody(Body):
    device_id: UUID
    outbox_empty_at: Number | None = None
    sent_at: Instant | None = None
    boot: Boot | None = None
    mono_ms: Number | None = None
    from_seq: Annotated[int, pydantic.Field(ge=1, le=2**53)] | None = None
    intents: list[Any]


def read_batch(content: bytes, most: int) -> Batch:
    """Return the push in a JSON body, or raise `MalformedBatch`. More than `most` intents raise too."""
    body = read_body(content, _BatchBody)
    if len(body.intents) > most:
        raise BatchTooLarge(f"At most {most} intents at once; send the rest after.", limit=most)
    return Batch(
        body.device_id,
        [read_intent(one) for one in body.intents],
        body.outbox_empty_at,
        body.sent_at,
        body.boot,
        body.mono_ms,
        body.from_seq,
    )


def read_body(content: bytes, shape: type[Read]) -> Read:
    """Return a JSON body in the given shape, or raise `MalformedBatch`."""
    try:
        return shape.model_validate(decode(content))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = "".join(f"/{part}" for part in first["loc"])
        raise MalformedBatch(f"{where or 'The body'}: {first['msg']}.", at=where) from None


def decode(content: bytes) -> Any:
    """Return what the JSON says; a text that UTF-8 cannot hold is let through, to be kept with its intent."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedBatch(f"The body is not JSON in UTF-8: {error}.") from None


def read_intent(value: Any) -> Sent:
    """Return one intent with its hash; what cannot be understood comes back with its problem."""
    try:
        canonical = canonical_form(value)
        body = canonical.decode()
        storable = "\\u0000" not in body or not _holds_nul(value)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        canonical, body, storable = b"", "", False
    if not storable:
        # NUL, lone surrogates and numbers beyond a double's are JSON that jsonb or UTF-8 cannot hold.
        canonical = json.dumps(value, sort_keys=True).encode()
        body = json.dumps({"unreadable": b64encode(canonical).decode()})
    digest = sha256(canonical).digest()
    members = value if isinstance(value, dict) else {}
    written = members.get("id")
    sent_id = written if isinstance(written, str) and len(written) <= 100 else None
    own_id = _as_uuid(sent_id)
    kept: dict[str, Any] = {
        "id": own_id or uuid5(_UNNAMED, digest.hex()),
        "sent_id": sent_id,
        "sha256": digest,
        "body": body,
    }
    seq = members.get("seq")
    if isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq <= 2**53:
        kept["seq"] = seq
    if isinstance(members.get("type"), str) and storable:
        kept["type"] = members["type"][:40]
    if not storable:
        said = "It holds text or numbers that cannot be stored, such as NUL."
        return Sent(**kept, problem=MalformedIntent(said))
    try:
        return Sent(**kept, envelope=Envelope.model_validate(members))
    except pydantic.ValidationError as error:
        return Sent(**kept, problem=malformed(error))


_UNNAMED = UUID("5f0a1c86-6b0f-5d1e-9d43-0c6f7be1c2a4")


def kept_beside(sent: Sent) -> UUID:
    """Return the id under which an intent is kept whose own id names another one."""
    return uuid5(sent.id, sent.sha256.hex())


def _as_uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _holds_nul(value: Any) -> bool:
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_holds_nul(key) or _holds_nul(one) for key, one in value.items())
        case list():
            return any(_holds_nul(one) for one in value)
    return False


def read_data(envelope: Envelope) -> Body:
    """Return the data of an intent in the shape of its type, or raise what is wrong with it."""
    shape = DATA.get(envelope.type)
    if shape is None:
        raise UnknownIntent(
            f"'{envelope.type}' is not known here; it is kept until somebody looks at it.",
            type=envelope.type,
        )
    try:
        return shape.model_validate(envelope.data)
    except pydantic.ValidationError as error:
        raise malformed(error, "/data") from None


def malformed(error: pydantic.ValidationError, where: str = "") -> MalformedIntent:
    errors = [
        {
            "at": where + "".join(f"/{part}" for part in item["loc"]),
            "detail": item["msg"].removeprefix("Value error, "),
        }
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]
    return MalformedIntent(f"{errors[0]['at']}: {errors[0]['detail']}.", errors=errors)
