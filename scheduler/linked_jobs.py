"""Links between jobs as rows: made, listed, removed, and read by whoever plans."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete
from sqlmodel import col, or_, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch, refusal
from fsm.problems import Conflict, Invalid, NotFound
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders.lifecycle import LIVE_VISITS, Status, VisitStatus, WrongStatus
from fsm.work_orders.orders import find_work_order, lock_work_orders
from fsm.work_orders.tables import WorkOrder
from scheduler.linking import (
    MOST_GAP_S,
    Bond,
    Breach,
    Broken,
    LinkedPeople,
    Reach,
    Spot,
    at_odds,
    breaches,
    cannot_be,
    path,
)
from scheduler.rows import BEGUN, list_pins, list_terms
from scheduler.tables import Keeps, VisitPin, WorkOrderLink

_OVER = (Status.WORK_DONE, Status.COMPLETED, Status.CLOSED)
_ENDED = (*_OVER, Status.CANCELLED)


class LinksInCircle(Conflict):
    """Each of the jobs would have to wait for the next one; `numbers` names them in their order."""

    code, status, title = "links-in-circle", 409, "These jobs would wait for each other"


class LinkContradicts(Conflict):
    """No plan could keep the link beside what was decided already; `what` says what of it."""

    code, status, title = "link-contradicts", 409, "This link could never be kept"


class AlreadyLinked(Conflict):
    """Two jobs have one link at most."""

    code, status, title = "already-linked", 409, "These jobs are linked already"


refusal(
    "work_order_link_first_id_second_id_key",
    AlreadyLinked,
    "These jobs are linked already. Remove that link first.",
)


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobVisit:
    """A visit of a linked job: live or finished."""

    id: UUID
    technician_id: UUID
    status: str
    begins_at: datetime
    ends_at: datetime
    window_starts_at: datetime | None
    window_ends_at: datetime | None


@dataclass(slots=True)
class LinkedJob:
    """A job that is linked to others, with the visits that say where it is."""

    id: UUID
    number: str
    status: str
    estimate_s: int
    crew_size: int
    visits: list[JobVisit] = field(default_factory=list)

    @property
    def is_cancelled(self) -> bool:
        return self.status == Status.CANCELLED

    @property
    def live(self) -> list[JobVisit]:
        return [each for each in self.visits if each.status in LIVE_VISITS]

    def spot(self, ends_at: Mapping[UUID, datetime] | None = None) -> Spot | None:
        """Return where the job is: its live visits, those that were made once it is done; None: nowhere.

        `ends_at`: when visits are now expected to end.
        """
        counted = self.live or (self.visits if self.status in _OVER else [])
        return spot_of(
            (each.technician_id, each.begins_at, (ends_at or {}).get(each.id, each.ends_at))
            for each in counted
        )


def spot_of(visits: Iterable[tuple[UUID, datetime, datetime]]) -> Spot | None:
    """Return what several visits of one job are together."""
    known = list(visits)
    if not known:
        return None
    return Spot(
        min(begins for _, begins, _ in known),
        max(ends for _, _, ends in known),
        frozenset(str(technician) for technician, _, _ in known),
    )


def bond_of(row: WorkOrderLink) -> Bond:
    return Bond(**{name: getattr(row, name) for name in Bond.__dataclass_fields__})


_BOND = ", ".join(Bond.__dataclass_fields__)


async def list_bonds(
    session: Session, actor: Actor, work_order_ids: Collection[UUID]
) -> list[Bond]:
    """Return the links that these jobs have with any other, in one order."""
    if not work_order_ids:
        return []
    found = await fetch(
        session,
        f"""
        select {_BOND} from work_order_link
        where tenant_id = $1 and (first_id = any($2) or second_id = any($2))
        order by id
        """,  # noqa: S608 - put together from words of this file
        actor.tenant_id,
        list(work_order_ids),
    )
    return [Bond(*row) for row in map(tuple, found)]


async def list_linked_jobs(
    session: Session, actor: Actor, bonds: Iterable[Bond]
) -> dict[UUID, LinkedJob]:
    """Return both jobs of each link, with their visits."""
    ids = {each for bond in bonds for each in (bond.first_id, bond.second_id)}
    if not ids:
        return {}
    rows = await fetch(
        session,
        """
        select w.id, w.number, w.status, w.estimate_s, w.crew_size, v.id, v.technician_id, v.status,
          case when v.status = any($4) then coalesce(v.work_started_at, v.planned_starts_at)
            else v.planned_starts_at end,
          coalesce(v.finished_at, v.planned_ends_at), v.window_starts_at, v.window_ends_at
        from work_order w
        left join visit v on v.tenant_id = w.tenant_id and v.work_order_id = w.id and v.status = any($3)
        where w.tenant_id = $1 and w.id = any($2)
        order by w.id, v.planned_starts_at, v.id
        """,
        actor.tenant_id,
        list(ids),
        [str(each) for each in (*LIVE_VISITS, VisitStatus.FINISHED)],
        [str(each) for each in (*BEGUN, VisitStatus.FINISHED)],
    )
    found: dict[UUID, LinkedJob] = {}
    for row in map(tuple, rows):
        job = found.setdefault(row[0], LinkedJob(*row[:5]))
        if row[5] is not None:
            job.visits.append(JobVisit(*row[5:12]))
    return found


async def list_partner_technicians(
    session: Session, actor: Actor, work_order_ids: Collection[UUID]
) -> set[str]:
    """Return who has the jobs that these are to be done by the same technician as."""
    bonds = [
        bond
        for bond in await list_bonds(session, actor, work_order_ids)
        if bond.technician == LinkedPeople.SAME
    ]
    jobs = await list_linked_jobs(session, actor, bonds)
    spots = [job.spot() for job in jobs.values() if job.id not in work_order_ids]
    return {each for spot in spots if spot is not None for each in spot.technicians}


@dataclass(frozen=True, slots=True)
class Told:
    """A link with the numbers of its jobs, and what the present plan does not keep of it."""

    link: WorkOrderLink
    first_number: str
    second_number: str
    breaches: list[Breach]


async def list_links(session: Session, actor: Actor, work_order_id: UUID) -> list[Told]:
    """Return a job's links, in the order they were made in."""
    await find_work_order(session, actor, work_order_id)
    statement = (
        select(WorkOrderLink)
        .where(
            WorkOrderLink.tenant_id == actor.tenant_id,
            or_(WorkOrderLink.first_id == work_order_id, WorkOrderLink.second_id == work_order_id),
        )
        .order_by(col(WorkOrderLink.id))
    )
    return await _told(session, actor, list(await session.exec(statement)))


async def _told(session: Session, actor: Actor, rows: list[WorkOrderLink]) -> list[Told]:
    bonds = [bond_of(row) for row in rows]
    jobs = await list_linked_jobs(session, actor, bonds)
    company = await find_zone_and_currency(session, actor.tenant_id)
    zone = ZoneInfo(company.zone)
    found = []
    for row, bond in zip(rows, bonds, strict=True):
        first, second = jobs[bond.first_id], jobs[bond.second_id]
        broken = [] if first.is_cancelled else breaches(bond, first.spot(), second.spot(), zone)
        found.append(Told(row, first.number, second.number, broken))
    return found


async def list_breaches(
    session: Session,
    actor: Actor,
    work_order_id: UUID,
    visit_id: UUID | None,
    visit: tuple[UUID, datetime, datetime],
) -> list[tuple[Breach, str, bool]]:
    """Return what of a job's links a visit there would not keep: with the partner, and whether it is first.

    `visit` is technician, beginning and end; `visit_id` is where it is now.
    """
    bonds = await list_bonds(session, actor, [work_order_id])
    jobs = await list_linked_jobs(session, actor, bonds)
    company = await find_zone_and_currency(session, actor.tenant_id)
    found = []
    for bond in bonds:
        own, partner = jobs[work_order_id], jobs[bond.other_of(work_order_id)]
        others = [
            (each.technician_id, each.begins_at, each.ends_at)
            for each in own.live
            if each.id != visit_id
        ]
        mine, theirs = spot_of([*others, visit]), partner.spot()
        is_second = work_order_id == bond.second_id
        if is_second and partner.is_cancelled:
            continue
        pair = (theirs, mine) if is_second else (mine, theirs)
        broken = breaches(bond, *pair, ZoneInfo(company.zone))
        found += [(breach, partner.number, is_second) for breach in broken]
    return found


# --- making -----------------------------------------------------------------------------------------------


async def add_link(session: Session, actor: Actor, now: datetime, bond: Bond) -> Told:
    """Link two jobs. Refused where it says nothing, goes in a circle, or could never be kept."""
    _check(bond)
    jobs, bonds = await _lock_around(session, actor, bond)
    first, second = jobs[bond.first_id], jobs[bond.second_id]
    await _check_status(session, actor, bond, first, second)
    together = {(bond.first_id, bond.second_id), (bond.second_id, bond.first_id)}
    if any((each.first_id, each.second_id) in together for each in bonds):
        raise AlreadyLinked(
            f"{first.number} and {second.number} are linked already. Remove that link first."
        )
    if bond.is_ordered and (way := path(bonds, bond.second_id, bond.first_id)) is not None:
        numbers = [jobs[each].number for each in way]
        raise LinksInCircle(
            f"{first.number} is to come after {second.number} already: {' → '.join(numbers)}. "
            "Remove one of those links first.",
            numbers=numbers,
        )
    await _check_decided(session, actor, bond, bonds, jobs)
    row = WorkOrderLink(
        tenant_id=actor.tenant_id,
        **{name: getattr(bond, name) for name in Bond.__dataclass_fields__},
        set_by=actor.name,
        set_at=now,
    )
    session.add(row)
    await session.flush()
    await _record(session, actor, now, "work_order.linked", row)
    (told,) = await _told(session, actor, [row])
    return told


async def remove_link(session: Session, actor: Actor, now: datetime, link_id: UUID) -> None:
    # One statement, so that of two who remove it at once only one has removed it.
    statement = (
        delete(WorkOrderLink)
        .where(col(WorkOrderLink.tenant_id) == actor.tenant_id, col(WorkOrderLink.id) == link_id)
        .returning(WorkOrderLink)
    )
    row = (await session.exec(statement)).scalars().one_or_none()
    if row is None:
        raise NotFound(f"No link {link_id}.")
    await _record(session, actor, now, "work_order.unlinked", row)


async def _record(
    session: Session, actor: Actor, now: datetime, kind: str, row: WorkOrderLink
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "work_order",
        row.second_id,
        now=now,
        link_id=str(row.id),
        first_id=str(row.first_id),
        is_ordered=row.is_ordered,
        least_gap_s=row.least_gap_s,
        greatest_gap_s=row.greatest_gap_s,
        technician=row.technician,
        is_same_day=row.is_same_day,
    )


def _check(bond: Bond) -> None:
    def refuse(at: str, sentence: str) -> None:
        raise Invalid(sentence, errors=[{"at": at, "detail": sentence}])

    least, greatest = bond.least_gap_s, bond.greatest_gap_s
    if bond.first_id == bond.second_id:
        refuse("/second_id", "A job is not linked to itself.")
    if not (bond.is_ordered or bond.is_same_day or bond.technician):
        refuse("/is_ordered", "A link asks for something: order, a technician, or the same day.")
    if not bond.is_ordered and (least is not None or greatest is not None):
        refuse("/is_ordered", "A gap is between a job and one that comes after it.")
    if least is not None and greatest is not None and greatest < least:
        refuse("/greatest_gap_s", "The greatest gap is no shorter than the least.")
    if max(least or 0, greatest or 0) > MOST_GAP_S:
        refuse("/least_gap_s", "A gap is no longer than a year.")
    if bond.is_same_day and (least or 0) >= 86_400:
        refuse("/is_same_day", "With a day between them both are not done on one day.")


async def _lock_around(
    session: Session, actor: Actor, bond: Bond
) -> tuple[dict[UUID, WorkOrder], list[Bond]]:
    """Return the jobs that links join with these two, held, and those links.

    Held together, so that two links made at one time cannot close a circle between them.
    """
    held: dict[UUID, WorkOrder] = {}
    around = {bond.first_id, bond.second_id}
    while True:
        bonds = await list_bonds(session, actor, around)
        around |= {each for one in bonds for each in (one.first_id, one.second_id)}
        if around <= held.keys():
            return held, bonds
        held = await lock_work_orders(session, actor, around)
        if missing := {bond.first_id, bond.second_id} - held.keys():
            raise NotFound(f"No work order {min(missing)}.")


async def _check_status(
    session: Session, actor: Actor, bond: Bond, first: WorkOrder, second: WorkOrder
) -> None:
    if second.status in _ENDED:
        raise WrongStatus(
            f"{second.number} is {second.status}: nothing of it is planned any more.",
            work_order_id=str(second.id),
        )
    if first.status == Status.CANCELLED or (first.status in _ENDED and not bond.is_ordered):
        raise WrongStatus(
            f"{first.number} is {first.status}: nothing is bound to it any more.",
            work_order_id=str(first.id),
        )
    if bond.technician == LinkedPeople.SAME and max(first.crew_size, second.crew_size) > 1:
        raise Invalid(
            "A job for a crew has no one technician whom another job could share.",
            errors=[{"at": "/technician", "detail": "one of the jobs takes a crew"}],
        )
    jobs = await list_linked_jobs(session, actor, [bond])
    begun = [each for each in jobs[second.id].live if each.status in BEGUN]
    if bond.is_ordered and begun:
        raise WrongStatus(
            f"Somebody is at {second.number}, or on the way: what comes before it is settled.",
            work_order_id=str(second.id),
        )


_NEVER_KEPT = {
    Broken.TOO_SOON: "{second} has to begin before {first} can be done{least}.",
    Broken.TOO_LATE: "{second} cannot begin as soon after {first} as the link asks.",
    Broken.TECHNICIAN: "By what was decided on {first} and {second}, their people are not those it asks.",
    Broken.DAY: "{first} and {second} are held to different days.",
}


async def _check_decided(
    session: Session,
    actor: Actor,
    bond: Bond,
    bonds: list[Bond],
    jobs: Mapping[UUID, WorkOrder],
) -> None:
    """Refuse a link that pins, locks, announced windows, terms or other links leave no way to keep."""
    first, second = jobs[bond.first_id].number, jobs[bond.second_id].number
    if (odd := at_odds([*bonds, bond])) is not None:
        one, other = jobs[odd.first_id].number, jobs[odd.second_id].number
        raise LinkContradicts(
            f"Links ask for one technician and for two for {one} and {other}. Remove one of them.",
            what=str(Broken.TECHNICIAN),
        )
    company = await find_zone_and_currency(session, actor.tenant_id)
    reach = await _reaches(session, actor, bond)
    what = cannot_be(bond, reach[bond.first_id], reach[bond.second_id], ZoneInfo(company.zone))
    if what is not None:
        least = f" and {bond.least} have passed" if bond.least_gap_s else ""
        said = _NEVER_KEPT[what].format(first=first, second=second, least=least)
        raise LinkContradicts(
            f"{said} Change the pins, windows or people of the two first, or the link.",
            what=str(what),
        )


async def _reaches(session: Session, actor: Actor, bond: Bond) -> dict[UUID, Reach]:
    jobs = await list_linked_jobs(session, actor, [bond])
    terms = await list_terms(session, actor, list(jobs))
    live = {each.id for job in jobs.values() for each in job.live}
    pins = await list_pins(session, actor, live)
    found = {}
    for job in jobs.values():
        asked = terms.get(job.id)
        opens, closes, who = None, None, None
        forbidden: frozenset[str] = frozenset()
        if asked is not None:
            windows = [
                (datetime.fromisoformat(one["opens_at"]), datetime.fromisoformat(one["closes_at"]))
                for one in asked.windows
            ]
            opens = max(
                (each for each in (min(windows, default=(None,))[0], asked.earliest_at) if each),
                default=None,
            )
            closes = max((each for _, each in windows), default=None)
            who = frozenset(asked.required) or None
            forbidden = frozenset(asked.forbidden)
        for visit in job.live or (job.visits if job.status in _OVER else []):
            opens, closes, who = _held(visit, pins.get(visit.id), opens, closes, who)
        found[job.id] = Reach(_work_s(job), opens, closes, who, forbidden)
    return found


def _held(
    visit: JobVisit,
    pin: VisitPin | None,
    opens: datetime | None,
    closes: datetime | None,
    who: frozenset[str] | None,
) -> tuple[datetime | None, datetime | None, frozenset[str] | None]:
    """Return how far a visit lets its job go: begun, locked and pinned ones, and those with a window."""
    begun = visit.status in (*BEGUN, VisitStatus.FINISHED)
    if begun or (pin is not None and pin.keeps == Keeps.BOTH):
        return visit.begins_at, visit.begins_at, frozenset({str(visit.technician_id)})
    if pin is not None:
        who = frozenset({str(visit.technician_id)})
    if visit.window_ends_at is not None:
        opens, closes = visit.window_starts_at or opens, visit.window_ends_at
    return opens, closes, who


def _work_s(job: LinkedJob) -> int:
    spot = job.spot()
    if spot is None:
        return job.estimate_s
    return int((spot.ends_at - spot.begins_at).total_seconds())
