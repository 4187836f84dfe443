"""From rows to a roster's problem: people, patterns, rules, what stands, what is wanted, what is needed.

Only days after today are rostered: what has begun is not changed any more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import literal
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlmodel import col, func, select

from fsm.actors import Actor
from fsm.database import Session
from fsm.technicians.queries import HeldSkill, list_held_skills
from fsm.technicians.tables import Absence, Shift, Technician
from fsm.technicians.working_time import bounds
from fsm.tenants.queries import find_own_tenant
from scheduler.rosters import problem as model
from scheduler.rosters.demand import reckon
from scheduler.rosters.hours import (
    Hour,
    Night,
    PatternHours,
    contract_of,
    duties_of,
    hours_of,
    midnights,
    night_s,
)
from scheduler.rosters.problem import WEEK
from scheduler.rosters.rule_set import DEFAULT, RuleSet, from_stored
from scheduler.rosters.tables import (
    DutyState,
    RosterDuty,
    RosterPattern,
    RosterRules,
    RosterRun,
    RosterTerms,
    RosterWish,
)

FULL_WEEK_S = 40 * 3_600
"""Contract hours of whoever has no terms of their own."""
_AROUND_DAYS = 14
"""Days before and after a horizon in which a shift may bear on it by rest and runs."""


@dataclass(slots=True)
class Horizon:
    """A problem with what leads back from its numbers to rows."""

    problem: model.RosterProblem
    zone: ZoneInfo
    first_on: date
    patterns: list[RosterPattern]
    technicians: list[Technician]
    hours: list[Hour]

    def on(self, day: int) -> date:
        return self.first_on + timedelta(days=day)


@dataclass(frozen=True, slots=True)
class Worked:
    """A shift by the day on which it begins, where its technician is."""

    shift: Shift
    on: date
    starts_at: datetime
    ends_at: datetime

    @property
    def paid_s(self) -> int:
        length_s = int((self.ends_at - self.starts_at).total_seconds())
        return max(60, (length_s - self.shift.break_s) // 60 * 60)


async def build(
    session: Session,
    actor: Actor,
    *,
    starts_on: date,
    weeks: int,
    fixed: Iterable[dict[str, Any]],
    now: datetime,
) -> Horizon:
    """Return the problem of some weeks, for the technicians in service."""
    tenant = await find_own_tenant(session, actor.tenant_id)
    zone = ZoneInfo(tenant.zone)
    days = weeks * WEEK
    last_on = starts_on + timedelta(days=days - 1)
    today = now.astimezone(zone).date()
    frozen = max(0, (today - starts_on).days + 1)
    rule_sets = [
        await rule_set_on(session, actor, starts_on + timedelta(days=week * WEEK))
        for week in range(weeks)
    ]
    patterns = await list_patterns(session, actor, is_active=True)
    technicians = await _list_technicians(session, actor)
    zones = [zone, *sorted({ZoneInfo(one.zone) for one in technicians} - {zone}, key=str)]
    duties = duties_of(
        [hours_of_pattern(one) for one in patterns],
        zones,
        starts_on,
        [one.night for one in rule_sets],
    )
    published = await list_published(session, actor, starts_on, last_on)
    past_weeks = max(one.rules.average_weeks for one in rule_sets)
    worked = await list_worked(
        session,
        actor,
        technicians,
        starts_on - timedelta(days=max(past_weeks * WEEK, _AROUND_DAYS)),
        last_on + timedelta(days=_AROUND_DAYS),
    )
    standing = {one.shift.id for shifts in worked.values() for one in shifts}
    ours = {
        one.shift_id
        for one in published
        if one.shift_id in standing and (one.worked_on - starts_on).days >= frozen
    }
    numbers = {one.id: number for number, one in enumerate(patterns)}
    hours = hours_of(starts_on, days, zone)
    names = {one.id: str(one.id) for one in technicians}
    in_force = [one for one in published if one.shift_id in ours and one.technician_id in names]
    people = await _People.load(session, actor, technicians, starts_on, days)
    problem = model.RosterProblem(
        first_on=starts_on.isoformat(),
        zone=tenant.zone,
        midnights=midnights(starts_on, days, zone),
        rules=tuple(one.rules for one in rule_sets),
        patterns=tuple(model.Pattern(one.code, one.name, one.is_undesired) for one in patterns),
        duties=tuple(one for one in duties if one.day >= frozen),
        technicians=tuple(
            people.technician(
                one,
                zones.index(ZoneInfo(one.zone)),
                [each for each in worked.get(one.id, ()) if each.shift.id not in ours],
                worked.get(one.id, ()),
                rule_sets,
                {each.code: number for number, each in enumerate(patterns)},
            )
            for one in technicians
        ),
        needs=await reckon(session, actor, now, hours=hours, zone=zone, rule_set=rule_sets[0]),
        wishes=await _wishes(session, actor, starts_on, last_on, names, numbers),
        fixed=_fixed(fixed, starts_on, days, frozen, names, numbers),
        published=tuple(
            sorted(
                model.Rostered(
                    names[one.technician_id],
                    (one.worked_on - starts_on).days,
                    numbers[one.pattern_id],
                )
                for one in in_force
                if one.pattern_id in numbers
            )
        ),
        published_days=tuple(
            day
            for day in await _published_days(session, actor, published, starts_on, days)
            if day >= frozen
        ),
        late_until=min(days, max(0, (today - starts_on).days + rule_sets[0].notice_days)),
        first_weekday=starts_on.weekday(),
        weights=rule_sets[0].weights,
    )
    return Horizon(problem, zone, starts_on, patterns, technicians, hours)


def hours_of_pattern(one: RosterPattern) -> PatternHours:
    return PatternHours(
        one.starts_min,
        one.ends_min,
        one.break_s,
        one.break_earliest_min,
        one.break_latest_min,
        frozenset(one.weekdays),
    )


class _People:
    """What a roster must know of technicians beside their rows."""

    def __init__(
        self,
        starts_on: date,
        days: int,
        skills: dict[UUID, list[HeldSkill]],
        terms: dict[UUID, RosterTerms],
        absences: dict[UUID, list[Absence]],
        done: dict[UUID, model.Duties],
        zero: datetime,
    ) -> None:
        self.starts_on, self.days, self.zero = starts_on, days, zero
        self.skills, self.terms, self.absences, self.done = skills, terms, absences, done

    @classmethod
    async def load(
        cls,
        session: Session,
        actor: Actor,
        technicians: Sequence[Technician],
        starts_on: date,
        days: int,
    ) -> "_People":
        tenant = await find_own_tenant(session, actor.tenant_id)
        zero = datetime.combine(starts_on, time(), ZoneInfo(tenant.zone)).astimezone(UTC)
        ids = [one.id for one in technicians]
        around = Range(zero - timedelta(days=2), zero + timedelta(days=days + 2))
        absences: dict[UUID, list[Absence]] = defaultdict(list)
        for absence in await session.exec(
            select(Absence)
            .where(
                Absence.tenant_id == actor.tenant_id,
                col(Absence.technician_id).in_(ids),
                col(Absence.during).op("&&")(literal(around, TSTZRANGE)),
            )
            .order_by(col(Absence.during))
        ):
            absences[absence.technician_id].append(absence)
        terms = await session.exec(
            select(RosterTerms).where(RosterTerms.tenant_id == actor.tenant_id)
        )
        return cls(
            starts_on,
            days,
            await list_held_skills(session, actor, ids),
            {one.id: one for one in terms},
            absences,
            await _done(session, actor, starts_on),
            zero,
        )

    def technician(
        self,
        one: Technician,
        zone: int,
        standing: Sequence[Worked],
        worked: Sequence[Worked],
        rule_sets: Sequence[RuleSet],
        patterns: dict[str, int],
    ) -> model.Technician:
        terms = self.terms.get(one.id)
        absences = [self._span(each) for each in self.absences.get(one.id, ())]
        own = ZoneInfo(one.zone)
        past = [0] * max(each.rules.average_weeks for each in rule_sets)
        for each in worked:
            back = (self.starts_on - each.on).days
            if 0 < back <= len(past) * WEEK:
                weeks_back = -(-back // WEEK)
                past[-weeks_back] += each.paid_s
        return model.Technician(
            id=str(one.id),
            name=one.name,
            zone=zone,
            skills=tuple(self._skills(one)),
            contract_s=contract_of(
                terms.week_s if terms else FULL_WEEK_S,
                self.starts_on,
                len(rule_sets),
                self._days_away(one, own),
            ),
            share_percent=terms.share_percent if terms else 100,
            patterns=None
            if terms is None or terms.patterns is None
            else tuple(sorted(patterns[code] for code in terms.patterns if code in patterns)),
            absences=tuple(absences),
            commitments=tuple(
                self._commitment(each, own, rule_sets)
                for each in standing
                if -_AROUND_DAYS <= (each.on - self.starts_on).days < self.days + _AROUND_DAYS
            ),
            worked_s=tuple(past),
            done=self.done.get(one.id, model.Duties()),
        )

    def _skills(self, one: Technician) -> Iterable[model.Skill]:
        last_on = self.starts_on + timedelta(days=self.days - 1)
        for held in self.skills.get(one.id, ()):
            if not held.holds_on(self.starts_on):
                continue
            until = held.valid_until
            ends = None if until is None or until >= last_on else (until - self.starts_on).days
            yield held.code, held.level, ends

    def _span(self, absence: Absence) -> model.Span:
        lower, upper = absence.during.lower, absence.during.upper
        last = (self.days + 2) * 86_400
        starts = -2 * 86_400 if lower is None else self._second(lower)
        return starts, last if upper is None else max(starts + 1, self._second(upper))

    def _second(self, moment: datetime) -> int:
        return int((moment - self.zero).total_seconds())

    def _days_away(self, one: Technician, own: ZoneInfo) -> Iterable[date]:
        """Yield the days of the horizon of which an absence takes the hour after noon."""
        for more in range(self.days):
            day = self.starts_on + timedelta(days=more)
            noon = datetime.combine(day, time(12), own).astimezone(UTC)
            span = Range(noon, noon + timedelta(hours=1))
            if any(each.during.overlaps(span) for each in self.absences.get(one.id, ())):
                yield day

    def _commitment(
        self, each: Worked, own: ZoneInfo, rule_sets: Sequence[RuleSet]
    ) -> model.Commitment:
        day = (each.on - self.starts_on).days
        night: Night = rule_sets[min(max(day // WEEK, 0), len(rule_sets) - 1)].night
        return model.Commitment(
            day,
            self._second(each.starts_at),
            self._second(each.ends_at),
            each.paid_s,
            night_s(each.starts_at, each.ends_at, own, night),
        )


# --- rows -------------------------------------------------------------------------------------------------


async def rule_set_on(session: Session, actor: Actor, on: date) -> RuleSet:
    """Return the rule set in force on a day, the defaults where none has been entered."""
    statement = (
        select(RosterRules)
        .where(RosterRules.tenant_id == actor.tenant_id, RosterRules.effective_on <= on)
        .order_by(col(RosterRules.effective_on).desc(), col(RosterRules.version).desc())
        .limit(1)
    )
    found = (await session.exec(statement)).one_or_none()
    return DEFAULT if found is None else from_stored(found.body)


async def list_patterns(
    session: Session, actor: Actor, *, is_active: bool | None = None
) -> list[RosterPattern]:
    statement = (
        select(RosterPattern)
        .where(RosterPattern.tenant_id == actor.tenant_id)
        .order_by(col(RosterPattern.code))
    )
    if is_active is not None:
        statement = statement.where(RosterPattern.is_active == is_active)
    return list(await session.exec(statement))


async def _list_technicians(session: Session, actor: Actor) -> list[Technician]:
    statement = (
        select(Technician)
        .where(Technician.tenant_id == actor.tenant_id, col(Technician.is_active))
        .order_by(col(Technician.number), col(Technician.id))
    )
    return list(await session.exec(statement))


async def list_published(
    session: Session, actor: Actor, first_on: date, last_on: date
) -> list[RosterDuty]:
    """Return the duties in force on some days, in order of technician and day."""
    statement = (
        select(RosterDuty)
        .where(
            RosterDuty.tenant_id == actor.tenant_id,
            RosterDuty.state == DutyState.PUBLISHED,
            col(RosterDuty.pattern_id).is_not(None),
            RosterDuty.worked_on >= first_on,
            RosterDuty.worked_on <= last_on,
        )
        .order_by(col(RosterDuty.technician_id), col(RosterDuty.worked_on))
    )
    return list(await session.exec(statement))


async def _published_days(
    session: Session, actor: Actor, published: Sequence[RosterDuty], first_on: date, days: int
) -> list[int]:
    """Return the days of a horizon for which a roster is in force: its days off count too."""
    statement = select(RosterRun).where(
        RosterRun.tenant_id == actor.tenant_id,
        col(RosterRun.id).in_({one.roster_id for one in published}),
    )
    found: set[int] = set()
    for run in await session.exec(statement):
        first = (run.starts_on - first_on).days
        found.update(range(first, first + run.weeks * WEEK))
    return sorted(found.intersection(range(days)))


async def list_worked(
    session: Session,
    actor: Actor,
    technicians: Sequence[Technician],
    first_on: date,
    last_on: date,
) -> dict[UUID, list[Worked]]:
    """Return the shifts of some days by technician, in order of start."""
    zones = {one.id: ZoneInfo(one.zone) for one in technicians}
    around = Range(
        datetime.combine(first_on, time(), UTC) - timedelta(days=1),
        datetime.combine(last_on, time(), UTC) + timedelta(days=2),
    )
    found: dict[UUID, list[Worked]] = defaultdict(list)
    for shift in await session.exec(
        select(Shift)
        .where(
            Shift.tenant_id == actor.tenant_id,
            col(Shift.during).op("&&")(literal(around, TSTZRANGE)),
        )
        .order_by(col(Shift.during))
    ):
        zone = zones.get(shift.technician_id)
        if zone is None:
            continue
        starts_at, ends_at = bounds(shift.during)
        on = starts_at.astimezone(zone).date()
        if first_on <= on <= last_on:
            found[shift.technician_id].append(Worked(shift, on, starts_at, ends_at))
    return found


async def _done(session: Session, actor: Actor, starts_on: date) -> dict[UUID, model.Duties]:
    """Return the weekends, nights and undesired shifts of the quarter before a day, by published rosters."""
    quarter = date(starts_on.year, (starts_on.month - 1) // 3 * 3 + 1, 1)
    mine = (
        RosterDuty.tenant_id == actor.tenant_id,
        RosterDuty.state == DutyState.PUBLISHED,
        RosterDuty.worked_on >= quarter,
        RosterDuty.worked_on < starts_on,
    )
    weekend = func.date_trunc("week", RosterDuty.worked_on)
    statement = (
        select(
            RosterDuty.technician_id,
            func.count(func.distinct(weekend)).filter(col(RosterDuty.is_weekend)),
            func.count().filter(col(RosterDuty.is_night)),
            func.count().filter(col(RosterDuty.is_undesired)),
        )
        .where(*mine)
        .group_by(col(RosterDuty.technician_id))
    )
    return {
        technician_id: model.Duties(weekends, nights, undesired)
        for technician_id, weekends, nights, undesired in await session.exec(statement)
    }


async def _wishes(
    session: Session,
    actor: Actor,
    first_on: date,
    last_on: date,
    names: dict[UUID, str],
    patterns: dict[UUID, int],
) -> tuple[model.Wish, ...]:
    statement = (
        select(RosterWish)
        .where(
            RosterWish.tenant_id == actor.tenant_id,
            RosterWish.wished_on >= first_on,
            RosterWish.wished_on <= last_on,
        )
        .order_by(col(RosterWish.id))
    )
    return tuple(
        model.Wish(
            names[one.technician_id],
            (one.wished_on - first_on).days,
            model.WishKind(one.kind),
            None if one.pattern_id is None else patterns[one.pattern_id],
            one.weight,
        )
        for one in await session.exec(statement)
        if one.technician_id in names and (one.pattern_id is None or one.pattern_id in patterns)
    )


def _fixed(
    fixed: Iterable[dict[str, Any]],
    first_on: date,
    days: int,
    frozen: int,
    names: dict[UUID, str],
    patterns: dict[UUID, int],
) -> tuple[model.Rostered, ...]:
    """Return what is fixed on days that can still be rostered, for people and patterns still there."""
    found = []
    for one in fixed:
        technician_id, day = UUID(one["technician_id"]), date.fromisoformat(one["on"])
        pattern_id = None if one["pattern_id"] is None else UUID(one["pattern_id"])
        number = (day - first_on).days
        if technician_id not in names or not frozen <= number < days:
            continue
        if pattern_id is not None and pattern_id not in patterns:
            continue
        pattern = None if pattern_id is None else patterns[pattern_id]
        found.append(model.Rostered(names[technician_id], number, pattern))
    return tuple(sorted(found, key=lambda each: (each.technician, each.day)))
