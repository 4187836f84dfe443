"""Who runs the private server: PostgreSQL refuses root, and root is who many people are."""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fsm.embedded.refusal import EmbeddedPostgresError

_LAUNCHER = Path(__file__).with_name("launch.py")
_OVERFLOW_UID = 65534


@dataclass(frozen=True, slots=True)
class Identity:
    """Under which numbers the server runs, and which ones its files have when seen from here."""

    words: str
    uid: int
    gid: int

    @property
    def is_another_user(self) -> bool:
        """Whether the server is a stranger to our files, for whom ways must be opened."""
        return self.uid != os.geteuid()

    def command(self, parent: int, *program: str) -> list[str]:
        """Return a command that runs `program` as this identity and ends with process `parent`."""
        return [sys.executable, "-I", "-S", str(_LAUNCHER), self.words, str(parent), *program]


def choose_identity(cluster: Path) -> Identity:
    """Return who runs the server over `cluster`, which need not exist yet.

    Root keeps owning the files where user namespaces are allowed. Where they are not, and where an
    ordinary user owns the data already, the server runs as that user, or as `nobody`.
    """
    if os.geteuid() != 0:
        return Identity("self", os.geteuid(), os.getegid())
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return _user(owner.st_uid, owner.st_gid)
    accounts = [account for account in pwd.getpwall() if account.pw_uid != 0]
    if not accounts:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and this machine knows no other user: add one."
        )
    # initdb wants a number that has a name. 65534 also means "not mapped", so it comes last.
    label = min(accounts, key=lambda account: (account.pw_uid == _OVERFLOW_UID, account.pw_uid))
    inside = Identity(f"namespace:{label.pw_uid}:{label.pw_gid}", 0, os.getegid())
    if cluster.exists() or _works(inside):
        return inside
    nobody = next((account for account in accounts if account.pw_name == "nobody"), label)
    return _user(nobody.pw_uid, nobody.pw_gid)


def _user(uid: int, gid: int) -> Identity:
    return Identity(f"user:{uid}:{gid}", uid, gid)


def _works(identity: Identity) -> bool:
    command = identity.command(0, sys.executable, "-I", "-S", "-c", "")
    return subprocess.run(command, capture_output=True).returncode == 0


def clean_environment() -> dict[str, str]:
    """Return an environment in which no PGPORT, PGDATA or language of the caller has a say."""
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
