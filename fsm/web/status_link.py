"""Whoever holds a status link: which report it opens, how far that has come, and what its holder may do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from fsm.actors import Actor, Permission, public_actor
from fsm.database import Database, Session
from fsm.problems import NotFound, Problem
from fsm.web.arrivals import with_arrival
from fsm.web.progress import Progress, progress
from fsm.web.public_pages import AnyRequest
from fsm.work_orders import requests
from fsm.work_orders.ratings import queries as ratings
from fsm.work_orders.ratings.queries import Given, Rater
from fsm.work_orders.ratings.rules import rateable
from fsm.work_orders.request_story import Story, read_story_without_actor
from fsm.work_orders.tables import RequestSource


class LinkExpired(Problem):
    """The link was good once; the report is in the office's records, not here any more."""

    code, status, title = "status-link-expired", 410, "This link no longer works"


@dataclass(frozen=True, slots=True)
class Link:
    """An opened status link: its secret, the story behind it, and how far that has come."""

    token: str
    story: Story
    made: Progress

    @property
    def actor(self) -> Actor:
        """The stranger who holds the link; the link itself is what permits."""
        return public_actor(self.story.reported.tenant_id)

    @property
    def path(self) -> str:
        return f"/s/{self.token}"

    @property
    def reader(self) -> Actor | None:
        """Whom the job's papers are shown to: the customer, where the office gave them the link.

        A report from a label is a passer-by's, who learns nothing of the customer.
        """
        job = self.story.work_order
        if job is None or self.story.reported.source == RequestSource.PASSPORT:
            return None
        return replace(
            self.actor,
            customer_id=job.customer_id,
            permissions=frozenset({Permission.READ_WORK_ORDERS}),
        )

    @property
    def rater(self) -> Rater:
        return Rater(request=self.story.reported)


@asynccontextmanager
async def opened_link(
    request: AnyRequest, token: str, now: datetime
) -> AsyncIterator[tuple[Session, Link]]:
    """Open a status link in a transaction bound to its tenant.

    `NotFound` for a link of nobody's, `LinkExpired` after its time.
    """
    database: Database = request.app.state.database
    secret = requests.read_status_token(token)
    if secret is None:
        raise NotFound("There is no such link.")
    async with database.transaction(secret.tenant_id) as session:
        reported = await requests.find_reported_without_actor(session, secret)
        if reported is None:
            raise NotFound("There is no such link.")
        story = await read_story_without_actor(session, reported)
        if story.is_over(now):
            raise LinkExpired(
                "Status links expire. Scan the label on the equipment to report a problem."
            )
        made = await with_arrival(session, story, progress(story), now)
        yield session, Link(token, story, made)


@dataclass(frozen=True, slots=True)
class Rateable:
    """A visit that the link's holder can rate, and what they have said of it so far."""

    given: Given | None


async def find_rateable(session: Session, link: Link) -> Rateable | None:
    visit = rateable(link.story.visits)
    if visit is None:
        return None
    given = await ratings.find_given(session, visit.tenant_id, link.rater, visit.id)
    return Rateable(given)
