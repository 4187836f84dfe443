"""A phone may forget what a verified backup holds, and not before."""

import httpx

from fsm.database import Database
from mobile_api import backups
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone


async def test_a_phone_may_forget_what_a_verified_backup_holds(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    notes = [phone.intent("note.add", visit_id=str(job.visit_id), text="x") for _ in range(4)]
    await phone.push(notes[0], notes[1], notes[3])
    assert (await phone.pull())["forget_upto"] == 0
    async with database.transaction(company.id) as session:
        held = await backups.read_held(session, company.id)
    await phone.push(notes[2])
    async with database.transaction(company.id) as session:
        await backups.note_verified(session, company.id, held)
        await backups.note_verified(session, company.id, dict.fromkeys(held, 0))
    assert (await phone.pull())["forget_upto"] == 2
    answer = await client.post("/sync/v1/reconcile", json={"have": {}}, headers=phone.headers)
    assert answer.json()["forget_upto"] == 2
    tablet = await new_phone(client, company, clock, "tablet")
    assert (await tablet.pull())["forget_upto"] == 0
