"""A review over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class ReviewedJob(msgspec.Struct, frozen=True):
    """The job that a review is about. With a `request_id` its caller follows it through a link."""

    id: UUID
    number: str
    title: str
    status: str
    customer: str
    site: str
    zone: str
    asset_id: UUID | None
    request_id: UUID | None


class ReviewedVisit(msgspec.Struct, frozen=True):
    id: UUID
    technician_id: UUID
    technician: str
    status: str
    planned_starts_at: datetime
    planned_ends_at: datetime


class Sender(msgspec.Struct, frozen=True):
    """The phone that something came from, and whose it is."""

    device_id: UUID
    platform: str
    name: str
    technician_id: UUID | None


class Kept(msgspec.Struct, frozen=True):
    """Something that a person must look at, as it is kept."""

    id: UUID
    work_order_id: UUID | None
    visit_id: UUID | None
    kind: str
    data: dict[str, Any]
    raised_at: datetime
    settled_at: datetime | None
    settled_by: UUID | None
    settled_by_name: str
    settlement: str


class ReviewView(Kept, frozen=True):
    """Something that a person must look at.

    `names`: what the parts, assets, people, visits and contracts are called whose ids are in `data`.
    """

    job: ReviewedJob | None
    visit: ReviewedVisit | None
    sender: Sender | None
    names: dict[str, str]


class ReviewPage(msgspec.Struct, frozen=True):
    items: list[ReviewView]
    next: str | None


class WaitingKind(msgspec.Struct, frozen=True):
    kind: str
    count: int
    oldest_at: datetime


class WaitingReviews(msgspec.Struct, frozen=True):
    """How much waits for a person, in all and of each kind."""

    count: int
    kinds: list[WaitingKind]
