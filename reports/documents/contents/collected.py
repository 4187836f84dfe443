"""What is handed on to be frozen."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(slots=True)
class Collected:
    """What a document is to say, about what, and which photos it shows.

    `photos` are dicts in `content` whose `image` is still to be filled in, by the photo's SHA-256.
    """

    content: dict[str, Any]
    zone: str
    subject_kind: str
    subject_id: UUID | None = None
    customer_id: UUID | None = None
    photos: list[dict[str, Any]] = field(default_factory=list)
