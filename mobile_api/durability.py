"""Acknowledged means committed, and committed means on disk: a server that only pretends is `Busy`."""

import time
from typing import ClassVar

from fsm.database import Session, run
from fsm.problems import Busy

_LOOK_AGAIN_S = 60.0


class Durability:
    """Whether the database keeps what it confirms; looked up once a minute and process."""

    needed: ClassVar[tuple[str, ...]] = ("fsync", "full_page_writes", "synchronous_commit")

    def __init__(self) -> None:
        self._looked_at = -_LOOK_AGAIN_S
        self._off: list[str] = []

    @property
    def is_known(self) -> bool:
        """Whether it was looked up lately and all was well."""
        return not self._off and time.monotonic() - self._looked_at < _LOOK_AGAIN_S

    async def check(self, session: Session) -> None:
        """Raise `Busy`, naming the settings, when one of them is off."""
        if time.monotonic() - self._looked_at >= _LOOK_AGAIN_S:
            result = await run(
                session,
                "select name from unnest(cast(:names as text[])) name"
                " where current_setting(name) = 'off' order by name",
                names=list(self.needed),
            )
            self._off = list(result.scalars())
            self._looked_at = time.monotonic()
        if self._off:
            raise Busy(
                f"The database does not keep what it confirms ({', '.join(self._off)} off), so nothing "
                "is taken. Keep everything and tell the operator.",
                off=self._off,
            )
