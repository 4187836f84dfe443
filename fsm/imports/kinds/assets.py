"""Files of assets, with their models, identifiers and places in the tree."""

from collections.abc import Mapping, Sequence
from typing import Any

from fsm.actors import Permission
from fsm.assets.scanned import Scheme, canonical
from fsm.database import run
from fsm.imports.cells import CODE, DAY, INSTANT, LINE, TEXT, BadCell, Form, parts_of, text, whole
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
    or_empty,
    same,
    zone_columns,
)

_SCHEMES = tuple(
    str(scheme) for scheme in Scheme if scheme not in (Scheme.PASSPORT, Scheme.SHORT_CODE)
)


def _identifier(part: str, form: Form) -> Sequence[Any]:
    scheme, sign, value = part.partition("=")
    scheme, value = scheme.strip().lower(), value.strip()
    if not sign or scheme not in _SCHEMES:
        raise BadCell(
            f"'{part[:60]}' is no identifier; write scheme=value with one of {', '.join(_SCHEMES)}"
        )
    if not 0 < len(value) <= 255:
        raise BadCell(f"the {scheme} identifier must have 1 to 255 characters")
    return [scheme, canonical(scheme, value)]


def _complete(row: dict[str, Any], completion: Completion) -> None:
    retired = row["retired_at"]
    if retired is not None and retired <= row["in_service_from"]:
        raise BadCell("must be later than in_service_from", "retired_at")


async def _make_models(run_: Run) -> Mapping[str, int]:
    """Create the models that rows name and nobody has defined, each under the code that the file gives."""
    made = await run(
        run_.session,
        f"""
        insert into asset_model (tenant_id, id, rev, code, manufacturer, name, equipment)
        select :tenant, {NEW_ID}, 1, i.model, coalesce(min(i.manufacturer), ''),
               coalesce(min(i.model_name), i.model), coalesce(min(i.equipment), '')
        from incoming i
        where not exists (select from asset_model m
                          where m.tenant_id = :tenant and m.code = i.model)
        group by i.model
        having count(distinct coalesce(i.manufacturer, '')) = 1
           and not exists (select from asset_model m where m.tenant_id = :tenant
                           and m.manufacturer = coalesce(min(i.manufacturer), '')
                           and m.name = coalesce(min(i.model_name), i.model))
        on conflict (tenant_id, manufacturer, name) do nothing
        returning id
        """,
        tenant=run_.actor.tenant_id,
    )
    run_.made["models"] = [row.id for row in made]
    return {}


async def _drop_idle_models(run_: Run) -> Mapping[str, int]:
    """Take back the models of rows that were refused after all."""
    made = run_.made["models"]
    dropped = await run(
        run_.session,
        """
        delete from asset_model m where m.tenant_id = :tenant and m.id = any(cast(:made as uuid[]))
          and not exists (select from incoming i where i.model = m.code)
        """,
        tenant=run_.actor.tenant_id,
        made=made,
    )
    return {"models": len(made) - dropped.rowcount}


async def _make_identifiers(run_: Run) -> Mapping[str, int]:
    made = await run(
        run_.session,
        f"""
        insert into identifier (tenant_id, id, asset_id, scheme, value)
        select :tenant, {NEW_ID}, coalesce(i.found, i.id), one.part ->> 0, one.part ->> 1
        from incoming i cross join jsonb_array_elements(i.identifiers) as one(part)
        where (i.found is null or cast(:update as boolean))
          and not exists (select from identifier d where d.tenant_id = :tenant
                          and d.scheme = one.part ->> 0 and d.value = one.part ->> 1)
        """,
        tenant=run_.actor.tenant_id,
        update=run_.update,
    )
    return {"identifiers": made.rowcount}


_RING = """i.parent <> i.number and i.line in (
    with recursive edge(line, number, parent) as (
      select line, number, parent from incoming where parent is not null
      union all
      select null, a.number, p.number from asset a
      join asset p on p.tenant_id = a.tenant_id and p.id = a.parent_id
      where a.tenant_id = :tenant and exists (select from incoming where parent is not null)
        and not exists (select from incoming x where x.number = a.number)
    ), up(line, start, at, depth) as (
      select line, number, parent, 1 from edge where line is not null
      union all
      select up.line, up.start, edge.parent, up.depth + 1 from up join edge on edge.number = up.at
      where up.at <> up.start and up.depth < 200
    )
    select line from up where at = start or depth = 200)"""

ASSETS = Kind(
    name="assets",
    entity="asset",
    table="asset",
    about="Equipment. A model that nobody has defined yet is created from the row.",
    columns=(
        Column("number", CODE, "the asset's number, which other files refer to", "A-204", True,
               ("asset number", "asset no", "asset id", "inventory number")),
        Column("site", CODE, "number of the site", "S-17", True,
               ("site number", "site no", "site id")),
        Column("name", LINE, "what people call it; its model's name unless said", "Guest lift 1",
               aliases=("asset name", "description")),
        Column("manufacturer", LINE, "of the model", "Otto", aliases=("make", "vendor")),
        Column("model", CODE, "code of the model", "LX-5", True, ("model code", "type")),
        Column("model_name", LINE, "name of a new model; its code unless said", "LX 5"),
        Column("equipment", LINE, "class of a new model", "lift", aliases=("equipment class",)),
        Column("serial", text(100), "manufacturer's serial number", "OT-0001234",
               aliases=("serial number", "serial no", "sn")),
        Column("place", LINE, "where at the site", "3rd floor"),
        Column("criticality", whole(1, 5), "5 matters most; 3 unless said", "3"),
        Column("in_service_from", INSTANT, "from when on it counts in figures",
               "2024-05-01T08:00:00Z", True, ("in service", "installed at", "installation date")),
        Column("retired_at", INSTANT, "when it went out of service", aliases=("retired",)),
        Column("commissioned_on", DAY, "", "2024-04-20", aliases=("commissioned",)),
        Column("handed_over_on", DAY, "to the customer", "2024-05-01", aliases=("handed over",)),
        Column("warranty_ends_on", DAY, "last day of the warranty", "2026-04-30",
               aliases=("warranty until", "warranty end")),
        Column("service_life_ends_on", DAY, "", "2044-04-30"),
        Column("parent", CODE, "number of the asset that it is part of", "A-200",
               aliases=("parent number", "part of")),
        Column("identifiers", parts_of(_identifier, "list"),
               "other names by which a scan finds it", "serial=OT-0001234;nfc=04A2241B"),
        Column("notes", TEXT, "anything else", aliases=("note", "comment")),
        *zone_columns(),
    ),
    reads=Permission.READ_ASSETS,
    matches=("t.number = i.number",),
    keys=("i.number",),
    joins="""left join site s on s.tenant_id = :tenant and s.number = i.site
        left join asset_model m on m.tenant_id = :tenant and m.code = i.model
        left join asset p on p.tenant_id = :tenant and p.number = i.parent
        left join incoming ip on ip.number = i.parent
        left join site ps on ps.tenant_id = :tenant and ps.number = ip.site""",
    fields=(
        *same("number"),
        Field("site_id", "s.id", ("site",)),
        Field("customer_id", "s.customer_id", ("site",)),
        Field("model_id", "m.id", ("model",)),
        Field("name", "coalesce(i.name, m.name)", ("name",)),
        *same("serial"),
        *or_empty("place"),
        Field("criticality", "coalesce(i.criticality, 3)", ("criticality",)),
        *same("in_service_from", "retired_at", "commissioned_on", "handed_over_on",
              "warranty_ends_on", "service_life_ends_on"),
        Field("parent_id", "coalesce(p.id, ip.id)", ("parent",)),
        *or_empty("notes"),
    ),
    fixed={"created_at": ":now"},
    complete=_complete,
    before=_make_models,
    ready=_drop_idle_models,
    after=_make_identifiers,
    compares=(
        Compare(
            "identifiers",
            """exists (select from jsonb_array_elements(i.identifiers) as one(part)
                where not exists (select from identifier d where d.tenant_id = :tenant
                  and d.asset_id = t.id and d.scheme = one.part ->> 0 and d.value = one.part ->> 1))""",
            """(select string_agg(d.scheme || '=' || d.value, ';' order by d.scheme, d.value)
                from identifier d where d.tenant_id = :tenant and d.asset_id = t.id)""",
            "i.identifiers::text",
        ),
    ),
    checks=(
        missing("site", "site", "s.id"),
        Check(
            "site",
            "t.customer_id <> s.customer_id",
            "'the asset belongs to another customer; an import does not hand it over'",
        ),
        Check(
            "model",
            "m.id is null",
            "'model ''' || i.model || ''' cannot be created: rows name it with different manufacturers,"
            " or its manufacturer already has a model of this name under another code'",
        ),
        Check(
            "manufacturer",
            "m.manufacturer <> i.manufacturer",
            "'the model ''' || i.model || ''' is made by ''' || m.manufacturer || ''''",
        ),
        Check("parent", "i.parent = i.number", "'an asset cannot be part of itself'"),
        Check(
            "parent",
            "i.parent is not null and p.id is null and ip.line is null",
            "'there is no asset ''' || i.parent || ''''",
        ),
        Check(
            "parent",
            "coalesce(ps.customer_id, p.customer_id) <> s.customer_id",
            "'the whole belongs to another customer'",
        ),
        Check("parent", _RING, "'the assets are part of each other in a ring'"),
        Check(
            "identifiers",
            """exists (select from jsonb_array_elements(i.identifiers) as one(part)
                join identifier d on d.tenant_id = :tenant and d.scheme = one.part ->> 0
                 and d.value = one.part ->> 1 and d.asset_id is distinct from i.found)""",
            "'another asset already carries one of these identifiers'",
        ),
        Check(
            "identifiers",
            """i.identifiers is not null and i.line in (
                select line from (
                  select x.line, row_number() over (partition by one.part order by x.line) as nth
                  from incoming x cross join jsonb_array_elements(x.identifiers) as one(part)
                ) as carried where nth > 1)""",
            "'an identifier stands twice in the file'",
        ),
    ),
    export={
        "number": "t.number", "site": "s.number", "name": "t.name",
        "manufacturer": "nullif(m.manufacturer, '')", "model": "m.code", "model_name": "m.name",
        "equipment": "m.equipment", "serial": "t.serial", "place": "t.place",
        "criticality": "t.criticality", "in_service_from": "t.in_service_from",
        "retired_at": "t.retired_at", "commissioned_on": "t.commissioned_on",
        "handed_over_on": "t.handed_over_on", "warranty_ends_on": "t.warranty_ends_on",
        "service_life_ends_on": "t.service_life_ends_on", "parent": "p.number",
        "identifiers": r"""(select string_agg(d.scheme || '=' ||
            replace(replace(d.value, '\', '\\'), ';', '\;'), ';' order by d.scheme, d.value)
            from identifier d where d.tenant_id = t.tenant_id and d.asset_id = t.id)""",
        "notes": "t.notes",
    },
    export_joins="""join site s on s.tenant_id = t.tenant_id and s.id = t.site_id
        join asset_model m on m.tenant_id = t.tenant_id and m.id = t.model_id
        left join asset p on p.tenant_id = t.tenant_id and p.id = t.parent_id""",
    customer="t.customer_id",
)  # fmt: skip
