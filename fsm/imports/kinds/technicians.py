"""Files of technicians, with their skills and rates."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from fsm.actors import Permission
from fsm.database import run
from fsm.imports.cells import (
    CODE,
    CURRENCY,
    DAY,
    FLAG,
    LATITUDE,
    LINE,
    LONGITUDE,
    MONEY,
    PHONE,
    ZONE,
    BadCell,
    Form,
    parts_of,
)
from fsm.imports.kind import NEW_ID, Check, Column, Compare, Field, Kind, Run, or_empty, same


def _skill(part: str, form: Form) -> Sequence[Any]:
    held, _, until = part.partition("@")
    code, sign, level = (piece.strip() for piece in held.rpartition(":"))
    if not sign:
        code, level = held.strip(), "1"
    if level not in {"1", "2", "3", "4", "5"} or not 0 < len(code) <= 60:
        raise BadCell(
            f"'{part[:60]}' is no skill; write code:level with a level from 1 to 5: lift:3"
        )
    try:
        valid_until = date.fromisoformat(until.strip()).isoformat() if until.strip() else None
    except ValueError:
        raise BadCell(f"'{until[:20]}' is no day that a skill is valid until") from None
    return [code, int(level), valid_until]


async def _make_skills(run_: Run) -> Mapping[str, int]:
    if not run_.create_missing:
        return {}
    made = await run(
        run_.session,
        f"""
        insert into skill (tenant_id, id, rev, code, name)
        select :tenant, {NEW_ID}, 1, named.code, named.code
        from (select distinct one.part ->> 0 as code
              from incoming i cross join jsonb_array_elements(i.skills) as one(part)) as named
        on conflict (tenant_id, code) do nothing
        """,
        tenant=run_.actor.tenant_id,
    )
    return {"skills": made.rowcount}


async def _give_skills_and_rates(run_: Run) -> Mapping[str, int]:
    held = await run(
        run_.session,
        """
        insert into technician_skill (tenant_id, technician_id, skill_id, level, valid_until)
        select distinct on (coalesce(i.found, i.id), s.id)
               :tenant, coalesce(i.found, i.id), s.id, (one.part ->> 1)::int, (one.part ->> 2)::date
        from incoming i cross join jsonb_array_elements(i.skills) as one(part)
        join skill s on s.tenant_id = :tenant and s.code = one.part ->> 0
        where i.found is null or cast(:update as boolean)
        on conflict (tenant_id, technician_id, skill_id)
          do update set level = excluded.level, valid_until = excluded.valid_until
        """,
        tenant=run_.actor.tenant_id,
        update=run_.update,
    )
    given = 0
    for kind in ("labour", "travel"):
        given += await _give_rates(run_, kind)
    return {"held_skills": held.rowcount, "rates": given}


async def _give_rates(run_: Run, kind: str) -> int:
    """Add the rates of a kind; with `update`, one that is still open and differs ends the day before."""
    await run(
        run_.session,
        f"""
        update rate r set during = daterange(lower(r.during), {_FROM})
        from incoming i
        where r.tenant_id = :tenant and r.technician_id = i.found and r.kind = '{kind}'
          and cast(:update as boolean) and i.{kind}_rate is not null and upper_inf(r.during)
          and lower(r.during) < {_FROM}
          and (r.amount, r.currency) is distinct from (i.{kind}_rate, {_CURRENCY})
        """,
        **run_.values,
        update=run_.update,
    )
    made = await run(
        run_.session,
        f"""
        insert into rate (tenant_id, id, technician_id, kind, amount, currency, during)
        select :tenant, {NEW_ID}, coalesce(i.found, i.id), '{kind}', i.{kind}_rate, {_CURRENCY},
               daterange({_FROM}, null)
        from incoming i
        where i.{kind}_rate is not null and (i.found is null or cast(:update as boolean))
          and not exists (select from rate r where r.tenant_id = :tenant and r.technician_id = i.found
                          and r.kind = '{kind}' and r.during && daterange({_FROM}, null))
        """,
        **run_.values,
        update=run_.update,
    )
    return made.rowcount


_FROM = "coalesce(i.rates_from, cast(:today as date))"
_CURRENCY = "coalesce(i.currency, :currency)"


def _latest(kind: str, what: str, of: str = "t.tenant_id") -> str:
    return f"""(select {what} from rate r where r.tenant_id = {of} and r.technician_id = t.id
        and r.kind = '{kind}' order by lower(r.during) desc limit 1)"""


def _rate(kind: str) -> Compare:
    stored = _latest(kind, "r.amount", ":tenant")
    return Compare(
        f"{kind}_rate",
        f"i.{kind}_rate is not null and {stored} is distinct from i.{kind}_rate",
        f"{stored}::text",
        f"i.{kind}_rate::text",
    )


def _complete(row: dict[str, Any], completion: Any) -> None:
    if (row["home_latitude"] is None) != (row["home_longitude"] is None):
        raise BadCell("home_latitude and home_longitude come together", "home_latitude")
    for kind in ("labour_rate", "travel_rate"):
        if row[kind] is not None and row[kind] > Decimal(100_000):
            raise BadCell("is more than 100,000 an hour", kind)


TECHNICIANS = Kind(
    name="technicians",
    entity="technician",
    table="technician",
    about="Who goes to sites.",
    columns=(
        Column("number", CODE, "the technician's number", "T-12", True,
               ("technician number", "technician no", "technician id", "personnel number")),
        Column("name", LINE, "", "Anna Berg", True, ("technician name",)),
        Column("phone", PHONE, "telephone", "+33 6 12 34 56 78", aliases=("telephone", "mobile")),
        Column("zone", ZONE, "of the working day; the file's zone, else the company's, unless said",
               "Europe/Paris", aliases=("time zone",)),
        Column("territory", LINE, "", "Paris north", aliases=("region",)),
        Column("skills", parts_of(_skill, "list"), "code:level, 1 to 5, perhaps with the last valid day",
               "lift:3;hvac:2@2027-01-31"),
        Column("home_address", LINE, "", "12 rue du Nord, Paris", aliases=("address",)),
        Column("home_latitude", LATITUDE, "where the day starts, WGS 84", "48.88",
               aliases=("latitude", "lat")),
        Column("home_longitude", LONGITUDE, "", "2.35", aliases=("longitude", "lon", "lng")),
        Column("labour_rate", MONEY, "cost of an hour of work", "60.00"),
        Column("travel_rate", MONEY, "cost of an hour of travel", "40.00"),
        Column("currency", CURRENCY, "of the rates; the company's unless said", "EUR"),
        Column("rates_from", DAY, "first day of the rates; the day of the import unless said",
               "2025-01-01"),
        Column("is_contractor", FLAG, "no unless said", "no", aliases=("contractor",)),
        Column("is_active", FLAG, "no: has left; yes unless said", "yes", aliases=("active",)),
    ),
    reads=Permission.READ_TECHNICIANS,
    matches=("t.number = i.number",),
    keys=("i.number",),
    fields=(
        *same("number", "name", "phone"),
        Field("zone", "coalesce(i.zone, :zone)", ("zone",)),
        *or_empty("territory", "home_address"),
        *same("home_latitude", "home_longitude"),
        Field("is_contractor", "coalesce(i.is_contractor, false)", ("is_contractor",)),
        Field("is_active", "coalesce(i.is_active, true)", ("is_active",)),
    ),
    checks=(
        Check(
            "skills",
            """exists (select from jsonb_array_elements(i.skills) as one(part) where not exists
                (select from skill s where s.tenant_id = :tenant and s.code = one.part ->> 0))""",
            """'there is no skill ''' || (select min(one.part ->> 0)
                from jsonb_array_elements(i.skills) as one(part) where not exists
                (select from skill s where s.tenant_id = :tenant and s.code = one.part ->> 0))
                || '''; it is made only when missing ones are to be created'""",
        ),
        Check(
            "skills",
            """(select count(*) <> count(distinct one.part ->> 0)
                from jsonb_array_elements(i.skills) as one(part))""",
            "'a skill is named twice'",
        ),
    ),
    complete=_complete,
    before=_make_skills,
    after=_give_skills_and_rates,
    compares=(
        Compare(
            "skills",
            """exists (select from jsonb_array_elements(i.skills) as one(part) where not exists
                (select from technician_skill h join skill s on s.tenant_id = h.tenant_id
                   and s.id = h.skill_id where h.tenant_id = :tenant and h.technician_id = t.id
                   and s.code = one.part ->> 0 and h.level = (one.part ->> 1)::int
                   and h.valid_until is not distinct from (one.part ->> 2)::date))""",
            """(select string_agg(s.code || '=' || h.level, ';' order by s.code)
                from technician_skill h join skill s on s.tenant_id = h.tenant_id and s.id = h.skill_id
                where h.tenant_id = :tenant and h.technician_id = t.id)""",
            "i.skills::text",
        ),
        _rate("labour"),
        _rate("travel"),
    ),
    export={
        "number": "t.number", "name": "t.name", "phone": "t.phone", "zone": "t.zone",
        "territory": "t.territory",
        "skills": r"""(select string_agg(replace(replace(s.code, '\', '\\'), ';', '\;') || ':' || h.level
            || coalesce('@' || h.valid_until, ''), ';' order by s.code)
            from technician_skill h join skill s on s.tenant_id = h.tenant_id and s.id = h.skill_id
            where h.tenant_id = t.tenant_id and h.technician_id = t.id)""",
        "home_address": "t.home_address", "home_latitude": "t.home_latitude",
        "home_longitude": "t.home_longitude", "labour_rate": _latest("labour", "r.amount"),
        "travel_rate": _latest("travel", "r.amount"),
        "currency": f"coalesce({_latest('labour', 'r.currency')}, {_latest('travel', 'r.currency')})",
        "rates_from": (
            f"coalesce({_latest('labour', 'lower(r.during)')}, {_latest('travel', 'lower(r.during)')})"
        ),
        "is_contractor": "t.is_contractor", "is_active": "t.is_active",
    },
    secret=("labour_rate", "travel_rate"),
)  # fmt: skip
