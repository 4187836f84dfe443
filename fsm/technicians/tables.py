"""Who does the work: technicians, their skills, shifts, absences and rates."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy.dialects.postgresql import DATERANGE, TSTZRANGE, Range
from sqlmodel import Field, SQLModel

from fsm.database import (
    Revised,
    Row,
    check,
    instant,
    link,
    lookup,
    money,
    no_overlap,
    one_of,
    refusal,
    unique,
)
from fsm.problems import Conflict, Invalid


class RateKind(StrEnum):
    """What a rate is for: an hour of labour or travel, a kilometre driven, what comes on top of each hour.

    The two prices are what a customer is billed for an hour; the others are what it costs us.
    """

    LABOUR = "labour"
    TRAVEL = "travel"
    VEHICLE = "vehicle"
    OVERHEAD = "overhead"
    LABOUR_PRICE = "labour_price"
    TRAVEL_PRICE = "travel_price"


class AbsenceKind(StrEnum):
    LEAVE = "leave"
    SICK = "sick"
    TRAINING = "training"
    OTHER = "other"


class Skill(Revised, table=True):
    __table_args__ = (unique("code"),)
    code: str = Field(max_length=60)
    name: str


class Technician(Revised, table=True):
    """A person who goes to sites. `user_id` lets them sign in; home in degrees WGS 84.

    `position_consent_at` is since when they agree that positions are kept during shifts; null: they do not.
    """

    __table_args__ = (
        link("user_id", "user"),
        unique("number"),
        unique("user_id"),
        check("home", "(home_latitude is null) = (home_longitude is null)"),
    )
    user_id: UUID | None = None
    number: str = Field(max_length=60)
    name: str
    phone: str | None = None
    zone: str = "UTC"
    territory: str = ""
    home_address: str = ""
    home_latitude: float | None = None
    home_longitude: float | None = None
    is_contractor: bool = False
    is_active: bool = True
    position_consent_at: datetime | None = instant(nullable=True, default=None)


class TechnicianPosition(SQLModel, table=True):
    """Where a technician was during a shift, with consent; deleted after some days (see `positions`)."""

    __tablename__ = "technician_position"
    __table_args__ = (
        link("technician_id", "technician"),
        check("latitude", "latitude between -90 and 90"),
        check("longitude", "longitude between -180 and 180"),
        check("accuracy", "accuracy_m >= 0"),
    )
    tenant_id: UUID = Field(primary_key=True)
    technician_id: UUID = Field(primary_key=True)
    fixed_at: datetime = instant(primary_key=True)
    latitude: float
    longitude: float
    accuracy_m: float | None = None
    received_at: datetime = instant()


class TechnicianSkill(SQLModel, table=True):
    """A skill at a level from 1 to 5, valid while its certificate is (no end: forever)."""

    __tablename__ = "technician_skill"
    __table_args__ = (
        link("technician_id", "technician"),
        link("skill_id", "skill"),
        check("level", "level between 1 and 5"),
    )
    tenant_id: UUID = Field(primary_key=True)
    technician_id: UUID = Field(primary_key=True)
    skill_id: UUID = Field(primary_key=True)
    level: int = 1
    valid_until: date | None = None


class Shift(Revised, table=True):
    """One technician's working time on one day, with an unpaid break inside its bounds.

    `break_earliest_s`, `break_latest_s` count from the shift's start; `break_s` 0 means none.
    Start and end place are the technician's home unless given.
    """

    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("technician_id", "technician"),
        no_overlap("shift_no_overlap", "technician_id"),
        lookup("shift_during_idx", "during", postgresql_using="gist"),
        check("during", "not isempty(during) and not lower_inf(during) and not upper_inf(during)"),
        check("length", "upper(during) - lower(during) <= interval '24 hours'"),
        check("overtime", "overtime_s >= 0"),
        check(
            "break", "break_s >= 0 and break_earliest_s >= 0 and break_latest_s >= break_earliest_s"
        ),
    )
    technician_id: UUID
    during: Range[datetime] = Field(sa_type=TSTZRANGE)
    overtime_s: int = 0
    break_s: int = 0
    break_earliest_s: int = 0
    break_latest_s: int = 0
    start_latitude: float | None = None
    start_longitude: float | None = None


class Absence(Revised, table=True):
    """Time in which a technician is not at work; no upper end while nobody knows when it ends."""

    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("technician_id", "technician"),
        no_overlap("absence_no_overlap", "technician_id"),
        check("during", "not isempty(during) and not lower_inf(during)"),
        one_of("kind", AbsenceKind),
    )
    technician_id: UUID
    during: Range[datetime] = Field(sa_type=TSTZRANGE)
    kind: str = Field(default="leave", max_length=20)
    note: str = ""


class Rate(Row, table=True):
    """Money an hour, or a kilometre, for some days; without a technician it is for everybody else."""

    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("technician_id", "technician"),
        one_of("kind", RateKind),
        check("amount", "amount >= 0"),
        check("during", "not isempty(during)"),
        no_overlap("rate_no_overlap", "technician_id", "kind"),
        no_overlap("rate_company_no_overlap", "kind", where="technician_id is null"),
        lookup("rate_kind_idx", "kind", "technician_id"),
    )
    technician_id: UUID | None = None
    kind: str = Field(max_length=20)
    amount: Decimal = money()
    currency: str = Field(default="EUR", max_length=3)
    during: Range[date] = Field(sa_type=DATERANGE)


refusal("technician_number_key", Conflict, "There is already a technician with this number.")
refusal("technician_user_id_key", Conflict, "Another technician already signs in as this user.")
refusal("technician_user_id_fkey", Invalid, "There is no such user to sign in as this technician.")
refusal(
    "rate_no_overlap", Conflict, "The technician already has a rate of this kind on those days."
)
refusal("rate_company_no_overlap", Conflict, "There is already a rate of this kind on those days.")
refusal("skill_code_key", Conflict, "There is already a skill with this code.")
refusal("shift_no_overlap", Conflict, "The technician already has a shift in that time.")
refusal("absence_no_overlap", Conflict, "The technician is already absent in that time.")
