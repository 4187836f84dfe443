"""Files of past (and open) jobs: how a company's own history becomes figures."""

from collections.abc import Mapping
from typing import Any, Final

from uuid_utils.compat import uuid7

from fsm.actors import Permission
from fsm.catalogue.tables import MaintenanceKind
from fsm.checklists import queries as checklists
from fsm.contracts import queries as contracts
from fsm.database import run
from fsm.imports.cells import (
    CODE,
    CURRENCY,
    DAY,
    FLAG,
    INSTANT,
    LINE,
    MONEY,
    TEXT,
    BadCell,
    text,
    whole,
    word,
)
from fsm.imports.history import in_steps, record_rows
from fsm.imports.kind import (
    NEW_ID,
    Check,
    Column,
    Compare,
    Completion,
    Field,
    Kind,
    Remark,
    Run,
    missing,
    same,
    zone_columns,
)
from fsm.imports.kinds.failures import OUTAGE, OWN_SOURCE, check_order, name_row, outage_of
from fsm.problems import Invalid
from fsm.work_orders import completion
from fsm.work_orders.numbers import Series, bump_numbers, next_number
from fsm.work_orders.records import CostKind

_STATUS = word(
    "open", "closed", "cancelled",
    also={
        "done": "closed", "finished": "closed", "resolved": "closed", "completed": "closed",
        "canceled": "cancelled", "rejected": "cancelled",
        "new": "open", "pending": "open", "assigned": "open", "started": "open",
        "scheduled": "open", "dispatched": "open", "in_progress": "open", "work_done": "open",
    },
)  # fmt: skip
_SPENT: Final = tuple(kind for kind in CostKind if kind is not CostKind.RECOVERY)
_COSTS: Final = tuple(f"cost_{kind}" for kind in _SPENT)
_FAILURE: Final = ("failure_mode", "failure_mechanism", "failure_cause", "failed_at")


def _complete(row: dict[str, Any], completion_: Completion) -> None:
    if row["asset"] is None and row["site"] is None:
        raise BadCell("is needed, or asset", "site")
    given = row["source_id"] is not None
    name_row(
        row, completion_, "asset", "site", "work_type", "reported_at", "finished_at", "title",
        "failure_mode", "technician",
    )  # fmt: skip
    if row["number"] is not None and not given:
        row["source_id"] = row["number"]
    _settle_times(row, completion_)
    _settle_failure(row)
    if row["technician"] is not None and row["finished_at"] is not None:
        row["visit_id"] = uuid7()
    if row["posted_on"] is not None and all(row[name] is None for name in _COSTS):
        raise BadCell("is given without a cost", "posted_on")


def _settle_times(row: dict[str, Any], completion_: Completion) -> None:
    """Fill in the status from the times or the times from each other, and hold them to their order."""
    if row["status"] is None:
        row["status"] = "open" if (row["finished_at"] or row["closed_at"]) is None else "closed"
    if row["status"] == "open":
        # Our own export says it of a job under way, whose visits are no part of the file.
        row["lost_end"] = row["finished_at"] is not None or row["closed_at"] is not None
        row["finished_at"] = row["closed_at"] = None
    else:
        row["closed_at"] = row["closed_at"] or row["finished_at"]
        if row["status"] == "cancelled":
            row["closed_at"] = row["closed_at"] or row["reported_at"]
            row["finished_at"] = None
        elif row["closed_at"] is None:
            raise BadCell("is needed for a closed job, or closed_at", "finished_at")
        else:
            row["finished_at"] = row["finished_at"] or row["closed_at"]
    check_order(row, completion_, "reported_at", "started_at", "finished_at", "closed_at")


def _settle_failure(row: dict[str, Any]) -> None:
    describes = any(row[name] is not None for name in _FAILURE)
    if describes and row["failure"] is not None:
        raise BadCell("names a failure of its own, so the row describes no other", "failure")
    if describes and row["asset"] is None:
        raise BadCell("is needed where the row describes a failure", "asset")
    if row["failed_at"] is not None and row["failed_at"] > row["reported_at"]:
        raise BadCell("is later than reported_at", "failed_at")
    restored = row["restored_at"]
    if restored is not None and restored < row["reported_at"]:
        raise BadCell("is earlier than reported_at", "restored_at")
    if restored is not None and not describes and row["failure"] is None:
        # A repair whose failure nobody coded is a failure all the same.
        if row["asset"] is None:
            raise BadCell("is needed where the row says when a function was restored", "asset")
        describes = True
    row["failure_id"] = uuid7() if describes else None
    outage_of(row, "failed_at" if row["failed_at"] is not None else "reported_at")


# --- what jobs refer to, and what hangs on them -----------------------------------------------------------


async def _prepare(run_: Run) -> Mapping[str, int]:
    """Find the import checklist; make missing work types where that was asked for."""
    template = await checklists.import_template(run_.session, run_.actor)
    await run(
        run_.session,
        "update incoming set checklist_id = :id, rules = :rules where status = 'closed'",
        id=template.id,
        rules=template.rules_sha256,
    )
    if not run_.create_missing:
        return {}
    made = await run(
        run_.session,
        f"""
        with named as (
          select i.work_type as code, min(i.maintenance) as maintenance, min(i.reported_at) as since
          from incoming i group by i.work_type
          having count(distinct i.maintenance) = 1
        ), made as (
          insert into work_type (tenant_id, id, rev, code, name, is_active)
          select :tenant, {NEW_ID}, 1, named.code, named.code, true from named
          on conflict (tenant_id, code) do nothing returning id, code
        )
        insert into work_type_version (tenant_id, id, work_type_id, version, effective_at, names,
          request_class, maintenance, duration_s, priority, skills)
        select :tenant, {NEW_ID}, made.id, 1, named.since, jsonb_build_object('en', made.code),
          case named.maintenance when 'corrective' then 'incident' else 'service_request' end,
          named.maintenance, 3600, 3, '[]'
        from made join named on named.code = made.code
        """,
        tenant=run_.actor.tenant_id,
    )
    return {"work_types": made.rowcount}


async def _number_and_fail(run_: Run) -> Mapping[str, int]:
    """Number the new jobs that have none, in the order of the file, and record their failures.

    The counter's row is held from here to the commit: others who create jobs wait for it.
    """
    closed = await run(
        run_.session, "select 1 from incoming where found is null and status = 'closed' limit 1"
    )
    if closed.first() is not None and run_.actor.user_id is None:
        raise Invalid(
            "A closed job names the person who closed it: sign in to import history, "
            "or on the command line say --as LOGIN.",
            errors=[{"at": "/status", "detail": "nobody to close it"}],
        )
    waiting = await run(
        run_.session, "select count(*) from incoming where found is null and number is null"
    )
    if count := waiting.scalar_one():
        first = (await next_number(run_.session, run_.actor, Series.WORK_ORDER, count))[0]
        prefix, _, number = first.rpartition("-")
        await run(
            run_.session,
            """
            update incoming i set number = :prefix || '-' || (cast(:first as bigint) + n.nth - 1)
            from (select line, row_number() over (order by line) as nth from incoming
                  where found is null and number is null) as n
            where n.line = i.line
            """,
            prefix=prefix,
            first=int(number),
        )
    failures = await run(
        run_.session,
        """
        insert into failure (tenant_id, id, rev, asset_id, failed_at, detected_at, restored_at,
                             mode, mechanism, cause, source, source_id)
        select :tenant, i.failure_id, 1, a.id, i.failed_at, i.reported_at, i.restored_at,
               i.failure_mode, i.failure_mechanism, i.failure_cause,
               i.source, 'work_order/' || i.source_id
        from incoming i join asset a on a.tenant_id = :tenant and a.number = i.asset
        where i.found is null and i.failure_id is not null
        """,
        tenant=run_.actor.tenant_id,
    )
    outages = await run(
        run_.session,
        """
        insert into outage (tenant_id, id, rev, asset_id, failure_id, during, cause, is_degraded)
        select :tenant, f.id, 1, f.asset_id, f.id,
               tstzrange(coalesce(f.failed_at, f.detected_at), f.restored_at), 'failure',
               i.outage = 'degraded'
        from incoming i join failure f on f.tenant_id = :tenant and f.id = i.failure_id
        where i.found is null and i.outage <> 'no'
        """,
        tenant=run_.actor.tenant_id,
    )
    return {"failures": failures.rowcount, "outages": outages.rowcount}


async def _complete_jobs(run_: Run) -> Mapping[str, int]:
    made = {
        **await _make_visits(run_),
        "cost_lines": await _post_costs(run_),
        "closed": await _close(run_),
    }
    await record_rows(
        run_,
        "work_order.imported",
        "work_order",
        """
        select i.line, i.id, i.reported_at as at,
               jsonb_build_object('number', i.number, 'source', i.source, 'source_id', i.source_id,
                 'status', i.status, 'reported_at', i.reported_at, 'finished_at', i.finished_at,
                 'closed_at', i.closed_at) as data
        from incoming i where i.found is null
        """,
    )
    await bump_numbers(run_.session, run_.actor, Series.WORK_ORDER)
    return made


async def _make_visits(run_: Run) -> Mapping[str, int]:
    """Make one finished visit, and its time of work, for each new job with a technician and an end."""
    visits = await run(
        run_.session,
        """
        insert into visit (tenant_id, id, rev, work_order_id, technician_id, status,
          planned_starts_at, planned_ends_at, arrived_at, work_started_at, finished_at,
          travel_s, is_pinned, is_orphan, created_at)
        select :tenant, i.visit_id, 1, i.id, h.id, 'finished',
          coalesce(i.started_at, i.finished_at), i.finished_at, i.started_at, i.started_at,
          i.finished_at, 0, false, false, :now
        from incoming i join technician h on h.tenant_id = :tenant and h.number = i.technician
        where i.found is null and i.visit_id is not null
        """,
        **run_.values,
    )
    entries = await run(
        run_.session,
        f"""
        insert into time_entry (tenant_id, id, work_order_id, visit_id, technician_id, kind, during,
                                needs_review, recorded_at)
        select :tenant, {NEW_ID}, i.id, i.visit_id, h.id, 'work',
               tstzrange(i.started_at, i.finished_at), false, :now
        from incoming i join technician h on h.tenant_id = :tenant and h.number = i.technician
        where i.found is null and i.visit_id is not null and i.started_at < i.finished_at
        """,
        **run_.values,
    )
    return {"visits": visits.rowcount, "time_entries": entries.rowcount}


async def _post_costs(run_: Run) -> int:
    """Post the costs as ledger lines, each with the payer that the job's contract names."""
    referred = await run(
        run_.session,
        """
        select distinct w.contract_id from incoming i
        join work_order w on w.tenant_id = :tenant and w.id = i.id where i.found is null
        """,
        tenant=run_.actor.tenant_id,
    )
    payers = []
    for (contract_id,) in referred.all():
        for kind in _SPENT:
            payer, rule = await contracts.payer_of(run_.session, run_.actor, contract_id, kind)
            payers.append((contract_id, str(kind), payer, rule))
    posted = await run(
        run_.session,
        f"""
        insert into cost_line (tenant_id, id, work_order_id, asset_id, contract_id, technician_id, kind,
          quantity, unit_cost, amount, currency, posted_on, source_kind, payer, payer_rule, created_at)
        select :tenant, {NEW_ID}, w.id, w.asset_id, w.contract_id,
          case when c.kind in ('labour', 'travel') then h.id end, c.kind, 1, c.amount, c.amount,
          coalesce(i.currency, :currency),
          coalesce(i.posted_on, (coalesce(i.finished_at, i.closed_at, i.reported_at)
                                 at time zone w.zone)::date),
          'import', p.payer, p.rule, :now
        from incoming i
        join work_order w on w.tenant_id = :tenant and w.id = i.id
        left join technician h on h.tenant_id = :tenant and h.number = i.technician
        cross join lateral (values {", ".join(f"('{kind}', i.cost_{kind})" for kind in _SPENT)})
          as c(kind, amount)
        join unnest(cast(:contracts as uuid[]), cast(:kinds as text[]), cast(:payers as text[]),
                    cast(:rules as text[])) as p(contract_id, kind, payer, rule)
          on p.contract_id is not distinct from w.contract_id and p.kind = c.kind
        where i.found is null and c.amount <> 0
        """,
        **run_.values,
        contracts=[one[0] for one in payers],
        kinds=[one[1] for one in payers],
        payers=[str(one[2]) for one in payers],
        rules=[str(one[3]) for one in payers],
    )
    return int(posted.rowcount)


async def _close(run_: Run) -> int:
    """Take the closed jobs through the one door, in steps, as whoever imports them."""
    closed = 0
    async for rows in in_steps(
        run_,
        "select i.line, i.id, i.closed_at from incoming i where i.found is null and i.status = 'closed'",
    ):
        assert run_.actor.user_id is not None
        closed += await completion.close_imported(
            run_.session,
            run_.actor,
            run_.now,
            {row.id: row.closed_at for row in rows},
            by=run_.actor.user_id,
        )
    return closed


_VERSION = """left join lateral (
      select v.* from work_type_version v
      where v.tenant_id = :tenant and v.work_type_id = y.id
      order by v.effective_at <= i.reported_at desc,
               case when v.effective_at <= i.reported_at then v.version end desc nulls last, v.version
      limit 1) as v on true"""
"""The work type's version in force at the report; history from before the first has the first."""

_PLACE = "coalesce(s.id, sa.id)"

WORK_ORDERS = Kind(
    name="work_orders",
    entity="work_order",
    table="work_order",
    about="Jobs of the past, and open ones. Closed ones stay marked as unproved.",
    columns=(
        Column("number", CODE, "the job's number; given by us unless said", "2024-0815",
               aliases=("work order number", "work order", "job number")),
        Column("source", text(60), "system that it comes from; the import's source unless said", "sap"),
        Column("source_id", text(200), "its id there; the number, else made of the row, unless said",
               "4711", aliases=("id", "work order id")),
        Column("site", CODE, "number of the site; the asset's unless said", "S-17",
               aliases=("site number", "site no", "site id")),
        Column("asset", CODE, "number of the asset; it or the site is needed", "A-204",
               aliases=("asset number", "asset no", "asset id")),
        Column("contract", CODE, "number of the contract that it was done under", "K-2024-7",
               aliases=("contract number", "contract no")),
        Column("work_type", CODE, "code of the work type", "repair", True, ("type",)),
        Column("maintenance", word(*MaintenanceKind),
               "the work type's unless said; needed to create a missing work type", "corrective"),
        Column("title", LINE, "the work type's name unless said", "Doors do not close",
               aliases=("subject", "summary")),
        Column("description", TEXT, "", aliases=("details",)),
        Column("priority", whole(1, 5), "1 is most urgent; the work type's unless said", "2"),
        Column("status", _STATUS, "closed if it has an end, else open, unless said", "closed",
               aliases=("state",)),
        Column("reported_at", INSTANT, "when somebody asked for it", "2024-06-01T10:30:00Z", True,
               ("reported", "created at", "created")),
        Column("started_at", INSTANT, "when work began", "2024-06-01T12:00:00Z",
               aliases=("started", "work started")),
        Column("finished_at", INSTANT, "when work was done", "2024-06-01T13:30:00Z",
               aliases=("finished", "completed at", "completed")),
        Column("restored_at", INSTANT, "when the function was back: makes a failure of the asset",
               "2024-06-01T13:10:00Z", aliases=("restored",)),
        Column("closed_at", INSTANT, "when the office closed or cancelled it; finished_at unless said",
               "2024-06-03T08:00:00Z", aliases=("closed", "cancelled at")),
        Column("cancel_reason", LINE, "", "customer", aliases=("reason",)),
        Column("is_rework", FLAG, "yes: done because earlier work had not held", "no", aliases=("rework",)),
        Column("technician", CODE, "number of the technician: makes a finished visit", "T-12",
               aliases=("technician number", "technician no")),
        Column("cost_labour", MONEY, "", "90.00", aliases=("labour cost", "labor cost")),
        Column("cost_travel", MONEY, "", "40.00", aliases=("travel cost",)),
        Column("cost_parts", MONEY, "", "12.00", aliases=("parts cost",)),
        Column("cost_contractor", MONEY, "", aliases=("contractor cost",)),
        Column("cost_overhead", MONEY, "", aliases=("overhead",)),
        Column("cost_other", MONEY, "", aliases=("other cost",)),
        Column("currency", CURRENCY, "of the costs; the company's unless said", "EUR"),
        Column("posted_on", DAY, "day of the costs; that of the end at the site unless said",
               "2024-06-01"),
        Column("failure", text(200), "source_id of an imported failure of the asset", "4711"),
        Column("failed_at", INSTANT, "when the asset failed: makes a failure", "2024-06-01T10:12:00Z",
               aliases=("failed",)),
        Column("failure_mode", CODE, "code; makes a failure", "door"),
        Column("failure_mechanism", CODE, "code; makes a failure", "wear"),
        Column("failure_cause", CODE, "code; makes a failure", "dirt"),
        Column("outage", OUTAGE,
               "of that failure: down, degraded or no; unless said: down if restored, else no", "down"),
        *zone_columns(),
    ),
    reads=Permission.READ_WORK_ORDERS,
    matches=(
        "t.id = i.id",
        "t.source = i.source and t.source_id = i.source_id",
        "t.number = i.number",
    ),
    keys=("(i.source, i.source_id)", "i.number"),
    joins=f"""left join asset a on a.tenant_id = :tenant and a.number = i.asset
        left join site sa on sa.tenant_id = :tenant and sa.id = a.site_id
        left join site s on s.tenant_id = :tenant and s.number = i.site
        left join contract k on k.tenant_id = :tenant and k.number = i.contract
        left join technician h on h.tenant_id = :tenant and h.number = i.technician
        left join work_type y on y.tenant_id = :tenant and y.code = i.work_type
        {_VERSION}
        left join lateral (select f.id from failure f
          where i.failure is not null and f.tenant_id = :tenant and f.asset_id = a.id
            and (f.source_id = i.failure or f.id::text = i.failure)
          order by f.id limit 1) as f on true""",
    fields=(
        Field("number", "coalesce(i.number, t.number)", ("number",)),
        Field("customer_id", "coalesce(s.customer_id, sa.customer_id)", ()),
        Field("site_id", _PLACE, ()),
        Field("asset_id", "a.id", ("asset",)),
        Field("contract_id", "k.id", ("contract",)),
        Field("failure_id", "coalesce(f.id, i.failure_id)", ()),
        Field("work_type_id", "y.id", ("work_type",)),
        Field("work_type_version_id", "v.id", ()),
        Field("request_class", "v.request_class", ()),
        Field("maintenance", "coalesce(i.maintenance, v.maintenance)", ("maintenance",)),
        Field("priority", "coalesce(i.priority, v.priority)", ("priority",)),
        Field("title", "coalesce(i.title, y.name)", ("title",)),
        Field("description", "coalesce(i.description, '')", ("description",)),
        Field("zone", "coalesce(s.zone, sa.zone)", ()),
        Field("is_rework", "coalesce(i.is_rework, false)", ("is_rework",)),
        *same("reported_at"),
        Field("work_started_at", "i.started_at", ("started_at",)),
        Field("cancel_reason", "i.cancel_reason", ("cancel_reason",)),
    ),
    fixed={
        # The one door makes `closed` of what has been done: `completion.close_imported`.
        "status": "case i.status when 'closed' then 'work_done' else i.status end",
        "work_done_at": "i.finished_at",
        "cancelled_at": "case when i.status = 'cancelled' then i.closed_at end",
        "finished_visit_id": "case when i.status = 'closed' then i.visit_id end",
        "checklist_version_id": "i.checklist_id",
        "rules_sha256": "i.rules",
        "facts_rev": "0",
        "is_unproved": "i.status = 'closed'",
        "estimate_s": "v.duration_s",
        "crew_size": "1",
        "skills": "v.skills",
        "wants_more_work": "false",
        "source": f"nullif(i.source, '{OWN_SOURCE}')",
        "source_id": f"case when i.source <> '{OWN_SOURCE}' then i.source_id end",
        "created_at": ":now",
    },
    own={
        "visit_id": "uuid", "failure_id": "uuid", "checklist_id": "uuid", "rules": "text",
        "lost_end": "boolean",
    },
    remarks=(
        Remark(
            "i.lost_end",
            "An open job has no end: that of {count} is left out, the first on line {line}. Where the work "
            "was done, the status is 'closed'.",
        ),
    ),
    checks=(
        missing("asset", "asset", "a.id"),
        missing("site", "site", "s.id"),
        Check("site", "s.id <> sa.id", "'the asset stands at another site, ''' || sa.number || ''''"),
        missing("contract", "contract", "k.id"),
        Check(
            "contract",
            "k.customer_id <> coalesce(s.customer_id, sa.customer_id)",
            "'the contract is another customer''s'",
        ),
        missing("technician", "technician", "h.id"),
        missing("work_type", "work type", "y.id"),
        Check("work_type", "y.id is not null and v.id is null", "'the work type has no version yet'"),
        missing("failure", "failure of this asset", "f.id"),
    ),
    compares=(
        Compare(
            "status",
            "i.status <> case when t.status in ('closed', 'cancelled') then t.status else 'open' end",
            "t.status",
            "i.status",
        ),
        Compare(
            "finished_at",
            "i.status = 'closed' and t.status = 'closed' and t.work_done_at <> i.finished_at",
            "t.work_done_at::text",
            "i.finished_at::text",
        ),
    ),
    complete=_complete,
    before=_prepare,
    ready=_number_and_fail,
    after=_complete_jobs,
    is_history=True,
    export={
        "number": "t.number",
        "source": f"coalesce(t.source, '{OWN_SOURCE}')",
        "source_id": "coalesce(t.source_id, t.id::text)",
        "site": "s.number", "asset": "a.number", "contract": "k.number", "work_type": "y.code",
        "maintenance": "t.maintenance", "title": "t.title", "description": "t.description",
        "priority": "t.priority", "status": "t.status", "reported_at": "t.reported_at",
        "started_at": "t.work_started_at", "finished_at": "t.work_done_at",
        "restored_at": "null::timestamptz",
        "closed_at": "coalesce(t.closed_at, t.cancelled_at)", "cancel_reason": "t.cancel_reason",
        "is_rework": "t.is_rework", "technician": "h.number",
        **{f"cost_{kind}": f"c.{kind}" for kind in _SPENT},
        "currency": "c.currency", "posted_on": "c.posted_on",
        "failure": "coalesce(f.source_id, f.id::text)",
        "failed_at": "null::timestamptz", "failure_mode": "null::text",
        "failure_mechanism": "null::text", "failure_cause": "null::text", "outage": "null::text",
    },
    export_joins=f"""join site s on s.tenant_id = t.tenant_id and s.id = t.site_id
        join work_type y on y.tenant_id = t.tenant_id and y.id = t.work_type_id
        left join asset a on a.tenant_id = t.tenant_id and a.id = t.asset_id
        left join contract k on k.tenant_id = t.tenant_id and k.id = t.contract_id
        left join failure f on f.tenant_id = t.tenant_id and f.id = t.failure_id
        left join visit n on n.tenant_id = t.tenant_id and n.id = t.finished_visit_id
        left join technician h on h.tenant_id = t.tenant_id and h.id = n.technician_id
        left join lateral (select max(l.currency) as currency, max(l.posted_on) as posted_on,
          {", ".join(f"sum(l.amount) filter (where l.kind = '{kind}') as {kind}" for kind in _SPENT)}
          from cost_line l where l.tenant_id = t.tenant_id and l.work_order_id = t.id) as c on true""",
    customer="t.customer_id",
    secret=(*_COSTS, "posted_on"),
)  # fmt: skip
