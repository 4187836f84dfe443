"""The demonstration's own work: jobs of the last weeks from report to closure, and what is open today."""

import asyncio
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.assets import queries as assets
from fsm.assets.tables import Asset, Failure
from fsm.catalogue import queries as catalogue
from fsm.customers import queries as customers
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.demo.equipment import CERTIFICATION, MODELS
from fsm.demo.files import ASSETS, ZONE
from fsm.demo.given import Seeding
from fsm.events import Occurrence
from fsm.evidence.queries import keep_blob
from fsm.evidence.verification import inspect
from fsm.technicians import queries as technicians
from fsm.technicians.tables import Technician
from fsm.tenants import queries as tenants
from fsm.tenants.tokens import find_actor
from fsm.work_orders import completion, field_work, orders, visits
from fsm.work_orders.ratings import queries as ratings
from fsm.work_orders.records import TimeKind
from fsm.work_orders.tables import Impact

LATEST_JOBS = 6
"""Jobs of yesterday and the day before, on the assets A-001 to A-006."""

EARLIER_DAYS = range(4, 32)
"""How many days ago a job was worked, one each weekday. Older work is imported: no clocks, no ratings."""

FIRST_ASSET = 8
"""Of the jobs of the weeks before. A-007 is the one whose passport people try."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one job went: its asset, and when what happened; `late` is how long after the announced start."""

    asset: int
    reported_at: datetime
    starts_at: datetime
    late: timedelta
    work: timedelta
    travel: timedelta
    distance_m: int
    stars: int | None = None
    comment: str = ""

    @property
    def arrives_at(self) -> datetime:
        return self.starts_at + self.late

    @property
    def ends_at(self) -> datetime:
        return self.arrives_at + self.work


async def work_lately(one: Seeding) -> None:
    """Take the jobs of the last weeks from their reports to their closures, as of the past."""
    async with one.database.transaction(one.actor.tenant_id) as session:
        courses = [*_earlier(one, await _sound_assets(session, one)), *_latest(one)]
    for number, course in enumerate(courses):
        await _work(one, number, course)


def _latest(one: Seeding) -> Iterator[Course]:
    for number in range(1, LATEST_JOBS + 1):
        at = (one.now - timedelta(days=1, hours=5 * number)).astimezone(UTC)
        work = timedelta(minutes=70 + 5 * number)
        yield Course(
            number, at, at + timedelta(hours=2), timedelta(0), work, timedelta(minutes=35), 14_000
        )


def _earlier(one: Seeding, sound: Sequence[int]) -> Iterator[Course]:
    """Draw one job a weekday: most are in time, some late, a few badly."""
    rng = random.Random("lately")
    free = iter(sound)
    for days in reversed(EARLIER_DAYS):
        day = one.today - timedelta(days=days)
        if day.weekday() > 4:
            continue
        at = datetime.combine(day, time(7, rng.randrange(60)), ZONE).astimezone(UTC)
        at += timedelta(minutes=rng.randrange(300))
        stars = rng.choice((5, 5, 5, 4, 4, 3, 2))
        yield Course(
            asset=next(free),
            reported_at=at,
            starts_at=at + timedelta(minutes=rng.choice((50, 75, 90, 120, 150, 200))),
            late=timedelta(minutes=rng.choice((0, 0, 5, 10, 15, 20, 45, 110))),
            work=timedelta(minutes=rng.choice((35, 50, 70, 90, 120, 200, 560))),
            travel=timedelta(minutes=rng.randrange(12, 50)),
            distance_m=1_000 * rng.randrange(4, 28),
            stars=stars,
            comment="" if stars > 3 else "We waited too long.",
        )


async def _sound_assets(session: Session, one: Seeding) -> list[int]:
    """Return the numbers of assets that the imported past leaves alone in these weeks."""
    since = one.now - timedelta(days=EARLIER_DAYS.stop + 2)
    failed = await session.exec(
        select(Asset.number)
        .join(
            Failure,
            (col(Failure.tenant_id) == Asset.tenant_id) & (col(Failure.asset_id) == Asset.id),
        )
        .where(Asset.tenant_id == one.actor.tenant_id, Failure.detected_at > since)
    )
    taken = set(failed)
    every_fourth = [n for first in range(4) for n in range(FIRST_ASSET + first, ASSETS + 1, 4)]
    return [number for number in every_fourth if f"A-{number:03}" not in taken]


async def _work(one: Seeding, number: int, course: Course) -> None:
    """Take one job from its report to its closure: every answer and photo is there."""
    tenant = one.actor.tenant_id
    at, arrives, ends = course.reported_at, course.arrives_at, course.ends_at
    picture = await asyncio.to_thread(draw_photo, f"W {number + 1}")
    async with one.database.transaction(tenant) as session:
        work_order_id = await _new_job(session, one, course.asset, at, Impact.STOPPED)
        work_order = await orders.find_work_order(session, one.actor, work_order_id)
        able = await _able(session, one, work_order.skills)
        (visit,) = await visits.plan_visits(
            session,
            one.actor,
            at + timedelta(minutes=20),
            [
                visits.NewVisit(
                    work_order_id,
                    able[number % len(able)].id,
                    course.starts_at,
                    course.starts_at + timedelta(hours=2),
                    travel_s=course.travel // timedelta(seconds=1),
                    window_starts_at=course.starts_at - timedelta(minutes=15),
                    window_ends_at=course.starts_at + timedelta(minutes=45),
                )
            ],
        )
        await visits.dispatch(session, one.actor, at + timedelta(minutes=25), visit.id)
    stored = await one.store.put_small(tenant, picture)
    async with one.database.transaction(tenant) as session:
        await keep_blob(session, one.actor, arrives, stored, inspect(picture))
    async with one.database.transaction(tenant) as session:
        job, visit = await visits.lock_visit(session, one.actor, visit.id)

        def report(moment: datetime) -> field_work.Report:
            return field_work.Report(
                session, one.actor, moment, Occurrence(moment, moment, moment), job, visit
            )

        await field_work.travel(report(arrives - course.travel))
        await field_work.arrive(report(arrives))
        await field_work.start(report(arrives))
        for item, value in (("secured", True), ("cause", "wear"), ("reading", 232 + number % 30)):
            await field_work.answer(report(ends), item, value)
        await field_work.declare_photo(
            report(ends),
            photo_id=uuid7(),
            item="after",
            slot=0,
            sha256=bytes.fromhex(stored.sha256),
            size=stored.size,
            mime="image/jpeg",
            captured_at=ends,
        )
        for kind, from_at, to_at, distance_m in (
            (TimeKind.TRAVEL, arrives - course.travel, arrives, course.distance_m),
            (TimeKind.WORK, arrives, ends, None),
        ):
            await field_work.add_time(
                report(ends), kind=kind, from_at=from_at, to_at=to_at, distance_m=distance_m
            )
        await field_work.finish(report(ends))
        await field_work.photo_bytes_arrived(
            session, one.actor, ends + timedelta(minutes=2), bytes.fromhex(stored.sha256)
        )
    async with one.database.transaction(tenant) as session:
        job = await orders.lock_work_order(session, one.actor, work_order_id)
        closer = await tenants.find_login(session, one.people.login("dispatcher"))
        assert closer is not None
        await completion.close(
            session,
            one.actor,
            job,
            ends + timedelta(hours=1),
            by=closer.id,
            facts_rev=job.facts_rev,
        )
        await _rate(session, one, job.id, job.customer_id, course)


async def _rate(
    session: Session, one: Seeding, work_order_id: UUID, customer_id: UUID, course: Course
) -> None:
    """Have the customer who has a login say how it went."""
    user = await tenants.find_login(session, one.people.login("customer"))
    if course.stars is None or user is None or user.customer_id != customer_id:
        return
    actor = await find_actor(session, one.actor.tenant_id, user.id)
    assert actor is not None
    said = ratings.Said(course.stars, comment=course.comment)
    at = course.ends_at + timedelta(hours=2)
    await ratings.rate(session, actor, at, work_order_id, ratings.Rater(user_id=user.id), said)


async def _able(
    session: Session, one: Seeding, skills: list[dict[str, object]]
) -> Sequence[Technician]:
    """Return the technicians who hold the skills asked for, everybody where nobody does."""
    statement = (
        select(Technician)
        .where(Technician.tenant_id == one.actor.tenant_id)
        .order_by(col(Technician.number))
    )
    everybody = list(await session.exec(statement))
    held = await technicians.list_held_skills(session, one.actor, [each.id for each in everybody])
    levels = {each.id: {skill.code: skill.level for skill in held[each.id]} for each in everybody}
    able = [
        each
        for each in everybody
        if all(levels[each.id].get(str(s["skill"]), 0) >= int(str(s["level"])) for s in skills)
    ]
    return able or everybody


async def _new_job(
    session: Session, one: Seeding, number: int, at: datetime, impact: Impact | None = None
) -> UUID:
    """Open a repair of the asset with this number, reported at `at`."""
    found = await session.exec(
        select(Asset).where(
            Asset.tenant_id == one.actor.tenant_id, Asset.number == f"A-{number:03}"
        )
    )
    asset = await assets.find_asset(session, one.actor, found.one().id)
    summary = await assets.asset_summary(session, one.actor, asset.id)
    model = next(model for model in MODELS if model.code == summary.model.code)
    work_order = await orders.create_work_order(
        session,
        one.actor,
        at,
        work_type=await catalogue.find_work_type_by_code(session, one.actor, model.work_type),
        site=await customers.find_site(session, one.actor, asset.site_id),
        asset=asset,
        title=f"{asset.name}: {model.modes[number % len(model.modes)].replace('_', ' ')}",
        reported_at=at,
        impact=impact,
    )
    return work_order.id


async def open_todays_work(one: Seeding) -> None:
    """Open incidents of the last hours for the dispatcher to plan, and one job that nobody can do."""
    rng = random.Random("today")
    numbers = rng.sample(range(20, 150), 14)
    async with one.database.transaction(one.actor.tenant_id) as session:
        for number in numbers:
            at = one.now - timedelta(minutes=rng.randrange(10, 600))
            impact = rng.choice((Impact.STOPPED, Impact.DEGRADED, Impact.RUNNING))
            await _new_job(session, one, number, at, impact)
        hospital = await session.exec(
            select(Site).where(Site.tenant_id == one.actor.tenant_id, Site.name == "Hospital Motol")
        )
        await orders.create_work_order(
            session,
            one.actor,
            one.now - timedelta(hours=3),
            work_type=await catalogue.find_work_type_by_code(session, one.actor, CERTIFICATION),
            site=hospital.one(),
            title="Certification of the surgery lift",
            reported_at=one.now - timedelta(hours=3),
        )


def draw_photo(caption: str, size: tuple[int, int] = (1_280, 960)) -> bytes:
    """Return a JPEG that looks like a photo to every check: gradients, shapes and a caption."""
    from PIL import Image, ImageDraw

    rng = random.Random(caption)
    base = Image.linear_gradient("L").resize(size)
    other = Image.radial_gradient("L").resize(size)
    image = Image.merge("RGB", (base, other, Image.eval(base, lambda value: 255 - value)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = rng.randrange(size[0]), rng.randrange(size[1])
        draw.rectangle(
            (left, top, left + rng.randrange(40, 300), top + rng.randrange(40, 300)),
            fill=tuple(rng.randrange(256) for _ in range(3)),
        )
    draw.text((40, 40), caption, fill="white", font_size=64)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
