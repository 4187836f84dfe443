"""What the product refuses, and how it says so: RFC 9457 problems.

A rule, a query or a route that cannot do what was asked raises a `Problem`. Nothing else that escapes a
handler is meant: it is our bug, is logged with its traceback and answered as `internal-error`.

`code` is stable and belongs to clients, `detail` is for people and says what to do, `facts` are for the
client's program. Each code has exactly one class (a test holds it). `title` and `detail` are written here in
English; `fsm.problem_words` says them in the language that was asked for.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

#: Where a problem's `type` URI points. Relative on purpose: it is resolved against the server that answered.
TYPE_PREFIX = "/problems/"


class Problem(Exception):
    """A refusal with a stable code; `detail` is one or two sentences for a person."""

    code: ClassVar[str] = "problem"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Refused"

    def __init__(self, detail: str, /, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    def to_json(self) -> dict[str, Any]:
        """Return the body of `application/problem+json`; facts never overwrite the five standard members."""
        return {
            **self.facts,
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to the refusal, such as Retry-After."""
        return {}


def all_problems(base: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Yield every class of problem that the running program knows, each once."""
    for kind in base.__subclasses__():
        yield kind
        yield from all_problems(kind)


class Malformed(Problem):
    """The request could not be read at all, or a value in it has the wrong shape."""

    code, status, title = "malformed-request", 400, "The request cannot be read"


class Invalid(Problem):
    """The request was read, but a value in it is not acceptable; `errors` names each one."""

    code, status, title = "invalid-value", 422, "A value is not acceptable"


class Unauthenticated(Problem):
    code, status, title = "unauthenticated", 401, "Sign in first"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    """The actor is known and lacks a permission; `needs` names it."""

    code, status, title = "forbidden", 403, "Not permitted"


class NotFound(Problem):
    """No such thing, or another tenant's: the two are never told apart."""

    code, status, title = "not-found", 404, "Not found"


class MethodNotAllowed(Problem):
    code, status, title = "method-not-allowed", 405, "This address does not take that method"


class NotAcceptable(Problem):
    code, status, title = "not-acceptable", 406, "No such form of the answer"


class Conflict(Problem):
    """Something else holds the place: a duplicate number, an overlapping period."""

    code, status, title = "conflict", 409, "Clashes with what is there"


class StaleChange(Problem):
    """Somebody else changed the row since the caller read it; `current` is the revision now."""

    code, status, title = "stale-change", 409, "Changed meanwhile"


class InUse(Problem):
    """Other rows still refer to it, so it cannot go."""

    code, status, title = "in-use", 409, "Still in use"


class TooLarge(Problem):
    code, status, title = "too-large", 413, "Too large"


class UnsupportedType(Problem):
    code, status, title = "unsupported-type", 415, "This kind of content is not taken"


class RateLimited(Problem):
    """Too many tries; `retry_after_s` says when to come again."""

    code, status, title = "rate-limited", 429, "Too many requests"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(int(self.facts.get("retry_after_s", 1)))}


class Busy(Problem):
    """The database could not do it just now (deadlock, no connection); trying again is safe."""

    code, status, title = "busy", 503, "Try again in a moment"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class InternalError(Problem):
    """What a client sees of our own bug: a reference into the log, nothing else."""

    code, status, title = "internal-error", 500, "Something broke on our side"
