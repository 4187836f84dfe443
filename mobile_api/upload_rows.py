"""Uploads in the database: found, held, written back, in single statements.

The ORM would cost more than the bytes of a small photo do. Rows here belong to no session: what is changed
on them is kept by `save_upload`.
"""

from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from fsm.actors import Actor
from fsm.appending import new_row
from fsm.database import Session, fetch
from fsm.evidence.queries import is_as_declared
from fsm.evidence.tables import Upload
from fsm.plain import Plain

#: What an upload is made with and keeps.
_FIXED = (
    *("tenant_id", "id", "user_id", "device_id", "photo_id", "upload_metadata", "sha256"),
    *("created_at", "concat"),
)
#: What its requests change.
_CHANGING = (
    *("length", "received", "expires_at", "finished_at", "failure", "writer", "writing_until"),
    *("is_contested", "is_all_or_nothing", "last_writer"),
)

_LOCK = f"""
select {", ".join((*_FIXED, *_CHANGING))},
  case when parts is not null then array(select jsonb_array_elements_text(parts)) end as parts
from upload where tenant_id = $1 and id = $2 and user_id is not distinct from $3
for update
"""  # noqa: S608 - our own names
_SAVE = f"""
update upload set {", ".join(f"{name} = ${n}" for n, name in enumerate(_CHANGING, 3))}
where tenant_id = $1 and id = $2
"""  # noqa: S608 - our own names
_ADD = f"""
insert into upload ({", ".join((*_FIXED, *_CHANGING))}, parts)
values ({", ".join(f"${n + 1}" for n in range(len(_FIXED) + len(_CHANGING)))},
  cast(cast(${len(_FIXED) + len(_CHANGING) + 1} as text) as jsonb))
"""  # noqa: S608 - our own names


async def lock_upload(session: Session | Plain, actor: Actor, upload_id: UUID) -> Upload | None:
    """Return an upload of this very user, held; None for unknown ones and everybody else's."""
    found = await fetch(session, _LOCK, actor.tenant_id, upload_id, actor.user_id)
    return new_row(Upload, **found[0]) if found else None


async def save_upload(session: Session | Plain, upload: Upload) -> None:
    """Write back what requests change of an upload; the caller holds it."""
    changing = (getattr(upload, name) for name in _CHANGING)
    await fetch(session, _SAVE, upload.tenant_id, upload.id, *changing)


async def add_upload(session: Session | Plain, upload: Upload) -> None:
    values = (getattr(upload, name) for name in (*_FIXED, *_CHANGING))
    parts = None if upload.parts is None else msgspec.json.encode(upload.parts).decode()
    await fetch(session, _ADD, *values, parts)


async def delete_upload(session: Session | Plain, upload: Upload) -> None:
    await fetch(
        session,
        "delete from upload where tenant_id = $1 and id = $2",
        *(upload.tenant_id, upload.id),
    )


async def count_open(session: Session | Plain, actor: Actor, most: int) -> int:
    """Return how many uploads the user has begun and not finished, counted up to `most`."""
    ((count,),) = await fetch(session, _OPEN, actor.tenant_id, actor.user_id, most)
    return int(count)


_OPEN = """
select count(*) from (
  select from upload where tenant_id = $1 and user_id = $2 and finished_at is null limit $3) as open
"""


class Named(NamedTuple):
    """What is known of the photo id and of the bytes that somebody wants to send.

    `photo` is (user, size, kind) as declared, `sha256` that of the declaration or else of the receipt.
    """

    sha256: bytes | None
    photo: tuple[UUID | None, int, str] | None
    held: tuple[int, str] | None

    def is_held(self, size: int | None) -> bool:
        """Say whether this very user has sent the bytes, of this size and of the photo's kind."""
        mime = self.photo[2] if self.photo else None
        return self.held is not None and is_as_declared(*self.held, size=size, mime=mime)


async def look_up(session: Session | Plain, actor: Actor, photo_id: UUID, sha256: bytes) -> Named:
    """Return what is known before an upload; without a hold on the hash it may be late."""
    row: Any
    (row,) = await fetch(session, _NAMED, actor.tenant_id, photo_id, sha256, actor.user_id)
    return Named(
        row["sha256"],
        (row["user_id"], row["size"], row["mime"]) if row["is_declared"] else None,
        None if row["held_size"] is None else (row["held_size"], row["held_mime"]),
    )


_NAMED = """
select coalesce(p.sha256, r.sha256) as sha256, p.id is not null as is_declared,
  p.user_id, p.size, p.mime, b.size as held_size, b.mime as held_mime
from (select) as asked
left join photo p on p.tenant_id = $1 and p.id = $2
left join receipt r on r.tenant_id = $1 and r.id = $2
left join blob b on b.tenant_id = $1 and b.sha256 = $3
  and exists (select from blob_holder h where h.tenant_id = $1 and h.sha256 = $3 and h.user_id = $4)
"""
