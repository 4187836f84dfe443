"""What was recorded on a job: answers, photos, signatures, time, parts, notes, waivers, costs, closures.

The application's role may only insert facts and closures; photos change their state as bytes arrive.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range
from sqlmodel import Field, SQLModel

from fsm.database import (
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    money,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.problems import Conflict, InUse
from fsm.work_orders.closing_facts import PhotoState


class TimeKind(StrEnum):
    WORK = "work"
    TRAVEL = "travel"
    WAIT = "wait"
    BREAK = "break"
    ADMIN = "admin"


class CostKind(StrEnum):
    """What money went into. `recovery` is what came back, as from a manufacturer: no cost, and beside it."""

    LABOUR = "labour"
    TRAVEL = "travel"
    PARTS = "parts"
    CONTRACTOR = "contractor"
    OVERHEAD = "overhead"
    OTHER = "other"
    RECOVERY = "recovery"


def _of_visit() -> ForeignKeyConstraint:
    """(work_order_id, visit_id) must be a visit of that job."""
    return ForeignKeyConstraint(
        ["tenant_id", "work_order_id", "visit_id"],
        ["visit.tenant_id", "visit.work_order_id", "visit.id"],
    )


class Answer(Row, table=True):
    """One answer to a checklist item; the newest counts, the older ones stay as history.

    Newest: the larger `device_seq` on one device, the later receipt across devices.
    """

    __table_args__ = (_of_visit(), lookup("answer_work_order_idx", "work_order_id", "item"))
    work_order_id: UUID
    visit_id: UUID
    item: str = Field(max_length=64)
    value: Any = Field(default=None, sa_type=JSONB)
    answered_at: datetime = instant()
    received_at: datetime = instant()
    device_id: UUID | None = None
    device_seq: int = Field(default=0, sa_type=BigInteger)
    by: str = ""


class Photo(Row, table=True):
    """A photo or video of one step (`visit, item, slot`). `verified` means that its bytes are here.

    The position is the app's own fix. `clock_offset_ms` is server minus device when it was declared: what
    the camera wrote into the file is by the device's clock.
    """

    __table_args__ = (
        _of_visit(),
        one_of("state", PhotoState),
        check("verified", "(state = 'verified') = (verified_sha256 is not null)"),
        check("same_bytes", "verified_sha256 is null or verified_sha256 = sha256"),
        check("sha256", "octet_length(sha256) = 32"),
        check("size", "size > 0"),
        ForeignKeyConstraint(["tenant_id", "verified_sha256"], ["blob.tenant_id", "blob.sha256"]),
        UniqueConstraint(
            "tenant_id", "work_order_id", "id", "verified_sha256", name="photo_verified_key"
        ),
        lookup("photo_work_order_idx", "work_order_id"),
        lookup("photo_sha256_idx", "sha256"),
        lookup(
            "photo_awaited_idx",
            "id",
            postgresql_where=text("state in ('declared', 'uploading')"),
        ),
    )
    work_order_id: UUID
    visit_id: UUID
    item: str = Field(max_length=64)
    slot: int = 0
    sha256: bytes = Field(sa_type=LargeBinary)
    size: int = Field(sa_type=BigInteger)
    mime: str = Field(max_length=100)
    state: str = Field(default=PhotoState.DECLARED, max_length=12)
    verified_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    captured_at: datetime = instant()
    declared_at: datetime = instant()
    verified_at: datetime | None = instant(nullable=True, default=None)
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    clock_offset_ms: int = Field(default=0, sa_type=BigInteger)
    flags: list[dict[str, Any]] = document(default_factory=list)
    marks: list[dict[str, Any]] = document(default_factory=list)
    retracted_at: datetime | None = instant(nullable=True, default=None)
    retract_reason: str | None = None
    device_id: UUID | None = None
    user_id: UUID | None = None


class Signature(Row, table=True):
    """A signature (its image is a photo), or the reason for its absence."""

    __table_args__ = (
        _of_visit(),
        link("photo_id", "photo"),
        check("either", "(photo_id is not null) <> (declined_reason is not null)"),
        lookup("signature_work_order_idx", "work_order_id"),
    )
    work_order_id: UUID
    visit_id: UUID
    item: str = Field(max_length=64)
    photo_id: UUID | None = None
    name: str = ""
    declined_reason: str | None = None
    signed_at: datetime = instant()


class Waiver(Row, table=True):
    """A named person let an item go, with a reason."""

    __table_args__ = (
        link("work_order_id", "work_order"),
        lookup("waiver_work_order_idx", "work_order_id"),
    )
    work_order_id: UUID
    item: str = Field(max_length=64)
    reason: str
    waived_by: UUID
    waived_by_name: str
    waived_at: datetime = instant()


class WorkOrderClosure(SQLModel, table=True):
    """A verdict with nothing missing on one revision of a job's facts. Insert-only.

    `context` is what the rules saw beside the facts: meters, codes and attributes as they stood then. They
    change later, and the verdict must still come out the same.
    """

    __tablename__ = "work_order_closure"
    __table_args__ = (
        link("work_order_id", "work_order"),
        CheckConstraint("unmet = '[]'", name="satisfied"),
        UniqueConstraint(
            "tenant_id",
            "work_order_id",
            "id",
            "facts_rev",
            "rules_sha256",
            name="work_order_closure_judged_key",
        ),
    )
    tenant_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    work_order_id: UUID
    facts_rev: int = Field(sa_type=BigInteger)
    rules_sha256: str = Field(max_length=64)
    verdict: dict[str, Any] = document()
    unmet: list[Any] = document()
    context: dict[str, Any] = document(
        default_factory=dict, sa_column_kwargs={"server_default": text("'{}'")}
    )
    judged_at: datetime = instant()


class ClosurePhoto(SQLModel, table=True):
    """A verified photo that a closure rests on: it can be neither demoted nor deleted."""

    __tablename__ = "closure_photo"
    __table_args__ = (
        link("closure_id", "work_order_closure"),
        ForeignKeyConstraint(
            ["tenant_id", "work_order_id", "photo_id", "sha256"],
            ["photo.tenant_id", "photo.work_order_id", "photo.id", "photo.verified_sha256"],
            name="closure_photo_verified_fkey",
        ),
        lookup("closure_photo_photo_idx", "photo_id"),
    )
    tenant_id: UUID = Field(primary_key=True)
    closure_id: UUID = Field(primary_key=True)
    photo_id: UUID = Field(primary_key=True)
    work_order_id: UUID
    sha256: bytes = Field(sa_type=LargeBinary)


class ClosureAudit(SQLModel, table=True):
    """What judging a closure again came to, and since when: nothing where it is sound."""

    __tablename__ = "closure_audit"
    __table_args__ = (link("closure_id", "work_order_closure"),)
    tenant_id: UUID = Field(primary_key=True)
    closure_id: UUID = Field(primary_key=True)
    audited_at: datetime = instant()
    findings: list[str] = document(default_factory=list)


class TimeEntry(Row, table=True):
    """A technician's time on a job. A correction is a new entry that names the one it replaces.

    `distance_m` is how far was driven in a time of travel, null where nobody said.
    """

    __tablename__ = "time_entry"
    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("technician_id", "technician"),
        link("corrects_id", "time_entry"),
        one_of("kind", TimeKind),
        check("during", "not isempty(during) and not lower_inf(during) and not upper_inf(during)"),
        check("distance", "distance_m >= 0"),
        lookup("time_entry_work_order_idx", "work_order_id"),
        lookup("time_entry_technician_idx", "technician_id"),
        lookup("time_entry_during_idx", "during", postgresql_using="gist"),
        lookup(
            "time_entry_corrects_idx",
            "corrects_id",
            postgresql_where=text("corrects_id is not null"),
        ),
    )
    work_order_id: UUID
    visit_id: UUID | None = None
    technician_id: UUID
    kind: str = Field(max_length=10)
    during: Range[datetime] = Field(sa_type=TSTZRANGE)
    corrects_id: UUID | None = None
    needs_review: bool = False
    distance_m: int | None = None
    recorded_at: datetime = instant()


class PartUsed(Row, table=True):
    """A part used on a job; the movement took it out of stock at its cost of that moment."""

    __tablename__ = "part_used"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("part_id", "part"),
        link("movement_id", "movement"),
        check("quantity", "quantity > 0"),
        lookup("part_used_work_order_idx", "work_order_id"),
    )
    work_order_id: UUID
    visit_id: UUID | None = None
    part_id: UUID
    movement_id: UUID
    quantity: Decimal = quantity()
    used_at: datetime = instant()


class Note(Row, table=True):
    __table_args__ = (
        link("work_order_id", "work_order"),
        lookup("note_work_order_idx", "work_order_id"),
    )
    work_order_id: UUID
    visit_id: UUID | None = None
    text: str
    written_at: datetime = instant()
    received_at: datetime = instant()
    by: str = ""


class CostLine(Row, table=True):
    """One line of the cost ledger: frozen when posted, corrected only by another line.

    `quantity` of `unit` (h, km, pc …) at `unit_cost`. What is for several assets is a line for each. `payer`,
    `payer_rule` and `payer_ground` say who pays, which rule said so, and why nobody else does. `price` is
    what the customer is billed for it, null where there is no price. `corrects_id` names the line that this
    one takes back with its negative.
    """

    __tablename__ = "cost_line"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("asset_id", "asset"),
        link("contract_id", "contract"),
        link("technician_id", "technician"),
        link("corrects_id", "cost_line"),
        unique("corrects_id"),
        one_of("kind", CostKind),
        lookup("cost_line_work_order_idx", "work_order_id"),
        lookup("cost_line_asset_idx", "asset_id", "posted_on"),
        lookup("cost_line_contract_idx", "contract_id", "posted_on"),
        lookup("cost_line_technician_idx", "technician_id", "posted_on"),
    )
    work_order_id: UUID
    asset_id: UUID | None = None
    contract_id: UUID | None = None
    technician_id: UUID | None = None
    kind: str = Field(max_length=12)
    quantity: Decimal = quantity()
    unit: str = Field(default="", max_length=20, sa_column_kwargs={"server_default": text("''")})
    unit_cost: Decimal = money()
    amount: Decimal = money()
    price: Decimal | None = money(default=None, nullable=True)
    currency: str = Field(max_length=3)
    posted_on: date
    source_kind: str = Field(max_length=20)
    source_id: UUID | None = None
    payer: str | None = Field(default=None, max_length=12)
    payer_rule: str | None = Field(default=None, max_length=60)
    payer_ground: str = Field(
        default="", max_length=300, sa_column_kwargs={"server_default": text("''")}
    )
    corrects_id: UUID | None = None
    note: str = Field(default="", max_length=300, sa_column_kwargs={"server_default": text("''")})
    created_at: datetime = instant()


refusal(
    "cost_line_corrects_id_key",
    Conflict,
    "This line has been taken back already. Read the job's costs again.",
)
refusal(
    "closure_photo_verified_fkey",
    InUse,
    "A completed job rests on this photo, so it stays as it is.",
)
