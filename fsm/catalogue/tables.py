"""What administrators define: work types and reasons. Running jobs keep the version they started with."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Field

from fsm.database import (
    Revised,
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    one_of,
    refusal,
    unique,
)
from fsm.problems import Conflict


class RequestClass(StrEnum):
    """Incident: service interrupted or degraded. Service request: information, advice, standard change."""

    INCIDENT = "incident"
    SERVICE_REQUEST = "service_request"


class MaintenanceKind(StrEnum):
    CORRECTIVE = "corrective"
    PREVENTIVE = "preventive"
    IMPROVEMENT = "improvement"


class ReasonKind(StrEnum):
    PAUSE = "pause"
    CANCEL = "cancel"
    ABORT = "abort"
    REJECT = "reject"
    NO_SIGNATURE = "no_signature"
    RECLASS = "reclass"
    REOPEN = "reopen"
    WAIVER = "waiver"


class WorkType(Revised, table=True):
    """A kind of work under a code; its contents are versions."""

    __tablename__ = "work_type"
    __table_args__ = (unique("code"),)
    code: str = Field(max_length=60)
    name: str
    is_active: bool = True


class WorkTypeVersion(Row, table=True):
    """What a kind of work means from `effective_at` on. Never changed, only followed by another version.

    `skills` is [{"skill": code, "level": 1–5}], `names` {"en": …, "ru": …}.
    """

    __tablename__ = "work_type_version"
    __table_args__ = (
        link("work_type_id", "work_type"),
        unique("work_type_id", "version"),
        lookup("work_type_version_effective_idx", "work_type_id", "effective_at"),
        one_of("request_class", RequestClass),
        one_of("maintenance", MaintenanceKind),
        check("duration", "duration_s > 0"),
        check("priority", "priority between 1 and 5"),
    )
    work_type_id: UUID
    version: int
    effective_at: datetime = instant()
    names: dict[str, str] = document(default_factory=dict)
    request_class: str = Field(max_length=20)
    maintenance: str = Field(max_length=20)
    duration_s: int = 3_600
    priority: int = 3
    skills: list[dict[str, Any]] = document(default_factory=list)


class Reason(Revised, table=True):
    """A coded reason; a pause's reason says which clocks it stops."""

    __table_args__ = (unique("kind", "code"), one_of("kind", ReasonKind))
    kind: str = Field(max_length=20)
    code: str = Field(max_length=60)
    names: dict[str, str] = document(default_factory=dict)
    stops_sla_clock: bool = False
    stops_repair_clock: bool = False
    is_active: bool = True


refusal("work_type_code_key", Conflict, "There is already a work type with this code.")
refusal("reason_kind_code_key", Conflict, "There is already a reason of this kind with this code.")
