"""What a person is told when a command cannot do its work: one sentence, no traceback for their mistake."""

import errno

import asyncpg
from sqlalchemy.exc import DBAPIError

from fsm.commands.asking import CannotRun
from fsm.database import DRIVER_ERRORS, as_problem
from fsm.embedded.refusal import EmbeddedPostgresError
from fsm.logs import blotted
from fsm.problems import Problem
from fsm.settings import SettingsError


def sentence_for(error: BaseException) -> str | None:
    """Return the sentence that an error deserves, None for one that is our own bug."""
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return sentence_for(error.exceptions[0])
    if isinstance(error, CannotRun | SettingsError):
        return str(error)
    if isinstance(error, EmbeddedPostgresError):
        return blotted(str(error))
    if isinstance(error, Problem):
        return blotted(error.detail)
    if (said := _of_database(error)) is not None:
        return said
    if isinstance(error, OSError):
        return _of_system(error)
    if (
        isinstance(error, (DBAPIError, *DRIVER_ERRORS))
        and (problem := as_problem(error)) is not None
    ):
        return blotted(problem.detail)
    return None


def _of_database(error: BaseException) -> str | None:
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
    match cause:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return "The database does not accept this user and password. Check FSM_DATABASE_URL."
        case asyncpg.InvalidCatalogNameError():
            return "There is no such database. Check the name at the end of FSM_DATABASE_URL."
        case asyncpg.UndefinedTableError():
            return "The database has no tables yet, or old ones. Run 'fsm migrate' as their owner."
        case asyncpg.InvalidParameterValueError() if "role" in str(cause):
            return "The database has no role 'fsm_app' for us. Run 'fsm migrate' as its owner."
        case asyncpg.InsufficientPrivilegeError():
            return f"The database refuses: {blotted(str(cause))}."
        case asyncpg.CannotConnectNowError() | asyncpg.TooManyConnectionsError():
            return f"The database takes no connection just now: {blotted(str(cause))}."
    return None


def _of_system(error: OSError) -> str:
    name = error.filename
    where = f" '{name}'" if isinstance(name, str) else ""
    match error:
        case FileNotFoundError() if where:
            return f"There is no file or folder{where}."
        case IsADirectoryError():
            return f"{where.strip()} is a folder, not a file."
        case PermissionError() if where:
            return f"You may not read or write{where}."
        case ConnectionRefusedError() | TimeoutError():
            return "Nothing answers where FSM_DATABASE_URL points to. Is the database running?"
        case BrokenPipeError():
            return "Whoever was reading the output has gone."
    if error.errno == errno.ENOSPC:
        return "The disk is full."
    if "connect" in str(error).lower() or "getaddrinfo" in str(error) or error.errno in (-2, -3):
        return f"The database cannot be reached: {blotted(str(error))}."
    return f"{blotted(str(error)).rstrip('.')}."
