"""What things cost in a company's plans: versions set by an administrator, the last one in force."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch
from fsm.problems import Invalid, NotFound, StaleChange
from scheduler.problem import Weights
from scheduler.tables import PlanningWeights

UNITS = {
    "unplanned": "seconds of driving, once per visit left out, by priority 1 to 5",
    "waiting_permille": "thousandths of a second of driving, per second idle",
    "overtime_permille": "thousandths of a second of driving, per second of overtime",
    "first_use": "seconds of driving, once per shift that is used",
    "foreign_territory": "seconds of driving, once per visit outside the shift's territory",
    "surplus_level": "seconds of driving, per level of a skill above the level asked",
    "promise_broken": "seconds of driving, once per promise whose end is missed",
    "promise_late_permille": "thousandths of a second of driving, per second after that end",
    "late_permille": "thousandths of a second of driving, per second after the service level's instant",
    "greatest_lateness_permille": "thousandths of a second of driving, per second of the latest visit",
    "not_preferred": "seconds of driving, once per visit given to somebody who is not preferred",
    "balance_tolerance_percent": "per cent of the target work that cost nothing on either side",
    "balance_permille": "thousandths of a second of driving, per second of work beyond that tolerance",
    "other_technician": "seconds of driving, once per visit taken from its published technician",
    "other_day": "seconds of driving, once per visit moved to another day",
    "dearer_labour_permille": "thousandths of a second of driving, per second of work by somebody at twice "
    "the lowest labour rate; by others in proportion",
}
"""In what each weight is counted."""

TERMS: dict[str, tuple[str, ...]] = {
    "travel": (),
    "waiting": ("waiting_permille",),
    "overtime": ("overtime_permille",),
    "first_use": ("first_use",),
    "rate": ("dearer_labour_permille",),
    "foreign_territory": ("foreign_territory",),
    "surplus_level": ("surplus_level",),
    "not_preferred": ("not_preferred",),
    "promise": ("promise_broken", "promise_late_permille"),
    "late": ("late_permille",),
    "greatest_lateness": ("greatest_lateness_permille",),
    "balance": ("balance_permille", "balance_tolerance_percent"),
    "other_technician": ("other_technician",),
    "other_day": ("other_day",),
    "unplanned": ("unplanned",),
}
"""Which weights price each term of `Costs`; driving is the unit and has none."""

_MOST = 100_000_000


def read_weights(stored: dict[str, Any], base: Weights | None = None) -> Weights:
    """Return weights from JSON; what is not named keeps `base`'s value, names of the future are ignored."""
    known = {each.name for each in fields(Weights)}
    values = {name: value for name, value in stored.items() if name in known}
    if "unplanned" in values:
        values["unplanned"] = tuple(values["unplanned"])
    return replace(base or Weights(), **values)


def as_json(weights: Weights) -> dict[str, Any]:
    return {**asdict(weights), "unplanned": list(weights.unplanned)}


def priced(costs: Mapping[str, int], weights: Weights) -> list[dict[str, Any]]:
    """Return what each term of a plan cost, in seconds of driving, and the weights that priced it."""
    stored = as_json(weights)
    return [
        {
            "term": term,
            "cost": costs[term],
            "weights": [
                {"name": name, "value": stored[name], "unit": UNITS[name]} for name in names
            ],
        }
        for term, names in TERMS.items()
    ]


async def find_weights(
    session: Session, actor: Actor, version: int | None = None
) -> PlanningWeights:
    """Return a version, the last one unless told; version 0 is the default that nobody set."""
    if version == 0:
        return _default(actor)
    statement = select(PlanningWeights).where(PlanningWeights.tenant_id == actor.tenant_id)
    if version is not None:
        statement = statement.where(PlanningWeights.version == version)
    statement = statement.order_by(col(PlanningWeights.version).desc()).limit(1)
    found = (await session.exec(statement)).one_or_none()
    if found is None and version is not None:
        raise NotFound(f"No version {version} of the planning weights.")
    return found or _default(actor)


def _default(actor: Actor) -> PlanningWeights:
    return PlanningWeights(
        tenant_id=actor.tenant_id,
        version=0,
        weights=as_json(Weights()),
        set_by="",
        set_at=datetime.fromisoformat("1970-01-01T00:00:00+00:00"),
    )


async def weights_in_force(session: Session, actor: Actor) -> tuple[int, Weights]:
    """Return the last version and what it says."""
    found = await fetch(
        session,
        "select version, weights::text from planning_weights where tenant_id = $1 "
        "order by version desc limit 1",
        actor.tenant_id,
    )
    if not found:
        return 0, Weights()
    version, weights = found[0]
    return version, read_weights(msgspec.json.decode(weights))


async def list_weights(session: Session, actor: Actor, *, limit: int = 50) -> list[PlanningWeights]:
    """Return the versions that were set, newest first."""
    statement = (
        select(PlanningWeights)
        .where(PlanningWeights.tenant_id == actor.tenant_id)
        .order_by(col(PlanningWeights.version).desc())
        .limit(limit)
    )
    return list(await session.exec(statement))


async def set_weights(
    session: Session, actor: Actor, now: datetime, based_on: int, changes: dict[str, Any]
) -> PlanningWeights:
    """Add a version: the present one with `changes`. Refused where it is no longer the present one."""
    present = await find_weights(session, actor)
    if present.version != based_on:
        raise StaleChange(
            "Somebody else set the weights meanwhile. Read them again and repeat your change.",
            rev=present.version,
        )
    for name, value in changes.items():
        if name == "unplanned" and len(value) != 5:
            raise Invalid(
                "What a visit left out costs is given for priorities 1 to 5: five numbers.",
                errors=[{"at": "/unplanned", "detail": "five numbers are needed"}],
            )
        for number in value if isinstance(value, list) else [value]:
            if not 0 <= number <= _MOST:
                raise Invalid(
                    f"A weight lies between 0 and {_MOST}.",
                    errors=[{"at": f"/{name}", "detail": "out of range"}],
                )
    after = as_json(read_weights({**present.weights, **changes}))
    row = PlanningWeights(
        tenant_id=actor.tenant_id,
        version=present.version + 1,
        weights=after,
        set_by=actor.name,
        set_at=now,
    )
    session.add(row)
    await session.flush()
    await events.record(
        session,
        actor,
        "planning_weights.set",
        "planning_weights",
        uuid7(),
        now=now,
        version=row.version,
        changes={name: after[name] for name in changes},
    )
    return row
