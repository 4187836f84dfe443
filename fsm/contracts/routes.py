"""Contracts, service levels and calendars over HTTP, and the question what covers some work."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.contracts import queries, versions, views
from fsm.http import CurrentActor, DbSession, Now, needs

READ = needs(Permission.READ_CONTRACTS)
EDIT = needs(Permission.EDIT_CONTRACTS)
MANAGE = needs(Permission.MANAGE_CATALOGUE)

EndsBy = Annotated[
    date | None,
    QueryParameter(description="Only contracts in force today that end on this day or before it."),
]


class CalendarController(Controller):
    path = "/api/calendars"
    tags = ["Contracts"]

    @get("/", opt=READ, summary="List calendars")
    async def browse(
        self, session: DbSession, actor: CurrentActor, page: http.Page
    ) -> views.CalendarPage:
        rows = await versions.list_calendars(session, actor, after=page.after_id, limit=page.limit)
        return views.CalendarPage([views.CalendarView.of(row) for row in rows], page.next(rows))

    @post("/", opt=MANAGE, status_code=HTTP_201_CREATED, summary="Add a calendar")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[views.NewCalendar]
    ) -> views.CalendarView:
        row = await versions.add_calendar(session, actor, now, code=data.code, name=data.name)
        return views.CalendarView.of(row)

    @patch("/{calendar_id:uuid}", opt=MANAGE, summary="Edit a calendar's name")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        calendar_id: FromPath[UUID],
        data: JSONBody[views.CalendarEdit],
    ) -> views.CalendarView:
        row = await versions.edit_calendar(
            session, actor, now, calendar_id, data.rev, data.changes()
        )
        return views.CalendarView.of(row)

    @get("/{calendar_id:uuid}/versions", opt=READ, summary="List the versions of a calendar")
    async def list_versions(
        self, session: DbSession, actor: CurrentActor, calendar_id: FromPath[UUID]
    ) -> views.VersionHistory:
        rows = await versions.list_calendar_versions(session, actor, calendar_id)
        return views.VersionHistory([views.VersionView.of(row) for row in rows])

    @post(
        "/{calendar_id:uuid}/versions",
        opt=MANAGE,
        status_code=HTTP_201_CREATED,
        summary="Publish opening hours",
    )
    async def publish(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        calendar_id: FromPath[UUID],
        data: JSONBody[views.NewVersion],
    ) -> views.VersionView:
        row = await versions.publish_calendar(
            session, actor, now, calendar_id, body=data.body, effective_at=data.effective_at
        )
        return views.VersionView.of(row)


class ServiceLevelController(Controller):
    path = "/api/service-levels"
    tags = ["Contracts"]

    @get("/", opt=READ, summary="List service levels")
    async def browse(
        self, session: DbSession, actor: CurrentActor, page: http.Page
    ) -> views.ServiceLevelPage:
        rows = await versions.list_service_levels(
            session, actor, after=page.after_id, limit=page.limit
        )
        return views.ServiceLevelPage(
            [views.ServiceLevelView.of(row) for row in rows], page.next(rows)
        )

    @post("/", opt=MANAGE, status_code=HTTP_201_CREATED, summary="Add a service level")
    async def add(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[views.NewServiceLevel],
    ) -> views.ServiceLevelView:
        row = await versions.add_service_level(
            session, actor, now, code=data.code, name=data.name, calendar_id=data.calendar_id
        )
        return views.ServiceLevelView.of(row)

    @patch("/{level_id:uuid}", opt=MANAGE, summary="Edit a service level's name or calendar")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        level_id: FromPath[UUID],
        data: JSONBody[views.ServiceLevelEdit],
    ) -> views.ServiceLevelView:
        row = await versions.edit_service_level(
            session, actor, now, level_id, data.rev, data.changes()
        )
        return views.ServiceLevelView.of(row)

    @get("/{level_id:uuid}/versions", opt=READ, summary="List the versions of a service level")
    async def list_versions(
        self, session: DbSession, actor: CurrentActor, level_id: FromPath[UUID]
    ) -> views.VersionHistory:
        rows = await versions.list_service_level_versions(session, actor, level_id)
        return views.VersionHistory([views.VersionView.of(row) for row in rows])

    @post(
        "/{level_id:uuid}/versions",
        opt=MANAGE,
        status_code=HTTP_201_CREATED,
        summary="Publish promised times",
    )
    async def publish(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        level_id: FromPath[UUID],
        data: JSONBody[views.NewVersion],
    ) -> views.VersionView:
        row = await versions.publish_service_level(
            session, actor, now, level_id, body=data.body, effective_at=data.effective_at
        )
        return views.VersionView.of(row)


class ContractController(Controller):
    path = "/api/contracts"
    tags = ["Contracts"]

    @get("/", opt=READ, summary="List contracts")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        now: Now,
        q: http.Search = None,
        customer_id: FromQuery[UUID | None] = None,
        asset_id: FromQuery[UUID | None] = None,
        ends_by: EndsBy = None,
    ) -> views.ContractPage:
        rows = await queries.list_contracts(
            session,
            actor,
            after=page.after_id,
            limit=page.limit,
            customer_id=customer_id,
            asset_id=asset_id,
            in_force_on=None if ends_by is None else now.date(),
            ends_by=ends_by,
            q=q,
        )
        return views.ContractPage([views.ContractView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Add a contract")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[views.NewContract]
    ) -> views.ContractView:
        row = await queries.add_contract(session, actor, now, data.model_dump())
        return views.ContractView.of(row)

    @get("/{contract_id:uuid}", opt=READ, summary="Read a contract")
    async def read(
        self, session: DbSession, actor: CurrentActor, contract_id: FromPath[UUID]
    ) -> views.ContractView:
        return views.ContractView.of(await queries.find_contract(session, actor, contract_id))

    @patch("/{contract_id:uuid}", opt=EDIT, summary="Edit a contract for work to come")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        data: JSONBody[views.ContractEdit],
    ) -> views.ContractView:
        row = await queries.edit_contract(
            session, actor, now, contract_id, data.rev, data.changes()
        )
        return views.ContractView.of(row)

    @post(
        "/{contract_id:uuid}/renewal",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Follow a contract that ends with another on its terms",
    )
    async def renew(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        data: JSONBody[views.Renewal],
    ) -> views.ContractView:
        row = await queries.renew_contract(
            session,
            actor,
            now,
            contract_id,
            number=data.number,
            ends_on=data.ends_on,
            monthly_fee=data.monthly_fee,
        )
        return views.ContractView.of(row)

    @get("/{contract_id:uuid}/assets", opt=READ, summary="List the assets under a contract")
    async def list_assets(
        self, session: DbSession, actor: CurrentActor, contract_id: FromPath[UUID]
    ) -> list[views.ContractAssetView]:
        rows = await queries.list_contract_assets(session, actor, contract_id)
        return [views.ContractAssetView.of(line, asset) for line, asset in rows]

    @post(
        "/{contract_id:uuid}/assets",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Put an asset under a contract",
    )
    async def add_asset(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        data: JSONBody[views.NewContractAsset],
    ) -> views.ContractAssetView:
        line, asset = await queries.add_contract_asset(
            session,
            actor,
            now,
            contract_id,
            asset_id=data.asset_id,
            starts_on=data.starts_on,
            ends_on=data.ends_on,
            weight=data.weight,
        )
        return views.ContractAssetView.of(line, asset)

    @patch(
        "/{contract_id:uuid}/assets/{line_id:uuid}",
        opt=EDIT,
        summary="Set an asset's last day under a contract",
    )
    async def end_asset(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        line_id: FromPath[UUID],
        data: JSONBody[views.ContractAssetEnd],
    ) -> views.ContractAssetView:
        line, asset = await queries.end_contract_asset(
            session, actor, now, contract_id, line_id, ends_on=data.ends_on
        )
        return views.ContractAssetView.of(line, asset)

    @delete(
        "/{contract_id:uuid}/assets/{line_id:uuid}",
        opt=EDIT,
        status_code=HTTP_204_NO_CONTENT,
        summary="Take back an asset that is not yet under the contract",
    )
    async def remove_asset(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        line_id: FromPath[UUID],
    ) -> None:
        await queries.remove_contract_asset(session, actor, now, contract_id, line_id)


class CoverageController(Controller):
    path = "/api/coverage"
    tags = ["Contracts"]

    @post(
        "/",
        opt=READ,
        status_code=HTTP_200_OK,
        summary="Which contract would cover some work, who pays, and when it would be due",
    )
    async def preview(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[views.CoverQuestion],
    ) -> views.CoverAnswer:
        preview = await queries.preview_cover(
            session,
            actor,
            asset_id=data.asset_id,
            at=data.at or now,
            request_class=data.request_class,
            maintenance=data.maintenance,
            work_type_code=data.work_type,
            priority=data.priority,
        )
        return views.CoverAnswer.of(preview)


ROUTES = [CalendarController, ServiceLevelController, ContractController, CoverageController]
