"""Promises over HTTP: windows to announce, the ledger of what was told, how it came out."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Instant, Now, needs
from fsm.languages import LANGUAGES
from fsm.problems import Invalid
from fsm.work_orders.lifecycle import WrongStatus
from scheduler.day import Day
from scheduler.promise_ledger import queries, reporting, telling
from scheduler.promise_ledger.reporting import Kept
from scheduler.promise_ledger.tables import Channel, PromiseOutcome, PromiseTold
from scheduler.promises.keeping import Asker
from scheduler.sentences import cure_sentence
from scheduler.slots import Risk

_NEAR_DAYS = 366


class ProposalView(msgspec.Struct, frozen=True):
    """The narrowest window that holds the target for a planned visit, and the chance of keeping it."""

    visit_id: UUID
    work_order_id: UUID
    number: str
    window_starts_at: datetime
    window_ends_at: datetime
    probability: float

    @classmethod
    def of(cls, one: telling.Proposal) -> "ProposalView":
        return cls(
            one.visit_id,
            one.work_order_id,
            one.number,
            one.opens_at,
            one.closes_at,
            one.probability,
        )


class PromiseBody(Body):
    """A window as a customer was told it, now unless `sent_at` says otherwise.

    `asked_by`, where a window was told before: `customer` where they wanted another one, which then replaces
    what was promised; `company` (the default) leaves the first promise standing beside it.
    """

    visit_id: UUID
    window_starts_at: Instant
    window_ends_at: Instant
    channel: Channel
    sent_at: Instant | None = None
    asked_by: Asker | None = None


class PromisesBody(Body):
    promises: Annotated[list[PromiseBody], pydantic.Field(min_length=1, max_length=500)]


class PromiseView(msgspec.Struct, frozen=True):
    """A promise with the chance that was stated, and what became of it (null: not yet known)."""

    id: UUID
    work_order_id: UUID
    visit_id: UUID
    window_starts_at: datetime
    window_ends_at: datetime
    channel: str
    sent_at: datetime
    told_by: str
    asked_by: str | None
    reason: str | None
    probability: float | None
    expected_at: datetime | None
    model_sha256: str | None
    outcome: str | None = None
    arrived_at: datetime | None = None
    began_at: datetime | None = None

    @classmethod
    def of(cls, promise: PromiseTold, outcome: PromiseOutcome | None = None) -> "PromiseView":
        stored = {
            name: getattr(promise, name)
            for name in cls.__struct_fields__
            if name not in ("outcome", "arrived_at", "began_at")
        }
        if outcome is None:
            return cls(**stored)
        return cls(
            **stored,
            outcome=outcome.outcome,
            arrived_at=outcome.arrived_at,
            began_at=outcome.began_at,
        )


class PromisePage(msgspec.Struct, frozen=True):
    items: list[PromiseView]
    next: str | None


class CureView(msgspec.Struct, frozen=True):
    """Where else the visit would be safe. `cost` is in seconds of driving."""

    technician_id: UUID
    technician: str
    starts_at: datetime
    probability: float
    cost: int


class RiskView(msgspec.Struct, frozen=True):
    """A promise that is now kept less surely than was stated; `cure` is null where nothing mends it."""

    visit_id: UUID
    number: str
    stated: float
    probability: float
    cure: CureView | None
    said: dict[str, str]

    @classmethod
    def of(cls, day: Day, risk: Risk) -> "RiskView":
        cure = None
        if risk.cure is not None:
            cure = CureView(
                technician_id=UUID(risk.cure.technician),
                technician=day.names.get(risk.cure.technician, ""),
                starts_at=day.instant(risk.cure.start),
                probability=round(risk.cured, 3),
                cost=risk.cure.cost,
            )
        name = "" if cure is None else cure.technician
        return cls(
            visit_id=UUID(risk.visit),
            number=day.work_orders[risk.visit].number,
            stated=risk.stated,
            probability=round(risk.chance, 3),
            cure=cure,
            said={each: cure_sentence(name, risk, each) for each in LANGUAGES},
        )


class BucketView(msgspec.Struct, frozen=True):
    """Promises whose stated chance lay in a tenth: how many, its mean, the share kept."""

    low: float
    high: float
    count: int
    stated: float
    kept: float


class CalibrationView(msgspec.Struct, frozen=True):
    """How promises were kept whose windows ended in a period.

    `original` counts what was promised at first, which only the customer's own change replaces; `last` the
    last word of each job. Void promises are in neither. `brier` is the mean of (stated − kept)²; it and the
    buckets count promises with a stated chance, each of them.
    """

    from_at: datetime
    to_at: datetime
    original: dict[str, int]
    last: dict[str, int]
    original_kept: float | None
    last_kept: float | None
    stated: float | None
    brier: float | None
    buckets: list[BucketView]

    @classmethod
    def of(cls, from_at: datetime, to_at: datetime, kept: Kept) -> "CalibrationView":
        found = kept.report
        return cls(
            from_at,
            to_at,
            kept.original,
            kept.last,
            reporting.share(kept.original),
            reporting.share(kept.last),
            found.stated,
            found.brier,
            [
                BucketView(each.low, each.high, each.count, each.stated, each.kept)
                for each in found.buckets
            ],
        )


_PLAN = needs(Permission.PLAN)
_On = Annotated[http.Day, QueryParameter(description="A day in the company's zone.")]


class PromiseController(Controller):
    path = "/api/planning/promises"
    tags = ["Promises"]

    @get("/proposals", opt=_PLAN, summary="Windows to announce for the planned visits of a day")
    async def proposals(
        self, session: DbSession, actor: CurrentActor, now: Now, on: _On
    ) -> list[ProposalView]:
        _near(on, now)
        found = await telling.propose(session, actor, now, on)
        return [ProposalView.of(each) for each in found]

    @get("/risks", opt=_PLAN, summary="Promises of a day that have become unsure, with a cure")
    async def risks(
        self, session: DbSession, actor: CurrentActor, now: Now, on: _On
    ) -> list[RiskView]:
        _near(on, now)
        found = await telling.list_risks(session, actor, now, on)
        return [RiskView.of(day, each) for day, each in found]

    @post(
        "/",
        opt=_PLAN,
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongStatus),
        summary="Write down windows that customers were told",
    )
    async def tell(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[PromisesBody]
    ) -> list[PromiseView]:
        told = [
            telling.Telling(
                visit_id=each.visit_id,
                window=(each.window_starts_at, each.window_ends_at),
                channel=each.channel,
                sent_at=each.sent_at or now,
                asked_by=each.asked_by,
            )
            for each in data.promises
        ]
        rows = await telling.tell_windows(session, actor, now, told)
        return [PromiseView.of(row) for row in rows]

    @get(
        "/",
        opt=_PLAN,
        summary="What was promised, newest first, and what became of it",
        dependencies=http.pages_of(50),
    )
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        work_order_id: Annotated[
            UUID | None, QueryParameter(description="Of one job alone.")
        ] = None,
    ) -> PromisePage:
        found = await queries.list_promises(
            session,
            actor,
            limit=page.limit,
            after=page.after_id,
            work_order_id=work_order_id,
        )
        views = [PromiseView.of(promise, outcome) for promise, outcome in found]
        return PromisePage(views, page.next(views))

    @get(
        "/calibration",
        opt=_PLAN,
        summary="How many promises were kept, and whether as often as was stated",
    )
    async def calibration(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        from_at: Annotated[
            Instant | None, QueryParameter(name="from", description="Six weeks ago, unless told.")
        ] = None,
        to_at: Annotated[
            Instant | None, QueryParameter(name="to", description="Now, unless told.")
        ] = None,
    ) -> CalibrationView:
        ends = to_at or now
        begins = from_at or ends - timedelta(weeks=6)
        if not timedelta(0) < ends - begins <= timedelta(days=_NEAR_DAYS):
            raise Invalid(
                "A report covers a period of at most a year.",
                errors=[{"at": "?from", "detail": "out of range"}],
            )
        counted = await queries.list_counted(session, actor, begins, ends)
        return CalibrationView.of(begins, ends, reporting.kept_of(counted))


def _near(on: http.Day, now: datetime) -> None:
    if abs((on - now.date()).days) > _NEAR_DAYS:
        raise Invalid(
            "Promises are made for days near today.",
            errors=[{"at": "?on", "detail": "too far away"}],
        )


ROUTES = [PromiseController]
