"""The board where it plans: who can, why not, a better day taken in part, what came up, what others did."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
import pytest_asyncio
from sqlmodel import col, select

from fsm.database import fetch
from fsm.jobs import Job as QueuedJob
from fsm.technicians.tables import Absence
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler import child
from scheduler.jobs import list_unsolved, solve_plan
from tests.pages.conftest import BROWSER, Office, playwright
from tests.pages.looking import assert_accessible, small_targets, take
from tests.pages.test_board import open_board
from tests.patience import PATIENCE_S
from tests.scheduler.running import RunningDay, moment, running_day, solve_here

pytestmark = BROWSER


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(office: Office) -> AsyncIterator[RunningDay]:
    """Boris and Mate, both at work from eight to five, and what plans as the worker does."""
    over = asyncio.Event()

    async def plan() -> None:
        while not over.is_set():
            for run_id in await list_unsolved(office.database, office.company.id):
                job = QueuedJob(office.company.id, {"run_id": str(run_id)})
                await solve_plan(office.database, job, office.clock())
            await asyncio.sleep(0.1)

    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S)
        await stack.enter_async_context(client)
        stack.enter_context(patch.object(child, "solve", solve_here))
        planner = asyncio.create_task(plan())
        yield await running_day(client, office.database, office.company, office.clock)
        over.set()
        await planner


@pytest_asyncio.fixture(loop_scope="session")
async def day(world: RunningDay) -> RunningDay:
    """The same with nothing planned and nothing to do: each test has the day for itself."""
    async with world.database.transaction(world.company.id) as session:
        for work_order in await session.exec(select(WorkOrder)):
            work_order.status = "cancelled"
        for visit in await session.exec(select(Visit)):
            visit.status = "withdrawn"
            visit.rev += 1
        for absence in await session.exec(select(Absence)):
            await session.delete(absence)
    return world


async def planned(day: RunningDay) -> set[tuple[str, str, str]]:
    """Return of each visit that stands whose job it is, with whom, and from when."""
    async with day.database.transaction(day.company.id) as session:
        statement = select(WorkOrder.number, Visit.technician_id, Visit.planned_starts_at).where(
            Visit.tenant_id == day.company.id,
            WorkOrder.tenant_id == day.company.id,
            WorkOrder.id == Visit.work_order_id,
            col(Visit.status).in_(("planned", "dispatched")),
        )
        rows = await session.exec(statement)
        return {(number, str(who), at.isoformat()) for number, who, at in rows}


async def reasons_given(day: RunningDay) -> list[str]:
    """Return what history keeps of reasons why something was put where a rule is against it."""
    async with day.database.transaction(day.company.id) as session:
        rows = await fetch(
            session,
            "select data->>'reason' from event where tenant_id = $1 "
            "and kind = 'visit.placed_despite' order by received_at, id",
            day.company.id,
        )
        return [reason for (reason,) in rows]


async def test_what_another_moved_meanwhile_stays_when_one_undoes(
    office: Office, opened: Any, day: RunningDay
) -> None:
    work = await day.job("Clash")
    page = await open_board(office, opened, width=1440, height=900)
    page.watch.forgiven.append("409")  # the refusals that this is about
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")

    async def plan_it() -> None:
        await page.locator(f"[data-job='{work.id}']").click()
        await page.get_by_role("button", name="Plan…").click()
        await dialog.get_by_label("Technician").select_option(str(day.one.id))
        await dialog.get_by_label("Begins").fill("11:00")
        await dialog.get_by_role("button", name="Plan", exact=True).click()
        await main.get_by_text(f"{work.number} planned: Boris, 11:00").wait_for()

    async def move(visit_id: str, to: str) -> None:
        """Let somebody else move a visit, and let minutes go by that the page has heard of."""
        rev = (await day.send("GET", f"/api/visits/{visit_id}"))["rev"]
        at = f"2026-03-23T{to}:00Z"
        ends_at = (moment(at) + timedelta(hours=1)).isoformat()
        changes = {"rev": rev, "planned_starts_at": at, "planned_ends_at": ends_at}
        await day.send("PATCH", f"/api/visits/{visit_id}", changes, role="administrator")
        later = f"[data-visit='{visit_id}'][aria-label*='{int(to[:2]) + 1}{to[2:]}']"
        await page.locator(later).wait_for()
        office.clock.forward(minutes=5)
        for key, there in (("]", "Mar 24"), ("[", "Mar 23")):
            await page.keyboard.press(key)
            await page.get_by_role("toolbar").get_by_text(there).wait_for()
        await page.locator(later).wait_for()

    await plan_it()
    # What one did oneself in between is no clash.
    await page.get_by_role("button", name="Send to the phone").click()
    await main.get_by_text("1 visit sent").wait_for()
    await page.keyboard.press("u")
    await main.get_by_text(f"Undone: {work.number} planned:").wait_for()
    assert await planned(day) == set()

    await plan_it()
    bar = page.locator(f"[data-visit]:has-text('{work.number}')")
    visit = await bar.get_attribute("data-visit")
    await move(visit, "13:15")
    await page.keyboard.press("u")
    await main.get_by_text("Administrator changed this visit 5 min ago.").wait_for()
    assert (work.number, str(day.one.id), "2026-03-23T13:15:00+00:00") in await planned(day)

    await bar.click()
    await page.get_by_role("button", name="Crew…").click()
    await dialog.get_by_role("checkbox", name="Mate").check()
    await dialog.get_by_text("Driving").wait_for()
    await dialog.get_by_role("button", name="Form the crew").click()
    await main.get_by_text(f"{work.number}: Mate join").wait_for()
    mates = page.locator(f"[data-technician='{day.two.id}'] [data-visit]:has-text('{work.number}')")
    await move(await mates.get_attribute("data-visit"), "13:30")
    await page.keyboard.press("u")
    await main.get_by_text("Administrator changed this visit 5 min ago.").wait_for()
    assert (work.number, str(day.two.id), "2026-03-23T13:30:00+00:00") in await planned(day)


async def test_who_can_is_ranked_in_words_and_only_a_soft_breach_asks_a_reason(
    office: Office, opened: Any, day: RunningDay
) -> None:
    free, late, crane = await day.job("Free"), await day.job("Late"), await day.job("Crane")
    async with day.database.transaction(day.company.id) as session:
        row = await session.get(WorkOrder, (day.company.id, late.id))
        row.respond_by = day.clock() + timedelta(minutes=1)
        row = await session.get(WorkOrder, (day.company.id, crane.id))
        row.skills = [{"skill": "crane", "level": 3}]
    page = await open_board(office, opened, width=1440, height=900)
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    details = page.get_by_role("region", name="Details")

    # By keyboard: the job, "Who can?", the second of those who can.
    await page.locator(f"[data-job='{free.id}']").focus()
    await page.keyboard.press("Enter")
    who = details.get_by_role("button", name="Who can?")
    await who.focus()
    async with page.expect_response("**/slots?*") as answering:
        await page.keyboard.press("Enter")
    first, second, *_ = (await (await answering.value).json())["slots"]
    ranked = details.locator("ol > li").filter(has=page.get_by_role("button", name="Take"))
    await ranked.nth(1).wait_for()
    for n, slot in enumerate((first, second)):
        await ranked.nth(n).get_by_text(f"{n + 1}. {slot['technician']}").wait_for()
        await ranked.nth(n).get_by_text(slot["said"]["en"]).wait_for()
    await assert_accessible(page)
    assert await small_targets(page, "main", 32) == []
    await take(page, "board-who-can")
    await ranked.nth(1).get_by_role("button").focus()
    await page.keyboard.press("Enter")
    await main.get_by_text(f"{free.number} planned: {second['technician']}").wait_for()
    at = moment(second["starts_at"]).isoformat()
    assert await planned(day) == {(free.number, second["technician_id"], at)}
    assert await reasons_given(day) == []

    # By clicking: it comes too late for a promise, and that is for the dispatcher to answer for.
    await page.locator(f"[data-job='{late.id}']").click()
    await details.get_by_role("button", name="Who can?").click()
    await ranked.first.get_by_role("button").click()
    await dialog.get_by_label("Reason").fill("The caretaker is in at noon only")
    await assert_accessible(page)
    await take(page, "board-who-can-reason")
    await dialog.get_by_role("button", name="Plan", exact=True).click()
    await main.get_by_text(f"{late.number} planned:").wait_for()
    assert await reasons_given(day) == ["The caretaker is in at noon only"]

    await page.locator(f"[data-job='{crane.id}']").click()
    await details.get_by_role("button", name="Who can?").click()
    await details.get_by_text("Nobody has room on these days.").wait_for()
    await details.get_by_role("button", name="Why not?").click()
    await details.get_by_text("a skill is missing: crane, level 3").wait_for()
    await details.get_by_role("button", name="Technician by technician").click()
    for name in (first["technician"], second["technician"]):
        await details.get_by_text(f"{name}: a skill is missing (crane, level 3).").first.wait_for()
    await assert_accessible(page)
    await take(page, "board-why-not")


async def test_a_crew_is_taken_whole_and_undone_whole(
    office: Office, opened: Any, day: RunningDay
) -> None:
    job = await day.job("Winch", crew_size=2)
    page = await open_board(office, opened, width=1440, height=900)
    main = page.get_by_role("main")
    details = page.get_by_role("region", name="Details")
    await page.locator(f"[data-job='{job.id}']").click()
    who = details.get_by_role("button", name="Who can?")
    async with page.expect_response("**/slots?*") as answering:
        await who.click()
    first, *_ = (await (await answering.value).json())["slots"]
    (mate,) = first["mates"]
    ranked = details.locator("ol > li").filter(has=page.get_by_role("button", name="Take"))
    await ranked.first.get_by_role("button").click()
    both = f"{first['technician']}, {mate['technician']}"
    await main.get_by_text(f"{job.number} planned: {both}").wait_for()
    at = moment(first["starts_at"]).isoformat()
    people = (first["technician_id"], mate["technician_id"])
    assert await planned(day) == {(job.number, each, at) for each in people}
    await page.keyboard.press("u")
    await main.get_by_text(f"Undone: {job.number} planned:").wait_for()
    assert await planned(day) == set()


async def answered(day: RunningDay) -> dict[str, Any]:
    """Return the plan that was made last."""
    newest = (await day.send("GET", "/api/plans"))["items"][0]
    found: dict[str, Any] = await day.send("GET", f"/api/plans/{newest['id']}")
    return found


async def jobs_with(day: RunningDay) -> dict[str, str]:
    """Return with whom each planned job is."""
    return {number: who for number, who, _ in await planned(day)}


async def test_a_better_day_is_shown_with_its_causes_taken_in_part_and_undone(
    office: Office, opened: Any, day: RunningDay
) -> None:
    far, near = await day.job("Far", north_km=25), await day.job("Near", north_km=25.5)
    await day.visit(far, day.one, 1)
    await day.visit(near, day.two, 3)
    waiting = [await day.job("Between", north_km=24), await day.job("South", north_km=-10)]
    crane = await day.job("Crane 2", skills=[{"skill": "crane", "level": 3}])
    before = await planned(day)
    page = await open_board(office, opened, width=1440, height=900)
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    difference = page.get_by_role("dialog", name="What would change")

    # By keyboard: the whole day, what it brings, all but one of the groups.
    await page.locator("[data-visit]").nth(1).wait_for()
    await page.get_by_role("button", name="Optimise").press("Enter")
    await dialog.get_by_role("radio", name="All visits").press("Space")
    await dialog.get_by_label("Seconds to think").fill("1")
    await dialog.get_by_role("button", name="Look for a plan").press("Enter")
    await difference.wait_for()
    plan = await answered(day)
    groups, lines = plan["difference"]["groups"], plan["difference"]["lines"]
    assert len(groups) >= 2, "there is nothing to take in part"
    assert {"added", "moved"} <= {line["kind"] for line in lines}
    for line in lines:
        await difference.get_by_text(line["said"]["en"]).wait_for()
    was, now = plan["difference"]["before"], plan["difference"]["after"]
    km = [str(round(sums["travel_m"] / 1000)) for sums in (was, now)]
    for name, figures in {
        "Planned visits": [str(was["planned"]), str(now["planned"])],
        "Left out": [str(was["unplanned"]), str(now["unplanned"])],
        "Driving, km": km,
        "Promises missed": [str(was["promises_missed"]), str(now["promises_missed"])],
    }.items():
        row = difference.get_by_role("row").filter(has_text=name)
        assert (await row.inner_text()).split("\t")[1:] == figures
    await difference.locator("summary").press("Enter")
    await difference.get_by_text(f"{crane.number}").first.wait_for()
    await difference.get_by_text("a skill is missing: crane, level 3").wait_for()
    await assert_accessible(page)
    await take(page, "board-difference")
    left, taken = groups[0], groups[1:]
    of_left = set(left["visits"])
    box = difference.get_by_role("checkbox", name=f"Take: {', '.join(left['numbers'])}")
    await box.press("Space")
    await difference.get_by_role("button", name=f"Accept {len(taken)}").press("Enter")
    await main.get_by_text("The plan is accepted").wait_for()
    await difference.wait_for(state="detached")
    chosen = [one for one in lines if one["group"] is not None and one["key"] not in of_left]
    having = await jobs_with(day)
    for one in chosen:
        after = one["after"]
        assert having.get(one["number"]) == (after and after["technician_id"])
    stays = {one for one in before if one[0] in left["numbers"]}
    assert {one for one in await planned(day) if one[0] in left["numbers"]} == stays
    for number, who in having.items():
        await page.locator(
            f"[data-technician='{who}'] [data-visit]:has-text('{number}')"
        ).wait_for()
    await playwright.expect(page.locator("[data-visit]")).to_have_count(len(having))
    await take(page, "board-part-accepted")
    await page.keyboard.press("u")
    await main.get_by_text("Undone: The plan is accepted").wait_for()
    assert await planned(day) == before
    await playwright.expect(page.locator("[data-visit]")).to_have_count(2)

    # By clicking: what waits, all of it; and first what somebody else has accepted already.
    for other_accepts in (True, False):
        await page.get_by_role("button", name="Optimise").click()
        await dialog.get_by_role("radio", name="Plan what waits").check()
        await dialog.get_by_label("Seconds to think").fill("1")
        await dialog.get_by_role("button", name="Look for a plan").click()
        accept = difference.get_by_role("button", name="Accept all")
        await accept.wait_for()
        plan = await answered(day)
        if other_accepts:
            await day.post(f"/api/plans/{plan['id']}/acceptance", {})
            page.watch.forgiven.append("409")
            await accept.click()
            await difference.get_by_text("only a plan that is ready can be accepted").wait_for()
            await assert_accessible(page)
            await difference.get_by_role("button", name="Change nothing").click()
            await day.post(f"/api/plans/{plan['id']}/undoing", {})
            await page.locator(f"[data-job='{waiting[1].id}']").wait_for()
    await accept.click()
    await difference.wait_for(state="detached")
    added = {line["number"]: line["after"]["technician_id"] for line in plan["difference"]["lines"]}
    assert set(added) == {one.number for one in waiting}
    assert await jobs_with(day) == {number: who for number, who, _ in before} | added
    await main.get_by_role("button", name="Undo").click()
    await main.get_by_text("Undone: The plan is accepted").wait_for()
    assert await planned(day) == before


async def test_a_sick_call_reassigns_the_day_and_is_taken_back(
    office: Office, opened: Any, day: RunningDay
) -> None:
    jobs = [await day.job(f"Sick {number}", north_km=number) for number in (2, 3)]
    for hour, job in enumerate(jobs, 2):
        await day.visit(job, day.one, hour)
    before = await planned(day)
    page = await open_board(office, opened, width=1440, height=900)
    main = page.get_by_role("main")
    difference = page.get_by_role("dialog", name="What would change")
    boris = page.locator(f"[data-technician='{day.one.id}']")
    await boris.locator(".who").press("Enter")
    await page.get_by_role("button", name="Sick today").press("Enter")
    for job in jobs:
        await difference.get_by_text(f"{job.number}:").wait_for()
    await difference.get_by_text("somebody called in sick").first.wait_for()
    await assert_accessible(page)
    await take(page, "board-sick-call")
    await difference.get_by_role("button", name="Accept all").press("Enter")
    await main.get_by_text("The plan is accepted").wait_for()
    assert await jobs_with(day) == {job.number: str(day.two.id) for job in jobs}
    await boris.locator(".absence").wait_for()
    await page.keyboard.press("u")
    await main.get_by_text("Undone: The plan is accepted").wait_for()
    assert await planned(day) == before
    await page.keyboard.press("u")
    await main.get_by_text("Undone: Boris is sick").wait_for()
    await boris.locator(".absence").wait_for(state="detached")
    assert (await day.send("GET", "/api/absences"))["items"] == []


async def still_to_come(day: RunningDay, job_id: UUID) -> Visit:
    async with day.database.transaction(day.company.id) as session:
        of_job = select(Visit).where(Visit.work_order_id == job_id)
        return (await session.exec(of_job.where(col(Visit.status) != "withdrawn"))).one()


async def test_what_comes_up_on_the_day_is_noted_answered_with_a_plan_and_undone(
    office: Office, opened: Any, day: RunningDay
) -> None:
    work, near = await day.job("Happens", north_km=2), await day.job("Close by", north_km=2.5)
    opens = day.clock() + timedelta(minutes=30)
    window = {"window_starts_at": opens, "window_ends_at": opens + timedelta(days=2)}
    visit = await day.visit(work, day.one, 1, **window)
    before = await planned(day)
    page = await open_board(office, opened, width=1440, height=900)
    main = page.get_by_role("main")
    details = page.get_by_role("region", name="Details")
    noting = page.get_by_role("dialog", name=work.number)
    difference = page.get_by_role("dialog", name="What would change")

    async def undone(*said: str) -> None:
        for one in said:
            await page.keyboard.press("u")
            await main.get_by_text(f"Undone: {one}").wait_for()
        assert await planned(day) == before

    # Nobody was there: what waits close by has the time.
    await page.locator(f"[data-visit='{visit.id}']").click()
    send = details.get_by_role("button", name="Send to the phone")
    await send.click()
    await playwright.expect(send).to_be_disabled()
    await details.get_by_text("Something came up").click()
    await take(page, "board-happenings")
    await assert_accessible(page)
    await details.get_by_role("button", name="Nobody was there").click()
    await difference.get_by_text(f"{near.number}:").wait_for()
    await difference.get_by_role("button", name="Accept all").click()
    await main.get_by_text("The plan is accepted").wait_for()
    assert set(await jobs_with(day)) == {near.number}
    await undone("The plan is accepted", f"{work.number}: nobody was there")
    again = await still_to_come(day, work.id)
    assert again.status == "dispatched"  # it is on the phone again …
    assert {name: getattr(again, name) for name in window} == window  # … and promised as before

    # No longer wanted, from the table and by keyboard; the plan is left as it is.
    await page.get_by_role("button", name="Table", exact=True).press("Enter")
    await page.get_by_role("row").filter(has_text=work.number).get_by_role("button").press("Enter")
    await details.get_by_text("Something came up").press("Enter")
    await details.get_by_role("button", name="No longer wanted…").press("Enter")
    await noting.get_by_label("Reason").fill("The hotel called")
    await assert_accessible(page)
    await noting.get_by_label("Reason").press("Enter")
    await difference.get_by_role("button", name="Change nothing").press("Enter")
    await page.get_by_text("No visits on these days.").wait_for()
    assert await planned(day) == set()
    await undone(f"{work.number}: the visit is no longer wanted")

    # Its part comes tomorrow, from the map: the visit goes behind that.
    await page.get_by_role("button", name="Map", exact=True).click()
    await page.get_by_role("button", name=f"{work.number}, Happens, Boris").click()
    await details.get_by_text("Something came up").click()
    await details.get_by_role("button", name="Part comes late…").click()
    await noting.get_by_label("From").fill("10:00")
    await assert_accessible(page)
    await take(page, "board-late-part")
    await noting.get_by_role("button", name="Note it").click()
    await difference.get_by_text(f"{work.number}:").wait_for()
    await difference.get_by_role("button", name="Accept all").click()
    await main.get_by_text("The plan is accepted").wait_for()
    ((_, _, at), *_) = [one for one in await planned(day) if one[0] == work.number]
    assert moment(at) >= moment("2026-03-24T09:00:00Z")
    await undone("The plan is accepted", f"{work.number} does not begin before")
    terms = f"/api/planning/work-orders/{work.id}/terms"
    assert (await day.send("GET", terms))["earliest_at"] is None

    # Work in hand takes longer: who comes next is told from when.
    next_one = await day.job("After", north_km=2.2)
    await day.visit(next_one, day.one, 2.5)
    ((*_, at),) = [one for one in await planned(day) if one[0] == next_one.number]
    current = await still_to_come(day, work.id)
    await day.begin(current)
    await page.get_by_role("button", name="Timeline", exact=True).click()
    # The phone's tap, of which the office hears: here it is written beside its back.
    await page.reload()
    await page.locator(f"[data-visit='{current.id}'][aria-label*='on site']").click()
    await details.get_by_text("Something came up").click()
    await details.get_by_role("button", name="Takes longer…").click()
    await noting.get_by_label("Ends at about").fill("13:30")
    await assert_accessible(page)
    await noting.get_by_role("button", name="Note it").click()
    await difference.get_by_text(f"{next_one.number}:").wait_for()
    await take(page, "board-overrun")
    await difference.get_by_role("button", name="Accept all").click()
    await main.get_by_text("The plan is accepted").wait_for()
    ((_, who, when),) = [one for one in await planned(day) if one[0] == next_one.number]
    assert who == str(day.two.id) or moment(when) >= moment("2026-03-23T12:30:00Z")
    # A note about work in hand stays; nothing older is undone in its stead.
    await page.keyboard.press("u")
    await main.get_by_text("Undone: The plan is accepted").wait_for()
    assert (next_one.number, str(day.one.id), at) in await planned(day)
    await page.keyboard.press("u")
    await main.get_by_text(f"Not undone: {work.number} takes until 13:30").wait_for()
