"""Where a figure comes from: every candidate once, with its share of both sides or why it was left out.

The shares of the candidates add up to the two sides of the figure; with percentiles, which have no sides,
they list the lengths that were put in order. Candidates are read in pages, in order of kind and id.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from fsm.actors import Actor
from fsm.database import Session
from fsm.intervals import HOUR
from fsm.problems import Invalid
from reports import cost_sql, lives_sql, meters_sql, reliability_sql, repairs_sql
from reports.asset_figures import inherent_counts, repair_part
from reports.candidates import Candidate
from reports.computed import COUNTED
from reports.exposure_sql import Page, Statement, subjects
from reports.formulae.meters import METER
from reports.formulae.reliability import Availability, TimeBase
from reports.ledger import contractors, margin, people, recovery
from reports.outages_sql import list_outages
from reports.questions import Asked, Known, Question
from reports.reliability_sql import TimeSums
from reports.scopes import Cut


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: `next` of the page before is its text."""

    kind: str
    id: UUID

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


Part = Callable[[Asked, Page], Awaitable[list[Candidate]]]


def read_place(question: Question, after: str | None) -> Place | None:
    """Return where to go on; refused when it is no `next` of this figure's lineage."""
    if after is None:
        return None
    kind, _, written = after.partition(":")
    try:
        if kind not in dict(_parts(question)):
            raise ValueError(kind)
        return Place(kind, UUID(written))
    except ValueError:
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None


async def list_candidates(
    session: Session,
    actor: Actor,
    known: Known,
    question: Question,
    after: Place | None,
    limit: int,
) -> list[Candidate]:
    """Return the next candidates of a figure, at most `limit`."""
    asked = Asked(session, actor, known, question)
    found: list[Candidate] = []
    reached = after is None
    for kind, part in _parts(question):
        start = None
        if not reached and after is not None:
            if kind != after.kind:
                continue
            reached, start = True, after.id
        if len(found) < limit:
            found += await part(asked, Page(limit - len(found), start))
    return found


def _parts(question: Question) -> tuple[tuple[str, Part], ...]:
    kpi = question.definition.kpi
    if kpi == "contractor" and question.variant == contractors.ACCEPTED:
        return (("visit", contractors.contractor_candidates),)
    if kpi == "warranty_recovery" and question.variant == recovery.DAYS:
        return (("claim", recovery.recovery_candidates),)
    if kpi == "mtbf" and question.variant == METER:
        return ("asset", meters_sql.list_metered), ("failure", meters_sql.list_failures)
    return _PARTS[kpi] if kpi in _PARTS else ((COUNTED[kpi].kind, COUNTED[kpi].page),)


async def _assets(asked: Asked, page: Page) -> list[Candidate]:
    sums = await reliability_sql.time_sums(
        asked.session, asked.actor, asked.question.period, asked.question.scope, Cut.ASSET, page
    )
    found = []
    for asset_id, time in sums.items():
        assert isinstance(asset_id, UUID)
        above, below, excluded = _share_of_time(asked.question, time)
        found.append(Candidate("asset", asset_id, asset_id, None, above, below, excluded, []))
    return found


def _share_of_time(question: Question, time: TimeSums) -> tuple[float, float, str | None]:
    """Return what an asset's time adds to both sides of a figure, and why it is left out, if it is."""
    match question.definition.kpi:
        case "mtbf" | "inherent_availability" as kpi:
            operating = kpi != "mtbf" or question.variant == TimeBase.OPERATING
            return (time.up if operating else time.exposed) / HOUR, 0, None
        case "availability":
            planned_out = question.variant == Availability.PLANNED_OUT
            required = time.required - (time.planned if planned_out else 0)
            return (time.up / HOUR, required / HOUR, None) if required else (0, 0, "not_required")
        case _:
            total = time.required - time.up
            lengths = {
                "failure": time.failure,
                "operational": time.operational,
                "planned": time.planned,
                "degraded": time.degraded,
            }
            return lengths.get(question.variant, total) / HOUR, 0, None


async def _inherent_assets(asked: Asked, page: Page) -> list[Candidate]:
    """Each asset's part of the mean time between failures, which stands on both sides."""
    found = await _assets(asked, page)
    n, _ = await inherent_counts(asked)
    return [
        msgspec.structs.replace(each, numerator=each.numerator / n, denominator=each.numerator / n)
        for each in found
        if n
    ]


async def _inherent_failures(asked: Asked, page: Page) -> list[Candidate]:
    found = await _failures(asked, page)
    return [msgspec.structs.replace(each, denominator=0) for each in found]


async def _inherent_repairs(asked: Asked, page: Page) -> list[Candidate]:
    """Each repair's part of the mean repair time."""
    found = await _repairs(asked, page)
    _, n = await inherent_counts(asked)
    return [
        each
        if each.excluded
        else msgspec.structs.replace(each, numerator=0, denominator=each.numerator / n)
        for each in found
    ]


async def _failures(asked: Asked, page: Page) -> list[Candidate]:
    statement = reliability_sql.add_failures(
        subjects(asked.actor, asked.question.period, asked.question.scope, Cut.TENANT)
    )
    rows = await _page(statement, page).run(asked.session, _FAILURES, after=_after(page))
    return [
        Candidate("failure", id_, asset_id, at, 0, 0 if reason else 1, reason, jobs)
        for id_, asset_id, at, reason, jobs in rows
    ]


async def _restored(asked: Asked, page: Page) -> list[Candidate]:
    statement = repairs_sql.add_restored(
        subjects(asked.actor, asked.question.period, asked.question.scope, Cut.TENANT)
    )
    return await _ended(asked.session, _page(statement, page), page, "failure", _RESTORED)


async def _repairs(asked: Asked, page: Page) -> list[Candidate]:
    statement = repairs_sql.add_repairs(
        subjects(asked.actor, asked.question.period, asked.question.scope, Cut.TENANT),
        repair_part(asked.question.definition.kpi, asked.question.variant),
    )
    return await _ended(asked.session, _page(statement, page), page, "repair", _REPAIRS)


async def _ended(
    session: Session, statement: Statement, page: Page, kind: str, sql: str
) -> list[Candidate]:
    found = []
    for id_, asset_id, at, reason, us, jobs in await statement.run(
        session, sql, after=_after(page)
    ):
        above, below = (0, 0) if reason else (us / HOUR, 1)
        found.append(Candidate(kind, id_, asset_id, at, above, below, reason, jobs))
    return found


async def _lines(asked: Asked, page: Page) -> list[Candidate]:
    days = cost_sql.days_of(asked.question.period, ZoneInfo(asked.known.zone))
    statement = cost_sql.add_lines(
        asked.actor, days, asked.question.scope, Cut.TENANT, asked.question.variant
    )
    rows = await _page(statement, page).run(asked.session, _LINES, after=_after(page))
    found = []
    for id_, asset_id, posted_on, amount, currency, job, left_out in rows:
        at = datetime(posted_on.year, posted_on.month, posted_on.day, tzinfo=UTC)
        is_other = currency != (asked.question.currency or asked.known.currency)
        reason = "other_currency" if is_other else left_out
        share = 0 if reason else amount
        found.append(Candidate("cost", id_, asset_id, at, share, 0, reason, [job]))
    return found


def _page(statement: Statement, page: Page) -> Statement:
    statement.values["lines"] = page.limit
    if page.after is not None:
        statement.values["after"] = page.after
    return statement


def _after(page: Page) -> str:
    return "" if page.after is None else "where c.id > :after"


_PARTS: dict[str, tuple[tuple[str, Part], ...]] = {
    "mtbf": (("asset", _assets), ("failure", _failures)),
    "availability": (("asset", _assets),),
    "downtime": (("asset", _assets),),
    "mttf": (("part", lives_sql.list_parts),),
    "mdt": (("outage", list_outages),),
    "restoration": (("failure", _restored),),
    "mrt": (("repair", _repairs),),
    "mart": (("repair", _repairs),),
    "repair_split": (("repair", _repairs),),
    "inherent_availability": (
        ("asset", _inherent_assets),
        ("failure", _inherent_failures),
        ("repair", _inherent_repairs),
    ),
    "cost": (("cost", _lines),),
    "contract_margin": (
        ("clock", partial(margin.margin_entries, kind="clock")),
        ("contract", partial(margin.margin_entries, kind="contract")),
        ("cost", margin.margin_lines),
    ),
    "payer_split": (("cost", margin.margin_lines),),
    "warranty_recovery": (("cost", recovery.recovery_candidates),),
    "contractor": (("cost", contractors.contractor_candidates),),
    "technician_pay": (("pay_line", people.pay_lines),),
}

_FAILURES = """
select c.id, c.asset_id, c.happened_at, c.reason,
       array(select w.id from work_order w where w.tenant_id = :t and w.failure_id = c.id order by w.id)
from candidate c $after order by c.id limit :lines
"""

_RESTORED = """
select c.id, c.asset_id, c.ended_at, c.reason, c.us,
       array(select w.id from work_order w where w.tenant_id = :t and w.failure_id = c.id order by w.id)
from candidate c $after order by c.id limit :lines
"""

_REPAIRS = """
select c.id, c.asset_id, c.ended_at, c.reason, c.us, coalesce(k.ids, '{}')
from (select * from candidate c $after order by c.id limit :lines) c
left join (
  select j.repair_id, array_agg(j.id order by j.id) as ids from job j group by j.repair_id
) k on k.repair_id = c.id
order by c.id
"""

_LINES = """
select c.id, c.asset_id, c.posted_on, c.amount, c.currency, c.work_order_id, c.reason
from line c $after order by c.id limit :lines
"""
