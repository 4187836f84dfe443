"""The management pack by mail: made once a period, handed to a real server, tried again until it is taken."""

from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from fsm.database import Database
from fsm.evidence.blobs import blob_store
from fsm.settings import MailSettings, Settings, SettingsError, read_settings
from fsm.tenants.tables import Tenant
from fsm.worker import ROUNDS, Tools
from reports.mailing.periods import Every, days_before, next_due
from reports.mailing.tables import ReportDelivery, ReportSchedule
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.patience import PATIENCE_S
from tests.ports import kept_port

RECIPIENTS = ["director@acme.example", "owner@acme.example"]


class Mailbox:
    """What a real SMTP server took; it refuses while `refuses` is set."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refuses = False
        self.unknown: set[str] = set()

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.unknown:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 go on"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if not session.authenticated:
            return "530 sign in first"
        if self.refuses:
            return "451 try again later"
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append((list(envelope.rcpt_tos), message))
        return "250 taken"


@pytest.fixture
def mailbox() -> Any:
    """A mail server of its own on the loopback that wants a password."""
    box = Mailbox()

    def authenticate(*given: Any) -> AuthResult:
        login = given[-1]
        assert isinstance(login, LoginPassword)
        return AuthResult(success=(login.login, login.password) == (b"us", b"p@ss"))

    controller = Controller(
        box, hostname="127.0.0.1", port=kept_port(), authenticator=authenticate,
        auth_require_tls=False, ready_timeout=PATIENCE_S,
    )  # fmt: skip
    controller.start()
    box.url = f"smtp://us:p%40ss@127.0.0.1:{controller.port}"  # type: ignore[attr-defined]
    yield box
    controller.stop()


async def add_unsendable(
    database: Database, company: Company, document_id: UUID, now: datetime
) -> None:
    """Put a delivery that no mail can be made of before all others."""
    async with database.transaction(company.id) as session:
        schedule = ReportSchedule(
            tenant_id=company.id,
            name="Old",
            every="month",
            next_on=date(2030, 1, 1),
            is_active=False,
            made_at=now,
        )
        session.add(schedule)
        await session.flush()
        session.add(
            ReportDelivery(
                tenant_id=company.id,
                id=UUID(int=1),
                schedule_id=schedule.id,
                document_id=document_id,
                first_on=date(2026, 3, 1),
                last_on=date(2026, 3, 31),
                recipients=["a\nb@acme.example"],
                next_try_at=now,
            )
        )


async def test_a_pack_is_made_once_a_month_and_mailed_until_the_server_takes_it(
    mailbox: Any, settings: Settings, database: Database, company: Company, clock: Clock
) -> None:
    with_mail = replace(settings, mail=MailSettings(mailbox.url, "reports@acme.example"))
    app = application(with_mail, database=database, clock=clock)
    tools = Tools(with_mail, database, blob_store(with_mail), clock)
    headers = company.headers["manager"]
    async with database.transaction(company.id) as session:
        tenant = await session.get_one(Tenant, company.id)
        tenant.name = "Acme\nLifts"

    async def go() -> None:
        await ROUNDS["mail reports"].work(tools)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://fsm.test"
    ) as client:
        wanted = {"name": "Board", "every": "month", "recipients": RECIPIENTS, "language": "ru"}
        made = await client.post("/api/report-schedules", headers=headers, json=wanted)
        assert made.status_code == 201, made.text
        assert made.json()["next_on"] == "2026-04-01"
        await go()
        assert mailbox.taken == [], "the month is not over"

        clock.now = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)  # April has begun in Paris
        mailbox.refuses = True
        await go()
        path = f"/api/report-schedules/{made.json()['id']}/deliveries"

        async def deliveries() -> list[Any]:
            found: list[Any] = (await client.get(path, headers=headers)).json()["items"]
            return found

        (waiting,) = await deliveries()
        assert (waiting["sent_at"], waiting["attempts"]) == (None, 1)
        assert "451" in waiting["last_error"]

        await add_unsendable(database, company, UUID(waiting["document_id"]), clock())
        mailbox.refuses = False
        await go()
        assert mailbox.taken == [], "tried again only after a while"
        clock.forward(minutes=6)
        mailbox.unknown = {RECIPIENTS[1]}
        await go()
        ((recipients, message),) = mailbox.taken
        assert recipients == RECIPIENTS[:1]
        (partly,) = await deliveries()
        assert (partly["taken"], partly["sent_at"]) == (recipients, None)
        assert "no such mailbox" in partly["last_error"]
        mailbox.unknown = set()
        clock.forward(minutes=15)
        await go()
        await go()
        assert [to for to, _ in mailbox.taken] == [RECIPIENTS[:1], RECIPIENTS[1:]], "to each once"
        assert mailbox.taken[1][1]["message-id"] == message["message-id"]
        (sent,) = await deliveries()
        assert (sent["attempts"], sent["sent_at"] is None) == (3, False)
        assert (sent["taken"], sent["last_error"]) == (RECIPIENTS, "")
        assert (sent["first_on"], sent["last_on"]) == ("2026-03-01", "2026-03-31")

        assert message["to"] == ", ".join(RECIPIENTS)
        assert message["subject"].startswith("Acme Lifts: ")
        assert "Отчёт руководителю MP-1" in message["subject"]
        assert message["from"] == "reports@acme.example"
        (attached,) = message.iter_attachments()
        content = attached.get_content()
        document = (
            await client.get(f"/api/documents/{sent['document_id']}", headers=headers)
        ).json()
        assert sha256(content).hexdigest() == document["file_sha256"]
        assert attached.get_filename() == "MP-1.pdf"

        ended = await client.delete(f"/api/report-schedules/{made.json()['id']}", headers=headers)
        assert ended.status_code == 204, ended.text
        clock.now = datetime(2026, 5, 2, 8, tzinfo=UTC)
        await go()
        assert len(mailbox.taken) == 2, "a schedule that was ended sends nothing"


async def test_a_report_in_a_language_that_is_gone_is_mailed_in_the_first(
    mailbox: Any, settings: Settings, database: Database, company: Company, clock: Clock
) -> None:
    with_mail = replace(settings, mail=MailSettings(mailbox.url, "reports@acme.example"))
    tools = Tools(with_mail, database, blob_store(with_mail), clock)
    async with database.transaction(company.id) as session:
        schedule = ReportSchedule(
            tenant_id=company.id,
            name="Board",
            every="month",
            language="pl",
            recipients=RECIPIENTS,
            next_on=date(2026, 4, 1),
            made_at=clock(),
        )
        session.add(schedule)
    clock.now = datetime(2026, 4, 1, 8, tzinfo=UTC)
    await ROUNDS["mail reports"].work(tools)
    ((_, message),) = mailbox.taken
    assert "Management pack MP-1" in message["subject"]


async def test_without_a_mail_server_a_schedule_is_refused_with_what_to_set(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    wanted = {"name": "Board", "every": "week", "recipients": ["a@example.com"]}
    headers = company.headers["manager"]
    refused = await client.post("/api/report-schedules", headers=headers, json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (409, "mail-not-set-up")
    assert "FSM_SMTP_URL" in refused.json()["detail"]
    denied = await client.get("/api/report-schedules", headers=company.headers["dispatcher"])
    assert denied.status_code == 403


@pytest.mark.parametrize(
    ("every", "after", "due", "days"),
    [
        ("month", date(2026, 3, 23), date(2026, 4, 1), (date(2026, 3, 1), date(2026, 3, 31))),
        ("month", date(2026, 12, 31), date(2027, 1, 1), (date(2026, 12, 1), date(2026, 12, 31))),
        ("month", date(2028, 2, 1), date(2028, 3, 1), (date(2028, 2, 1), date(2028, 2, 29))),
        ("week", date(2026, 3, 23), date(2026, 3, 30), (date(2026, 3, 23), date(2026, 3, 29))),
        ("week", date(2026, 3, 29), date(2026, 3, 30), (date(2026, 3, 23), date(2026, 3, 29))),
    ],
)
def test_a_period_is_reported_when_the_next_begins(
    every: str, after: date, due: date, days: tuple[date, date]
) -> None:
    assert next_due(Every(every), after) == due
    assert days_before(Every(every), due) == days


@pytest.mark.parametrize(
    ("url", "sender"), [("http://x", "a@b"), ("smtp://x", ""), ("", "a@b"), ("smtp://x", "nobody")]
)
def test_mail_settings_that_cannot_work_are_named_at_the_start(url: str, sender: str) -> None:
    env = {"FSM_DATABASE_URL": "postgresql://x/y", "FSM_SECRET": "s" * 32}
    with pytest.raises(SettingsError, match="FSM_(SMTP_URL|MAIL_FROM)"):
        read_settings({**env, "FSM_SMTP_URL": url, "FSM_MAIL_FROM": sender})
