"""A private PostgreSQL for people who have none: made, started, and gone when its program is gone.

    with EmbeddedPostgres(Path("data/database"), progress=print) as server:
        asyncio.run(server.prepare("fsm"))
        url = server.url("fsm", APPLICATION_ROLE)

`server.py` is the running server, `directory.py` what it keeps on disk, `binaries.py` where its
programs come from, `identity.py` and `launch.py` who runs it and what ends it.
"""

from fsm.embedded.binaries import Binaries, available_binaries
from fsm.embedded.refusal import EmbeddedPostgresError
from fsm.embedded.server import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres

__all__ = [
    "APPLICATION_ROLE",
    "OWNER_ROLE",
    "Binaries",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "available_binaries",
]
