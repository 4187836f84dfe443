"""Logins of the demonstration: made once, kept beside its data, printed at every start."""

import json
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fsm.tenants.passwords import hash_now


@dataclass(frozen=True)
class People:
    """One password for everybody in the demonstration; the secret signs this installation's tokens."""

    password: str
    secret: str

    @cached_property
    def password_hash(self) -> str:
        return hash_now(self.password)

    def login(self, who: str) -> str:
        return f"{who}@demo"


def people_of(folder: Path) -> People:
    """Return the people of a data folder, made when first asked for; the file is its owner's alone."""
    path = folder / "people.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        return People(stored["password"], stored["secret"])
    people = People(f"demo-{secrets.token_hex(4)}", secrets.token_hex(32))
    path.touch(mode=0o600)
    path.write_text(
        json.dumps({"password": people.password, "secret": people.secret}), encoding="utf-8"
    )
    return people
