"""A client that goes away in the middle of its body is no error of ours: nothing is done, nothing is said."""

import logging
from typing import Any

import pytest
from litestar import Litestar

from tests.company import Company
from tests.mobile_api.phones import Phone


@pytest.mark.parametrize(
    ("path", "by_phone"),
    [
        ("/sync/v1/push", True),
        ("/sync/v1/reconcile", True),
        ("/compat/rxdb/intents/push", True),
        ("/api/files", False),
        ("/api/customers", False),
        ("/api/sign-in", False),
    ],
)
async def test_a_body_that_is_cut_off_ends_quietly(
    app: Litestar,
    phone: Phone,
    company: Company,
    caplog: pytest.LogCaptureFixture,
    path: str,
    by_phone: bool,
) -> None:
    headers = phone.headers if by_phone else company.headers["administrator"]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("fsm.test", 80),
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"1000"),
            (b"authorization", headers["Authorization"].encode()),
        ],
    }
    coming = iter(
        [
            {"type": "http.request", "body": b'{"half of', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert b"malformed-request" in sent[1]["body"]
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []
