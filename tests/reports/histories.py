"""Random histories of a few assets: as rows of the database and as the plain rows that the formulae read."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import Range
from uuid_utils.compat import uuid7

from fsm.assets import tables as stored
from fsm.contracts.tables import Contract, ContractAsset
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.intervals import contains, instant, subtract
from reports.rows import Asset, Cause, Failure, Outage, Period, Span, closed
from tests.company import Company

DAY0 = datetime(2026, 10, 20, tzinfo=UTC)
"""Within the histories clocks go back in Paris (25 October) and, over midnight, in Havana (1 November)."""

DAYS = 16
LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

hours = st.integers(0, DAYS * 24)
days = st.integers(-1, DAYS + 1)


def h(hour: float) -> datetime:
    return DAY0 + timedelta(hours=hour)


def local_day(day: int) -> date:
    return DAY0.date() + timedelta(days=day)


@dataclass
class Machine:
    """One asset as drawn: hours since `DAY0`, days since it. `lines` are (contract, first, end) days."""

    zone: str
    service_from: int
    retired: int | None
    commissioned: int | None
    outages: list[tuple[int, int | None, str, bool, int | None]]
    failures: list[tuple[int, int | None, int | None, str | None]]
    lines: list[tuple[int, int, int | None]]
    id: UUID = field(default_factory=uuid7)
    failure_ids: list[UUID] = field(default_factory=list)

    def begins(self, day: int) -> datetime:
        return datetime.combine(local_day(day), time.min, ZoneInfo(self.zone))


@dataclass
class History:
    machines: list[Machine]
    periods: list[tuple[date, date | None]]
    """Of each contract: first and last day."""
    period: Period
    frame: int | None
    """The contract that is on all of the customer's assets, if one is."""
    contract_ids: list[UUID] = field(default_factory=list)

    def covers(self, machine: Machine, contract: int) -> tuple[Span, ...]:
        """Return when a contract was on an asset."""
        first, last = self.periods[contract]
        lines = [(a, b) for c, a, b in machine.lines if c == contract]
        if self.frame == contract:
            lines = [(-1000, None)]
        spans: list[Span] = []
        for begins, ends in lines:
            from_on = max(local_day(begins), first)
            limits = [] if ends is None else [local_day(ends)]
            limits += [] if last is None else [last + timedelta(days=1)]
            to_on = min(limits, default=None)
            if to_on is None or from_on < to_on:
                zone = ZoneInfo(machine.zone)
                spans.append(
                    (
                        datetime.combine(from_on, time.min, zone),
                        None if to_on is None else datetime.combine(to_on, time.min, zone),
                    )
                )
        return tuple(spans)

    def off_contract(self, machine: Machine) -> tuple[Span, ...]:
        """Return when no contract was on an asset."""
        on = [span for c in range(len(self.periods)) for span in self.covers(machine, c)]
        rest = subtract(
            closed(((LONG_AGO, FAR_OFF),), 0),
            closed(tuple((a, b or FAR_OFF) for a, b in on), 0),
        )
        return tuple((instant(a), instant(b)) for a, b in rest)

    def asset(self, machine: Machine, on_contract: tuple[Span, ...] | None = None) -> Asset:
        begins = h(machine.service_from)
        if machine.commissioned is not None:
            begins = max(begins, machine.begins(machine.commissioned).astimezone(UTC))
        ends = None if machine.retired is None else h(machine.retired)
        return Asset(
            str(machine.id),
            () if ends is not None and ends < begins else ((begins, ends),),
            tuple(
                Outage(str(n), (h(a), None if b is None else h(b)), Cause(cause), degraded)
                for n, (a, b, cause, degraded, _) in enumerate(machine.outages)
            ),
            on_contract=on_contract,
        )

    def failures(self, machines: Iterable[Machine]) -> list[Failure]:
        """Return the failures in the order of their ids, with the reasons that their outages give."""
        found = []
        for machine in machines:
            for n, (detected, earlier, later, exclusion) in enumerate(machine.failures):
                own = [outage for outage in machine.outages if outage[4] == n]
                if exclusion is None and own and all(outage[3] for outage in own):
                    exclusion = "degraded"
                elif exclusion is None and own and all(o[3] or o[2] == "external" for o in own):
                    exclusion = "external"
                found.append(
                    Failure(
                        str(machine.failure_ids[n]),
                        str(machine.id),
                        h(detected),
                        None if earlier is None else h(detected - earlier),
                        None if later is None else h(detected + later),
                        exclusion,
                    )
                )
        return sorted(found, key=lambda failure: failure.id)


def outside_contract(failures: Iterable[Failure], assets: Iterable[Asset]) -> list[Failure]:
    """Return the failures, those that were restored off the contract excluded."""
    covered = {
        asset.id: None if asset.on_contract is None else closed(asset.on_contract, 2**62)
        for asset in assets
    }
    found = []
    for failure in failures:
        if failure.asset_id not in covered:
            continue
        cover = covered[failure.asset_id]
        off = (
            cover is not None
            and failure.restored_at is not None
            and not contains(cover, round(failure.restored_at.timestamp() * 1_000_000))
        )
        is_out = failure.exclusion is None and off
        found.append(replace(failure, exclusion="not_on_contract") if is_out else failure)
    return found


def machines() -> st.SearchStrategy[Machine]:
    causes = st.sampled_from([str(cause) for cause in Cause])
    outages = st.tuples(
        hours, st.none() | st.integers(1, 60), causes, st.booleans(), st.none() | st.integers(0, 3)
    )
    failures = st.tuples(
        # Few distinct hours, so that components fail in one instant.
        st.sampled_from([30, 31, 100, 101, 200, 300]) | hours,
        st.none() | st.integers(0, 5),
        st.none() | st.integers(0, 90),
        st.none() | st.none() | st.sampled_from(["misuse", "test_run"]),
    )
    lines = st.tuples(st.integers(0, 1), days, st.none() | st.integers(1, 8))
    return st.builds(
        _machine,
        st.sampled_from(["Europe/Paris", "America/Havana", "UTC"]),
        st.integers(-50, 150),
        st.none() | st.integers(1, 400),
        st.none() | days,
        st.lists(outages, max_size=6),
        st.lists(failures, max_size=6),
        st.lists(lines, max_size=4),
    )


def _machine(zone, service_from, lasts, commissioned, outages, failures, lines) -> Machine:  # type: ignore[no-untyped-def]
    """Turn lengths into ends, links to failures that are not there into none, and drop overlapping lines."""
    kept: list[tuple[int, int, int | None]] = []
    for contract, begins, length in lines:
        ends = None if length is None else begins + length
        if all(
            c != contract or (e is not None and e <= begins) or (ends is not None and ends <= b)
            for c, b, e in kept
        ):
            kept.append((contract, begins, ends))
    return Machine(
        zone,
        service_from,
        None if lasts is None else service_from + lasts,
        commissioned,
        [
            (
                a,
                None if n is None else a + n,
                c,
                d,
                f if f is not None and f < len(failures) else None,
            )
            for a, n, c, d, f in outages
        ],
        failures,
        kept,
        failure_ids=[uuid7() for _ in failures],
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    begins = draw(st.integers(0, 10 * 24))
    ends = begins + draw(st.integers(1, DAYS * 24))
    as_of = draw(st.sampled_from([ends, ends + 1000]) | st.integers(begins - 5, ends))
    periods = [
        (local_day(first), None if length is None else local_day(first + length))
        for first, length in draw(
            st.lists(
                st.tuples(st.integers(-5, 5), st.none() | st.integers(0, 14)),
                min_size=2,
                max_size=2,
            )
        )
    ]
    return History(
        draw(st.lists(machines(), min_size=1, max_size=4)),
        periods,
        Period(h(begins), h(ends), h(as_of)),
        draw(st.none() | st.none() | st.integers(0, 1)),
    )


async def store(session: Session, company: Company, history: History) -> None:
    """Write a history for the company's customer; the company's own asset and contract stay as they are."""
    t, customer_id = company.id, company.customer.id
    sites = {
        zone: Site(
            tenant_id=t,
            customer_id=customer_id,
            number=f"S-{zone}-{uuid7()}",
            name=zone,
            zone=zone,
            created_at=DAY0,
        )
        for zone in {machine.zone for machine in history.machines}
    }
    contracts = [
        Contract(
            tenant_id=t,
            customer_id=customer_id,
            number=f"K-{uuid7()}",
            kind="subscription",
            starts_on=first,
            ends_on=last,
            covers={"all_assets": history.frame == n},
            created_at=DAY0,
        )
        for n, (first, last) in enumerate(history.periods)
    ]
    history.contract_ids = [contract.id for contract in contracts]
    session.add_all([*sites.values(), *contracts])
    await session.flush()
    session.add_all(
        stored.Asset(
            tenant_id=t,
            id=machine.id,
            customer_id=customer_id,
            site_id=sites[machine.zone].id,
            model_id=company.model.id,
            number=str(machine.id),
            name="=HYPERLINK(1)",
            in_service_from=h(machine.service_from),
            retired_at=None if machine.retired is None else h(machine.retired),
            commissioned_on=(
                None if machine.commissioned is None else local_day(machine.commissioned)
            ),
            created_at=DAY0,
        )
        for machine in history.machines
    )
    await session.flush()
    for machine in history.machines:
        session.add_all(
            stored.Failure(
                tenant_id=t,
                id=machine.failure_ids[n],
                asset_id=machine.id,
                detected_at=h(detected),
                failed_at=None if earlier is None else h(detected - earlier),
                restored_at=None if later is None else h(detected + later),
                exclusion=exclusion,
            )
            for n, (detected, earlier, later, exclusion) in enumerate(machine.failures)
        )
        session.add_all(
            ContractAsset(
                tenant_id=t,
                contract_id=history.contract_ids[contract],
                asset_id=machine.id,
                during=Range(local_day(begins), None if ends is None else local_day(ends)),
            )
            for contract, begins, ends in machine.lines
        )
    await session.flush()
    for machine in history.machines:
        session.add_all(
            stored.Outage(
                tenant_id=t,
                asset_id=machine.id,
                failure_id=None if link is None else machine.failure_ids[link],
                during=Range(h(begins), None if ends is None else h(ends)),
                cause=cause,
                is_degraded=degraded,
            )
            for begins, ends, cause, degraded, link in machine.outages
        )
    await session.flush()
