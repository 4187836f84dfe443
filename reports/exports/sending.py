"""A workbook as an answer: written to disk first, sent piece by piece, then thrown away."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from fsm.evidence.blobs import in_thread

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK: Final = {
    200: ResponseSpec(
        data_container=bytes,
        description="A workbook: the table, and a sheet that says what it is.",
        media_type=XLSX,
        generate_examples=False,
    )
}
_PIECE = 1 << 18


async def workbook(name: str, write: Callable[[Path], Awaitable[None]]) -> Stream:
    """Return the answer with what `write` puts into the file that it is given."""
    folder = tempfile.TemporaryDirectory(prefix="fsm-table-")
    path = Path(folder.name, "table.xlsx")
    try:
        await write(path)
    except BaseException:
        folder.cleanup()
        raise
    return Stream(
        _send(path, folder),
        media_type=XLSX,
        headers={"Content-Disposition": f'attachment; filename="{name}.xlsx"'},
    )


async def _send(path: Path, folder: "tempfile.TemporaryDirectory[str]") -> AsyncIterator[bytes]:
    with folder, path.open("rb") as file:
        while piece := await in_thread(file.read, _PIECE):
            yield piece
