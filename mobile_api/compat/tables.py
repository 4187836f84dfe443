"""What the adapters remember of their clients."""

from uuid import UUID

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

from fsm.database import link


class CompatPull(SQLModel, table=True):
    """A pull of a client that names it by a number alone, and the feed token that the number stands for.

    Those before the one that the client last named are no longer needed.
    """

    __tablename__ = "compat_pull"
    __table_args__ = (link("device_id", "device"),)
    tenant_id: UUID = Field(primary_key=True)
    device_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    token: str = Field(sa_type=Text)
    head: int = Field(sa_type=BigInteger)
