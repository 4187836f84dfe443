"""Known problems of models, and whom their answers helped."""

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


class KnownProblem(Revised, table=True):
    """An error code or a known problem of a model, and the one right answer to it.

    `titles` and `answers` are {"en": …, "ru": …}. Until somebody has approved it nobody else is shown it, and
    an edit takes the approval away. `advice` is what a passer-by may be told while typing, {} for nothing.
    """

    __tablename__ = "known_problem"
    __table_args__ = (
        link("model_id", "asset_model"),
        unique("model_id", "code"),
        check("approved", "(approved_at is null) = (approved_by is null)"),
        lookup("known_problem_model_idx", "model_id"),
    )
    model_id: UUID
    code: str = Field(max_length=60)
    titles: dict[str, Any] = document(default_factory=dict)
    answers: dict[str, Any] = document(default_factory=dict)
    advice: dict[str, Any] = document(default_factory=dict)
    is_active: bool = True
    written_at: datetime = instant()
    written_by: str = ""
    approved_at: datetime | None = instant(nullable=True, default=None)
    approved_by: str | None = None


class HelpedAt(StrEnum):
    """Where somebody read the advice."""

    PASSPORT = "passport"
    PORTAL = "portal"


class AnswerHelped(Row, table=True):
    """Somebody read the advice and had nothing to report any more. Never changed.

    The visitor's address is kept as a keyed hash; `user_id` is a customer's user who was signed in.
    """

    __tablename__ = "answer_helped"
    __table_args__ = (
        link("known_problem_id", "known_problem"),
        link("asset_id", "asset"),
        one_of("place", HelpedAt),
        lookup("answer_helped_problem_idx", "known_problem_id", "helped_at"),
        lookup("answer_helped_visitor_idx", "visitor", "helped_at"),
    )
    known_problem_id: UUID
    asset_id: UUID
    place: str = Field(max_length=12)
    visitor: str = Field(default="", max_length=64)
    user_id: UUID | None = None
    helped_at: datetime = instant()


refusal(
    "known_problem_model_id_code_key", Conflict, "This model already has an answer to this code."
)
