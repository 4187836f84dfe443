"""Long sets of new rows, walked in steps of a bounded size: for events and for closing."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from fsm import events
from fsm.database import run
from fsm.imports.kind import Run

STEP: Final = 5_000
"""Rows held in memory at a time."""


async def in_steps(run_: Run, sql: str) -> AsyncIterator[Sequence[Any]]:
    """Yield the rows of a query in steps. It selects a unique `line`, in whose order they come."""
    last = 0
    while True:
        rows = (
            await run(
                run_.session,
                f"select * from ({sql}) as rows where line > :last order by line limit :step",
                **run_.values,
                last=last,
                step=STEP,
            )
        ).all()
        if not rows:
            return
        yield rows
        last = rows[-1].line


async def record_rows(run_: Run, kind: str, entity: str, sql: str) -> None:
    """Record one event for each row of a query over (line, id, at, data).

    History sets nothing off: no job is enqueued for it.
    """
    async for rows in in_steps(run_, sql):
        await events.record_many(
            run_.session,
            run_.actor,
            kind,
            entity,
            [(row.id, row.at, row.data) for row in rows],
            now=run_.now,
        )
