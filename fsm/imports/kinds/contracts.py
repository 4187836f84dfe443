"""Files of contracts, with the assets that they cover."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from fsm.actors import Permission
from fsm.catalogue.tables import MaintenanceKind, RequestClass
from fsm.contracts.coverage import STATED, Paid
from fsm.contracts.tables import ContractKind
from fsm.database import run
from fsm.imports.cells import (
    CODE,
    CURRENCY,
    DAY,
    FLAG,
    LINE,
    MONEY,
    BadCell,
    Form,
    parts_of,
    whole,
    word,
)
from fsm.imports.kind import (
    NEW_ID,
    Check,
    Column,
    Compare,
    Completion,
    Field,
    Kind,
    Run,
    missing,
    same,
)

_SPAN: Final = re.compile(r"(.+?)(?:@(\d{4}-\d\d-\d\d)(?:/(\d{4}-\d\d-\d\d))?)?")


def _one_of(words: Sequence[str]) -> Any:
    def read(part: str, form: Form) -> str:
        if part.lower() not in words:
            raise BadCell(f"'{part[:60]}' is not one of {', '.join(words)}")
        return part.lower()

    return read


def _payer(part: str, form: Form) -> Sequence[str]:
    kind, sign, payer = (piece.strip().lower() for piece in part.partition("="))
    if not sign or kind not in list(Paid) or payer not in STATED:
        raise BadCell(
            f"'{part[:60]}' does not say who pays; write kind=payer, "
            f"with {', '.join(Paid)} and {', '.join(STATED)}"
        )
    return [kind, payer]


def _asset(part: str, form: Form) -> Sequence[str | None]:
    found = _SPAN.fullmatch(part)
    assert found is not None
    number, *days = found.groups()
    for day in days:
        try:
            if day is not None:
                date.fromisoformat(day)
        except ValueError:
            raise BadCell(f"'{day}' names a day that does not exist") from None
    if days[0] and days[1] and days[1] < days[0]:
        raise BadCell(f"'{part[:60]}' ends before it starts")
    return [number.strip(), *days]


def _code_part(part: str, form: Form) -> str:
    if len(part) > 60:
        raise BadCell("holds a code of more than 60 characters")
    return part


def _complete(row: dict[str, Any], completion: Completion) -> None:
    if row["ends_on"] is not None and row["ends_on"] < row["starts_on"]:
        raise BadCell("is before starts_on", "ends_on")


_COVERED = """incoming i cross join lateral jsonb_array_elements(i.assets) as one(part)
    join lateral (select one.part ->> 0 as number,
        daterange(coalesce((one.part ->> 1)::date, i.starts_on),
                  coalesce((one.part ->> 2)::date, i.ends_on), '[]') as during) as c
      on true"""


async def _cover_assets(run_: Run) -> Mapping[str, int]:
    made = await run(
        run_.session,
        f"""
        insert into contract_asset (tenant_id, id, contract_id, asset_id, during)
        select :tenant, {NEW_ID}, coalesce(i.found, i.id), a.id, c.during
        from {_COVERED} join asset a on a.tenant_id = :tenant and a.number = c.number
        where (i.found is null or cast(:update as boolean)) and not exists (
          select from contract_asset x where x.tenant_id = :tenant and x.contract_id = i.found
            and x.asset_id = a.id and x.during && c.during)
        """,
        tenant=run_.actor.tenant_id,
        update=run_.update,
    )
    # A fee that an import changes counts from the company's own today on; the first one from the
    # contract's first day.
    await run(
        run_.session,
        f"""
        insert into contract_fee (tenant_id, id, contract_id, starts_on, monthly, set_at)
        select :tenant, {NEW_ID}, t.id, (cast(:now as timestamptz) at time zone z.zone)::date,
               t.monthly_fee, :now
        from incoming i
        join tenant z on z.id = :tenant
        join contract t on t.tenant_id = :tenant and t.id = coalesce(i.found, i.id)
        cross join lateral (
          select f.monthly from contract_fee f where f.tenant_id = :tenant and f.contract_id = t.id
          order by f.set_at desc, f.id desc limit 1
        ) as last
        where last.monthly <> t.monthly_fee
        """,
        tenant=run_.actor.tenant_id,
        now=run_.now,
    )
    await run(
        run_.session,
        f"""
        insert into contract_fee (tenant_id, id, contract_id, starts_on, monthly, set_at)
        select :tenant, {NEW_ID}, t.id, t.starts_on, t.monthly_fee, :now
        from incoming i
        join contract t on t.tenant_id = :tenant and t.id = coalesce(i.found, i.id)
        where not exists (select from contract_fee f
          where f.tenant_id = :tenant and f.contract_id = t.id)
        """,
        tenant=run_.actor.tenant_id,
        now=run_.now,
    )
    return {"covered_assets": made.rowcount}


_TERMS: Final = ("request_classes", "maintenance", "work_types")


def _covers(of: str, json: str) -> str:
    """Return the SQL of the terms in one form, whatever was left out: `json` gives a term's SQL by name."""
    terms = ", ".join(f"'{name}', {json.format(name=name)}" for name in _TERMS)
    return f"jsonb_build_object({terms}, 'all_assets', {of})"


CONTRACTS = Kind(
    name="contracts",
    entity="contract",
    table="contract",
    about="What is promised to a customer, for which assets, and who pays.",
    columns=(
        Column("number", CODE, "the contract's number", "K-2024-7", True,
               ("contract number", "contract no", "contract id")),
        Column("customer", CODE, "number of the customer", "C-1001", True,
               ("customer number", "customer no", "customer id")),
        Column("name", LINE, "", "Full service", aliases=("contract name",)),
        Column("kind", word(*ContractKind), "", "subscription", True, ("type",)),
        Column("starts_on", DAY, "first day", "2024-01-01", True, ("start", "start date", "from")),
        Column("ends_on", DAY, "last day; empty while it goes on", "2026-12-31",
               aliases=("end", "end date", "until")),
        Column("service_level", CODE, "code of the service level", "gold", aliases=("sla",)),
        Column("monthly_fee", MONEY, "0 unless said", "450.00", aliases=("fee",)),
        Column("currency", CURRENCY, "the company's unless said", "EUR"),
        Column("priority", whole(-1000, 1000), "of contracts that both cover, the higher counts", "0"),
        Column("request_classes", parts_of(_one_of(list(RequestClass)), "list"),
               "which requests are promised; empty: all", "incident"),
        Column("maintenance", parts_of(_one_of(list(MaintenanceKind)), "list"),
               "which kinds of maintenance; empty: all", "corrective;preventive"),
        Column("work_types", parts_of(_code_part, "list"), "codes of work types; empty: all", "repair"),
        Column("all_assets", FLAG, "yes: whatever the customer has; no unless said", "no"),
        Column("payers", parts_of(_payer, "list"), "who pays what; by the contract's kind unless said",
               "labour=contract;parts=customer"),
        Column("assets", parts_of(_asset, "list"),
               "covered assets; with days where they differ from the contract's: A-2@2024-03-01/2025-02-28",
               "A-204;A-205@2024-03-01"),
    ),
    reads=Permission.READ_CONTRACTS,
    matches=("t.number = i.number",),
    keys=("i.number",),
    joins="""left join customer c on c.tenant_id = :tenant and c.number = i.customer
        left join service_level l on l.tenant_id = :tenant and l.code = i.service_level""",
    fields=(
        *same("number"),
        Field("customer_id", "c.id", ("customer",)),
        Field("name", "coalesce(i.name, '')", ("name",)),
        *same("kind", "starts_on", "ends_on"),
        Field("service_level_id", "l.id", ("service_level",)),
        Field("monthly_fee", "coalesce(i.monthly_fee, 0)", ("monthly_fee",)),
        Field("currency", "coalesce(i.currency, :currency)", ("currency",)),
        Field("priority", "coalesce(i.priority, 0)", ("priority",)),
        Field(
            "covers",
            _covers("coalesce(i.all_assets, false)", "i.{name}"),
            (*_TERMS, "all_assets"),
            _covers("coalesce(t.covers -> 'all_assets', 'false')", "t.covers -> '{name}'"),
        ),
        Field(
            "payers",
            "coalesce((select jsonb_object_agg(one.part ->> 0, one.part ->> 1)"
            " from jsonb_array_elements(i.payers) as one(part)), '{}')",
            ("payers",),
        ),
    ),
    fixed={"created_at": ":now"},
    complete=_complete,
    after=_cover_assets,
    compares=(
        Compare(
            "assets",
            f"""exists (select from {_COVERED.replace("incoming i cross join lateral ", "")}
                left join asset a on a.tenant_id = :tenant and a.number = c.number
                where not exists (select from contract_asset x where x.tenant_id = :tenant
                  and x.contract_id = t.id and x.asset_id = a.id and x.during && c.during))""",
            """(select string_agg(a.number, ';' order by a.number) from contract_asset x
                join asset a on a.tenant_id = x.tenant_id and a.id = x.asset_id
                where x.tenant_id = :tenant and x.contract_id = t.id)""",
            "i.assets::text",
        ),
    ),
    checks=(
        missing("customer", "customer", "c.id"),
        Check(
            "customer",
            "t.customer_id <> c.id",
            "'the contract was made with another customer; an import does not hand it over'",
        ),
        missing("service_level", "service level", "l.id"),
        Check(
            "work_types",
            """exists (select from jsonb_array_elements_text(i.work_types) as y(code)
                where not exists (select from work_type w
                  where w.tenant_id = :tenant and w.code = y.code))""",
            """'there is no work type ''' || (select min(y.code)
                from jsonb_array_elements_text(i.work_types) as y(code)
                where not exists (select from work_type w
                  where w.tenant_id = :tenant and w.code = y.code)) || ''''""",
        ),
        Check(
            "assets",
            """i.line in (select i.line from incoming i
                cross join lateral jsonb_array_elements(i.assets) as one(part)
                join customer c on c.tenant_id = :tenant and c.number = i.customer
                left join asset a on a.tenant_id = :tenant and a.number = one.part ->> 0
                  and a.customer_id = c.id where a.id is null)""",
            """'this customer has no asset ''' || (select min(one.part ->> 0)
                from jsonb_array_elements(i.assets) as one(part)
                where not exists (select from asset a where a.tenant_id = :tenant
                  and a.number = one.part ->> 0 and a.customer_id = c.id)) || ''''""",
        ),
        Check(
            "assets",
            f"""i.line in (select line from (
                select i.line, c.during && lag(c.during)
                  over (partition by i.line, c.number order by c.during) as twice
                from {_COVERED}) as spans where twice)""",
            "'an asset is named twice for the same days'",
        ),
        Check(
            "assets",
            f"i.line in (select i.line from {_COVERED} where isempty(c.during))",
            "'an asset''s days end before they start'",
        ),
    ),
    export={
        "number": "t.number", "customer": "c.number", "name": "t.name", "kind": "t.kind",
        "starts_on": "t.starts_on", "ends_on": "t.ends_on", "service_level": "l.code",
        "monthly_fee": "t.monthly_fee", "currency": "t.currency", "priority": "t.priority",
        **{
            name: f"""case jsonb_typeof(t.covers -> '{name}') when 'array' then
                (select string_agg(one.word, ';' order by one.place)
                 from jsonb_array_elements_text(t.covers -> '{name}') with ordinality
                   as one(word, place)) end"""
            for name in _TERMS
        },
        "all_assets": "coalesce((t.covers ->> 'all_assets')::boolean, false)",
        "payers": """(select string_agg(one.key || '=' || one.value, ';' order by one.key)
            from jsonb_each_text(t.payers) as one)""",
        "assets": r"""(select string_agg(replace(replace(a.number, '\', '\\'), ';', '\;')
            || case when x.during = daterange(t.starts_on, t.ends_on, '[]') then ''
               else '@' || lower(x.during) || coalesce('/' || (upper(x.during) - 1), '') end,
            ';' order by a.number, x.during)
            from contract_asset x join asset a on a.tenant_id = x.tenant_id and a.id = x.asset_id
            where x.tenant_id = t.tenant_id and x.contract_id = t.id)""",
    },
    export_joins="""join customer c on c.tenant_id = t.tenant_id and c.id = t.customer_id
        left join service_level l on l.tenant_id = t.tenant_id and l.id = t.service_level_id""",
    customer="t.customer_id",
)  # fmt: skip
