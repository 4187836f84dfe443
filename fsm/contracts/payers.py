"""Who bears a cost, from the database: a company's own rules, and the terms of the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.tables import MaintenanceKind, RequestClass
from fsm.contracts.coverage import InvalidTerms, Payer, Span
from fsm.contracts.coverage_rules import NONE, Charge, CostRule, Decision, decide, read_conditions
from fsm.contracts.tables import ContractKind, PayerRule
from fsm.database import Session, fetch, once, revise
from fsm.problems import Invalid, NotFound

_RULES = """
select code, place, payer, starts_on, ends_on, conditions, ground from payer_rule where tenant_id = $1
"""

_TERMS = "select kind, payers from contract where tenant_id = $1 and id = $2"


async def list_rules_in_force(session: Session, actor: Actor) -> list[CostRule]:
    """Return the company's rules as `decide` takes them, whatever the day."""

    async def load() -> list[CostRule]:
        return [
            CostRule(
                code,
                place,
                Payer(payer),
                Span(starts_on, ends_on),
                conditions,
                ground,
            )
            for code, place, payer, starts_on, ends_on, conditions, ground in await fetch(
                session, _RULES, actor.tenant_id
            )
        ]

    return await once(session, ("payer_rules",), load)


async def contract_payers(
    session: Session, actor: Actor, contract_id: UUID | None
) -> tuple[str | None, Mapping[str, str]]:
    """Return a contract's kind and whom it names as payer of which kind of cost; None without one."""
    if contract_id is None:
        return None, {}

    async def load() -> tuple[str, Mapping[str, str]]:
        found = await fetch(session, _TERMS, actor.tenant_id, contract_id)
        if not found:
            raise NotFound(f"No contract {contract_id}.")
        kind, payers = found[0]
        return kind, payers

    return await once(session, ("contract_payers", contract_id), load)


async def decide_payer(
    session: Session, actor: Actor, contract_id: UUID | None, charge: Charge
) -> Decision:
    """Return who bears a cost under a contract, or without one."""
    kind, payers = await contract_payers(session, actor, contract_id)
    rules = await list_rules_in_force(session, actor)
    return decide(rules, replace(charge, contract_kind=kind), payers)


# --- rules ------------------------------------------------------------------------------------------------


async def list_payer_rules(
    session: Session, actor: Actor, *, after: UUID | None, limit: int
) -> Sequence[PayerRule]:
    statement = (
        select(PayerRule)
        .where(PayerRule.tenant_id == actor.tenant_id)
        .order_by(col(PayerRule.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PayerRule.id > after)
    return (await session.exec(statement)).all()


async def add_payer_rule(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> PayerRule:
    rule = PayerRule(tenant_id=actor.tenant_id, **_checked(values))
    _check_days(rule.starts_on, rule.ends_on)
    session.add(rule)
    await session.flush()
    await _record(session, actor, now, "payer_rule.created", rule)
    return rule


async def edit_payer_rule(
    session: Session,
    actor: Actor,
    now: datetime,
    rule_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> PayerRule:
    """Change a rule for lines to come; those in the ledger keep the payer they were posted with."""
    statement = (
        select(PayerRule)
        .where(PayerRule.tenant_id == actor.tenant_id, PayerRule.id == rule_id)
        .with_for_update()
    )
    rule = await session.found(statement, f"No rule {rule_id}.")
    changes = _checked(changes)
    _check_days(changes.get("starts_on", rule.starts_on), changes.get("ends_on", rule.ends_on))
    if revise(rule, rev, changes):
        await session.flush()
        await _record(session, actor, now, "payer_rule.edited", rule)
    return rule


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with the conditions in normal form, every word of ours known."""
    checked = dict(values)
    if "conditions" not in checked:
        return checked
    try:
        checked["conditions"] = read_conditions(checked["conditions"])
    except InvalidTerms as error:
        raise Invalid(str(error), errors=[{"at": error.at, "detail": error.reason}]) from None
    for name, known in (
        ("request_classes", tuple(RequestClass)),
        ("maintenance", tuple(MaintenanceKind)),
        ("contract_kinds", (*ContractKind, NONE)),
    ):
        for word in checked["conditions"].get(name, ()):
            if word not in known:
                detail = f"'{word}' is none of: {', '.join(known)}."
                raise Invalid(detail, errors=[{"at": f"/conditions/{name}", "detail": detail}])
    return checked


def _check_days(starts_on: date, ends_on: date | None) -> None:
    if ends_on is not None and ends_on < starts_on:
        raise Invalid(
            "A rule ends on the day it starts or later.",
            errors=[{"at": "/ends_on", "detail": "before the first day"}],
        )


async def _record(
    session: Session, actor: Actor, now: datetime, kind: str, rule: PayerRule
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "payer_rule",
        rule.id,
        now=now,
        **msgspec.to_builtins(rule.model_dump(exclude={"tenant_id", "id", "rev"})),
    )
