"""The conformance kit: anybody can prove that a server or an app keeps the rules of sync and closing.

* `kit` tests any server of the protocol over HTTP, as a phone of its own (`fsm conform sync URL`);
* `referee` stands between any app and a server and judges what the app sends (`fsm conform app`);
* `vectors/` holds the closing rules as examples, for an implementation in any language.

Nothing here shares code with the server: it reads and writes what goes over the wire.
"""

from pathlib import Path
from typing import Final

VECTOR_FOLDER: Final = Path(__file__).parent / "vectors"
"""`rules-vectors.json` (expression, data, outcome) and `closing-vectors.json` (checklist, facts, verdict)."""
