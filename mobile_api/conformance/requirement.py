"""What a server must do: each requirement a numbered sentence and a function that tries it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from mobile_api.conformance.device import Bench


class Verdict(StrEnum):
    """`skipped` says that the kit could not try it here, never that it is fulfilled."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Unfulfilled(Exception):
    """The server did something else; the message says what."""


class CannotTry(Exception):
    """This server, or what the kit was given, leaves nothing to try the requirement on."""


Try = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of the protocol. `key` is stable: `pull.digest`; `text` says what must hold."""

    key: str
    text: str
    attempt: Try


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one requirement."""

    key: str
    text: str
    verdict: Verdict
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        told = {"key": self.key, "text": self.text, "verdict": self.verdict.value}
        return {**told, "detail": self.detail} if self.detail else told


REQUIREMENTS: Final[list[Requirement]] = []
"""Everything that is tried; the modules of requirements fill it when they are imported."""

Attempt = TypeVar("Attempt", bound=Try)


def requirement(key: str, text: str) -> Callable[[Attempt], Attempt]:
    """Enter a function that raises where the server does not do what `text` says."""

    def enter(attempt: Attempt) -> Attempt:
        assert all(key != known.key for known in REQUIREMENTS)
        REQUIREMENTS.append(Requirement(key, text, attempt))
        return attempt

    return enter


def must(holds: object, otherwise: str) -> None:
    """Go on if it holds; else the requirement is not fulfilled, for the reason given."""
    if not holds:
        raise Unfulfilled(otherwise)
