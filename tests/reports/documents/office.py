"""The dispatcher's requests about documents, and what stands in a file."""

from typing import Any

import httpx
import pypdfium2

from tests.company import Company
from tests.reports.packs.proved_job import ProvedJob


class Office:
    """The dispatcher's requests about documents."""

    def __init__(self, client: httpx.AsyncClient, company: Company, role: str = "dispatcher"):
        self.client, self.company, self.role = client, company, role

    async def call(self, method: str, path: str, status: int = 200, **body: Any) -> httpx.Response:
        answer = await self.client.request(
            method,
            f"/api/documents{path}",
            headers=self.company.headers[self.role],
            **({"json": body} if body else {}),
        )
        assert answer.status_code == status, answer.text
        return answer

    async def issue(self, job: ProvedJob, what: str = "acts", **more: Any) -> dict[str, Any]:
        answer = await self.call("POST", f"/{what}", 201, work_order_id=str(job.job.id), **more)
        issued: dict[str, Any] = answer.json()
        return issued


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return "\n".join(page.get_textpage().get_text_range() for page in document)
