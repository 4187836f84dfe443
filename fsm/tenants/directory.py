"""From what arrives before its tenant is known (a login, a passport code) to the tenant."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, insert
from sqlmodel import col, select

from fsm.database import Session
from fsm.tenants.tables import Directory, DirectoryKind


def key_hash(key: str) -> bytes:
    return sha256(key.casefold().encode()).digest()


async def find_tenant(session: Session, kind: DirectoryKind, key: str) -> UUID | None:
    """Return the tenant that a key belongs to, None when nobody's. Works in any transaction."""
    statement = select(Directory.tenant_id).where(
        Directory.kind == kind, Directory.key_hash == key_hash(key)
    )
    return (await session.exec(statement)).one_or_none()


async def enlist(
    session: Session, tenant_id: UUID, kind: DirectoryKind, keys: Sequence[str]
) -> None:
    """Reserve keys for a tenant; one that anybody else already holds is a `Conflict`."""
    if keys:
        await session.exec(
            insert(Directory),
            params=[
                {"kind": kind, "key_hash": key_hash(key), "tenant_id": tenant_id} for key in keys
            ],
        )


async def delist(session: Session, tenant_id: UUID, kind: DirectoryKind, key: str) -> None:
    await session.exec(
        delete(Directory).where(
            col(Directory.tenant_id) == tenant_id,
            col(Directory.kind) == kind,
            col(Directory.key_hash) == key_hash(key),
        )
    )


async def list_tenants(session: Session) -> list[UUID]:
    """Return every tenant of the installation: for the worker's rounds."""
    statement = select(Directory.tenant_id).where(Directory.kind == DirectoryKind.TENANT)
    return list(await session.exec(statement))
