"""Several figures in one statement: what is shared is read once, what differs stays apart."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from fsm.database import Database, Session, enter, run
from fsm.problems import Invalid
from reports.exposure_sql import Statement
from reports.rounds import alone, at_once, filled, side_by_side, together
from tests.company import Company


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collect what is sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, text: str, *_: object) -> None:
        sent.append(text)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


def numbers(upto: int) -> Statement:
    statement = Statement(upto=upto)
    return statement.part("n", "select generate_series(1, cast(:upto as int)) as n")


async def test_works_that_wait_send_one_statement_and_each_gets_its_own_rows(
    database: Database, company: Company
) -> None:
    async with Session(database.engine) as session:
        await enter(session, company.id)

        async def total(upto: int) -> tuple[int, str]:
            [(first,)] = await numbers(upto).run(session, "select sum(n) from n")
            [(again,)] = await numbers(int(first)).run(session, "select 'up to ' || max(n) from n")
            return int(first), again

        async def names() -> list[str]:
            async with alone(session):
                [(most,)] = (await run(session, "select 3")).all()
            return [name for (name,) in await numbers(most).run(session, "select 'n' || n from n")]

        with statements(database) as sent:
            found = await side_by_side(
                session,
                [lambda: total(3), lambda: total(4), lambda: total(3), names],
                is_joined=True,
            )
    assert found == [(6, "up to 6"), (10, "up to 10"), (6, "up to 6"), ["n1", "n2", "n3"]]
    assert len(sent) == 3, "one of its own, and two rounds"


async def test_a_work_that_asks_several_things_at_once_waits_for_all_of_them_in_one_round(
    database: Database, company: Company
) -> None:
    async with Session(database.engine) as session:
        await enter(session, company.id)

        async def total(upto: int) -> int:
            [(found,)] = await numbers(upto).run(session, "select sum(n) from n")
            return int(found)

        async def chained(upto: int) -> int:
            return await total(await total(upto))

        async def several() -> list[int]:
            found = await at_once(session, lambda: total(2), lambda: chained(2), lambda: total(4))
            return [*found, await total(5)]

        with statements(database) as sent:
            found = await side_by_side(session, [several, lambda: total(3)], is_joined=True)
        assert found == [[3, 6, 10, 15], 6]
        assert len(sent) == 2, (
            "what is asked twice is asked once, and the last of it is a round more"
        )
        assert await several() == [3, 6, 10, 15], "also when nobody asks beside it"


async def test_a_refusal_of_one_work_is_the_refusal_of_all(
    database: Database, company: Company
) -> None:
    async with Session(database.engine) as session:
        await enter(session, company.id)

        async def refuse() -> None:
            raise Invalid("Not of this.")

        async def count() -> None:
            await numbers(3).run(session, "select n from n")

        for is_joined in (True, False):
            with pytest.raises(Invalid, match="Not of this"):
                await side_by_side(session, [count, refuse, count], is_joined=is_joined)
        assert len(await numbers(2).run(session, "select n from n")) == 2


def test_a_shared_beginning_is_written_once_and_values_of_one_name_stay_apart() -> None:
    job, half = ("job", "as (select :t)"), ("half", "as (select :share from job)")
    text, values = together(
        [
            ((job,), "select 1::int from job where x = :share", {"t": 7, "share": 0.5}),
            ((job, half), "select 2 from half where x = :share", {"t": 7, "share": 0.9}),
        ]
    )
    assert text.count("job as (") == 1
    assert values == {"t": 7, "share": 0.5, "share_2": 0.9}
    assert "where x = :share\n" in text
    assert "select :share_2 from job" in text
    assert "select 2 from half where x = :share_2" in text
    assert "1::int" in text


def test_sql_is_filled_anew_where_its_words_differ() -> None:
    """What is kept of one filling is never another's."""
    body = "select $what from $table"
    assert filled(body, what="id", table="visit") == "select id from visit"
    assert filled(body, what="id", table="clock") == "select id from clock"
    assert filled(body, table="id", what="clock") == "select clock from id"
    with pytest.raises(KeyError):
        filled(body, what="id")
