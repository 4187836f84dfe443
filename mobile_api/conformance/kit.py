"""Try every requirement on a server, one after another, and say what came of each."""

from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

from mobile_api.conformance import leaving, proving, reading, sending, uploading
from mobile_api.conformance.device import Bench
from mobile_api.conformance.not_tried import NOT_TRIED
from mobile_api.conformance.requirement import (
    REQUIREMENTS,
    CannotTry,
    Requirement,
    Result,
    Unfulfilled,
    Verdict,
)

_MODULES = [module.__name__ for module in (reading, sending, uploading, proving, leaving)]
"""Where the requirements stand, in the order in which they are tried: the last take visits away."""


async def conform(bench: Bench, only: str = "") -> AsyncIterator[Result]:
    """Yield a result a requirement, or only for those whose key begins with `only`.

    What cannot be tried from outside comes last, as skipped, with the reason.
    """
    for requirement in sorted(REQUIREMENTS, key=lambda one: _MODULES.index(one.attempt.__module__)):
        if requirement.key.startswith(only):
            yield await _tried(requirement, bench)
    await _leave_no_device(bench)
    for key, (text, why) in NOT_TRIED.items():
        if key.startswith(only):
            yield Result(key, text, Verdict.SKIPPED, f"not tried: {why}")


async def _leave_no_device(bench: Bench) -> None:
    """Have the kit's devices put out of use: else what they might still send holds up what the next takes."""
    if bench.office is None:
        return
    for device in bench.devices:
        if not device.is_revoked:
            with suppress(CannotTry, httpx.HTTPError):
                await bench.office("revoke", device.id)


async def _tried(requirement: Requirement, bench: Bench) -> Result:
    verdict, detail = Verdict.PASSED, ""
    try:
        await requirement.attempt(bench)
    except Unfulfilled as said:
        verdict, detail = Verdict.FAILED, str(said)
    except CannotTry as said:
        verdict, detail = Verdict.SKIPPED, str(said)
    except httpx.HTTPStatusError as error:
        verdict = Verdict.FAILED
        detail = f"{error.request.method} {error.request.url.path}: {error.response.status_code}"
    except (httpx.HTTPError, TimeoutError) as error:
        verdict, detail = Verdict.FAILED, f"no answer: {error or type(error).__name__}"
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        verdict, detail = Verdict.FAILED, f"an answer has another shape: {error!r}"
    return Result(requirement.key, requirement.text, verdict, detail)
