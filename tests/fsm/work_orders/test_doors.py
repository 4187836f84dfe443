"""A job becomes completed through one door. Every other one is tried here, the database's included."""

import ast
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlmodel import select

from fsm.actors import Actor, ActorKind
from fsm.app import paths_of
from fsm.database import Database, Session
from fsm.settings import Settings
from fsm.work_orders import completion, facts, field_work
from fsm.work_orders.records import Note
from fsm.work_orders.tables import WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone, new_phone
from tests.mobile_api.walking import writing_routes

ROOT = Path(__file__).parents[3]
FINAL = {"completed", "closed"}


@pytest.fixture
async def job(database: Database, company: Company, clock: Clock) -> Job:
    """A job whose work is done but whose photo has not arrived."""
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    await job.do(field_work.finish)
    assert (await job.row()).status == "work_done"
    return job


@pytest.fixture
async def sql(settings: Settings, company: Company) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection as the application's role, inside the tenant: what an injected statement would have."""
    connection = await asyncpg.connect(settings.database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"set local app.tenant = '{company.id}'")
    yield connection
    await transaction.rollback()
    await connection.close()


# --- the database -----------------------------------------------------------------------------------------


async def test_a_bare_update_is_refused(job: Job, sql: "asyncpg.Connection[Any]") -> None:
    for status in sorted(FINAL):
        with pytest.raises(asyncpg.CheckViolationError):
            async with sql.transaction():
                await sql.execute("update work_order set status = $2 where id = $1", job.id, status)


async def forge(
    sql: "asyncpg.Connection[Any]",
    job_id: UUID,
    *,
    facts_rev: int,
    rules_sha256: str,
    unmet: str = "[]",
) -> UUID:
    closure_id = uuid4()
    await sql.execute(
        "insert into work_order_closure (tenant_id, id, work_order_id, facts_rev, rules_sha256, verdict,"
        " unmet, judged_at) select tenant_id, $1, id, $3, $4, '{}', $5::jsonb, now() from work_order"
        " where id = $2",
        closure_id,
        job_id,
        facts_rev,
        rules_sha256,
        unmet,
    )
    return closure_id


async def test_a_closure_with_something_unmet_cannot_be_stored(
    job: Job, sql: "asyncpg.Connection[Any]"
) -> None:
    row = await job.row()
    assert row.rules_sha256 is not None
    with pytest.raises(asyncpg.CheckViolationError):
        await forge(
            sql,
            job.id,
            facts_rev=row.facts_rev,
            rules_sha256=row.rules_sha256,
            unmet='[{"at": "/items/after"}]',
        )


@pytest.mark.parametrize("what", ["older facts", "other rules", "another job"])
async def test_a_closure_that_judged_something_else_cannot_be_attached(
    what: str,
    job: Job,
    sql: "asyncpg.Connection[Any]",
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    row = await job.row()
    assert row.rules_sha256 is not None
    other = job.id
    if what == "another job":
        await sql.execute("rollback")
        other = (await dispatched_job(database, company, clock)).id
        await sql.execute("begin")
        await sql.execute(f"set local app.tenant = '{company.id}'")
    closure_id = await forge(
        sql,
        other,
        facts_rev=row.facts_rev - (what == "older facts"),
        rules_sha256="0" * 64 if what == "other rules" else row.rules_sha256,
    )
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await sql.execute(
            "update work_order set status = 'completed', closure_id = $2, completed_at = now() "
            "where id = $1",
            job.id,
            closure_id,
        )


async def completed(job: Job) -> Job:
    await job.bytes_arrive()
    assert (await job.row()).status == "completed"
    return job


async def test_a_new_fact_cannot_slip_under_an_old_closure(
    job: Job, sql: "asyncpg.Connection[Any]"
) -> None:
    await completed(job)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await sql.execute("update work_order set facts_rev = facts_rev + 1 where id = $1", job.id)


async def test_closed_without_a_name_is_refused(job: Job, sql: "asyncpg.Connection[Any]") -> None:
    await completed(job)
    with pytest.raises(asyncpg.CheckViolationError):
        await sql.execute("update work_order set status = 'closed' where id = $1", job.id)


async def test_a_closure_cannot_cite_a_photo_whose_bytes_are_not_here(
    job: Job, sql: "asyncpg.Connection[Any]"
) -> None:
    row = await job.row()
    assert row.rules_sha256 is not None
    closure_id = await forge(sql, job.id, facts_rev=row.facts_rev, rules_sha256=row.rules_sha256)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await sql.execute(
            "insert into closure_photo (tenant_id, closure_id, photo_id, work_order_id, sha256) "
            "select tenant_id, $1, id, work_order_id, sha256 from photo where work_order_id = $2",
            closure_id,
            job.id,
        )


@pytest.mark.parametrize(
    "statement",
    [
        "update photo set state = 'corrupt', verified_sha256 = null",
        "update photo set verified_sha256 = null",
        "delete from photo",
    ],
)
async def test_a_photo_that_a_closure_rests_on_is_neither_demoted_nor_deleted(
    statement: str, job: Job, sql: "asyncpg.Connection[Any]"
) -> None:
    await completed(job)
    with pytest.raises((asyncpg.ForeignKeyViolationError, asyncpg.CheckViolationError)):
        await sql.execute(statement)


async def test_a_photo_cannot_be_called_verified_without_its_blob(
    job: Job, sql: "asyncpg.Connection[Any]"
) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await sql.execute("update photo set state = 'verified', verified_sha256 = sha256")


# --- HTTP -------------------------------------------------------------------------------------------------

CLAIMS = {
    "status": "completed",
    "closure_id": str(uuid4()),
    "completed_at": "2026-03-23T08:00:00Z",
    "facts_rev": 4,
    "rev": 3,
    "reason": "not_fixed",
    "title": "x",
    "item": "after",
}


async def test_no_route_completes_or_closes_a_job_whose_photo_is_missing(
    job: Job, app: Litestar, client: httpx.AsyncClient, company: Company
) -> None:
    """Every route that writes, called with whatever might persuade it, by the most powerful user."""
    row = await job.row()
    tried = 0
    for path, handler in paths_of(app):
        target = _filled(path, job)
        for method in sorted(handler.http_methods - {"GET", "HEAD", "OPTIONS"}):
            for body in (
                {**CLAIMS, "facts_rev": row.facts_rev, "rev": row.rev},
                {"facts_rev": row.facts_rev},
                {"status": "closed"},
            ):
                answer = await client.request(
                    method,
                    target,
                    content=json.dumps(body),
                    headers={
                        **company.headers["administrator"],
                        "Content-Type": "application/json",
                    },
                )
                assert answer.status_code < 500, (method, target, answer.text)
                tried += 1
            assert (await job.row()).status not in FINAL, (method, target)
    assert tried > 100


Sends = list[tuple[str, Any]]
"""addresses and bodies"""
Door = Callable[[Phone, list[dict[str, Any]], list[dict[str, Any]]], Sends]
"""How a phone's intents, and what it writes into rows, are sent there."""


def native(phone: Phone, done: list[dict[str, Any]], _: list[dict[str, Any]]) -> Sends:
    return [("/sync/v1/push", {"device_id": phone.device_id, "intents": done})]


def rxdb(_: Phone, done: list[dict[str, Any]], written: list[dict[str, Any]]) -> Sends:
    intents = [{"newDocumentState": {**one, "_deleted": False}} for one in done]
    rows = [
        {
            "newDocumentState": {"id": one["id"], "coll": "work_orders", "rev": 2, "d": one},
            **assumed,
        }
        for one in written
        for assumed in ({}, {"assumedMasterState": {"id": one["id"], "rev": 1, "d": {}}})
    ]
    return [
        ("/compat/rxdb/intents/push", intents),
        ("/compat/rxdb/work_orders/push", rows),
        ("/compat/rxdb/intents/push", rows),
        ("/compat/rxdb/work_orders/push", intents),
    ]


def watermelondb(_: Phone, done: list[dict[str, Any]], written: list[dict[str, Any]]) -> Sends:
    intents = [
        {**one, "after": json.dumps(one["after"]), "data": json.dumps(one["data"])} for one in done
    ]
    rows = [{**one, "_status": "updated", "_changed": ",".join(one)} for one in written]
    tables = {
        "intents": {"created": intents, "updated": rows, "deleted": []},
        "work_orders": {"created": intents, "updated": rows, "deleted": [written[0]["id"]]},
    }
    return [("/compat/watermelondb/sync", {"changes": tables, "lastPulledAt": 1})]


def powersync(_: Phone, done: list[dict[str, Any]], written: list[dict[str, Any]]) -> Sends:
    rows = [
        {"op_id": one["seq"], "op": "PUT", "type": "intents", "id": one["id"], "data": one}
        for one in done
    ]
    rows += [
        {"op_id": 1_000 + n, "op": op, "type": "work_orders", "id": one["id"], "data": one}
        for op in ("PUT", "PATCH", "DELETE")
        for n, one in enumerate(written)
    ]
    return [
        ("/compat/powersync/crud", {"install_id": "phone-1", "client_id": "phone-1", "batch": rows})
    ]


DOORS = (native, rxdb, watermelondb, powersync)
NO_DOORS = {
    "POST /sync/v1/devices": "registers an installation",
    "POST /sync/v1/reconcile": "reads",
    "POST /compat/powersync/sync/stream": "reads",
}
"""Addresses for devices that take no report, with the reason."""


async def test_every_address_that_takes_reports_of_phones_is_one_of_the_doors(
    app: Litestar, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    """A new adapter that writes fails this until the doors below lead through it, and through all of it."""
    routes = {
        route: re.compile(re.sub("{}", "[^/]+", route) + "$")
        for route in writing_routes(app)
        if "/sync/" in route or "/compat/" in route
    }
    phone = await new_phone(client, company, clock)
    walked = {
        f"POST {path}"
        for door in DOORS
        for path, _ in door(phone, [phone.intent("note.add")], [{"id": str(uuid4())}])
    }
    led_to = {route for route, form in routes.items() if any(map(form.match, walked))}
    assert led_to == routes.keys() - NO_DOORS.keys()
    assert routes.keys() >= NO_DOORS.keys()


@pytest.mark.parametrize("door", DOORS)
async def test_no_order_of_reports_through_any_phones_door_completes_a_job_with_something_missing(
    door: Door, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    phone = await new_phone(client, company, clock)
    dice = random.Random(door.__name__)
    jobs = [await dispatched_job(database, company, clock) for _ in range(3)]
    for job in jobs:
        reports = reports_on(company, clock)
        dice.shuffle(reports)
        assert await sent_through(door, phone, client, job, reports) is None
    async with database.transaction(company.id) as session:
        notes = list(await session.exec(select(Note)))
    assert {note.work_order_id for note in notes} == {job.id for job in jobs}  # the door is open


Reports = list[tuple[str, dict[str, Any]]]


def reports_on(company: Company, clock: Clock) -> Reports:
    """Return all that a phone can report on a visit, and more, but never the bytes of the photo."""
    photo = {"photo_id": str(uuid4()), "item": "after", "sha256": "0" * 64, "size": 9}
    taken = {"mime": "image/jpeg", "captured_at": clock().isoformat(), "state": "verified"}
    return [
        *([("visit.finish", {"rules_sha256": company.checklist.rules_sha256})] * 3),
        ("visit.start", {}),
        ("visit.pause", {"reason": "parts"}),
        ("visit.resume", {}),
        ("answer.set", {"item": "safe", "value": True}),
        ("answer.set", {"item": "reading", "value": 12}),
        ("answer.set", {"item": "after", "value": "verified"}),
        ("photo.add", {**photo, **taken}),
        ("photo.mark", {"photo_id": photo["photo_id"], "marks": []}),
        ("photo.retract", {"photo_id": photo["photo_id"], "reason": "blurred"}),
        ("visit.complete", {}),
        ("work_order.close", {}),
        ("note.add", {"text": "All done"}),
    ]


async def sent_through(
    door: Door, phone: Phone, client: httpx.AsyncClient, job: Job, reports: Reports
) -> str | None:
    """Send reports on a job's visit through a door; return where it became final, None where it did not."""
    visit = {"visit_id": str(job.visit_id)}
    done = [phone.intent(kind, **visit, **data) for kind, data in reports]
    written = [{**CLAIMS, "id": str(job.id), "status": status} for status in sorted(FINAL)]
    for path, body in door(phone, done, written):
        answer = await client.post(path, json=body, headers=phone.headers)
        assert answer.status_code == 200, (path, answer.text)
        if (await job.row()).status in FINAL:
            return path
    return None


# --- controls: what the walks above must notice -----------------------------------------------------------


def without_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the verdict out of the door: whatever is missing, nothing is found to be."""

    async def judge_facts(session: Session, work_order: WorkOrder) -> Any:
        judged = await facts.judge_facts(session, work_order)
        return judged and (replace(judged[0], unmet=()), judged[1])

    monkeypatch.setattr(completion, "judge_facts", judge_facts)


def judged_at_the_board_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge what people in the office do, and believe their phones, as many systems do."""
    complete = completion.try_complete

    async def try_complete(session: Session, actor: Actor, *about: Any, **more: Any) -> Any:
        with monkeypatch.context() as patch:
            if actor.kind is ActorKind.DEVICE:
                without_a_verdict(patch)
            return await complete(session, actor, *about, **more)

    monkeypatch.setattr(completion, "try_complete", try_complete)


@pytest.mark.parametrize("fault", [without_a_verdict, judged_at_the_board_alone])
async def test_doors_that_do_not_judge_are_noticed(
    fault: Callable[[pytest.MonkeyPatch], None],
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phone = await new_phone(client, company, clock)
    fault(monkeypatch)
    for door in DOORS:
        job = await dispatched_job(database, company, clock)
        reports = [one for one in reports_on(company, clock) if one[0] != "photo.retract"]
        in_order = sorted(reports, key=lambda one: one[0] == "visit.finish")
        assert await sent_through(door, phone, client, job, in_order) is not None, door


@pytest.mark.parametrize("update", ["false", "true"])
@pytest.mark.parametrize("status", ["completed", "closed", ""])
async def test_a_file_of_past_work_does_not_finish_a_job_of_today(
    job: Job, client: httpx.AsyncClient, company: Company, update: str, status: str
) -> None:
    """An import closes what it brings; a row that bears the number of a job of ours brings nothing."""
    before = await job.row()
    answer = await client.post(
        "/api/imports/work_orders",
        params={"update": update},
        content=(
            "number,asset,work_type,reported_at,started_at,finished_at,technician,status\n"
            f"{before.number},A-1,repair,2025-06-02T08:00Z,2025-06-02T09:00Z,2025-06-02T11:00Z,T-1,{status}\n"
        ),
        headers={**company.headers["administrator"], "Content-Type": "text/csv"},
    )
    report = answer.json()
    assert (report["created"], report["updated"], report["differ"]) == (0, 0, 1), report
    assert "status" in {difference["column"] for difference in report["differences"]}
    after = await job.row()
    assert (after.status, after.closure_id, after.rev) == ("work_done", None, before.rev)


def _filled(path: str, job: Job) -> str:
    """Put the job's id, or its visit's, where a path wants an id."""
    parts = []
    for part in path.split("/"):
        if part.startswith("{"):
            parts.append(str(job.visit_id if "visit" in part else job.id))
        else:
            parts.append(part)
    return "/".join(parts)


@pytest.mark.parametrize("status", sorted(FINAL))
async def test_a_status_is_not_something_that_a_patch_can_name(
    status: str, job: Job, client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.patch(
        f"/api/work-orders/{job.id}",
        headers=company.headers["administrator"],
        json={"rev": 1, "status": status},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"at": "/status", "detail": "Extra inputs are not permitted"}
    ]


async def test_closing_says_exactly_what_is_missing(
    job: Job, client: httpx.AsyncClient, company: Company
) -> None:
    row = await job.row()
    answer = await client.post(
        f"/api/work-orders/{job.id}/closure",
        headers={**company.headers["dispatcher"], "Accept-Language": "ru"},
        json={"facts_rev": row.facts_rev},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "checklist-incomplete")
    (unmet,) = answer.json()["unmet"]
    assert (unmet["at"], unmet["code"], unmet["state"]) == (
        "/items/after/photos/0",
        "photo_pending",
        "declared",
    )
    assert "Фото после ремонта" in unmet["text"]


# --- other people's clients -------------------------------------------------------------------------------


async def test_nothing_that_a_powersync_client_uploads_completes_a_job(
    job: Job, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    """Rows of every table that could say so, written, changed and deleted, and intents of all names."""
    phone = await new_phone(client, company, clock)
    (photo,) = (await cold_rows(phone, "photos")).values()
    claims = {
        **CLAIMS,
        "state": "verified",
        "verified_sha256": photo["sha256"],
        "work_order_id": str(job.id),
        "visit_id": str(job.visit_id),
    }
    rows = [
        {"op": op, "type": table, "id": row_id, "data": claims}
        for op in ("PUT", "PATCH", "DELETE")
        for table, row_id in (
            ("work_orders", str(job.id)),
            ("work_order", str(job.id)),
            ("work_order_closure", str(uuid4())),
            ("visits", str(job.visit_id)),
            ("photos", photo["id"]),
            ("outcomes", str(uuid4())),
        )
    ]
    for kind in ("visit.finish", "work_order.complete", "completed", "state.suggest"):
        columns = {"type": kind, "data": json.dumps({**claims, "collection": "work_orders"})}
        rows.append({"op": "PUT", "type": "intents", "id": str(uuid4()), "data": columns})
    for number, row in enumerate(rows, 1):
        answer = await client.post(
            "/compat/powersync/crud",
            headers=phone.headers,
            json={"install_id": "phone-1", "client_id": "c", "batch": [{"op_id": number, **row}]},
        )
        assert answer.status_code == 200, (row, answer.text)
        assert (await job.row()).status not in FINAL, row
    assert (await cold_rows(phone, "photos"))[photo["id"]] == photo


async def cold_rows(phone: Phone, coll: str) -> dict[str, dict[str, Any]]:
    fresh = Phone(phone.client, phone.headers, phone.device_id, phone.clock)
    await fresh.pull()
    return fresh.of(coll)


# --- the code ---------------------------------------------------------------------------------------------


def _writes_a_final_status(tree: ast.AST) -> list[int]:
    """Return the lines that assign one of the two words, or their members, to a status."""

    def is_final(node: ast.AST) -> bool:
        if isinstance(node, ast.Constant):
            return node.value in FINAL
        return isinstance(node, ast.Attribute) and node.attr in {
            "COMPLETED",
            "CLOSED",
            "COMPLETE",
            "CLOSE",
        }

    lines = []
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        value: ast.AST | None = None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign):
            targets, value = [node.target], node.value
        elif isinstance(node, ast.keyword) and node.arg == "status":
            targets, value = [ast.Name("status")], node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr":
            targets, value = [ast.Name("status")], node
        named = any(
            (isinstance(one, ast.Attribute) and one.attr == "status")
            or (
                isinstance(one, ast.Name)
                and one.id == "status"
                and not isinstance(node, ast.Assign)
            )
            for one in targets
        )
        if named and value is not None and any(is_final(part) for part in ast.walk(value)):
            lines.append(node.lineno if hasattr(node, "lineno") else value.lineno)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = " ".join(node.value.lower().split())
            if "update work_order set" in text and any(word in text for word in FINAL):
                lines.append(node.lineno)
    return lines


def test_no_other_file_writes_the_two_final_words() -> None:
    door = ROOT / "fsm/work_orders/completion.py"
    assert _writes_a_final_status(ast.parse(door.read_text(encoding="utf-8")))
    writers = {
        str(path.relative_to(ROOT)): lines
        for package in ("fsm", "scheduler", "mobile_api", "reports")
        for path in (ROOT / package).rglob("*.py")
        if path != door
        and path.name not in ("lifecycle.py",)
        and "status" in (text := path.read_text(encoding="utf-8"))
        and re.search("complete|close", text, re.IGNORECASE)
        and (lines := _writes_a_final_status(ast.parse(text)))
    }
    assert writers == {}
