"""Every operation of the OpenAPI document is called with what it says it takes, and with what it does not.

Generated requests (schemathesis) go through the whole program in this process, against PostgreSQL. Whatever
comes: no 5xx, no status that is not declared, and the declared content types, headers and shapes of answers.
Three quarters of the ids are those of rows that exist, so that requests get beyond "not found".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode as Mode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fsm.embedded import EmbeddedPostgres
from mobile_api import tus
from tests.company import Company
from tests.fsm.one_program import Program, one_program

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer(tus.CONTENT_TYPE, "text/csv")
def as_it_is(_: Any, value: Any) -> bytes:
    """Send what was generated for a body of bytes or text as those bytes."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


NOT_CALLED = {
    "GET /sync/v1/stream": "never ends while a device listens; tests/mobile_api/test_stream.py",
    "POST /compat/powersync/sync/stream": "nor does this; tests/mobile_api/test_powersync.py",
    "GET /api/board/live": "nor does this; tests/scheduler/test_board_routes.py",
}
"""Operations that are left out here, with the reason and where they are proved instead."""

SHARES = 6
"""Parts of the document, so that test processes can divide it among themselves."""


@dataclass(repr=False)
class Service:
    """The program over a database of its own, and the rows and tokens that requests are made with."""

    program: Program
    operations: dict[str, APIOperation]
    known: dict[str, Any]
    in_addresses: dict[str, Any]
    headers: dict[str, dict[str, str]]
    done: set[str] = field(default_factory=set)
    """Operations that have answered without a refusal at least once."""

    def token(self, operation: APIOperation) -> dict[str, str]:
        """Return the login for an operation: of whom it serves, the administrator's for all the others."""
        path = operation.path
        if path.startswith(("/sync/", "/compat/")) and path != "/sync/v1/devices":
            return self.headers["phone"]
        if path.startswith("/api/portal"):
            return self.headers["customer"]
        return self.headers["technician" if path in OF_TECHNICIANS else "administrator"]

    def request(self, case: Case, headers: dict[str, str]) -> httpx.Request | None:
        """Return what is sent for a case; None where nobody could: its address is too long."""
        kwargs = case.as_transport_kwargs(base_url="http://fsm.test", headers=headers)
        kwargs = {k: v for k, v in kwargs.items() if k in _OF_A_REQUEST}
        sent = requests.Request(**kwargs).prepare()
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        if len(str(sent.url)) > LONGEST_ADDRESS:
            return None
        return httpx.Request(
            str(sent.method),
            str(sent.url),
            headers=[(name, _raw(value)) for name, value in sent.headers.items()],
            content=body,
        )

    def hold(self, case: Case, headers: dict[str, str]) -> bool:
        """Hold the answer to a case to the document; False where the case cannot be sent."""
        request = self.request(case, headers)
        if request is None:
            return False
        answer = self.program.send(request)
        if answer.status_code < 400:
            self.done.add(name_of(case.operation))
        case.validate_response(answer, checks=CHECKS)
        return True


OF_TECHNICIANS = {
    "/api/me/position-consent",
    "/api/me/timesheet",
    "/api/me/timesheet/csv",
    "/api/me/timesheet/xlsx",
    "/api/route-sheets/mine",
}


def name_of(operation: APIOperation) -> str:
    return f"{operation.method.upper()} {operation.path}"


DAY = "2026-03-24"
LONGEST_ADDRESS = 65_536
"""Neither this client nor the server takes a longer one."""

_OF_A_REQUEST = {"method", "url", "headers", "params", "data", "json", "files", "cookies"}


def _raw(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value


def known_rows(company: Company) -> dict[str, Any]:
    """Return values that lead to rows, by the name of the parameter or member that holds them."""
    return {
        "customer_id": str(company.customer.id),
        "site_id": str(company.site.id),
        "contact_id": str(company.contact.id),
        "model_id": str(company.model.id),
        "asset_id": str(company.asset.id),
        "meter_id": str(company.meter.id),
        "contract_id": str(company.contract.id),
        "service_level_id": str(company.service_level.id),
        "level_id": str(company.service_level.id),
        "calendar_id": str(company.calendar_version.calendar_id),
        "work_type_id": str(company.work_type.id),
        "template_id": str(company.checklist.template_id),
        "version_id": str(company.checklist.id),
        "reason_id": str(company.reasons["parts"].id),
        "skill_id": str(company.skill.id),
        "technician_id": str(company.technician.id),
        "part_id": str(company.part.id),
        "place_id": str(company.warehouse.id),
        "user_id": str(company.users["dispatcher"].id),
        "work_type": company.work_type.code,
        "rev": 1,
    }


IN_ADDRESSES = {
    "kpi": "mtbf",
    "kind": "customers",
    "collection": "parts",
    "file": "assets.csv",
    "table": "work-orders",
    "scope": "tenant",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-03-01T00:00:00Z",
}
"""Words that mean something in an address, and something else or nothing in a body."""


def begun_work(program: Program) -> dict[str, Any]:
    """Have something of what only comes with work, over HTTP, and return the ids by name."""
    company, headers = program.company, program.company.headers["administrator"]
    asset = f"/api/assets/{company.asset.id}"
    technician = str(company.technician.id)

    def made(path: str, **body: Any) -> str:
        answer = program.runner.run(program.client.post(path, headers=headers, json=body))
        assert answer.is_success, (path, answer.text)
        row = answer.json()
        return str(row.get("request", row)["id"])

    job = made("/api/work-orders", work_type="repair", asset_id=str(company.asset.id), title="Door")
    return {
        "work_order_id": job,
        "visit_id": made(
            "/api/visits",
            work_order_id=job,
            technician_id=technician,
            starts_at="2026-03-24T09:00:00Z",
            ends_at="2026-03-24T10:00:00Z",
        ),
        "request_id": made(
            "/api/service-requests",
            asset_id=str(company.asset.id),
            text="It does not move",
            impact="stopped",
        ),
        "failure_id": made(f"{asset}/failures", detected_at="2026-03-01T10:00:00Z"),
        "outage_id": made(
            f"{asset}/outages",
            from_at="2026-02-01T10:00:00Z",
            to_at="2026-02-01T12:00:00Z",
            cause="failure",
        ),
        "absence_id": made(
            "/api/absences",
            technician_id=technician,
            first_on="2026-05-01",
            last_on="2026-05-02",
        ),
        "rate_id": made(
            "/api/rates",
            technician_id=technician,
            kind="labour",
            amount="70",
            currency="EUR",
            starts_on="2026-01-01",
        ),
        "plan_id": made("/api/plans", starts_on="2026-03-24"),
        "document_id": made("/api/documents/technical-acts", work_order_id=job),
    }


@pytest.fixture(scope="module")
def service(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One program and one database for all the requests: what they write stays for the next."""
    with one_program(postgres, tmp_path_factory.mktemp("every")) as program:
        yield service_of(program)


def service_of(program: Program) -> Service:
    answer = program.runner.run(program.client.get("/api/openapi/openapi.json"))
    schema = schemathesis.openapi.from_dict(answer.json())
    found = [one.ok() for one in schema.get_all_operations()]
    return Service(
        program,
        {name_of(one): one for one in found},
        known_rows(program.company) | begun_work(program),
        IN_ADDRESSES | {"code": program.company.passport.code},
        {**program.company.headers, "phone": program.phone.headers},
    )


def _led_to_rows(value: Any, known: dict[str, Any], draw: Any) -> Any:
    """Return a generated value with most of the members that name rows naming ones that exist."""
    if isinstance(value, dict):
        return {
            key: known[key]
            if key in known and draw(st.integers(0, 3))
            else _led_to_rows(member, known, draw)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_led_to_rows(member, known, draw) for member in value]
    return value


def requests_of(service: Service, operation: APIOperation, mode: Mode) -> st.SearchStrategy[Case]:
    """Return requests that the document allows, or that it does not, led to rows that exist."""

    @st.composite
    def led(draw: Any) -> Case:  # without arguments, whose long descriptions would be printed
        case: Case = draw(operation.as_strategy(generation_mode=mode))
        for place in ("path_parameters", "query"):
            if values := getattr(case, place):
                known = service.known | service.in_addresses
                setattr(case, place, _led_to_rows(dict(values), known, draw))
        if case.body is not NOT_SET and isinstance(case.body, dict):
            case.body = _led_to_rows(case.body, service.known, draw)
        return case

    return led()


def plain(service: Service, operation: APIOperation) -> Case:
    """Return the request with what is required and nothing else, by rows that exist."""
    days = {"on": DAY, "first_on": DAY, "last_on": DAY, "month": DAY[:7]}
    known = service.known | service.in_addresses | days
    return operation.Case(
        path_parameters={one.name: known.get(one.name, "x") for one in operation.path_parameters},
        query={one.name: known.get(one.name, "x") for one in operation.query if one.is_required},
    )


def try_operation(service: Service, operation: APIOperation, mode: Mode, examples: int) -> None:
    """Send generated requests to one operation, the first of them once more as a stranger, and hold the
    answers to the document.
    """
    sent: list[Case] = []

    @seed(20260323)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(requests_of(service, operation, mode))
    def send(case: Case) -> None:
        assume(service.hold(case, service.token(operation)))
        sent.append(case)

    send()
    service.hold(sent[0], {})


def faults(service: Service, share: int, examples: int) -> dict[str, str]:
    """Return what went wrong, by operation, in one share of the document."""
    found: dict[str, str] = {}
    for number, (name, operation) in enumerate(sorted(service.operations.items())):
        if number % SHARES != share or name in NOT_CALLED:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                try_operation(service, operation, mode, examples)
            except FailureGroup as failure:
                found[f"{name} ({mode.value})"] = str(failure)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, name  # nothing can be wrong with it
    return found


@pytest.mark.parametrize("share", range(SHARES))
def test_no_request_of_anybody_breaks_the_program_or_the_documents_word(
    service: Service, share: int
) -> None:
    found = faults(service, share, 2)
    assert not found, "\n\n".join(f"{name}\n{text}" for name, text in found.items())


@pytest.fixture
def untouched(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The same over a database that no other test has written to."""
    with one_program(postgres, tmp_path_factory.mktemp("untouched")) as program:
        yield service_of(program)


def test_most_that_can_be_read_is_read_when_asked_for_by_rows_that_exist(
    untouched: Service,
) -> None:
    """So the requests above are not all refused at the door. The rest needs rows that are not there."""
    reading = {
        name: operation
        for name, operation in untouched.operations.items()
        if name.startswith("GET /api/") and name not in NOT_CALLED
    }
    for operation in reading.values():
        assert untouched.hold(plain(untouched, operation), untouched.token(operation))
    assert len(untouched.done) > 0.75 * len(reading), reading.keys() - untouched.done


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_many_requests_break_nothing(service: Service, share: int) -> None:
    found = faults(service, share, 60)
    assert not found, "\n\n".join(f"{name}\n{text}" for name, text in found.items())
