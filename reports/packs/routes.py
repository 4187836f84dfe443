"""The evidence pack of a job as a download."""

import errno
from collections.abc import AsyncIterator
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from uuid import UUID

from litestar import Controller, Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream

from fsm import http
from fsm.actors import Permission
from fsm.evidence.blobs import StorageFull, StorageUnavailable, in_thread
from fsm.evidence.receipts import ReceiptKey
from fsm.http import CurrentActor, Now, needs
from reports.packs.collecting import EvidenceDamaged, NothingToProve, PackTooLarge, write_pack

_PIECE = 1 << 20


class PackController(Controller):
    path = "/api/work-orders"
    tags = ["Evidence"]

    @get(
        "/{work_order_id:uuid}/evidence-pack",
        opt=needs(Permission.READ_HISTORY),
        media_type="application/zip",
        responses={
            200: ResponseSpec(
                data_container=bytes,
                description="A ZIP archive that `fsm evidence verify` checks offline.",
                media_type="application/zip",
                generate_examples=False,
            ),
            **http.refusals(
                NothingToProve, PackTooLarge, EvidenceDamaged, StorageFull, StorageUnavailable
            ),
        },
        summary="Everything that proves how a job was done, in one file",
    )
    async def pack(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
    ) -> Stream:
        """Put together first, on disk, so that what cannot be packed is refused and not cut off."""
        state = request.app.state
        file = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
        try:
            packed = await write_pack(
                state.database,
                state.blobs,
                ReceiptKey.from_seed(state.settings.receipt_key_seed),
                actor,
                now,
                work_order_id,
                file,
            )
        except OSError as error:
            file.close()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("There is no room here to put the pack together.") from error
            raise
        except BaseException:
            file.close()
            raise
        return Stream(
            _send(file),
            media_type="application/zip",
            headers={
                "Content-Length": str(packed.size),
                "Content-Disposition": f'attachment; filename="evidence-{work_order_id}.zip"',
            },
        )


async def _send(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while piece := await in_thread(file.read, _PIECE):
            yield piece


ROUTES = [PackController]
