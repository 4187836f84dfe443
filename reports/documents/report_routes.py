"""Issuing reports, statements, route sheets and invoice data; their tables as files."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pydantic
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from fsm import http
from fsm.actors import Actor, Permission
from fsm.database import Database, Session
from fsm.evidence.blobs import in_thread
from fsm.http import CurrentActor, Day, DbSession, Now, needs
from fsm.problems import Invalid
from reports.csv_form import DecimalSign, Separator, write_rows
from reports.documents import queries, rows
from reports.documents.contents.collected import Collected
from reports.documents.contents.figures import collect_management_pack, collect_service_report
from reports.documents.contents.money import NothingToBill, collect_invoice, collect_statement
from reports.documents.contents.route_sheets import collect_route_sheet
from reports.documents.kinds import DocumentKind
from reports.documents.routes import DRAWING_REFUSALS, PDF, Wanted, issued, previewed
from reports.documents.snapshot import thaw
from reports.documents.views import DocumentView
from reports.exports.sending import WORKBOOK, XLSX, workbook
from reports.exports.workbook import Workbook
from reports.queries import begin_snapshot
from reports.statements.contract import Days
from reports.statements.routes import read_days

AnyRequest = Request[Any, Any, Any]


class VatCategory(StrEnum):
    """EN 16931's codes: standard rate, zero rated, exempt, reverse charge, outside the scope of VAT."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    OUTSIDE = "O"


class OverDays(Wanted):
    """Both days belong to what is reported, on the company's clocks."""

    first_on: Day
    last_on: Day

    def days(self) -> Days:
        return read_days(self.first_on, self.last_on)


class WantedReport(OverDays):
    contract_id: UUID


class WantedStatement(OverDays):
    """`is_internal`: with true cost and margin, not for the customer."""

    contract_id: UUID
    is_internal: bool = False


class WantedPack(OverDays):
    pass


class WantedInvoice(OverDays):
    customer_id: UUID
    vat_rate: Annotated[Decimal, pydantic.Field(ge=0, le=100, max_digits=5, decimal_places=2)]
    vat_category: VatCategory = VatCategory.STANDARD

    @pydantic.model_validator(mode="after")
    def _rate_fits(self) -> "WantedInvoice":
        if (self.vat_category is VatCategory.STANDARD) != (self.vat_rate > 0):
            raise ValueError("only the standard category S has a rate, and it has one")
        return self


class WantedSheet(Wanted):
    technician_id: UUID
    on: Day


async def _read(
    request: AnyRequest, actor: Actor, collect: Callable[[Session], Awaitable[Collected]]
) -> Collected:
    """Collect in a snapshot of its own, so that all figures of a report are of one moment."""
    database: Database = request.app.state.database
    async with database.transaction(actor.tenant_id) as session:
        await begin_snapshot(session)
        return await collect(session)


async def _service_report(
    request: AnyRequest, actor: Actor, now: Now, data: WantedReport
) -> Collected:
    return await _read(
        request,
        actor,
        lambda session: collect_service_report(
            session, actor, now, data.contract_id, data.first_on, data.last_on, data.language
        ),
    )


async def _statement(
    request: AnyRequest, actor: Actor, now: Now, data: WantedStatement
) -> Collected:
    days = data.days()
    return await _read(
        request,
        actor,
        lambda session: collect_statement(
            session, actor, now, data.contract_id, days, is_internal=data.is_internal
        ),
    )


async def _pack(request: AnyRequest, actor: Actor, now: Now, data: WantedPack) -> Collected:
    return await _read(
        request,
        actor,
        lambda session: collect_management_pack(
            session, actor, now, data.first_on, data.last_on, data.language
        ),
    )


async def _invoice(request: AnyRequest, actor: Actor, now: Now, data: WantedInvoice) -> Collected:
    days = data.days()
    return await _read(
        request,
        actor,
        lambda session: collect_invoice(
            session,
            actor,
            data.customer_id,
            days,
            vat_rate=data.vat_rate,
            vat_category=data.vat_category.value,
        ),
    )


async def _sheet(request: AnyRequest, actor: Actor, now: Now, data: WantedSheet) -> Collected:
    return await _read(
        request,
        actor,
        lambda session: collect_route_sheet(
            session,
            actor,
            now,
            request.app.state.day_sheet,
            data.technician_id,
            data.on,
            data.language,
        ),
    )


class ReportDocumentController(Controller):
    path = "/api/documents"
    tags = ["Documents"]

    @post(
        "/service-reports",
        opt=needs(Permission.READ_KPIS),
        responses=DRAWING_REFUSALS,
        summary="Issue a contract's service-level report",
    )
    async def service_report(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedReport],
    ) -> DocumentView:
        collected = await _service_report(request, actor, now, data)
        kind = DocumentKind.SERVICE_REPORT
        return await issued(request, session, actor, now, kind, collected, data)

    @post(
        "/service-reports/preview",
        opt=needs(Permission.READ_KPIS),
        status_code=200,
        media_type="application/pdf",
        responses={**PDF, **DRAWING_REFUSALS},
        summary="See a service-level report before it is issued",
    )
    async def service_report_preview(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedReport],
    ) -> Response[bytes]:
        collected = await _service_report(request, actor, now, data)
        kind = DocumentKind.SERVICE_REPORT
        return await previewed(request, session, actor, now, kind, collected, data)

    @post(
        "/contract-statements",
        opt=needs(Permission.READ_COSTS),
        responses=DRAWING_REFUSALS,
        summary="Issue a contract's statement, for its customer or for the house",
    )
    async def statement(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedStatement],
    ) -> DocumentView:
        collected = await _statement(request, actor, now, data)
        kind = DocumentKind.CONTRACT_STATEMENT
        return await issued(request, session, actor, now, kind, collected, data)

    @post(
        "/management-packs",
        opt=needs(Permission.READ_COSTS),
        responses=DRAWING_REFUSALS,
        summary="Issue a management pack",
    )
    async def pack(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedPack],
    ) -> DocumentView:
        actor.must(Permission.READ_KPIS)
        collected = await _pack(request, actor, now, data)
        kind = DocumentKind.MANAGEMENT_PACK
        return await issued(request, session, actor, now, kind, collected, data)

    @post(
        "/invoices",
        opt=needs(Permission.READ_COSTS),
        responses={**DRAWING_REFUSALS, **http.refusals(NothingToBill)},
        summary="Issue invoice data: what a customer is billed for some days",
    )
    async def invoice(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedInvoice],
    ) -> DocumentView:
        collected = await _invoice(request, actor, now, data)
        kind = DocumentKind.INVOICE
        return await issued(request, session, actor, now, kind, collected, data)

    @post(
        "/route-sheets",
        opt=needs(Permission.PLAN),
        responses=DRAWING_REFUSALS,
        summary="Issue a technician's day on paper",
    )
    async def sheet(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedSheet],
    ) -> DocumentView:
        collected = await _sheet(request, actor, now, data)
        kind = DocumentKind.ROUTE_SHEET
        return await issued(request, session, actor, now, kind, collected, data)

    @get(
        "/{document_id:uuid}/table.csv",
        opt=needs(Permission.READ_WORK_ORDERS),
        media_type="text/csv",
        summary="A document's table as CSV, from what the page was made of",
    )
    async def table_csv(
        self,
        session: DbSession,
        actor: CurrentActor,
        document_id: FromPath[UUID],
        separator: Annotated[Separator, QueryParameter()] = Separator.COMMA,
        decimal_sign: Annotated[DecimalSign, QueryParameter()] = DecimalSign.POINT,
    ) -> Stream:
        if (separator, decimal_sign) == (Separator.COMMA, DecimalSign.COMMA):
            raise Invalid(
                "With a decimal comma the separator cannot be a comma as well.",
                errors=[{"at": "/separator", "detail": "same as the decimal sign"}],
            )
        row = await queries.find_document(session, actor, document_id)
        columns, listed = rows.table_of(thaw(row.snapshot))
        return Stream(
            write_rows([name for name, _ in columns], listed, separator, decimal_sign),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": f'attachment; filename="{row.number}.csv"'},
        )

    @get(
        "/{document_id:uuid}/table.xlsx",
        opt=needs(Permission.READ_WORK_ORDERS),
        media_type=XLSX,
        responses=WORKBOOK,
        summary="A document's table as XLSX, from what the page was made of",
    )
    async def table_xlsx(
        self, session: DbSession, actor: CurrentActor, document_id: FromPath[UUID]
    ) -> Stream:
        row = await queries.find_document(session, actor, document_id)
        snapshot = thaw(row.snapshot)
        columns, listed = rows.table_of(snapshot)

        def write(path: Any) -> None:
            book = Workbook(path, snapshot.data["zone"])
            book.about(
                {
                    "number": row.number,
                    "kind": row.kind,
                    "issued_at": row.issued_at,
                    "snapshot_sha256": snapshot.sha256,
                }
            )
            book.begin(row.kind, columns)
            book.add(listed)
            book.close()

        return await workbook(row.number, lambda path: in_thread(write, path))


ROUTES = [ReportDocumentController]
