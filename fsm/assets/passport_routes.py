"""Passports for people who are signed in: codes, claims, labels and the address on them."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, Response, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.assets import passports
from fsm.assets.label_stock import STOCKS, UnknownStock, find_stock
from fsm.assets.labels import (
    BadStartPosition,
    TooManyLabels,
    label_pdf,
    label_png,
    label_svg,
    sheet_pdf,
)
from fsm.assets.passport_code import BadPassportHost, short_code
from fsm.assets.passports import MOST_CODES, LabelOrder
from fsm.assets.symbol import SymbolTooLarge
from fsm.assets.tables import Passport, PassportStatus
from fsm.database import Database
from fsm.http import Body, Code, CurrentActor, DbSession, Line, Now, ReadOnly, needs
from fsm.languages import Language, spoken
from fsm.settings import Settings
from fsm.tenants.tables import Tenant

AnyRequest = Request[Any, Any, Any]


class NewPassport(Body):
    """A fresh code for an asset."""

    asset_id: UUID


class NewBatch(Body):
    """Codes to print before they are attached."""

    batch: Code
    count: Annotated[int, pydantic.Field(ge=1, le=MOST_CODES)]


class Claim(Body):
    asset_id: UUID


class Ending(Body):
    reason: Line


class Forwarding(Body):
    """The successor system's address of this asset."""

    url: Annotated[str, pydantic.Field(min_length=9, max_length=2_000)]


class LabelSheet(Body):
    """Labels on sticker sheets or a roll; the first sheet is used from position `start` on."""

    codes: Annotated[list[Code], pydantic.Field(max_length=MOST_CODES)] = []
    asset_ids: Annotated[list[UUID], pydantic.Field(max_length=MOST_CODES)] = []
    batch: Code | None = None
    stock: Code = "L7160"
    start: Annotated[int, pydantic.Field(ge=1, le=1_000)] = 1
    ruler: bool = True
    frame: bool = False
    language: Language | None = None


class PassportAddress(Body):
    """The DNS name that codes are printed under, and the company's own GS1 prefix."""

    host: Annotated[str, pydantic.Field(max_length=253)] | None = None
    gs1_prefix: Annotated[str, pydantic.Field(max_length=12)] | None = None


class PassportView(msgspec.Struct, frozen=True):
    """A code and what became of it; `url` is what its label says."""

    code: str
    short_code: str
    url: str
    is_trial: bool
    status: PassportStatus
    asset_id: UUID | None
    batch: str
    forward_url: str | None
    created_at: datetime
    claimed_at: datetime | None
    claimed_by: UUID | None

    @classmethod
    def of(
        cls, passport: Passport | passports.PassportRow, host: str | None, public_url: str
    ) -> "PassportView":
        url = passports.url_of(host, public_url, passport.code)
        return cls(
            passport.code,
            short_code(passport.code),
            url.text,
            url.is_trial,
            PassportStatus(passport.status),
            passport.asset_id,
            passport.batch,
            passport.forward_url,
            passport.created_at,
            passport.claimed_at,
            passport.claimed_by,
        )


class PassportPage(msgspec.Struct, frozen=True):
    items: list[PassportView]
    next: str | None


class BatchView(msgspec.Struct, frozen=True):
    batch: str
    codes: list[str]


class AddressView(msgspec.Struct, frozen=True):
    host: str | None
    gs1_prefix: str | None

    @classmethod
    def of(cls, tenant: Tenant) -> "AddressView":
        return cls(tenant.passport_host, tenant.gs1_prefix)


class StockView(msgspec.Struct, frozen=True):
    name: str
    describes: str
    label_mm: tuple[float, float]
    per_sheet: int


def _public_url(request: AnyRequest) -> str:
    settings: Settings = request.app.state.settings
    return settings.public_url


async def _view(
    request: AnyRequest, session: DbSession, actor: CurrentActor, passport: Passport
) -> PassportView:
    tenant = await passports.find_tenant(session, actor)
    return PassportView.of(passport, tenant.passport_host, _public_url(request))


OfAsset = Annotated[UUID | None, QueryParameter(description="Only passports of this asset.")]
OfBatch = Annotated[
    str | None, QueryParameter(max_length=60, description="Only codes of this batch.")
]
WithStatus = Annotated[
    PassportStatus | None, QueryParameter(description="Only codes in this state.")
]
StockName = Annotated[
    str, QueryParameter(max_length=40, description="Sticker by the name printed on its box.")
]
Framed = Annotated[
    bool, QueryParameter(description="Draw the frame described by IEC 61406-1 around the symbol.")
]
Dpi = Annotated[int, QueryParameter(ge=203, le=1200, description="Dots per inch of the printer.")]
InLanguage = Annotated[
    Language | None, QueryParameter(description="Language of the words; else the company's.")
]


class PassportController(Controller):
    path = "/api/passports"
    tags = ["Passports"]

    @get("/", opt=needs(Permission.READ_ASSETS), summary="List passports")
    async def list(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        asset_id: OfAsset = None,
        batch: OfBatch = None,
        status: WithStatus = None,
    ) -> PassportPage:
        rows = await passports.list_passports(
            session,
            actor,
            after=page.after,
            limit=page.limit,
            asset_id=asset_id,
            batch=batch,
            status=status,
        )
        tenant = await passports.find_tenant(session, actor)
        return PassportPage(
            [PassportView.of(row, tenant.passport_host, _public_url(request)) for row in rows],
            rows[-1].code if page.is_full(rows) else None,
        )

    @post(
        "/",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_201_CREATED,
        summary="Give an asset a passport",
    )
    async def create(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[NewPassport],
    ) -> PassportView:
        passport = await passports.create(session, actor, now, data.asset_id)
        return await _view(request, session, actor, passport)

    @get("/{code:str}", opt=needs(Permission.READ_ASSETS), summary="Read a passport")
    async def read(
        self, request: AnyRequest, reader: ReadOnly, code: FromPath[str]
    ) -> PassportView:
        row = await passports.read_passport(reader, code)
        return PassportView.of(row, row.passport_host, _public_url(request))

    @post(
        "/{code:str}/claim",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_200_OK,
        summary="Attach a pre-printed code to an asset",
    )
    async def claim(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        code: FromPath[str],
        data: JSONBody[Claim],
    ) -> PassportView:
        passport = await passports.claim(session, actor, now, code, data.asset_id)
        return await _view(request, session, actor, passport)

    @post(
        "/{code:str}/retirement",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_200_OK,
        summary="Put a code out of use",
    )
    async def retire(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        code: FromPath[str],
        data: JSONBody[Ending],
    ) -> PassportView:
        passport = await passports.retire(session, actor, now, code, reason=data.reason)
        return await _view(request, session, actor, passport)

    @post(
        "/{code:str}/reinstatement",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_200_OK,
        summary="Undo a retirement or forwarding that was a mistake",
    )
    async def reinstate(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        code: FromPath[str],
        data: JSONBody[Ending],
    ) -> PassportView:
        passport = await passports.reinstate(session, actor, now, code, reason=data.reason)
        return await _view(request, session, actor, passport)

    @post(
        "/{code:str}/forwarding",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_200_OK,
        responses=http.refusals(BadPassportHost),
        summary="Let another system answer for a code",
    )
    async def forward(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        code: FromPath[str],
        data: JSONBody[Forwarding],
    ) -> PassportView:
        passport = await passports.forward(session, actor, now, code, url=data.url)
        return await _view(request, session, actor, passport)

    @get(
        "/{code:str}/label.svg",
        opt=needs(Permission.READ_ASSETS),
        media_type="image/svg+xml",
        responses=http.refusals(UnknownStock, SymbolTooLarge),
        summary="One label as SVG",
    )
    async def label_svg(
        self,
        request: AnyRequest,
        actor: CurrentActor,
        code: FromPath[str],
        stock: StockName = "50x30",
        frame: Framed = False,
        language: InLanguage = None,
    ) -> Response[bytes]:
        content = await _one_label(request, actor, label_svg, code, stock, frame, language)
        return _file(content, "image/svg+xml", f"{code[:40]}.svg")

    @get(
        "/{code:str}/label.png",
        opt=needs(Permission.READ_ASSETS),
        media_type="image/png",
        responses=http.refusals(UnknownStock, SymbolTooLarge),
        summary="One label as PNG",
    )
    async def label_png(
        self,
        request: AnyRequest,
        actor: CurrentActor,
        code: FromPath[str],
        stock: StockName = "50x30",
        frame: Framed = False,
        language: InLanguage = None,
        dpi: Dpi = 600,
    ) -> Response[bytes]:
        draw = partial(label_png, dpi=dpi)
        content = await _one_label(request, actor, draw, code, stock, frame, language)
        return _file(content, "image/png", f"{code[:40]}.png")

    @get(
        "/{code:str}/label.pdf",
        opt=needs(Permission.READ_ASSETS),
        media_type="application/pdf",
        responses=http.refusals(UnknownStock, SymbolTooLarge),
        summary="One label as PDF",
    )
    async def label_pdf(
        self,
        request: AnyRequest,
        actor: CurrentActor,
        code: FromPath[str],
        stock: StockName = "50x30",
        frame: Framed = False,
        language: InLanguage = None,
    ) -> Response[bytes]:
        content = await _one_label(request, actor, label_pdf, code, stock, frame, language)
        return _file(content, "application/pdf", f"{code[:40]}.pdf")


async def _language(session: DbSession, actor: CurrentActor, asked: str | None) -> str:
    if asked is not None:
        return asked
    tenant = await passports.find_tenant(session, actor)
    return spoken(tenant.language)


async def _one_label(
    request: AnyRequest,
    actor: CurrentActor,
    draw: Any,
    code: str,
    stock: str,
    frame: bool,
    language: str | None,
) -> bytes:
    """Draw one label in a thread, after the transaction that read it has ended."""
    sticker = find_stock(stock)
    database: Database = request.app.state.database
    async with database.transaction(actor.tenant_id) as session:
        order = LabelOrder(codes=(code,))
        (label,) = await passports.labels_for(session, actor, _public_url(request), order)
        words = await _language(session, actor, language)
    drawn = await asyncio.to_thread(draw, label, sticker, frame=frame, language=words)
    return drawn.encode() if isinstance(drawn, str) else bytes(drawn)


def _file(content: bytes, media_type: str, name: str) -> Response[bytes]:
    plain = "".join(c for c in name if c.isascii() and (c.isalnum() or c in ".-_"))
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'inline; filename="{plain}"'},
    )


class BatchController(Controller):
    path = "/api/passport-batches"
    tags = ["Passports"]

    @post(
        "/",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_201_CREATED,
        summary="Make codes to print before they are attached",
    )
    async def create(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewBatch]
    ) -> BatchView:
        codes = await passports.create_batch(
            session, actor, now, batch=data.batch, count=data.count
        )
        return BatchView(data.batch, [*codes])


class LabelSheetController(Controller):
    path = "/api/label-sheets"
    tags = ["Passports"]

    @get("/stocks", opt=needs(Permission.READ_ASSETS), summary="List sticker sheets and rolls")
    async def stocks(self) -> list[StockView]:
        return [
            StockView(stock.name, stock.describes, stock.label_mm, stock.per_sheet)
            for stock in STOCKS.values()
        ]

    @post(
        "/",
        opt=needs(Permission.READ_ASSETS),
        status_code=HTTP_200_OK,
        media_type="application/pdf",
        responses=http.refusals(UnknownStock, SymbolTooLarge, TooManyLabels, BadStartPosition),
        summary="Many labels as a PDF on sticker sheets",
    )
    async def print_sheets(
        self, request: AnyRequest, actor: CurrentActor, data: JSONBody[LabelSheet]
    ) -> Response[bytes]:
        sticker = find_stock(data.stock)
        database: Database = request.app.state.database
        order = LabelOrder(data.codes, data.asset_ids, data.batch)
        async with database.transaction(actor.tenant_id) as session:
            labels = await passports.labels_for(session, actor, _public_url(request), order)
            words = await _language(session, actor, data.language)
        content = await asyncio.to_thread(
            sheet_pdf,
            labels,
            sticker,
            start=data.start,
            ruler=data.ruler,
            frame=data.frame,
            language=words,
        )
        return _file(content, "application/pdf", "labels.pdf")


class AddressController(Controller):
    path = "/api/passport-address"
    tags = ["Passports"]

    @get("/", opt=needs(Permission.READ_ASSETS), summary="Under which name codes are printed")
    async def read(self, session: DbSession, actor: CurrentActor) -> AddressView:
        return AddressView.of(await passports.find_tenant(session, actor))

    @put(
        "/",
        opt=needs(Permission.MANAGE_CATALOGUE),
        responses=http.refusals(BadPassportHost),
        summary="Set the name that codes are printed under",
    )
    async def write(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[PassportAddress]
    ) -> AddressView:
        tenant = await passports.set_address(
            session, actor, now, host=data.host, gs1_prefix=data.gs1_prefix
        )
        return AddressView.of(tenant)


ROUTES = [
    PassportController,
    BatchController,
    LabelSheetController,
    AddressController,
]
