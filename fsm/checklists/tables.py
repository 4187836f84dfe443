"""Checklist templates, their immutable versions, and which asset, model, site or work type uses them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from fsm.database import Revised, Row, check, document, instant, link, lookup, refusal, unique
from fsm.problems import Conflict


class ChecklistTemplate(Revised, table=True):
    __tablename__ = "checklist_template"
    __table_args__ = (unique("code"),)
    code: str = Field(max_length=60)
    name: str
    is_active: bool = True


class ChecklistVersion(Row, table=True):
    """A published version: `body` never changes, `sha256` and `rules_sha256` name its contents (hex).

    `min_accepted` and `policy` say what becomes of jobs finished under older versions.
    """

    __tablename__ = "checklist_version"
    __table_args__ = (
        link("template_id", "checklist_template"),
        unique("template_id", "version"),
        unique("id", "rules_sha256"),
        check("policy", "policy in ('accept', 'review')"),
    )
    template_id: UUID
    version: int
    sha256: str = Field(max_length=64)
    rules_sha256: str = Field(max_length=64)
    body: dict[str, Any] = document(default_factory=dict)
    min_accepted: int = 1
    policy: str = Field(default="accept", max_length=10)
    published_at: datetime = instant()
    published_by: str = ""


class ChecklistAssignment(Row, table=True):
    """Use this template for an asset, a model, a site or a work type; optionally for one work type there.

    Resolution goes asset, model, site, work type; the first hit wins whole.
    """

    __tablename__ = "checklist_assignment"
    __table_args__ = (
        link("template_id", "checklist_template"),
        link("asset_id", "asset"),
        link("model_id", "asset_model"),
        link("site_id", "site"),
        link("work_type_id", "work_type"),
        check("subject", "num_nonnulls(asset_id, model_id, site_id) <= 1"),
        check("something", "num_nonnulls(asset_id, model_id, site_id, work_type_id) >= 1"),
        Index(
            "checklist_assignment_subject_key",
            "tenant_id",
            "asset_id",
            "model_id",
            "site_id",
            "work_type_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        lookup("checklist_assignment_work_type_idx", "work_type_id"),
    )
    template_id: UUID
    asset_id: UUID | None = None
    model_id: UUID | None = None
    site_id: UUID | None = None
    work_type_id: UUID | None = None
    assigned_at: datetime = instant()


refusal("checklist_template_code_key", Conflict, "There is already a checklist with this code.")
refusal(
    "checklist_assignment_subject_key",
    Conflict,
    "A checklist is already assigned there; change that one.",
)
refusal(
    "checklist_version_template_id_version_key",
    Conflict,
    "This version is already published, and a published version never changes.",
)
