"""Files of parts, with prices and a first stock."""

from collections.abc import Mapping, Sequence
from typing import Any

from fsm.actors import Permission
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
    read_number,
    text,
    whole,
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
    or_empty,
    same,
)


def _stock(part: str, form: Form) -> Sequence[str]:
    place, sign, written = part.rpartition("=")
    if not sign or not place.strip():
        raise BadCell(f"'{part[:60]}' is no stock; write place=quantity, such as main=12")
    quantity = read_number(written.strip(), form)
    if not 0 < quantity < 10**10 or quantity != round(quantity, 4):
        raise BadCell(f"the stock at '{place[:40]}' must be more than 0, with at most 4 decimals")
    return [place.strip(), str(quantity)]


def _complete(row: dict[str, Any], completion: Completion) -> None:
    if row["price_from"] is not None and row["cost"] is None and row["price"] is None:
        raise BadCell("is given without a cost or price", "price_from")


_FROM = "coalesce(i.price_from, cast(:today as date))"
_CURRENCY = "coalesce(i.currency, :currency)"


def _amount(column: str) -> str:
    """Return the SQL of a new amount; what the file leaves open stays as it was, else 0."""
    return f"""coalesce(i.{column}, (select last.{column} from part_price last
        where last.tenant_id = :tenant and last.part_id = i.found and last.currency = {_CURRENCY}
        order by lower(last.during) desc limit 1), 0)"""


async def _price_and_stock(run_: Run) -> Mapping[str, int]:
    """Add prices, ending one that differs the day before with `update`, and the first stock, once."""
    given = {**run_.values, "update": run_.update}
    await run(
        run_.session,
        f"""
        update part_price p set during = daterange(lower(p.during), {_FROM})
        from incoming i
        where p.tenant_id = :tenant and p.part_id = i.found and p.currency = {_CURRENCY}
          and cast(:update as boolean) and (i.cost is not null or i.price is not null)
          and upper_inf(p.during) and lower(p.during) < {_FROM}
          and (p.cost, p.price) <> ({_amount("cost")}, {_amount("price")})
        """,
        **given,
    )
    prices = await run(
        run_.session,
        f"""
        insert into part_price (tenant_id, id, part_id, cost, price, currency, during)
        select :tenant, {NEW_ID}, coalesce(i.found, i.id), {_amount("cost")}, {_amount("price")},
               {_CURRENCY}, daterange({_FROM}, null)
        from incoming i
        where (i.cost is not null or i.price is not null)
          and (i.found is null or cast(:update as boolean))
          and not exists (select from part_price p where p.tenant_id = :tenant and p.part_id = i.found
                          and p.currency = {_CURRENCY} and p.during && daterange({_FROM}, null))
        """,
        **given,
    )
    stock = await run(
        run_.session,
        f"""
        insert into movement (tenant_id, id, part_id, kind, to_place_id, quantity, unit_cost, currency,
                              moved_at, by, note, source, source_id)
        select :tenant, {NEW_ID}, coalesce(i.found, i.id), 'receipt', s.id, (one.part ->> 1)::numeric,
               coalesce(i.cost, 0), {_CURRENCY}, :now, :actor, 'first stock', 'import',
               'stock/' || i.number || '/' || s.code
        from incoming i cross join jsonb_array_elements(i.stock) as one(part)
        join stock_place s on s.tenant_id = :tenant and s.code = one.part ->> 0
        where not exists (select from movement m where m.tenant_id = :tenant and m.source = 'import'
                          and m.source_id = 'stock/' || i.number || '/' || s.code)
        """,
        **given,
    )
    return {"prices": prices.rowcount, "stock": stock.rowcount}


def _latest(what: str, of: str = "t.tenant_id") -> str:
    return f"""(select {what} from part_price p where p.tenant_id = {of} and p.part_id = t.id
        order by lower(p.during) desc, p.currency limit 1)"""


def _price(column: str) -> Compare:
    stored = f"""(select p.{column} from part_price p where p.tenant_id = :tenant and p.part_id = t.id
        and p.currency = {_CURRENCY} order by lower(p.during) desc limit 1)"""
    return Compare(
        column,
        f"i.{column} is not null and {stored} is distinct from i.{column}",
        f"{stored}::text",
        f"i.{column}::text",
    )


PARTS = Kind(
    name="parts",
    entity="part",
    table="part",
    about="What is built in and used up.",
    columns=(
        Column("number", CODE, "the part's number", "P-77", True,
               ("part number", "part no", "sku", "article")),
        Column("name", LINE, "", "Door roller", True, ("part name", "description")),
        Column("unit", text(20), "pc unless said", "pc"),
        Column("manufacturer", LINE, "", "Otto", aliases=("make", "vendor")),
        Column("is_original", FLAG, "yes unless said", "yes", aliases=("original",)),
        Column("is_serialised", FLAG, "no unless said", "no", aliases=("serialised", "serialized")),
        Column("lead_time_days", whole(0, 3650), "days until it arrives", "5", aliases=("lead time",)),
        Column("cost", MONEY, "what a unit costs us", "12.00", aliases=("purchase price", "unit cost")),
        Column("price", MONEY, "what a unit sells for", "20.00", aliases=("sales price", "unit price")),
        Column("currency", CURRENCY, "the company's unless said", "EUR"),
        Column("price_from", DAY, "first day of the price; the day of the import unless said",
               "2025-01-01"),
        Column("stock", parts_of(_stock, "list"), "first stock, place=quantity; taken once for each place",
               "main=12;van-1=2"),
        Column("is_active", FLAG, "no: out of use; yes unless said", "yes", aliases=("active",)),
    ),
    reads=Permission.READ_PARTS,
    matches=("t.number = i.number",),
    keys=("i.number",),
    fields=(
        *same("number", "name"),
        Field("unit", "coalesce(i.unit, 'pc')", ("unit",)),
        *or_empty("manufacturer"),
        Field("is_original", "coalesce(i.is_original, true)", ("is_original",)),
        Field("is_serialised", "coalesce(i.is_serialised, false)", ("is_serialised",)),
        *same("lead_time_days"),
        Field("is_active", "coalesce(i.is_active, true)", ("is_active",)),
    ),
    complete=_complete,
    after=_price_and_stock,
    compares=(_price("cost"), _price("price")),
    checks=(
        Check(
            "stock",
            """exists (select from jsonb_array_elements(i.stock) as one(part) where not exists
                (select from stock_place s where s.tenant_id = :tenant and s.code = one.part ->> 0))""",
            """'there is no stock place ''' || (select min(one.part ->> 0)
                from jsonb_array_elements(i.stock) as one(part) where not exists
                (select from stock_place s where s.tenant_id = :tenant and s.code = one.part ->> 0))
                || ''''""",
        ),
        Check(
            "stock",
            """(select count(*) <> count(distinct one.part ->> 0)
                from jsonb_array_elements(i.stock) as one(part))""",
            "'a stock place is named twice'",
        ),
    ),
    export={
        "number": "t.number", "name": "t.name", "unit": "t.unit", "manufacturer": "t.manufacturer",
        "is_original": "t.is_original", "is_serialised": "t.is_serialised",
        "lead_time_days": "t.lead_time_days", "cost": _latest("p.cost"), "price": _latest("p.price"),
        "currency": _latest("p.currency"), "price_from": _latest("lower(p.during)"),
        "stock": r"""(select string_agg(replace(replace(held.code, '\', '\\'), ';', '\;') || '='
            || trim_scale(held.quantity), ';' order by held.code)
            from (select s.code, sum(case when m.to_place_id = s.id then m.quantity else -m.quantity end)
                    as quantity
                  from movement m join stock_place s on s.tenant_id = m.tenant_id
                    and s.id in (m.to_place_id, m.from_place_id)
                  where m.tenant_id = t.tenant_id and m.part_id = t.id group by s.code) as held
            where held.quantity > 0)""",
        "is_active": "t.is_active",
    },
    secret=("cost",),
)  # fmt: skip
