"""Handing a message to the mail server (SMTP)."""

import smtplib
import ssl
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from fsm.evidence.blobs import in_thread
from fsm.settings import MailSettings

_TIMEOUT_S: Final = 30.0


class MailRefused(RuntimeError):
    """The mail server could not be reached or did not take the message; trying again is safe."""


async def send(settings: MailSettings, message: EmailMessage) -> None:
    """Return once the server has taken the message for every recipient, else raise `MailRefused`."""
    try:
        await in_thread(_send, settings, message)
    except (OSError, smtplib.SMTPException) as error:
        raise MailRefused(f"{type(error).__name__}: {error}"[:300]) from error


def _send(settings: MailSettings, message: EmailMessage) -> None:
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
        refused = connection.send_message(message)
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)
