"""What a customer's pages are told. Instants are UTC; `zone` is where the machine stands."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from fsm.web.portal.queries import Home, OwnJob
from fsm.web.progress import Progress
from fsm.web.status_routes import MessageBody, PaperBody, StepBody, WindowBody
from fsm.web.views import StepName
from fsm.work_orders.ratings.queries import Given
from fsm.work_orders.ratings.rules import asks_for_call, changeable_until, rateable
from fsm.work_orders.tables import Clock


class SiteLine(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    address: str
    zone: str


class TargetLine(msgspec.Struct, frozen=True):
    """`target_s` seconds of the contract's service hours for a clock at a priority, 1 the most urgent.

    Of `statutory`, the period that the law sets, they are seconds by the calendar.
    """

    clock: str
    priority: int
    target_s: int


class ContractLine(msgspec.Struct, frozen=True):
    """A contract, and what it promises today."""

    id: UUID
    number: str
    name: str
    kind: str
    starts_on: date
    ends_on: date | None
    level: str | None
    lets_customer_move: bool
    targets: list[TargetLine]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ContractLine":
        return cls(
            row["id"],
            row["number"],
            row["name"],
            row["kind"],
            row["starts_on"],
            row["ends_on"],
            row["level"],
            row["lets_customer_move"],
            [TargetLine(one["clock"], one["priority"], one["target_s"]) for one in row["targets"]],
        )


class HomeView(msgspec.Struct, frozen=True):
    """`zone` is the service company's: its months are those of that zone."""

    customer: str
    service_name: str
    zone: str
    sites: list[SiteLine]
    contracts: list[ContractLine]

    @classmethod
    def of(cls, home: Home, contracts: Sequence[Mapping[str, Any]]) -> "HomeView":
        return cls(
            home.customer.name,
            home.tenant.name,
            home.tenant.zone,
            [
                SiteLine(
                    one.id,
                    one.name,
                    ", ".join(part for part in (one.address, one.city) if part),
                    one.zone,
                )
                for one in home.sites
            ],
            [ContractLine.of(row) for row in contracts],
        )


class MachineLine(msgspec.Struct, frozen=True):
    """A machine; `passport_url` is its label's page, None while it has no label."""

    id: UUID
    number: str
    name: str
    model: str
    serial: str | None
    place: str
    site_id: UUID
    site: str
    zone: str
    passport_url: str | None
    open_jobs: int
    last_done_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "MachineLine":
        plain = {name: row[name] for name in cls.__struct_fields__ if name not in ("passport_url",)}
        code = row["code"]
        return cls(**plain, passport_url=None if code is None else f"/p/{code}/page")


class MachinePage(msgspec.Struct, frozen=True):
    items: list[MachineLine]
    next: str | None


class PromiseLine(msgspec.Struct, frozen=True):
    """A promise of one job; `state` is met, breached, disputed, running, paused, cancelled."""

    kind: str
    state: str
    due_at: datetime | None
    stopped_at: datetime | None

    @classmethod
    def of(cls, clock: Clock) -> "PromiseLine":
        return cls(clock.kind, clock.state, clock.due_at, clock.stopped_at)


class JobLine(msgspec.Struct, frozen=True):
    """A job as far as its customer follows it.

    `window` is when arrival was announced, `arrival_at` the present estimate. `may_rate` while the last visit
    is finished; `stars` is what this user said of it.
    """

    id: UUID
    number: str
    title: str
    current: StepName
    zone: str
    site_id: UUID
    site: str
    asset_id: UUID | None
    machine: str | None
    reported_at: datetime
    done_at: datetime | None
    cancelled_at: datetime | None
    window: WindowBody | None
    arrival_at: datetime | None
    technician_first_name: str | None
    promises: list[PromiseLine]
    may_rate: bool
    stars: int | None

    @classmethod
    def of(cls, own: OwnJob, made: Progress) -> "JobLine":
        last = rateable(own.visits)
        technician = made.technician_id
        return cls(
            id=own.job.id,
            number=own.job.number,
            title=own.job.title,
            current=made.current,
            zone=own.site.zone,
            site_id=own.site.id,
            site=own.site.name,
            asset_id=own.job.asset_id,
            machine=None if own.asset is None else own.asset.name,
            reported_at=own.job.reported_at,
            done_at=made.reached_at.get(StepName.DONE),
            cancelled_at=made.cancelled_at,
            window=None if made.window is None else WindowBody(*made.window),
            arrival_at=made.arrival_at,
            technician_first_name=None if technician is None else own.names.get(technician),
            promises=[PromiseLine.of(clock) for clock in own.clocks],
            may_rate=last is not None,
            stars=None if last is None else own.stars.get(last.id),
        )


class JobPage(msgspec.Struct, frozen=True):
    items: list[JobLine]
    next: str | None


class SaidLine(msgspec.Struct, frozen=True):
    """What this user said of the last visit; with few stars the office calls."""

    stars: int
    nps: int | None
    comment: str
    changeable_until: datetime
    asks_for_call: bool

    @classmethod
    def of(cls, given: Given) -> "SaidLine":
        said = given.rating
        until = changeable_until(given.first_at)
        return cls(said.stars, said.nps, said.comment, until, asks_for_call(said.stars))


class JobView(msgspec.Struct, frozen=True):
    """One job with all that its customer may know of it.

    `asked` when the office has yet to agree to another time; without a window in it none of the offered ones
    suited. `may_write` while somebody reads the thread.
    """

    job: JobLine
    description: str
    steps: list[StepBody]
    may_move: bool
    asked: bool
    asked_window: WindowBody | None
    documents: list[PaperBody]
    messages: list[MessageBody]
    may_write: bool
    rating: SaidLine | None
    checked_at: datetime


class LateJob(msgspec.Struct, frozen=True):
    work_order_id: UUID
    number: str


class KeptView(msgspec.Struct, frozen=True):
    """How the promises of one kind that fell due were kept; `share` is null when none was due."""

    clock: str
    kept: int
    counted: int
    share: float | None
    late: list[LateJob]


class ContractKept(msgspec.Struct, frozen=True):
    contract_id: UUID
    number: str
    name: str
    kept: list[KeptView]


class KeptOf(msgspec.Struct, frozen=True):
    """Promises that fell due in [from, to), by contract, as the company's own figures count them."""

    from_at: datetime = msgspec.field(name="from")
    to_at: datetime = msgspec.field(name="to")
    zone: str
    contracts: list[ContractKept]
