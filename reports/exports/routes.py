"""Tables as files over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from fsm.actors import Permission
from fsm.http import CurrentActor, Now, needs
from fsm.problems import Invalid
from reports.csv_form import DecimalSign, Separator
from reports.exports.reading import read_csv, write_xlsx
from reports.exports.sending import WORKBOOK, XLSX, workbook
from reports.exports.tables import TABLES, find_table

SEPARATORS = {Separator.COMMA: ",", Separator.SEMICOLON: ";", Separator.TAB: "\t"}
SIGNS = {DecimalSign.POINT: ".", DecimalSign.COMMA: ","}


class ExportedTable(msgspec.Struct, frozen=True):
    """`columns` are name → text, number, truth, instant or day; `needs` permissions beside the export's."""

    name: str
    columns: dict[str, str]
    needs: list[str]


class ExportedTables(msgspec.Struct, frozen=True):
    items: list[ExportedTable]


class TableController(Controller):
    path = "/api/tables"
    tags = ["Files"]

    @get("/", opt=needs(Permission.EXPORT_DATA), summary="Which tables can be had as files")
    async def browse(self) -> ExportedTables:
        return ExportedTables(
            [
                ExportedTable(
                    one.name,
                    {column.name: column.kind for column in one.columns},
                    [str(permission) for permission in one.reads],
                )
                for one in TABLES.values()
            ]
        )

    @get(
        "/{table:str}/csv",
        opt=needs(Permission.EXPORT_DATA),
        media_type="text/csv; charset=utf-8",
        summary="A whole table as CSV",
    )
    async def csv(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        table: FromPath[str],
        separator: Annotated[Separator, QueryParameter()] = Separator.COMMA,
        decimal_sign: Annotated[DecimalSign, QueryParameter()] = DecimalSign.POINT,
    ) -> Stream:
        if SEPARATORS[separator] == SIGNS[decimal_sign]:
            raise Invalid(
                "With a decimal comma the separator cannot be a comma as well.",
                errors=[{"at": "/separator", "detail": "same as the decimal sign"}],
            )
        wanted = find_table(table)
        wanted.check(actor)
        return Stream(
            read_csv(
                request.app.state.database,
                actor,
                wanted,
                separator=SEPARATORS[separator],
                decimal=SIGNS[decimal_sign],
            ),
            headers={"Content-Disposition": f'attachment; filename="{wanted.name}.csv"'},
        )

    @get(
        "/{table:str}/xlsx",
        opt=needs(Permission.EXPORT_DATA),
        media_type=XLSX,
        responses=WORKBOOK,
        summary="A whole table as XLSX",
    )
    async def xlsx(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        table: FromPath[str],
    ) -> Stream:
        wanted = find_table(table)
        wanted.check(actor)
        return await workbook(
            wanted.name,
            lambda path: write_xlsx(request.app.state.database, actor, now, wanted, path),
        )


ROUTES = [TableController]
