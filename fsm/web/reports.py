"""A stranger's report on its way from the form to the rows."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from uuid_utils.compat import uuid7

from fsm.actors import Actor, public_actor
from fsm.assets.doors import Key, Machine
from fsm.assets.knowledge import queries as knowledge
from fsm.assets.knowledge.tables import HelpedAt
from fsm.database import Database, Session
from fsm.evidence.blobs import BlobStore, StoredBlob
from fsm.evidence.verification import Inspection
from fsm.problems import NotFound
from fsm.settings import Settings
from fsm.web.report_form import Form, keep_photo
from fsm.web.views import (
    LONGEST_EMAIL,
    LONGEST_NAME,
    LONGEST_PHONE,
    LONGEST_TEXT,
    FormProblem,
    Hint,
    OpenReport,
    ReportField,
    Typed,
)
from fsm.work_orders import requests
from fsm.work_orders.tables import Impact, RequestSource, ServiceRequest

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def link_key(settings: Settings) -> bytes:
    """Return the key that status links are derived with."""
    return settings.derived_key("status-link")


def add_to_token(settings: Settings, report: ServiceRequest) -> str:
    """Return what a form names an open report by: good for its asset only, and no way to its status link."""
    key = settings.derived_key("add-to-report")
    named = report.id.bytes + (report.asset_id.bytes if report.asset_id else b"")
    return hmac.new(key, named, sha256).hexdigest()[:32]


def shown_open_report(
    settings: Settings, reports: Sequence[ServiceRequest], now: datetime
) -> OpenReport | None:
    """Return the latest open report as the page offers it."""
    if not reports:
        return None
    age_s = int((now - reports[0].reported_at).total_seconds())
    return OpenReport(token=add_to_token(settings, reports[0]), age_s=age_s)


MOST_HINTS = 12
"""On one page, which stays small."""


async def shown_hints(
    session: Session, actor: Actor, asset_id: UUID, language: str, form: Form | None
) -> list[Hint]:
    """Return the advice for the machine's model that anybody may read; what fits the typed words first."""
    public = [
        one
        for one in await knowledge.list_of_asset(session, actor.tenant_id, asset_id)
        if one.advice
    ]
    fitting = knowledge.fitting(public, form.get(ReportField.TEXT)) if form else []
    rest = [one for one in public if one not in fitting]
    return [
        Hint(
            one.code,
            knowledge.in_language(one.titles, language),
            knowledge.in_language(one.advice, language),
        )
        for one in [*fitting, *rest][:MOST_HINTS]
    ]


async def take_help(
    session: Session, asset_id: UUID, tenant_id: UUID, code: str, visitor: str, now: datetime
) -> None:
    """Count that the advice of a known problem helped; `NotFound` for one that this page does not show."""
    known = await knowledge.list_of_asset(session, tenant_id, asset_id)
    problem = next((one for one in known if one.code == code and one.advice), None)
    if problem is None:
        raise NotFound("There is no such advice for this equipment.")
    actor = public_actor(tenant_id)
    place = HelpedAt.PASSPORT
    await knowledge.note_helped(session, actor, now, asset_id, problem, place, visitor)


def new_report_id() -> str:
    """Return the id that a rendered form carries: sent twice, it is one report."""
    return str(uuid7())


def _report_id(form: Form) -> UUID:
    """Return the form's own id; one that we did not make is replaced."""
    try:
        given = UUID(form.get(ReportField.REPORT_ID))
    except ValueError:
        return uuid7()
    return given if given.version == 7 else uuid7()


def typed(form: Form) -> Typed:
    """Return what was typed, to show it again."""
    return Typed(
        text=form.get(ReportField.TEXT),
        impact=form.get(ReportField.IMPACT),
        contact_name=form.get(ReportField.CONTACT_NAME),
        contact_phone=form.get(ReportField.CONTACT_PHONE),
        contact_email=form.get(ReportField.CONTACT_EMAIL),
        add_to=form.fields.get(ReportField.ADD_TO),
    )


def check_report(form: Form) -> list[FormProblem]:
    """Return what keeps a report from being taken. A photo never does."""
    problems = []
    text = form.get(ReportField.TEXT)
    if not text:
        problems.append(FormProblem.TEXT_MISSING)
    elif len(text) > LONGEST_TEXT:
        problems.append(FormProblem.TEXT_TOO_LONG)
    if form.get(ReportField.IMPACT) not in set(Impact):
        problems.append(FormProblem.IMPACT_MISSING)
    email = form.get(ReportField.CONTACT_EMAIL)
    if email and (len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
        problems.append(FormProblem.EMAIL_UNREADABLE)
    return problems


@dataclass(frozen=True, slots=True)
class Taken:
    """A report that is kept. `photo_problem` is set where a photo was sent and could not be taken."""

    status_token: str
    is_addition: bool
    is_photo_stored: bool
    photo_problem: FormProblem | None


async def take_report(
    database: Database,
    store: BlobStore,
    settings: Settings,
    key: Key,
    tenant_id: UUID,
    machine: Machine,
    form: Form,
    *,
    visitor: str,
    language: str,
    now: datetime,
) -> Taken:
    """Store the photo, then keep report and photo in one transaction.

    The report stands whatever becomes of the photo. The same form again gives the same answer.
    """
    kept: tuple[StoredBlob, Inspection] | None = None
    problem = form.photo_problem
    if form.photo is not None:
        outcome = await keep_photo(store, tenant_id, form.photo)
        if isinstance(outcome, FormProblem):
            problem = outcome
        else:
            kept = outcome
    actor = public_actor(tenant_id)
    async with database.transaction(tenant_id) as session:
        reported = await requests.report(
            session,
            actor,
            now,
            link_key=link_key(settings),
            source=RequestSource.PASSPORT,
            text=form.get(ReportField.TEXT),
            impact=Impact(form.get(ReportField.IMPACT)),
            asset_id=machine.asset_id,
            contact_name=form.get(ReportField.CONTACT_NAME)[:LONGEST_NAME],
            contact_phone=form.get(ReportField.CONTACT_PHONE)[:LONGEST_PHONE],
            contact_email=form.get(ReportField.CONTACT_EMAIL),
            language=language,
            passport_code=key.value[:255],
            visitor=visitor,
            request_id=_report_id(form),
            add_to_id=await _named_report(session, actor, settings, machine, form),
        )
        if form.photo is not None and kept is not None:
            await requests.attach(session, actor, now, reported.request, *kept)
            if not await store.exists(tenant_id, form.photo.sha256):
                # The same bytes lay there unnamed and were taken away just before they got their name.
                await keep_photo(store, tenant_id, form.photo)
    return Taken(
        status_token=reported.status_token,
        is_addition=reported.request.merged_into_id is not None,
        is_photo_stored=kept is not None,
        photo_problem=problem,
    )


async def _named_report(
    session: Session, actor: Actor, settings: Settings, machine: Machine, form: Form
) -> UUID | None:
    named = form.get(ReportField.ADD_TO)
    if not named:
        return None
    for report in await requests.list_open_reports(session, actor, machine.asset_id):
        if hmac.compare_digest(add_to_token(settings, report).encode(), named.encode()):
            return report.id
    return None
