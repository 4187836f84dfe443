"""Everything about contracts and what they cover that touches the database.

A customer's user sees that customer's contracts and can change none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from fsm import events
from fsm.actors import Actor
from fsm.assets.queries import asset_summary
from fsm.assets.tables import Asset
from fsm.catalogue.tables import MaintenanceKind, RequestClass, WorkType
from fsm.contracts import coverage, versions
from fsm.contracts.clocks import PinnedPolicy, StartedClock, start_clocks
from fsm.contracts.coverage import ContractTerms, Cover, DecidedBy, InvalidTerms, Miss, Payer, Span
from fsm.contracts.credits import read_credits
from fsm.contracts.fees import set_fee
from fsm.contracts.opening_hours import calendar_from_json
from fsm.contracts.service_levels import service_level_from_json
from fsm.contracts.tables import Contract, ContractAsset, ServiceLevel
from fsm.customers.tables import Customer
from fsm.database import Session, fetch, once, revise
from fsm.problems import Conflict, Forbidden, Invalid, NotFound
from fsm.tenants.queries import find_zone_and_currency

_A_DAY = timedelta(days=1)


# --- contracts --------------------------------------------------------------------------------------------


def _visible(actor: Actor) -> SelectOfScalar[Contract]:
    statement = select(Contract).where(Contract.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        statement = statement.where(Contract.customer_id == actor.customer_id)
    return statement


def _check_office(actor: Actor) -> None:
    if actor.customer_id is not None:
        raise Forbidden("Contracts are kept by the service company, not by a customer's user.")


async def find_contract(session: Session, actor: Actor, contract_id: UUID) -> Contract:
    """Return one contract; another tenant's, or another customer's, is `NotFound`."""
    statement = _visible(actor).where(Contract.id == contract_id)
    return await session.found(statement, f"No contract {contract_id}.")


async def lock_contract(session: Session, actor: Actor, contract_id: UUID) -> Contract:
    statement = _visible(actor).where(Contract.id == contract_id).with_for_update(key_share=True)
    return await session.found(
        statement.execution_options(populate_existing=True), f"No contract {contract_id}."
    )


async def list_contracts(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    customer_id: UUID | None = None,
    asset_id: UUID | None = None,
    in_force_on: date | None = None,
    ends_by: date | None = None,
    q: str | None = None,
) -> Sequence[Contract]:
    """Return contracts in order of id.

    `ends_by` is the warning before expiry: contracts in force that end on that day or before it, which
    needs `in_force_on`, the day it is today.
    """
    statement = _visible(actor).order_by(col(Contract.id)).limit(limit)
    if after is not None:
        statement = statement.where(Contract.id > after)
    if customer_id is not None:
        statement = statement.where(Contract.customer_id == customer_id)
    if in_force_on is not None:
        statement = statement.where(
            Contract.starts_on <= in_force_on,
            col(Contract.ends_on).is_(None) | (col(Contract.ends_on) >= in_force_on),
        )
    if ends_by is not None:
        statement = statement.where(col(Contract.ends_on) <= ends_by)
    if asset_id is not None:
        lines = select(ContractAsset.contract_id).where(
            ContractAsset.tenant_id == actor.tenant_id, ContractAsset.asset_id == asset_id
        )
        statement = statement.where(col(Contract.id).in_(lines))
    if q:
        statement = statement.where(
            col(Contract.number).icontains(q, autoescape=True)
            | col(Contract.name).icontains(q, autoescape=True)
        )
    return (await session.exec(statement)).all()


async def _check_terms(session: Session, actor: Actor, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with `covers`, `payers` and `credits` in normal form, every word and id known."""
    checked = dict(values)
    try:
        if "covers" in checked:
            checked["covers"] = coverage.read_covers(checked["covers"])
        if "payers" in checked:
            checked["payers"] = coverage.read_payers(checked["payers"])
        if "credits" in checked:
            checked["credits"] = read_credits(checked["credits"])
    except InvalidTerms as error:
        raise Invalid(str(error), errors=[{"at": error.at, "detail": error.reason}]) from None
    covers = checked.get("covers", {})
    known: dict[str, Sequence[str]] = {
        "request_classes": list(RequestClass),
        "maintenance": list(MaintenanceKind),
    }
    if covers.get("work_types") is not None:
        codes = select(WorkType.code).where(WorkType.tenant_id == actor.tenant_id)
        known["work_types"] = list(await session.exec(codes))
    for name, words in known.items():
        if unknown := [word for word in covers.get(name) or () if word not in words]:
            raise Invalid(
                f"'{unknown[0]}' is none of: {', '.join(words)}.",
                errors=[{"at": f"/covers/{name}", "detail": f"unknown: {', '.join(unknown)}"}],
            )
    if checked.get("service_level_id") is not None:
        statement = select(ServiceLevel.id).where(
            ServiceLevel.tenant_id == actor.tenant_id,
            ServiceLevel.id == checked["service_level_id"],
        )
        if (await session.exec(statement)).one_or_none() is None:
            raise Invalid("There is no such service level.", errors=[{"at": "/service_level_id"}])
    return checked


def _check_period(starts_on: date, ends_on: date | None) -> None:
    if ends_on is not None and ends_on < starts_on:
        raise Invalid(
            "A contract ends on the day it starts or later.",
            errors=[{"at": "/ends_on", "detail": "before the first day"}],
        )


async def add_contract(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> Contract:
    """Add a contract of a customer; assets are put under it afterwards."""
    _check_office(actor)
    statement = select(Customer.id).where(
        Customer.tenant_id == actor.tenant_id, Customer.id == values["customer_id"]
    )
    if (await session.exec(statement)).one_or_none() is None:
        raise Invalid("There is no such customer.", errors=[{"at": "/customer_id"}])
    _check_period(values["starts_on"], values.get("ends_on"))
    contract = Contract(
        tenant_id=actor.tenant_id, created_at=now, **await _check_terms(session, actor, values)
    )
    session.add(contract)
    await session.flush()
    await events.record(
        session,
        actor,
        "contract.created",
        "contract",
        contract.id,
        now=now,
        number=contract.number,
        customer_id=str(contract.customer_id),
    )
    await set_fee(session, actor, now, contract, contract.monthly_fee, contract.starts_on)
    return contract


async def edit_contract(
    session: Session,
    actor: Actor,
    now: datetime,
    contract_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> Contract:
    """Change a contract's terms for work to come; jobs and posted costs keep what they were given.

    Another fee counts from `fee_from` on, from today unless given.
    """
    _check_office(actor)
    changes = await _check_terms(session, actor, changes)
    fee_from = changes.pop("fee_from", None)
    contract = await lock_contract(session, actor, contract_id)
    _check_period(
        changes.get("starts_on", contract.starts_on), changes.get("ends_on", contract.ends_on)
    )
    before = {name: _json(getattr(contract, name)) for name in changes}
    fee_before = contract.monthly_fee
    if revise(contract, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "contract.edited",
            "contract",
            contract.id,
            now=now,
            before=before,
            after={name: _json(value) for name, value in changes.items()},
        )
    if "monthly_fee" in changes and changes["monthly_fee"] != fee_before:
        if fee_from is None:
            own = await find_zone_and_currency(session, actor.tenant_id)
            fee_from = now.astimezone(ZoneInfo(own.zone)).date()
        await set_fee(session, actor, now, contract, contract.monthly_fee, fee_from)
    return contract


async def renew_contract(
    session: Session,
    actor: Actor,
    now: datetime,
    contract_id: UUID,
    *,
    number: str,
    ends_on: date | None,
    monthly_fee: Any | None = None,
) -> Contract:
    """Follow a contract that ends with one on the same terms, from the day after its last.

    The assets under it on its last day are under the new one from its first.
    """
    _check_office(actor)
    old = await lock_contract(session, actor, contract_id)
    if old.ends_on is None:
        raise Conflict("This contract has no end, so there is nothing to renew.")
    starts_on = old.ends_on + _A_DAY
    _check_period(starts_on, ends_on)
    new = Contract(
        **old.model_dump(
            exclude={
                *("id", "rev", "number", "starts_on", "ends_on", "monthly_fee", "created_at"),
                "follows_id",
            }
        ),
        number=number,
        follows_id=old.id,
        starts_on=starts_on,
        ends_on=ends_on,
        monthly_fee=old.monthly_fee if monthly_fee is None else monthly_fee,
        created_at=now,
    )
    session.add(new)
    await session.flush()
    await set_fee(session, actor, now, new, new.monthly_fee, starts_on)
    for line in await _lines(session, actor, contract_id):
        if old.ends_on in line.during:
            session.add(
                ContractAsset(
                    tenant_id=actor.tenant_id,
                    contract_id=new.id,
                    asset_id=line.asset_id,
                    during=Range(starts_on, None),
                    weight=line.weight,
                )
            )
    await session.flush()
    await events.record(
        session,
        actor,
        "contract.renewed",
        "contract",
        new.id,
        now=now,
        follows_id=str(old.id),
        number=number,
    )
    return new


def _json(value: Any) -> Any:
    return value if isinstance(value, dict | list | int | None) else str(value)


# --- assets under a contract ------------------------------------------------------------------------------


async def _lines(session: Session, actor: Actor, contract_id: UUID) -> Sequence[ContractAsset]:
    statement = (
        select(ContractAsset)
        .where(ContractAsset.tenant_id == actor.tenant_id, ContractAsset.contract_id == contract_id)
        .order_by(col(ContractAsset.asset_id), col(ContractAsset.during))
    )
    return (await session.exec(statement)).all()


async def list_contract_assets(
    session: Session, actor: Actor, contract_id: UUID
) -> list[tuple[ContractAsset, Asset]]:
    """Return the lines of a contract with their assets, by the asset's number."""
    await find_contract(session, actor, contract_id)
    statement = (
        select(ContractAsset, Asset)
        .join(
            Asset,
            (col(Asset.tenant_id) == ContractAsset.tenant_id)
            & (col(Asset.id) == ContractAsset.asset_id),
        )
        .where(ContractAsset.tenant_id == actor.tenant_id, ContractAsset.contract_id == contract_id)
        .order_by(col(Asset.number), col(ContractAsset.during))
    )
    return [(line, asset) for line, asset in await session.exec(statement)]


def _days(starts_on: date, ends_on: date | None) -> Range[date]:
    """Return both days and all between, in the database's half-open form."""
    if ends_on is not None and ends_on < starts_on:
        raise Invalid(
            "An asset's last day under a contract is not before its first.",
            errors=[{"at": "/ends_on", "detail": "before the first day"}],
        )
    return Range(starts_on, None if ends_on is None else ends_on + _A_DAY)


def span_of(during: Range[date]) -> Span:
    """Return the days of a line with its last day instead of the first not covered."""
    assert during.lower is not None, "every line begins on a day"
    return Span(during.lower, None if during.upper is None else during.upper - _A_DAY)


async def add_contract_asset(
    session: Session,
    actor: Actor,
    now: datetime,
    contract_id: UUID,
    *,
    asset_id: UUID,
    starts_on: date | None,
    ends_on: date | None,
    weight: Decimal = Decimal(1),
) -> tuple[ContractAsset, Asset]:
    """Put an asset of the same customer under a contract, from its first day unless said otherwise.

    `weight` is its share of the fee among the contract's assets.
    """
    _check_office(actor)
    contract = await lock_contract(session, actor, contract_id)
    statement = select(Asset).where(
        Asset.tenant_id == actor.tenant_id,
        Asset.id == asset_id,
        Asset.customer_id == contract.customer_id,
    )
    asset = (await session.exec(statement)).one_or_none()
    if asset is None:
        raise Invalid(
            f"The contract's customer has no asset {asset_id}.", errors=[{"at": "/asset_id"}]
        )
    first = contract.starts_on if starts_on is None else starts_on
    if contract.ends_on is not None and first > contract.ends_on:
        raise Invalid(
            f"The contract ends on {contract.ends_on}, before that.",
            errors=[{"at": "/starts_on", "detail": "after the contract's last day"}],
        )
    line = ContractAsset(
        tenant_id=actor.tenant_id,
        contract_id=contract_id,
        asset_id=asset_id,
        during=_days(first, ends_on),
        weight=weight,
    )
    session.add(line)
    await session.flush()
    await events.record(
        session,
        actor,
        "contract.asset_added",
        "contract",
        contract_id,
        now=now,
        asset_id=str(asset_id),
        starts_on=str(first),
        ends_on=None if ends_on is None else str(ends_on),
    )
    return line, asset


async def _lock_line(
    session: Session, actor: Actor, contract_id: UUID, line_id: UUID
) -> tuple[ContractAsset, Asset]:
    _check_office(actor)
    await lock_contract(session, actor, contract_id)
    for line, asset in await list_contract_assets(session, actor, contract_id):
        if line.id == line_id:
            return line, asset
    raise NotFound(f"No line {line_id} in this contract.")


async def end_contract_asset(
    session: Session,
    actor: Actor,
    now: datetime,
    contract_id: UUID,
    line_id: UUID,
    *,
    ends_on: date | None,
) -> tuple[ContractAsset, Asset]:
    """Set the last day of an asset under a contract; None: it goes on as long as the contract."""
    line, asset = await _lock_line(session, actor, contract_id, line_id)
    line.during = _days(span_of(line.during).starts_on, ends_on)
    await session.flush()
    await events.record(
        session,
        actor,
        "contract.asset_ended",
        "contract",
        contract_id,
        now=now,
        asset_id=str(asset.id),
        ends_on=None if ends_on is None else str(ends_on),
    )
    return line, asset


async def remove_contract_asset(
    session: Session, actor: Actor, now: datetime, contract_id: UUID, line_id: UUID
) -> None:
    """Take back a line that has not begun; one that has is ended, for its days have been counted."""
    line, asset = await _lock_line(session, actor, contract_id, line_id)
    if span_of(line.during).starts_on <= now.date():
        raise Conflict("The asset is already under this contract. Set its last day instead.")
    await session.delete(line)
    await session.flush()
    await events.record(
        session,
        actor,
        "contract.asset_removed",
        "contract",
        contract_id,
        now=now,
        asset_id=str(asset.id),
    )


# --- cover ------------------------------------------------------------------------------------------------


async def load_terms(
    session: Session, actor: Actor, *, customer_id: UUID, asset_id: UUID | None
) -> list[ContractTerms]:
    """Return the terms of all contracts of a customer, with one asset's days under each."""
    statement = _visible(actor).where(Contract.customer_id == customer_id)
    contracts = (await session.exec(statement.order_by(col(Contract.number)))).all()
    spans: dict[UUID, list[Span]] = {}
    if asset_id is not None:
        lines = select(ContractAsset).where(
            ContractAsset.tenant_id == actor.tenant_id, ContractAsset.asset_id == asset_id
        )
        for line in await session.exec(lines):
            spans.setdefault(line.contract_id, []).append(span_of(line.during))
    return [
        ContractTerms(
            id=row.id,
            number=row.number,
            kind=row.kind,
            period=Span(row.starts_on, row.ends_on),
            priority=row.priority,
            request_classes=coverage.words_of(row.covers, "request_classes"),
            maintenance=coverage.words_of(row.covers, "maintenance"),
            work_types=coverage.words_of(row.covers, "work_types"),
            all_assets=row.covers.get("all_assets") is True,
            assets={} if asset_id is None else {asset_id: tuple(spans.get(row.id, ()))},
            payers=row.payers,
            service_level_id=row.service_level_id,
        )
        for row in contracts
    ]


async def find_cover(
    session: Session,
    actor: Actor,
    *,
    asset_id: UUID | None,
    customer_id: UUID,
    at: datetime,
    zone: str,
    request_class: str,
    maintenance: str,
    work_type_code: str,
) -> Cover | None:
    """Return the contract that some work falls under at an instant, None where none covers it.

    The day that counts is the day it then is in `zone`, the site's.
    """
    on = at.astimezone(ZoneInfo(zone)).date()
    work = coverage.Work(asset_id, on, request_class, maintenance, work_type_code)
    terms = await load_terms(session, actor, customer_id=customer_id, asset_id=asset_id)
    return coverage.choose(terms, work)


@dataclass(frozen=True, slots=True)
class CoverPreview:
    """What some work would fall under on the day `on`, why not under others, and what would be due."""

    on: date
    cover: Cover | None
    considered: list[tuple[ContractTerms, Miss | None]]
    due: tuple[StartedClock, ...]


async def preview_cover(
    session: Session,
    actor: Actor,
    *,
    asset_id: UUID,
    at: datetime,
    request_class: str,
    maintenance: str,
    work_type_code: str,
    priority: int,
) -> CoverPreview:
    """Answer for work that nobody has ordered yet, on an asset at an instant; nothing is stored."""
    summary = await asset_summary(session, actor, asset_id)
    zone = summary.site.zone
    on = at.astimezone(ZoneInfo(zone)).date()
    work = coverage.Work(asset_id, on, request_class, maintenance, work_type_code)
    terms = await load_terms(session, actor, customer_id=summary.customer.id, asset_id=asset_id)
    cover = coverage.choose(terms, work)
    policy = None
    if cover is not None and cover.service_level_id is not None:
        policy = await pinned_policy(session, actor, cover.service_level_id, at)
    return CoverPreview(
        on=on,
        cover=cover,
        considered=[(each, coverage.miss(each, work)) for each in terms],
        due=() if policy is None else start_clocks(policy, zone, priority, at),
    )


async def payer_of(
    session: Session, actor: Actor, contract_id: UUID | None, kind: str
) -> tuple[Payer, DecidedBy]:
    """Return who pays for one kind of cost under a contract, or without one, and what says so."""
    if contract_id is None:
        return Payer.CUSTOMER, DecidedBy.NO_CONTRACT

    async def load() -> tuple[str, dict[str, str]]:
        found = await fetch(session, _PAYERS, actor.tenant_id, contract_id, actor.customer_id)
        if not found:
            raise NotFound(f"No contract {contract_id}.")
        return tuple(found[0])

    contract_kind, payers = await once(session, ("contract", contract_id), load)
    return coverage.payer_under(contract_kind, payers, kind)


_PAYERS = """
select kind, payers from contract
where tenant_id = $1 and id = $2 and (cast($3 as uuid) is null or customer_id = $3)
"""


async def pinned_policy(
    session: Session, actor: Actor, service_level_id: UUID, at: datetime
) -> PinnedPolicy | None:
    """Return the promises and the calendar in force at an instant, the start of a job's clocks.

    None where nothing had been published by then: such a job has no clock, and figures say so.
    """
    level = await versions.find_service_level(session, actor, service_level_id)
    promises = await versions.seek_service_level_version(session, actor, service_level_id, at)
    calendar = await versions.seek_calendar_version(session, actor, level.calendar_id, at)
    if promises is None or calendar is None:
        return None
    return PinnedPolicy(
        service_level_version_id=promises.id,
        calendar_version_id=calendar.id,
        service_level=service_level_from_json(promises.body),
        calendar=calendar_from_json(calendar.body),
    )
