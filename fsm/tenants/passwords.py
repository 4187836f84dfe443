"""Passwords: argon2id, off the event loop, and how long a guesser has to wait."""

import asyncio
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fsm.problems import Invalid

LEAST_LENGTH = 10

_hasher = PasswordHasher()  # argon2id with the library's RFC 9106 low-memory parameters
_at_once = asyncio.Semaphore(2)  # each hash takes 64 MiB and a core for a moment


def check_strength(password: str) -> None:
    if len(password) < LEAST_LENGTH:
        raise Invalid(f"A password needs at least {LEAST_LENGTH} characters.")


async def hash_password(password: str) -> str:
    async with _at_once:
        return await asyncio.to_thread(_hasher.hash, password)


def hash_now(password: str) -> str:
    """Hash on the calling thread: for commands, never in a request."""
    return _hasher.hash(password)


async def is_right(password: str, stored: str | None) -> bool:
    """Compare in the same time whether or not there is anybody to compare with."""

    def verify() -> bool:
        nobodys = _nobodys()  # made whoever comes first
        try:
            return _hasher.verify(stored or nobodys, password)
        except (VerificationError, InvalidHashError):
            return False

    async with _at_once:
        return await asyncio.to_thread(verify) and stored is not None


@cache
def _nobodys() -> str:
    """The hash that a login of nobody is compared with: making it takes longer than most commands."""
    return _hasher.hash("the password of nobody")


def waiting_time(failures: int) -> timedelta:
    """Return how long a login is locked after failures in a row: 4 are free, then 2 s doubling to 15 min."""
    if failures < 5:
        return timedelta(0)
    return timedelta(seconds=min(2 ** (failures - 4), 900))
