"""Which public keys have signed for a tenant. They stay published when the installation's key changes."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from fsm.database import Session, fetch
from fsm.evidence.receipts import ReceiptKey, key_form
from fsm.evidence.tables import SigningKey
from fsm.plain import Plain


async def publish(
    session: Session | Plain, tenant_id: UUID, key: ReceiptKey, now: datetime
) -> None:
    """Write down that this key signs from now on; one that is known keeps its first instant."""
    await fetch(
        session,
        "insert into signing_key (tenant_id, kid, public_key, since_at) values ($1, $2, $3, $4)"
        " on conflict do nothing",
        *(tenant_id, key.kid, key.public, now),
    )


async def list_keys(session: Session, tenant_id: UUID) -> list[SigningKey]:
    """Return every key that has ever signed for the tenant, the newest first."""
    statement = (
        select(SigningKey)
        .where(SigningKey.tenant_id == tenant_id)
        .order_by(col(SigningKey.since_at).desc(), col(SigningKey.kid))
    )
    return list(await session.exec(statement))


async def list_key_forms(
    session: Session, tenant_id: UUID, present: ReceiptKey
) -> list[dict[str, str]]:
    """Return `{"kid", "key"}` of the present key, then of those before it."""
    known = await list_keys(session, tenant_id)
    return [
        present.to_json(),
        *(key_form(key.public_key) for key in known if key.kid != present.kid),
    ]
