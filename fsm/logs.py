"""What the processes say: one line per event, for people at a terminal, as JSON for machines elsewhere.

No secret gets into a line: values under telling names and passwords in addresses are blotted out.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_SECRET_NAME: Final = re.compile(
    r"password|passwd|secret|token|authorization|api_?key|dsn", re.IGNORECASE
)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s/:@]*):([^\s@]+)@")
_BEARER: Final = re.compile(r"(?i)\b(bearer|token)\s+[A-Za-z0-9._~+/=-]{16,}")
_BLOT: Final = "***"


def blotted(text: str) -> str:
    """Return the text without passwords in addresses and without bearer tokens."""
    return _BEARER.sub(rf"\1 {_BLOT}", _URL_PASSWORD.sub(rf"\1:{_BLOT}@", text))


def _blot(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in line.items():
        if _SECRET_NAME.search(name):
            line[name] = _BLOT
        elif isinstance(value, str):
            line[name] = blotted(value)
    return line


def configure_logs(level: str = "INFO") -> None:
    """Send every logger of the process, ours and the libraries', to standard error in one form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    at_terminal = sys.stderr.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if at_terminal else structlog.processors.JSONRenderer()
    )
    before = [] if at_terminal else [structlog.processors.format_exc_info]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *before,
                _blot,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell of each connection and each poll; warnings of theirs are worth reading.
    for chatty in ("asyncio", "pgqueuer", "botocore", "httpx", "httpcore", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.access").disabled = True
