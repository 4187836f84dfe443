"""What one hostile or clumsy request is, and the words in it that stand for rows."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.company import Company
from tests.fsm.one_program import Program

MISSING = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Case:
    """A request and how it is refused: `status` and problem `code`.

    In `path`, `body` and `content`, <asset> stands for the company's asset and <their.asset> for the other
    tenant's. `body` is sent as JSON, `content` as it is. `says` must be in the answer. `keeps` names tables
    that may change although the request is refused, with the reason beside it.
    """

    name: str
    status: int
    code: str
    method: str
    path: str
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    who: str = "administrator"
    says: str = ""
    keeps: tuple[str, ...] = ()

    def request(self, program: Program) -> httpx.Request:
        names = names_of(program)
        headers = {**headers_of(program, self.who), **self.headers}
        content = self.content
        if content is not None:
            for word, value in names.items():
                content = content.replace(word.encode(), value.encode())
        return httpx.Request(
            self.method,
            "http://fsm.test" + filled(self.path, names),
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            json=None if self.body is None else filled(self.body, names),
            content=content,
        )


def headers_of(program: Program, who: str) -> dict[str, str]:
    """Return the login of a role, of the phone, or none for anybody."""
    if who == "anybody":
        return {}
    if who == "phone":
        return program.phone.headers
    return program.company.headers[who]


def names_of(program: Program) -> dict[str, str]:
    return {
        **{f"<{name}>": value for name, value in _rows(program.company).items()},
        **{f"<their.{name}>": value for name, value in _rows(program.stranger).items()},
        "<device>": program.phone.device_id,
        "<missing>": MISSING,
    }


def _rows(company: Company) -> dict[str, str]:
    rows = {
        "customer": company.customer,
        "site": company.site,
        "contact": company.contact,
        "model": company.model,
        "asset": company.asset,
        "meter": company.meter,
        "level": company.service_level,
        "contract": company.contract,
        "work_type": company.work_type,
        "checklist": company.checklist,
        "skill": company.skill,
        "technician": company.technician,
        "part": company.part,
        "warehouse": company.warehouse,
        "van": company.van,
        "user": company.users["dispatcher"],
    }
    return {
        **{name: str(row.id) for name, row in rows.items()},
        "calendar": str(company.calendar_version.calendar_id),
        "template": str(company.checklist.template_id),
        "code": company.passport.code,
    }


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return a path or body with rows' ids in the place of the words for them."""
    if isinstance(value, str):
        for word, replacement in names.items():
            value = value.replace(word, replacement)
        return value
    if isinstance(value, dict):
        return {key: filled(member, names) for key, member in value.items()}
    if isinstance(value, list):
        return [filled(member, names) for member in value]
    return value
