"""The desk: what came in and what is done, each with its names, for whoever decides about it next."""

from litestar import Controller, get

from fsm import http
from fsm.actors import Permission
from fsm.http import ReadOnly, needs
from fsm.work_orders.desk import lists
from fsm.work_orders.desk.views import DeskRequests, JobsToClose


class DeskController(Controller):
    path = "/api/desk"

    @get(
        "/requests",
        opt=needs(Permission.EDIT_REQUESTS),
        tags=["Service requests"],
        summary="The requests that wait for an answer, with place, photos and what else is open there",
    )
    async def requests(self, reader: ReadOnly, limit: http.PageSize = 200) -> DeskRequests:
        return await lists.list_new_requests(reader, limit)

    @get(
        "/to-close",
        opt=needs(Permission.READ_WORK_ORDERS),
        tags=["Work orders"],
        summary="The jobs whose work is done and that nobody has closed, with their proof",
    )
    async def to_close(self, reader: ReadOnly, limit: http.PageSize = 200) -> JobsToClose:
        return await lists.list_to_close(reader, limit)


ROUTES = [DeskController]
