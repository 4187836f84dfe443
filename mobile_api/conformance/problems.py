"""How a refusal must look: a problem of RFC 9457 with a stable type."""

import httpx

from mobile_api.conformance.requirement import Unfulfilled, must


def must_refuse(answer: httpx.Response, status: int, code: str | None = None) -> None:
    """Demand a problem document with this status and, where named, a type that ends in `/code`."""
    must(answer.status_code == status, f"answered {answer.status_code} instead of {status}")
    kind = answer.headers.get("content-type", "")
    must(kind.startswith("application/problem+json"), f"the refusal is '{kind}', not a problem")
    try:
        problem = answer.json()
    except ValueError:
        raise Unfulfilled("the problem is not JSON") from None
    for name in ("type", "title", "status", "detail"):
        must(problem.get(name), f"the problem lacks '{name}'")
    must(problem["status"] == status, "the problem names another status")
    if code is not None:
        must(problem["type"].endswith(f"/{code}"), f"the type is {problem['type']}, not …/{code}")
