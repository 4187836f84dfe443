"""Links between jobs where a plan is accepted, after what the world has done to them, and where undone."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.database import Session
from fsm.tenants.queries import find_zone_and_currency
from scheduler.linked_jobs import LinkedJob, list_bonds, list_linked_jobs, spot_of
from scheduler.linking import Bond, Breach, Broken, Spot, breaches
from scheduler.placements import ReasonNeeded, as_json
from scheduler.placing import of_breach
from scheduler.placing_sentences import consequence_sentence


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a plan puts a visit."""

    technician_id: UUID
    starts_at: datetime
    ends_at: datetime
    travel_s: int


async def leave_apart(
    session: Session,
    actor: Actor,
    lines: Mapping[str, dict[str, Any]],
    wanted: set[str],
    stale: dict[str, str],
    together: Mapping[str, set[str]],
    spots: Mapping[str, Placed],
) -> set[str]:
    """Return what stays as it is: `stale`, what would break a link (added to it), and what goes with those.

    What is left with others may be what a further job waits for.
    """
    left: set[str] = set()
    while True:
        left |= stale.keys()
        for key in stale:
            if lines[key]["kind"] != "added":
                left |= together.get(key, set())
        apart = await _list_apart(session, actor, lines, wanted - left, spots)
        if not apart:
            return left
        stale |= apart


async def _list_apart(
    session: Session,
    actor: Actor,
    lines: Mapping[str, dict[str, Any]],
    chosen: set[str],
    spots: Mapping[str, Placed],
) -> dict[str, str]:
    """Return the chosen lines that would break a link which holds without them, with `breaks_link`.

    The second of two jobs gives way, since the first can be done without it.
    """
    bonds = await list_bonds(session, actor, {UUID(lines[key]["work_order_id"]) for key in chosen})
    if not bonds:
        return {}
    jobs = await list_linked_jobs(session, actor, bonds)
    zone = ZoneInfo((await find_zone_and_currency(session, actor.tenant_id)).zone)
    changed = {
        key: line
        for key, line in lines.items()
        if key in chosen and UUID(line["work_order_id"]) in jobs
    }
    found: dict[str, str] = {}
    while broken := next(_broken(bonds, jobs, changed, spots, zone), None):
        for key in broken:
            del changed[key]
        found |= dict.fromkeys(broken, "breaks_link")
    return found


def _broken(
    bonds: list[Bond],
    jobs: Mapping[UUID, LinkedJob],
    changed: Mapping[str, dict[str, Any]],
    spots: Mapping[str, Placed],
    zone: ZoneInfo,
) -> Iterator[list[str]]:
    """Yield the lines of a job that would break a link."""
    of_job: dict[UUID, list[str]] = {}
    for key, line in changed.items():
        of_job.setdefault(UUID(line["work_order_id"]), []).append(key)
    for bond in bonds:
        mine = of_job.get(bond.second_id) or of_job.get(bond.first_id)
        first, second = jobs[bond.first_id], jobs[bond.second_id]
        if mine is None or first.is_cancelled:
            continue
        then_first, then_second = (
            _spot(job, {key: changed[key] for key in of_job.get(job.id, ())}, spots)
            for job in (first, second)
        )
        now = {each.what for each in breaches(bond, first.spot(), second.spot(), zone)}
        if any(each.what not in now for each in breaches(bond, then_first, then_second, zone)):
            yield mine


def _spot(
    job: LinkedJob, lines: Mapping[str, dict[str, Any]], spots: Mapping[str, Placed]
) -> Spot | None:
    """Return where a job is once these lines of it are accepted."""
    if not lines:
        return job.spot()
    left = {line["visit_id"] for line in lines.values()}
    stays = [
        (each.technician_id, each.begins_at, each.ends_at)
        for each in job.live
        if str(each.id) not in left
    ]
    placed = [spots[key] for key in lines if key in spots]
    return spot_of(
        [*stays, *((each.technician_id, each.starts_at, each.ends_at) for each in placed)]
    )


@dataclass(frozen=True, slots=True)
class Unkept:
    """What the second of two linked jobs does not keep of their link."""

    breach: Breach
    first_number: str
    second_number: str


UnkeptLinks = Mapping[tuple[UUID, Broken], Unkept]
"""By link, and what of it."""


async def list_broken(
    session: Session, actor: Actor, work_order_ids: Collection[UUID]
) -> UnkeptLinks:
    """Return what is not kept now of the links that these jobs have."""
    bonds = await list_bonds(session, actor, work_order_ids)
    jobs = await list_linked_jobs(session, actor, bonds)
    zone = ZoneInfo((await find_zone_and_currency(session, actor.tenant_id)).zone)
    found = {}
    for bond in bonds:
        first, second = jobs[bond.first_id], jobs[bond.second_id]
        if first.is_cancelled:
            continue
        for breach in breaches(bond, first.spot(), second.spot(), zone):
            found[bond.id, breach.what] = Unkept(breach, first.number, second.number)
    return found


def settle_undone(
    before: UnkeptLinks, after: UnkeptLinks, reason: str | None
) -> list[dict[str, Any]]:
    """Return what undoing breaks of links, for a given reason; refuse it where there is none."""
    new = [each for key, each in after.items() if key not in before]
    found = [
        (each.second_number, of_breach(each.breach, each.first_number, is_second=True))
        for each in new
    ]
    despite = [
        {"number": number, **told}
        for (number, _), told in zip(found, as_json([each for _, each in found]), strict=True)
    ]
    if despite and reason is None:
        said = " ".join(f"{number}: {consequence_sentence(each, 'en')}" for number, each in found)
        raise ReasonNeeded(f"{said} Give a reason.", consequences=despite)
    return despite
