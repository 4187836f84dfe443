"""What happens to equipment, over HTTP: meters and readings, failures, outages, history."""

from datetime import datetime
from uuid import UUID

from litestar import Controller, get, patch, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.assets import failures, meters, views
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.problems import Invalid

READ = needs(Permission.READ_ASSETS)
EDIT = needs(Permission.EDIT_ASSETS)


def history_cursor(after: str | None) -> tuple[datetime, UUID, str] | None:
    """Return (from_at, id, kind) of the last line of the page before."""
    if after is None:
        return None
    try:
        at, row_id, kind = after.split("|")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(at)
        return moment, UUID(row_id), kind
    except ValueError:
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None


def instant_cursor(after: str | None) -> datetime | None:
    """Return the instant that a list in order of time goes on before."""
    if after is None:
        return None
    try:
        moment = datetime.fromisoformat(after)
        if moment.tzinfo is None:
            raise ValueError(after)
    except ValueError:
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None
    return moment


class AssetHistoryController(Controller):
    path = "/api/assets"
    tags = ["Assets"]

    @get("/{asset_id:uuid}/meters", opt=READ, summary="List meters with their newest readings")
    async def list_meters(
        self, session: DbSession, actor: CurrentActor, asset_id: FromPath[UUID]
    ) -> list[views.MeterView]:
        rows = await meters.last_readings(session, actor, asset_id)
        return [views.MeterView.of(meter, last) for meter, last in rows]

    @post(
        "/{asset_id:uuid}/meters",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Add a meter to an asset",
    )
    async def add_meter(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.NewMeter],
    ) -> views.MeterView:
        meter = await meters.add_meter(session, actor, now, asset_id, data.model_dump())
        return views.MeterView.of(meter, None)

    @get("/{asset_id:uuid}/failures", opt=READ, summary="List the failures of an asset")
    async def list_failures(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        asset_id: FromPath[UUID],
    ) -> views.FailurePage:
        rows = await failures.list_failures(
            session, actor, asset_id, after=page.after_id, limit=page.limit
        )
        return views.FailurePage([views.FailureView.of(row) for row in rows], page.next(rows))

    @post(
        "/{asset_id:uuid}/failures",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Record a failure and open its outage",
    )
    async def record_failure(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.NewFailure],
    ) -> views.FailureView:
        values = data.model_dump(exclude={"id"})
        row = await failures.record_failure(
            session, actor, now, asset_id=asset_id, failure_id=data.id, **values
        )
        return views.FailureView.of(row)

    @post(
        "/{asset_id:uuid}/outages",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Record an outage that no failure looks after",
    )
    async def open_outage(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.NewOutage],
    ) -> views.OutageView:
        values = dict(data)
        row = await failures.open_outage(session, actor, now, asset_id=asset_id, **values)
        return views.OutageView.of(row)

    @get(
        "/{asset_id:uuid}/history",
        opt=READ,
        summary="List failures and outages of an asset, newest first",
    )
    async def history(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        asset_id: FromPath[UUID],
    ) -> views.HistoryPage:
        start = history_cursor(page.after)
        lines = await failures.list_history(session, actor, asset_id, after=start, limit=page.limit)
        last = lines[-1] if page.is_full(lines) else None
        return views.HistoryPage(
            lines, None if last is None else f"{last.from_at.isoformat()}|{last.id}|{last.kind}"
        )


class MeterController(Controller):
    path = "/api/meters"
    tags = ["Assets"]

    @patch("/{meter_id:uuid}", opt=EDIT, summary="Edit a meter")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        meter_id: FromPath[UUID],
        data: JSONBody[views.MeterEdit],
    ) -> views.MeterView:
        meter = await meters.edit_meter(session, actor, now, meter_id, data.rev, data.changes())
        return views.MeterView.of(meter, await meters.last_reading(session, actor, meter_id))

    @get("/{meter_id:uuid}/readings", opt=READ, summary="List readings, newest first")
    async def readings(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        meter_id: FromPath[UUID],
    ) -> views.ReadingPage:
        start = instant_cursor(page.after)
        rows = await meters.list_readings(session, actor, meter_id, before=start, limit=page.limit)
        return views.ReadingPage(
            [views.ReadingView.of(row, ran) for row, ran in rows],
            rows[-1][0].read_at.isoformat() if page.is_full(rows) else None,
        )

    @post(
        "/{meter_id:uuid}/readings",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Record a reading",
        responses=http.refusals(meters.ReadingRefused, Invalid),
    )
    async def add_reading(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        meter_id: FromPath[UUID],
        data: JSONBody[views.NewReading],
    ) -> views.ReadingView:
        row = await meters.add_reading(
            session,
            actor,
            now,
            meter_id,
            read_at=data.read_at,
            value=data.value,
            is_reset=data.is_reset,
            is_rollover=data.is_rollover,
            reading_id=data.id,
        )
        return views.ReadingView.of(row)


class FailureController(Controller):
    path = "/api/failures"
    tags = ["Assets"]

    @get("/{failure_id:uuid}", opt=READ, summary="Read a failure")
    async def read(
        self, session: DbSession, actor: CurrentActor, failure_id: FromPath[UUID]
    ) -> views.FailureView:
        return views.FailureView.of(await failures.find_failure(session, actor, failure_id))

    @patch("/{failure_id:uuid}", opt=EDIT, summary="Correct a failure; its own outage follows")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        failure_id: FromPath[UUID],
        data: JSONBody[views.FailureEdit],
    ) -> views.FailureView:
        row = await failures.edit_failure(session, actor, now, failure_id, data.rev, data.changes())
        return views.FailureView.of(row)

    @post(
        "/{failure_id:uuid}/restoration",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Say when the function was back",
    )
    async def restore(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        failure_id: FromPath[UUID],
        data: JSONBody[views.Restoration],
    ) -> views.FailureView:
        row = await failures.restore_failure(
            session, actor, now, failure_id, restored_at=data.restored_at
        )
        return views.FailureView.of(row)


class OutageController(Controller):
    path = "/api/outages"
    tags = ["Assets"]

    @get("/{outage_id:uuid}", opt=READ, summary="Read an outage")
    async def read(
        self, session: DbSession, actor: CurrentActor, outage_id: FromPath[UUID]
    ) -> views.OutageView:
        return views.OutageView.of(await failures.find_outage(session, actor, outage_id))

    @patch("/{outage_id:uuid}", opt=EDIT, summary="Correct an outage")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        outage_id: FromPath[UUID],
        data: JSONBody[views.OutageEdit],
    ) -> views.OutageView:
        row = await failures.edit_outage(session, actor, now, outage_id, data.rev, data.changes())
        return views.OutageView.of(row)

    @post("/{outage_id:uuid}/end", opt=EDIT, status_code=HTTP_200_OK, summary="End an open outage")
    async def close(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        outage_id: FromPath[UUID],
        data: JSONBody[views.OutageEnd],
    ) -> views.OutageView:
        row = await failures.close_outage(session, actor, now, outage_id, to_at=data.to_at)
        return views.OutageView.of(row)


ROUTES = [AssetHistoryController, MeterController, FailureController, OutageController]
