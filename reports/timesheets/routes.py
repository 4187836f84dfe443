"""Timesheets over HTTP: a technician reads their own; anybody else's is a figure about a person."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from fsm.actors import Actor, Permission
from fsm.database import Session
from fsm.http import CurrentActor, DbSession, Now, needs, signed_in
from fsm.problems import NotFound
from fsm.technicians.positions import find_own
from fsm.technicians.queries import find_technician
from reports.asking import FieldSeparator, Sign
from reports.csv_form import DecimalSign, Separator, write_rows
from reports.exports.sending import WORKBOOK, XLSX, workbook
from reports.queries import begin_snapshot
from reports.timesheets.files import COLUMNS, rows_of, write_xlsx
from reports.timesheets.month import Timesheet
from reports.timesheets.queries import timesheet

Month = Annotated[
    str,
    QueryParameter(
        pattern=r"^(19[7-9][0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])$",
        description="Of the technician's zone: `2026-03`.",
    ),
]


class OwnTimesheetController(Controller):
    path = "/api/me/timesheet"
    tags = ["Timesheets"]

    @get("/", opt=signed_in(), summary="My month: recorded times by day, and what they add up to")
    async def read(
        self, session: DbSession, actor: CurrentActor, now: Now, month: Month
    ) -> Timesheet:
        return await _own(session, actor, now, month)

    @get("/csv", opt=signed_in(), media_type="text/csv", summary="My month as CSV")
    async def csv(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        month: Month,
        separator: FieldSeparator = Separator.COMMA,
        decimal_sign: Sign = DecimalSign.POINT,
    ) -> Stream:
        return _csv(await _own(session, actor, now, month), separator, decimal_sign)

    @get(
        "/xlsx",
        opt=signed_in(),
        media_type=XLSX,
        responses=WORKBOOK,
        summary="My month as XLSX",
    )
    async def xlsx(self, session: DbSession, actor: CurrentActor, now: Now, month: Month) -> Stream:
        return await _xlsx(await _own(session, actor, now, month))


class TimesheetController(Controller):
    path = "/api/technicians/{technician_id:uuid}/timesheet"
    tags = ["Timesheets"]

    @get(
        "/",
        opt=needs(Permission.READ_PERSON_KPIS),
        summary="A technician's month: recorded times by day, and what they add up to",
    )
    async def read(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        month: Month,
    ) -> Timesheet:
        return await _of(session, actor, now, technician_id, month)

    @get(
        "/csv",
        opt=needs(Permission.READ_PERSON_KPIS),
        media_type="text/csv",
        summary="A technician's month as CSV",
    )
    async def csv(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        month: Month,
        separator: FieldSeparator = Separator.COMMA,
        decimal_sign: Sign = DecimalSign.POINT,
    ) -> Stream:
        sheet = await _of(session, actor, now, technician_id, month)
        return _csv(sheet, separator, decimal_sign)

    @get(
        "/xlsx",
        opt=needs(Permission.READ_PERSON_KPIS),
        media_type=XLSX,
        responses=WORKBOOK,
        summary="A technician's month as XLSX",
    )
    async def xlsx(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        month: Month,
    ) -> Stream:
        return await _xlsx(await _of(session, actor, now, technician_id, month))


async def _own(session: Session, actor: Actor, now: datetime, month: str) -> Timesheet:
    await begin_snapshot(session)
    return await timesheet(session, actor, now, await find_own(session, actor), _first(month))


async def _of(
    session: Session, actor: Actor, now: datetime, technician_id: UUID, month: str
) -> Timesheet:
    await begin_snapshot(session)
    if actor.customer_id is not None:
        raise NotFound(f"No technician {technician_id}.")
    technician = await find_technician(session, actor, technician_id)
    return await timesheet(session, actor, now, technician, _first(month))


def _first(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def _csv(sheet: Timesheet, separator: Separator, decimal_sign: DecimalSign) -> Stream:
    return Stream(
        write_rows(COLUMNS, rows_of(sheet), separator, decimal_sign),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="timesheet-{sheet.month}.csv"'},
    )


async def _xlsx(sheet: Timesheet) -> Stream:
    return await workbook(f"timesheet-{sheet.month}", lambda path: write_xlsx(path, sheet))


ROUTES = [OwnTimesheetController, TimesheetController]
