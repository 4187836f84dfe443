"""What the API tells of what lies on the desk."""

from datetime import datetime
from uuid import UUID

import msgspec


class OpenReport(msgspec.Struct, frozen=True):
    """Another open request on the same asset; `job` is the number of its job, empty while it has none."""

    id: UUID
    number: str
    text: str
    reported_at: datetime
    job: str


class DeskRequest(msgspec.Struct, frozen=True):
    """A request that waits for an answer. `additions` counts the requests added to it; names are empty where
    its caller named no place; `zone` is the site's. `others` are the latest first."""

    id: UUID
    number: str
    request_class: str
    impact: str | None
    source: str
    text: str
    reported_at: datetime
    contact_name: str
    contact_phone: str
    contact_email: str
    asset_id: UUID | None
    asset: str
    serial: str
    site_id: UUID | None
    site: str
    city: str
    customer_id: UUID | None
    customer: str
    zone: str | None
    photos: int
    additions: int
    others: list[OpenReport]


class DeskRequests(msgspec.Struct, frozen=True):
    """The oldest first. `count` is of all, also where fewer are listed."""

    items: list[DeskRequest]
    count: int


class JobToClose(msgspec.Struct, frozen=True):
    """A job whose work is done: `completed` may be closed, `work_done` still waits for something.

    `photos` are those whose bytes have arrived and been verified, `photos_pending` those that have not.
    """

    id: UUID
    number: str
    title: str
    status: str
    priority: int
    is_rework: bool
    work_type: str
    customer: str
    site: str
    asset: str
    zone: str
    technicians: list[str]
    work_done_at: datetime | None
    completed_at: datetime | None
    facts_rev: int
    answers: int
    photos: int
    photos_pending: int
    signatures: int


class JobsToClose(msgspec.Struct, frozen=True):
    """What may be closed before what still waits, each the oldest first. `count` is of all."""

    items: list[JobToClose]
    count: int
