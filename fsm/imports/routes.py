"""Files in and out over HTTP."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from litestar import Controller, Request, get, post
from litestar.datastructures import State, UploadFile
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from fsm import http
from fsm.actors import Permission
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.imports.csv_file import DELIMITERS, UnreadableFile
from fsm.imports.exporting import check_export, export_csv
from fsm.imports.importing import ImportRefused, import_file
from fsm.imports.kinds import KINDS
from fsm.imports.options import DECIMALS, read_options
from fsm.imports.report import Report
from fsm.imports.rows import ColumnsDoNotFit
from fsm.openapi import BYTES, takes
from fsm.problems import Invalid, Malformed, NotFound, UnsupportedType

MOST_BYTES: Final = 50_000_000
"""Of one file over HTTP; the command line takes longer ones."""


class FileKind(StrEnum):
    """What a file is about."""

    CUSTOMERS = "customers"
    SITES = "sites"
    ASSETS = "assets"
    CONTRACTS = "contracts"
    TECHNICIANS = "technicians"
    PARTS = "parts"
    FAILURES = "failures"
    WORK_ORDERS = "work_orders"


class FileDelimiter(StrEnum):
    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    PIPE = "pipe"


class FileDecimal(StrEnum):
    POINT = "point"
    COMMA = "comma"


_TAKES_CSV = takes(
    {
        "text/csv": Schema(type=OpenAPIType.STRING),
        "multipart/form-data": Schema(
            type=OpenAPIType.OBJECT, properties={"file": BYTES}, required=["file"]
        ),
    },
    "The CSV file, as the body or as the part 'file' of a form.",
)
DryRun = Annotated[bool, QueryParameter(description="Check everything, change nothing.")]
KeepGood = Annotated[bool, QueryParameter(description="Store the good rows of a bad file.")]
Update = Annotated[
    bool, QueryParameter(description="Let stored master data follow the file where they differ.")
]
CreateMissing = Annotated[
    bool, QueryParameter(description="Create skills and work types that rows name.")
]
Decimals = Annotated[FileDecimal, QueryParameter(description="The decimal sign in the file.")]
Mapped = Annotated[
    list[str] | None,
    QueryParameter(
        name="map",
        max_items=100,
        description="Column of the file=our column, such as machineID=asset.",
    ),
]
Set = Annotated[
    list[str] | None,
    QueryParameter(
        name="set", max_items=100, description="Our column=the same text for every row."
    ),
]
Dates = Annotated[
    str | None,
    QueryParameter(
        max_length=60,
        description="Form of times, such as MM/DD/YYYY hh:mm:ss AM/PM; else ISO 8601.",
    ),
]
Zone = Annotated[
    str | None,
    QueryParameter(max_length=60, description="IANA zone of times in the file that have none."),
]
Source = Annotated[
    str, QueryParameter(max_length=60, description="Name of the system that history comes from.")
]


class ImportController(Controller):
    path = "/api/imports"
    tags = ["files"]

    @post(
        "/{kind:str}",
        opt=needs(Permission.IMPORT_DATA),
        summary="Import a CSV file of customers, sites, assets, …, or try it",
        status_code=200,
        request_max_body_size=MOST_BYTES,
        operation_class=_TAKES_CSV,
        responses=http.refusals(ImportRefused, UnreadableFile, ColumnsDoNotFit),
    )
    async def take(
        self,
        request: Request[Any, Any, State],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        kind: FromPath[FileKind],
        dry_run: DryRun = False,
        keep_good: KeepGood = False,
        update: Update = False,
        create_missing: CreateMissing = False,
        delimiter: Annotated[
            FileDelimiter | None, QueryParameter(description="Guessed unless said.")
        ] = None,
        decimal: Decimals = FileDecimal.POINT,
        dates: Dates = None,
        zone: Zone = None,
        source: Source = "import",
        columns: Mapped = None,
        constants: Set = None,
    ) -> Report:
        options = read_options(
            delimiter=delimiter,
            decimal=decimal,
            dates=dates,
            zone=zone,
            columns=columns,
            constants=constants,
            source=source,
            dry_run=dry_run,
            keep_good=keep_good,
            update=update,
            create_missing=create_missing,
        )
        with tempfile.TemporaryDirectory(prefix="fsm-import-") as folder:
            path = Path(folder, "file.csv")
            await _receive(request, path)
            return await import_file(session, actor, now, KINDS[kind], path, options)


async def _receive(request: Request[Any, Any, State], path: Path) -> None:
    """Write the body, or the one file of a form, to `path` without holding it in memory."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with path.open("wb") as target:
        if content_type in (
            "text/csv",
            "text/plain",
            "application/csv",
            "application/octet-stream",
        ):
            async for chunk in request.stream():
                await asyncio.to_thread(target.write, chunk)
        elif content_type == "multipart/form-data":
            file = (await request.form()).get("file")
            if not isinstance(file, UploadFile):
                raise Malformed("The form must have the file in its part 'file'.")
            while chunk := await file.read(1 << 20):
                await asyncio.to_thread(target.write, chunk)
            await file.close()
        else:
            raise UnsupportedType("Send the file as text/csv, or as the part 'file' of a form.")


class ExportController(Controller):
    path = "/api/exports"
    tags = ["files"]

    @get(
        "/{file:str}",
        opt=needs(Permission.EXPORT_DATA),
        summary="Export a table as CSV with the columns of its import, such as /api/exports/assets.csv",
        media_type="text/csv; charset=utf-8",
    )
    async def give(
        self,
        request: Request[Any, Any, State],
        actor: CurrentActor,
        file: FromPath[str],
        delimiter: Annotated[FileDelimiter, QueryParameter()] = FileDelimiter.COMMA,
        decimal: Decimals = FileDecimal.POINT,
    ) -> Stream:
        name, dot, ending = file.rpartition(".")
        kind = KINDS.get(name)
        if kind is None or not dot or ending != "csv":
            raise NotFound(
                f"There is no such file; there are {', '.join(f'{k}.csv' for k in KINDS)}."
            )
        if DELIMITERS[delimiter] == DECIMALS[decimal]:
            raise Invalid(
                "With a decimal comma the delimiter cannot be a comma as well.",
                errors=[{"at": "/delimiter", "detail": "same as the decimal sign"}],
            )
        check_export(actor, kind)
        chunks: AsyncIterator[bytes] = export_csv(
            request.app.state.database,
            actor,
            kind,
            delimiter=DELIMITERS[delimiter],
            decimal=DECIMALS[decimal],
        )
        return Stream(
            chunks,
            headers={"Content-Disposition": f'attachment; filename="{kind.name}.csv"'},
        )


ROUTES = [ImportController, ExportController]
