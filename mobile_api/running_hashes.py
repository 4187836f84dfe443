"""SHA-256 of uploads while they come in, so that their bytes need not be read again at the end.

A hash is good for exactly the bytes that this process has handed to the store. It is kept under
the name of the lease they were written with: as soon as anybody else wrote to the upload, or bytes
were lost, the row names another lease or none, and the store reads the bytes after all.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class _Taken:
    writer: UUID
    offset: int
    digest: Any


class RunningHashes:
    """Hashes of the uploads this process took last, of each its bytes from 0 to an offset."""

    def __init__(self) -> None:
        self._taken: OrderedDict[UUID, _Taken] = OrderedDict()

    def resume(self, upload_id: UUID, last_writer: UUID | None, offset: int) -> Any | None:
        """Return a SHA-256 of the bytes before `offset` to go on with, None where nobody has one."""
        if offset == 0:
            return hashlib.sha256()
        known = self._taken.get(upload_id)
        if known is None or (known.writer, known.offset) != (last_writer, offset):
            return None
        return known.digest.copy()  # the request may fail, and the next one begins here again

    def keep(self, upload_id: UUID, writer: UUID, offset: int, digest: Any) -> None:
        """Keep what `resume` gave, which by now has taken in every byte before `offset`."""
        self._taken[upload_id] = _Taken(writer, offset, digest)
        self._taken.move_to_end(upload_id)
        if len(self._taken) > _MOST:
            self._taken.popitem(last=False)

    def digest(self, upload_id: UUID, last_writer: UUID | None, length: int) -> str | None:
        """Return the SHA-256 of a whole upload in hexadecimal and let go of it, None if unknown."""
        known = self._taken.pop(upload_id, None)
        if known is None or (known.writer, known.offset) != (last_writer, length):
            return None
        return str(known.digest.hexdigest())

    def forget(self, upload_id: UUID) -> None:
        """Drop an upload's hash."""
        self._taken.pop(upload_id, None)
