"""The OpenAPI document is complete and true to its standard; `test_every_operation` holds answers to it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from litestar import Litestar
from openapi_spec_validator import OpenAPIV31SpecValidator

from fsm.app import paths_of
from fsm.http import PROBLEM_JSON
from fsm.problems import (
    Busy,
    Conflict,
    Forbidden,
    InternalError,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    Unauthenticated,
)

ALWAYS = (Malformed, NotFound, Conflict, TooLarge, Invalid, InternalError, Busy)

Document = dict[str, Any]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Document:
    answer = await client.get("/api/openapi/openapi.json")
    assert answer.status_code == 200
    body: Document = answer.json()
    return body


def as_documented(path: str) -> str:
    """Return a route's address as OpenAPI writes it: without the types of its parameters."""
    return re.sub(r":\w+}", "}", path)


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_is_in_the_document_and_nothing_else(app: Litestar, document: Document) -> None:
    routed = {
        f"{method} {as_documented(path)}"
        for path, handler in paths_of(app)
        if handler.resolve_include_in_schema()
        for method in handler.http_methods
    }
    hidden = {
        path
        for path, handler in paths_of(app)
        if not handler.resolve_include_in_schema() and handler.http_methods != {"OPTIONS"}
    }
    assert {name for name, _ in operations(document)} == routed
    assert all(path.startswith("/api/openapi") for path in hidden), "only the document hides itself"


def test_every_operation_says_what_it_does_and_has_a_name_of_its_own(document: Document) -> None:
    ids = set()
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["tags"], name
        assert re.fullmatch(r"[a-z][A-Za-z0-9]*", operation["operationId"]), name
        assert operation["operationId"] not in ids, name
        ids.add(operation["operationId"])
    assert {"getApiWorkOrdersWorkOrderIdCosts", "postApiSignIn", "getPCode"} <= ids


def test_every_refusal_is_declared_as_a_problem(document: Document) -> None:
    for name, operation in operations(document):
        answers = operation["responses"]
        assert any(status < "400" for status in answers), name
        for status, answer in answers.items():
            if status >= "400":
                shape = answer["content"][PROBLEM_JSON]["schema"]
                assert shape == {"$ref": "#/components/schemas/ProblemView"}, (name, status)
        for kind in ALWAYS:
            assert kind.code in answers[str(kind.status)]["description"], (name, kind)


def test_a_problem_has_the_members_of_the_standard_and_its_code(document: Document) -> None:
    shape = document["components"]["schemas"]["ProblemView"]
    assert set(shape["required"]) == {"type", "title", "status", "detail", "code"}


def test_whoever_must_sign_in_is_told(app: Litestar, document: Document) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    open_to = {
        f"{method} {as_documented(path)}": handler.opt.get("open_to")
        for path, handler in paths_of(app)
        for method in handler.http_methods
    }
    for name, operation in operations(document):
        if open_to[name] != "anyone" or name in DEVICES_SEND:
            assert operation["security"] == [{"bearer": []}], name
            for kind in (Unauthenticated, Forbidden):
                assert str(kind.status) in operation["responses"], name
        else:
            assert "security" not in operation, name


DEVICES_SEND = {
    "POST /sync/v1/push",
    "POST /compat/powersync/crud",
    "POST /compat/rxdb/{collection}/push",
    "POST /compat/watermelondb/sync",
}
"""Where a device put out of use may still send: the handler itself looks at its token."""


def test_a_body_that_may_be_left_out_is_not_asked_for(document: Document) -> None:
    free = {
        name
        for name, operation in operations(document)
        if "requestBody" in operation and not operation["requestBody"].get("required", False)
    }
    assert free == {
        "POST /api/plans/{plan_id}/undoing",
        "POST /files",
        "POST /files/{upload_id}",
        "PATCH /files/{upload_id}",
    }


def test_a_body_that_is_taken_is_described(app: Litestar, document: Document) -> None:
    """Also those that handlers read themselves: batches, files, forms."""
    kinds = {
        name: set(o.get("requestBody", {}).get("content", ())) for name, o in operations(document)
    }
    assert kinds["POST /sync/v1/push"] == {"application/json"}
    assert kinds["POST /compat/powersync/crud"] == {"application/json"}
    assert kinds["POST /api/imports/{kind}"] == {"text/csv", "multipart/form-data"}
    assert kinds["PATCH /files/{upload_id}"] == {"application/offset+octet-stream"}
    assert kinds["POST /p/{code}/report"] == {
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    }
    without = {
        name
        for name, taken in kinds.items()
        if not taken and name.split()[0] in ("POST", "PUT", "PATCH")
    }
    assert without == BODILESS


BODILESS = {
    "POST /api/assets/{asset_id}/hints/{problem_id}/helped",
    "POST /api/me/calendar",
    "POST /api/technicians/{technician_id}/calendar",
    "POST /api/planning/holds/{hold_id}/booking",
    "POST /api/plans/{plan_id}/replay",
    "POST /api/rosters/{roster_id}/publication",
    "POST /api/rosters/{roster_id}/withdrawal",
    "POST /api/scope-changes/{change_id}/withdrawal",
    "POST /api/work-orders/{work_order_id}/payer-review",
    "POST /api/sign-in/browser/renewal",
    "POST /api/users/{user_id}/enrolment",
}
"""Changes that need nothing said."""


def test_answers_that_are_not_json_say_what_they_are(document: Document) -> None:
    expected = {
        "GET /api/passports/{code}/label.svg": {"image/svg+xml"},
        "GET /api/passports/{code}/label.png": {"image/png"},
        "GET /api/passports/{code}/label.pdf": {"application/pdf"},
        "POST /api/label-sheets": {"application/pdf"},
        "GET /api/kpis/{kpi}/table.csv": {"text/csv"},
        "GET /p/{code}/page": {"text/html"},
        "GET /sync/v1/stream": {"text/event-stream"},
        "POST /compat/powersync/sync/stream": {"application/x-ndjson"},
    }
    said = {
        name: set(o["responses"]["200"]["content"])
        for name, o in operations(document)
        if name in expected
    }
    assert said == expected
    for name, operation in operations(document):
        if "204" in operation["responses"]:
            assert "content" not in operation["responses"]["204"], name


def test_the_document_follows_openapi_3_1(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    faults = [error.message[:300] for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert faults == []


async def test_json_and_yaml_are_one_document(
    client: httpx.AsyncClient, document: Document
) -> None:
    answer = await client.get("/api/openapi/openapi.yaml")
    assert answer.status_code == 200
    assert yaml.load(answer.text, yaml.CSafeLoader) == document
    for other in ("", "/openapi.yml"):
        assert (await client.get(f"/api/openapi{other}")).status_code == 200
    missing = await client.get("/api/openapi/swagger")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == PROBLEM_JSON


async def test_the_document_names_no_other_host(client: httpx.AsyncClient) -> None:
    text = (await client.get("/api/openapi/openapi.json")).text
    assert set(re.findall(r"https?://[^/\"\s]+", text)) <= NAMED_HOSTS
    assert (await client.get("/api/openapi/openapi.json")).json()["servers"] == [{"url": "/"}]


NAMED_HOSTS: set[str] = set()
"""None: the document describes this server, wherever it stands."""


def test_uploads_tell_the_headers_of_tus(document: Document) -> None:
    create = document["paths"]["/files"]["post"]
    asked = {one["name"]: one for one in create["parameters"] if one["in"] == "header"}
    assert {"Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Concat"} <= asked.keys()
    assert asked["Tus-Resumable"]["schema"]["enum"] == ["1.0.0"]
    assert {"Location", "Upload-Expires"} <= create["responses"]["201"]["headers"].keys()
    one = document["paths"]["/files/{upload_id}"]
    assert "Upload-Offset" in one["head"]["responses"]["200"]["headers"]
    assert "Upload-Offset" in one["patch"]["responses"]["204"]["headers"]
    about = document["paths"]["/files"]["options"]["responses"]["200"]["headers"]
    assert {"Tus-Version", "Tus-Extension", "Tus-Max-Size"} <= about.keys()
