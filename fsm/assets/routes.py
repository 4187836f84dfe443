"""Equipment over HTTP: models, assets and their tree, identifiers, documents."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.assets import documents, history_routes, queries, tree, views
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.problems import StaleChange

READ = needs(Permission.READ_ASSETS)
EDIT = needs(Permission.EDIT_ASSETS)


class ModelController(Controller):
    path = "/api/asset-models"
    tags = ["Assets"]

    @get("/", opt=READ, summary="List models")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        q: http.Search = None,
    ) -> views.ModelPage:
        rows = await queries.list_models(session, actor, q=q, after=page.after_id, limit=page.limit)
        return views.ModelPage([views.ModelView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Add a model")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[views.NewModel]
    ) -> views.ModelView:
        return views.ModelView.of(await queries.add_model(session, actor, now, data.model_dump()))

    @get("/{model_id:uuid}", opt=READ, summary="Read a model")
    async def read(
        self, session: DbSession, actor: CurrentActor, model_id: FromPath[UUID]
    ) -> views.ModelView:
        return views.ModelView.of(await queries.find_model(session, actor, model_id))

    @patch("/{model_id:uuid}", opt=EDIT, summary="Edit a model")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        model_id: FromPath[UUID],
        data: JSONBody[views.ModelEdit],
    ) -> views.ModelView:
        model = await queries.edit_model(session, actor, now, model_id, data.rev, data.changes())
        return views.ModelView.of(model)

    @get("/{model_id:uuid}/documents", opt=READ, summary="List the documents of a model")
    async def list_documents(
        self, session: DbSession, actor: CurrentActor, model_id: FromPath[UUID]
    ) -> list[views.DocumentView]:
        rows = await documents.list_documents(session, actor, model_id=model_id)
        return [views.DocumentView.of(row) for row in rows]

    @post(
        "/{model_id:uuid}/documents",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Attach uploaded bytes to a model",
    )
    async def add_document(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        model_id: FromPath[UUID],
        data: JSONBody[views.NewDocument],
    ) -> views.DocumentView:
        row = await documents.add_document(
            session,
            actor,
            now,
            model_id=model_id,
            sha256=bytes.fromhex(data.sha256),
            title=data.title,
            language=data.language,
        )
        return views.DocumentView.of(row)


class AssetController(Controller):
    path = "/api/assets"
    tags = ["Assets"]

    @get("/", opt=READ, summary="List assets")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        q: http.Search = None,
        customer_id: FromQuery[UUID | None] = None,
        site_id: FromQuery[UUID | None] = None,
        model_id: FromQuery[UUID | None] = None,
        parent_id: FromQuery[UUID | None] = None,
        is_retired: FromQuery[bool | None] = None,
    ) -> views.AssetPage:
        lines = await queries.list_assets(
            session,
            actor,
            after=page.after_id,
            limit=page.limit,
            customer_id=customer_id,
            site_id=site_id,
            model_id=model_id,
            parent_id=parent_id,
            is_retired=is_retired,
            q=q,
        )
        return views.AssetPage(lines, page.next(lines))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Register an asset")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[views.NewAsset]
    ) -> views.AssetView:
        asset = await queries.add_asset(session, actor, now, data.model_dump())
        return views.AssetView.of(await queries.asset_summary(session, actor, asset.id))

    @get("/by-identifier", opt=READ, summary="Find the asset that carries an identifier")
    async def find_by_identifier(
        self,
        session: DbSession,
        actor: CurrentActor,
        scheme: Annotated[str, QueryParameter(max_length=20)],
        value: Annotated[str, QueryParameter(max_length=255)],
    ) -> views.AssetView:
        asset = await queries.find_by_identifier(session, actor, scheme=scheme, value=value)
        return views.AssetView.of(await queries.asset_summary(session, actor, asset.id))

    @get("/{asset_id:uuid}", opt=READ, summary="Read an asset")
    async def read(
        self, session: DbSession, actor: CurrentActor, asset_id: FromPath[UUID]
    ) -> views.AssetView:
        return views.AssetView.of(await queries.asset_summary(session, actor, asset_id))

    @patch("/{asset_id:uuid}", opt=EDIT, summary="Edit an asset")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.AssetEdit],
    ) -> views.AssetView:
        await queries.edit_asset(session, actor, now, asset_id, data.rev, data.changes())
        return views.AssetView.of(await queries.asset_summary(session, actor, asset_id))

    @get("/{asset_id:uuid}/tree", opt=READ, summary="List an asset with everything below it")
    async def subtree(
        self, session: DbSession, actor: CurrentActor, asset_id: FromPath[UUID]
    ) -> views.TreeView:
        return views.TreeView(await tree.list_subtree(session, actor, asset_id))

    @post(
        "/{asset_id:uuid}/move",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Hang an asset under another, or put it at another site",
        responses=http.refusals(tree.RingInTree, StaleChange),
    )
    async def move(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.Move],
    ) -> views.AssetView:
        await tree.move(
            session,
            actor,
            now,
            asset_id,
            data.rev,
            parent_id=data.parent_id,
            site_id=data.site_id,
        )
        return views.AssetView.of(await queries.asset_summary(session, actor, asset_id))

    @post(
        "/{asset_id:uuid}/retirement",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Take an asset out of service for good",
    )
    async def retire(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.Retirement],
    ) -> views.AssetView:
        await queries.retire(
            session,
            actor,
            now,
            asset_id,
            data.rev,
            retired_at=data.retired_at,
            with_parts=data.with_parts,
        )
        return views.AssetView.of(await queries.asset_summary(session, actor, asset_id))

    @post(
        "/{asset_id:uuid}/return-to-service",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Put a retired asset back into service",
    )
    async def return_to_service(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.Return],
    ) -> views.AssetView:
        await queries.return_to_service(
            session, actor, now, asset_id, data.rev, returned_at=data.returned_at
        )
        return views.AssetView.of(await queries.asset_summary(session, actor, asset_id))

    @get("/{asset_id:uuid}/identifiers", opt=READ, summary="List the identifiers of an asset")
    async def list_identifiers(
        self, session: DbSession, actor: CurrentActor, asset_id: FromPath[UUID]
    ) -> list[views.IdentifierView]:
        rows = await queries.list_identifiers(session, actor, asset_id)
        return [views.IdentifierView.of(row) for row in rows]

    @post(
        "/{asset_id:uuid}/identifiers",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Add an identifier by which a scan finds the asset",
    )
    async def add_identifier(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.NewIdentifier],
    ) -> views.IdentifierView:
        row = await queries.add_identifier(
            session, actor, now, asset_id, scheme=data.scheme, value=data.value
        )
        return views.IdentifierView.of(row)

    @delete(
        "/{asset_id:uuid}/identifiers/{identifier_id:uuid}",
        opt=EDIT,
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove an identifier",
    )
    async def remove_identifier(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        identifier_id: FromPath[UUID],
    ) -> None:
        await queries.remove_identifier(session, actor, now, asset_id, identifier_id)

    @get(
        "/{asset_id:uuid}/documents",
        opt=READ,
        summary="List the documents of an asset and of its model",
    )
    async def list_documents(
        self, session: DbSession, actor: CurrentActor, asset_id: FromPath[UUID]
    ) -> list[views.DocumentView]:
        rows = await documents.list_documents(session, actor, asset_id=asset_id)
        return [views.DocumentView.of(row) for row in rows]

    @post(
        "/{asset_id:uuid}/documents",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Attach uploaded bytes to an asset",
    )
    async def add_document(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        data: JSONBody[views.NewDocument],
    ) -> views.DocumentView:
        row = await documents.add_document(
            session,
            actor,
            now,
            asset_id=asset_id,
            sha256=bytes.fromhex(data.sha256),
            title=data.title,
            language=data.language,
        )
        return views.DocumentView.of(row)


class DocumentController(Controller):
    path = "/api/asset-documents"
    tags = ["Assets"]

    @delete(
        "/{document_id:uuid}",
        opt=EDIT,
        status_code=HTTP_204_NO_CONTENT,
        summary="Detach a document",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, document_id: FromPath[UUID]
    ) -> None:
        await documents.remove_document(session, actor, now, document_id)


ROUTES = [
    ModelController,
    AssetController,
    DocumentController,
    *history_routes.ROUTES,
]
