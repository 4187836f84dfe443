"""The web application: every package's routes over one database. A composition root."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from litestar import Litestar, Response, Router, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.status_codes import HTTP_404_NOT_FOUND
from litestar.types import ControllerRouterHandler

from fsm import http, openapi
from fsm.assets import passport_routes as passports
from fsm.assets import routes as assets
from fsm.assets import scan_routes as scans
from fsm.assets.knowledge import routes as knowledge
from fsm.catalogue import routes as catalogue
from fsm.checklists import routes as checklists
from fsm.contracts import payer_routes as payers
from fsm.contracts import routes as contracts
from fsm.customers import routes as customers
from fsm.database import Database
from fsm.evidence import history_routes as history
from fsm.evidence import published_routes as published
from fsm.evidence import routes as files
from fsm.evidence.blobs import blob_store
from fsm.evidence.receipts import ReceiptKey
from fsm.imports import routes as imports
from fsm.maintenance import routes as maintenance
from fsm.openapi_schemas import AnswerSchemas, BodySchemas
from fsm.parts import routes as parts
from fsm.problems import NotFound
from fsm.settings import Settings
from fsm.technicians import routes as technicians
from fsm.tenants import routes as tenants
from fsm.web import app_pages, office_pages
from fsm.web import document_routes as public_documents
from fsm.web import passport_routes as public_passports
from fsm.web import price_routes as public_prices
from fsm.web import status_forms as public_status_forms
from fsm.web import status_routes as public_status
from fsm.web.portal import price_routes as portal_prices
from fsm.web.portal import routes as portal
from fsm.work_orders import part_request_routes as part_requests
from fsm.work_orders import request_routes as service_requests
from fsm.work_orders import routes as work_orders
from fsm.work_orders.calendar_feed import routes as calendars
from fsm.work_orders.desk import routes as desk
from fsm.work_orders.ledger import routes as ledger
from fsm.work_orders.ratings import routes as ratings
from fsm.work_orders.reviews import routes as reviews
from fsm.work_orders.scope_changes import routes as scope_changes
from fsm.work_orders.threads import routes as threads
from fsm.worker import REACTIONS
from mobile_api import blob_routes, feed, office_routes, short_pull, stream, upload_routes
from mobile_api import routes as mobile_api
from mobile_api.compat import (
    electric_routes,
    powersync_routes,
    rxdb_routes,
    watermelon_routes,
)
from mobile_api.uploads import Storage
from mobile_api.writers import Writers
from reports import routes as reports
from reports.claims import routes as claims
from reports.documents import extra_routes as document_extras
from reports.documents import report_routes as report_documents
from reports.documents import routes as documents
from reports.exports import routes as exports
from reports.mailing import routes as mailing
from reports.packs import routes as packs
from reports.saved_views import routes as saved_views
from reports.statements import pay_routes as pay
from reports.statements import routes as statements
from reports.timesheets import routes as timesheets
from scheduler import live
from scheduler import route_sheet_routes as route_sheets
from scheduler import routes as scheduler
from scheduler.promise_ledger import routes as promise_ledger
from scheduler.rosters import routes as rosters

VERSION = "0.1.0"

ROUTES: Sequence[ControllerRouterHandler] = (
    *tenants.ROUTES,
    *catalogue.ROUTES,
    *customers.ROUTES,
    *technicians.ROUTES,
    *parts.ROUTES,
    *files.ROUTES,
    *published.ROUTES,
    *history.ROUTES,
    *assets.ROUTES,
    *passports.ROUTES,
    *scans.ROUTES,
    *knowledge.ROUTES,
    *office_pages.ROUTES,
    *public_passports.ROUTES,
    *public_status.ROUTES,
    *public_status_forms.ROUTES,
    *public_prices.ROUTES,
    *public_documents.ROUTES,
    *portal.ROUTES,
    *portal_prices.ROUTES,
    *service_requests.ROUTES,
    *work_orders.ROUTES,
    *desk.ROUTES,
    *reviews.ROUTES,
    *calendars.ROUTES,
    *ledger.ROUTES,
    *scope_changes.ROUTES,
    *ratings.ROUTES,
    *threads.ROUTES,
    *part_requests.ROUTES,
    *contracts.ROUTES,
    *payers.ROUTES,
    *checklists.ROUTES,
    *maintenance.ROUTES,
    *scheduler.ROUTES,
    *route_sheets.ROUTES,
    *promise_ledger.ROUTES,
    *rosters.ROUTES,
    *reports.ROUTES,
    *packs.ROUTES,
    *saved_views.ROUTES,
    *documents.ROUTES,
    *report_documents.ROUTES,
    *document_extras.ROUTES,
    *mailing.ROUTES,
    *statements.ROUTES,
    *timesheets.ROUTES,
    *claims.ROUTES,
    *pay.ROUTES,
    *app_pages.ROUTES,
    *exports.ROUTES,
    *mobile_api.ROUTES,
    *office_routes.ROUTES,
    *upload_routes.ROUTES,
    *blob_routes.ROUTES,
    *powersync_routes.ROUTES,
    *electric_routes.ROUTES,
    *rxdb_routes.ROUTES,
    *watermelon_routes.ROUTES,
    *imports.ROUTES,
)
"""Every door of the product."""


@get(
    "/health",
    opt=http.anyone(),
    tags=["Operation"],
    summary="Is the server up and its database at hand",
)
async def health(session: http.DbSession) -> dict[str, str]:
    await session.connection()
    return {"status": "ok", "version": VERSION}


def compose_database(settings: Settings) -> Database:
    """Return the database with the hooks and reactions that every process of the product shares."""
    return Database(settings, before_commit=(feed.refresh,), reactions=frozenset(REACTIONS))


def paths_of(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Yield every address of the product, with its parameters in braces, and what answers there."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                yield route.path, handler


def routes_of(app: Litestar) -> Iterator[HTTPRouteHandler]:
    return (handler for _, handler in paths_of(app))


def check_routes(app: Litestar) -> None:
    """Stop the program from starting with a route that names neither a permission nor who may call it."""
    silent = [
        f"{sorted(handler.http_methods)} {sorted(handler.paths)}"
        for handler in routes_of(app)
        if "needs" not in handler.opt and handler.http_methods != {"OPTIONS"}
    ]
    if silent:
        raise RuntimeError(f"These routes name no permission: {', '.join(silent)}")


async def _secure(response: Response[Any]) -> Response[Any]:
    # Not a plain function: those are sent through a thread, at every request.
    for name, value in http.SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _document(response: Response[Any]) -> Response[Any]:
    """Let a document that there is none of be refused like everything else, not with a page."""
    if response.status_code == HTTP_404_NOT_FOUND:
        missing = NotFound("The document is at /api/openapi/openapi.json and openapi.yaml.")
        response = Response(missing.to_json(), status_code=404, media_type=http.PROBLEM_JSON)
    return await _secure(response)


async def say_farewell(app: Litestar) -> None:
    """End what never ends by itself, the streams, before the server waits for its connections."""
    live.watches_in(app.state).farewell()
    await stream.pump_in(app.state).farewell()


def state_of(
    settings: Settings,
    database: Database,
    clock: Callable[[], datetime] = http.wall_clock,
    has_trailers: bool = False,
) -> State:
    """Return all that tells one running application from another: its routes are always the same."""
    blobs = blob_store(settings)
    return State(
        {
            "settings": settings,
            "database": database,
            "clock": clock,
            "authenticate": tenants.authenticate,
            "sign_in_limit": tenants.AddressLimit(30),
            "report_limit": tenants.AddressLimit(20),
            "scan_limit": tenants.AddressLimit(120),
            "published_limit": tenants.AddressLimit(120),
            "blobs": blobs,
            "uploads": Storage(
                database,
                blobs,
                ReceiptKey.from_seed(settings.receipt_key_seed),
                settings.max_photo_bytes,
                has_trailers,
            ),
            "upload_writers": Writers(),
            "day_sheet": route_sheets.sheet_for_paper,
        }
    )


@asynccontextmanager
async def _until_the_database_closes(app: Litestar) -> AsyncIterator[None]:
    yield
    await app.state.database.close()


class Product(Litestar):
    """The framework's application, with the phones' most frequent request answered ahead of it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and await short_pull.answers(self.state, scope, receive, send):
            return
        await super().__call__(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    clock: Callable[[], datetime] = http.wall_clock,
    has_trailers: bool = False,
) -> Litestar:
    """Return the application. `clock` gives the server's time; tests set it.

    `has_trailers`: the HTTP server in front hands over what follows a request's body.
    """
    database = database or compose_database(settings)
    app = Product(
        route_handlers=[health, *ROUTES],
        dependencies=dict(http.dependencies),
        guards=[http.permission_guard],
        exception_handlers={Exception: http.answer_problem},
        after_exception=[http.let_go],
        after_request=_secure,
        lifespan=[_until_the_database_closes],
        request_max_body_size=settings.max_request_bytes,
        logging_config=None,
        plugins=[BodySchemas(), AnswerSchemas()],
        state=state_of(settings, database, clock, has_trailers),
        openapi_config=OpenAPIConfig(
            title="Field service management",
            version=VERSION,
            openapi_router=Router(
                "/api/openapi",
                route_handlers=[],
                opt=http.anyone(),
                include_in_schema=False,
                after_request=_document,
            ),
            operation_id_creator=openapi.operation_id,
            render_plugins=[JsonRenderPlugin(), openapi.Yaml()],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(
                        type="http",
                        scheme="bearer",
                        description="Access token of POST /api/sign-in, or a device's token.",
                    )
                }
            ),
        ),
    )
    for handler in routes_of(app):
        openapi.complete(handler)
    check_routes(app)
    return app
