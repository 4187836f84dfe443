"""What somebody looks at again and again, under a name of their own."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from fsm.database import Revised, instant, link, refusal, unique
from fsm.problems import Conflict


class SavedView(Revised, table=True):
    """The query string of a page of figures, as its address holds it; its owner's alone."""

    __tablename__ = "saved_view"
    __table_args__ = (link("user_id", "user"), unique("user_id", "name"))
    user_id: UUID
    name: str = Field(max_length=300)
    query: str = Field(max_length=2000)
    saved_at: datetime = instant()


refusal(
    "saved_view_user_id_name_key",
    Conflict,
    "You have a view of this name already: give another name, or change that one.",
)
