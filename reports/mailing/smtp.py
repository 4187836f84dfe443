"""Handing a message to the mail server (SMTP)."""

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from fsm.evidence.blobs import in_thread
from fsm.settings import MailSettings

_TIMEOUT_S: Final = 30.0


class MailRefused(RuntimeError):
    """The mail server could not be reached or did not take the message for everybody.

    `left` are those for whom it did not, None for all; trying again is safe for them alone.
    """

    def __init__(self, reason: str, left: frozenset[str] | None = None) -> None:
        super().__init__(reason)
        self.left = left


async def send(
    settings: MailSettings, message: EmailMessage, to: Sequence[str] | None = None
) -> None:
    """Return once the server has taken the message for every recipient, else raise `MailRefused`.

    `to` is who gets it, where that is not everybody to whom it is addressed.
    """
    try:
        refused = await in_thread(_send, settings, message, to)
    except (OSError, smtplib.SMTPException) as error:
        raise MailRefused(f"{type(error).__name__}: {error}"[:300]) from error
    if refused:
        raise MailRefused(f"Not taken for some: {refused}"[:300], frozenset(refused))


def _send(
    settings: MailSettings, message: EmailMessage, to: Sequence[str] | None
) -> dict[str, tuple[int, bytes]]:
    """`smtp://user:password@host:port`, `smtps://` for TLS at once, `?starttls=1` for TLS later."""
    parts = urlsplit(settings.url)
    is_tls = parts.scheme == "smtps"
    host, port = parts.hostname or "localhost", parts.port or (465 if is_tls else 587)
    context = ssl.create_default_context()
    connection: smtplib.SMTP
    if is_tls:
        connection = smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
    with connection:
        if not is_tls and parse_qs(parts.query).get("starttls") == ["1"]:
            connection.starttls(context=context)
        if parts.username:
            connection.login(unquote(parts.username), unquote(parts.password or ""))
        return connection.send_message(message, to_addrs=to)
