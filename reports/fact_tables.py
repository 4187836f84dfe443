"""What assets did with their time, month by month, kept so that years need not be read again.

Facts are a copy: everything in them can be computed from the rows of `fsm`, and is where they are behind.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from fsm.database import instant, link

ALWAYS = UUID(int=0)
"""Stands for "whatever the contract" where a contract would stand."""


class AssetMonth(SQLModel, table=True):
    """The time of one asset in one month of the company's zone, in microseconds; see `TimeSums`.

    Once irrespective of contracts, once under each contract it was on, once under none. Months without any
    time in service have no row.
    """

    __tablename__ = "asset_month"
    __table_args__ = (link("asset_id", "asset"),)
    tenant_id: UUID = Field(primary_key=True)
    asset_id: UUID = Field(primary_key=True)
    contract_id: UUID = Field(primary_key=True)
    month_on: date = Field(primary_key=True)
    exposed_us: int = Field(sa_type=BigInteger)
    required_us: int = Field(sa_type=BigInteger)
    up_us: int = Field(sa_type=BigInteger)
    failure_us: int = Field(sa_type=BigInteger)
    operational_us: int = Field(sa_type=BigInteger)
    planned_us: int = Field(sa_type=BigInteger)
    degraded_us: int = Field(sa_type=BigInteger)


class FactState(SQLModel, table=True):
    """How far a company's facts go: its months [from_on, to_on) in `zone`, after event `watermark`."""

    __tablename__ = "fact_state"
    tenant_id: UUID = Field(primary_key=True)
    watermark: int = Field(default=0, sa_type=BigInteger)
    zone: str = Field(max_length=60)
    from_on: date
    to_on: date
    refreshed_at: datetime = instant()
