"""What anybody can hold a client or a server against: published vectors of the rules."""

from pathlib import Path
from typing import Final

VECTOR_FOLDER: Final = Path(__file__).parent / "vectors"
"""`rules-vectors.json` (expression, data, outcome) and `closing-vectors.json` (checklist, facts, verdict)."""
