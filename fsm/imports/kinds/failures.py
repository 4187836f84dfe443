"""Files of failures, with or without the outage that each kept."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from fsm.actors import Permission
from fsm.database import run
from fsm.imports.cells import CODE, INSTANT, BadCell, text, word
from fsm.imports.history import record_rows
from fsm.imports.kind import Column, Completion, Field, Kind, Run, missing, same, zone_columns

AHEAD: Final = timedelta(minutes=5)
"""How far an instant may lie in the server's future: clocks differ a little."""

OWN_SOURCE: Final = "fsm"
"""The source of rows that were recorded in this product: `source_id` is then the row's own id."""

OUTAGE = word(
    "no", "down", "degraded", also={"yes": "down", "none": "no", "false": "no", "true": "down"}
)


def check_order(row: dict[str, Any], completion: Completion, *names: str) -> None:
    """Refuse instants that are in the future or not in the order of `names`."""
    last: str | None = None
    for name in names:
        at = row[name]
        if at is None:
            continue
        if at > completion.now + AHEAD:
            raise BadCell("lies in the future", name)
        if last is not None and at < row[last]:
            raise BadCell(f"is earlier than {last}", name)
        last = name


def name_row(row: dict[str, Any], completion: Completion, *identity: str) -> None:
    """Give the row its source and a `source_id` made from what identifies it, unless it has one."""
    row["source"] = row["source"] or completion.source
    if row["source_id"] is None:
        parts = [row[name] for name in identity]
        said = "|".join(
            "" if part is None else part.isoformat() if hasattr(part, "isoformat") else str(part)
            for part in parts
        )
        row["source_id"] = said if len(said) <= 200 else sha256(said.encode()).hexdigest()
    elif row["source"] == OWN_SOURCE:
        try:
            row["id"] = UUID(row["source_id"])
        except ValueError:
            raise BadCell(f"with the source '{OWN_SOURCE}' must be an id", "source_id") from None


def outage_of(row: dict[str, Any], since: str) -> None:
    """Settle `outage`: unless said, a failure that was restored later had one, another had none."""
    begins, ends = row[since], row["restored_at"]
    if row["outage"] is None:
        row["outage"] = "down" if ends is not None else "no"
    if ends is not None and begins is not None and ends <= begins:
        row["outage"] = "no"


def _complete(row: dict[str, Any], completion: Completion) -> None:
    if row["detected_at"] is None:
        row["detected_at"] = row["failed_at"]
    if row["detected_at"] is None:
        raise BadCell("is needed, or failed_at", "detected_at")
    check_order(row, completion, "failed_at", "detected_at", "restored_at")
    name_row(
        row, completion, "asset", "failed_at", "detected_at", "mode", "mechanism", "cause"
    )  # fmt: skip
    outage_of(row, "failed_at" if row["failed_at"] is not None else "detected_at")


async def _keep_outages(run_: Run) -> Mapping[str, int]:
    """Give new failures their own outages, under the failures' ids as `assets.failures` does."""
    made = await run(
        run_.session,
        """
        insert into outage (tenant_id, id, rev, asset_id, failure_id, during, cause, is_degraded)
        select :tenant, f.id, 1, f.asset_id, f.id,
               tstzrange(coalesce(f.failed_at, f.detected_at), f.restored_at), 'failure',
               i.outage = 'degraded'
        from incoming i join failure f on f.tenant_id = :tenant and f.id = i.id
        where i.found is null and i.outage <> 'no'
        """,
        tenant=run_.actor.tenant_id,
    )
    await record_rows(
        run_,
        "failure.imported",
        "failure",
        """
        select i.line, i.id, coalesce(i.failed_at, i.detected_at) as at,
               jsonb_build_object('asset', i.asset, 'source', i.source, 'source_id', i.source_id,
                 'failed_at', i.failed_at, 'detected_at', i.detected_at,
                 'restored_at', i.restored_at) as data
        from incoming i where i.found is null
        """,
    )
    return {"outages": made.rowcount}


FAILURES = Kind(
    name="failures",
    entity="failure",
    table="failure",
    about="Events of failing, with or without the time the asset was down for them.",
    columns=(
        Column("asset", CODE, "number of the asset", "A-204", True,
               ("asset number", "asset no", "asset id")),
        Column("failed_at", INSTANT, "when it failed, if anybody knows", "2024-06-01T10:12:00Z",
               aliases=("failed",)),
        Column("detected_at", INSTANT, "when that was noticed; failed_at unless said",
               "2024-06-01T10:30:00Z", aliases=("detected",)),
        Column("restored_at", INSTANT, "when the function was back", "2024-06-01T14:00:00Z",
               aliases=("restored",)),
        Column("mode", CODE, "code of the failure mode", "door", aliases=("failure mode",)),
        Column("mechanism", CODE, "code of the mechanism", "wear", aliases=("failure mechanism",)),
        Column("cause", CODE, "code of the cause", "dirt", aliases=("failure cause",)),
        Column("exclusion", CODE, "why figures leave it out", "vandalism"),
        Column("outage", OUTAGE,
               "down, degraded or no; unless said: down if it was restored, else no", "down"),
        Column("source", text(60), "system that it comes from; the import's source unless said", "sap"),
        Column("source_id", text(200), "its id there; unless said, made of the row", "4711",
               aliases=("id", "failure id")),
        *zone_columns(),
    ),
    reads=Permission.READ_ASSETS,
    matches=("t.id = i.id", "t.source = i.source and t.source_id = i.source_id"),
    keys=("(i.source, i.source_id)",),
    joins="left join asset a on a.tenant_id = :tenant and a.number = i.asset",
    fields=(
        Field("asset_id", "a.id", ("asset",)),
        *same("failed_at", "detected_at", "restored_at", "mode", "mechanism", "cause", "exclusion"),
    ),
    fixed={
        "source": f"nullif(i.source, '{OWN_SOURCE}')",
        "source_id": f"case when i.source <> '{OWN_SOURCE}' then i.source_id end",
    },
    checks=(missing("asset", "asset", "a.id"),),
    complete=_complete,
    after=_keep_outages,
    is_history=True,
    export={
        "asset": "a.number", "failed_at": "t.failed_at", "detected_at": "t.detected_at",
        "restored_at": "t.restored_at", "mode": "t.mode", "mechanism": "t.mechanism",
        "cause": "t.cause", "exclusion": "t.exclusion",
        "outage": "case when o.id is null then 'no' when o.is_degraded then 'degraded' else 'down' end",
        "source": f"coalesce(t.source, '{OWN_SOURCE}')",
        "source_id": "coalesce(t.source_id, t.id::text)",
    },
    export_joins="""join asset a on a.tenant_id = t.tenant_id and a.id = t.asset_id
        left join outage o on o.tenant_id = t.tenant_id and o.id = t.id""",
    customer="a.customer_id",
)  # fmt: skip
