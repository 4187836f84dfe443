"""What each step of the demonstration's seeding is given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from fsm.actors import Actor
from fsm.database import Database
from fsm.demo.files import ZONE
from fsm.demo.people import People
from fsm.evidence.blobs import BlobStore

Say = Callable[[str], None]


@dataclass(slots=True)
class Seeding:
    """What each step is given."""

    database: Database
    store: BlobStore
    actor: Actor
    now: datetime
    people: People
    say: Say

    @property
    def today(self) -> date:
        return self.now.astimezone(ZONE).date()
