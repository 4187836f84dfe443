"""The walk from a QR scan to a KPI, over HTTP alone: what `deploy/demo --check` and the journey test make.

Each step says one line; the first that does not hold ends the walk. Nothing here knows the database.
"""

import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from uuid_utils.compat import uuid7

from fsm.demo.people import People
from fsm.demo.work import draw_photo

Json = dict[str, Any]

WORK_MIN, TRAVEL_MIN, PARTS = 45, 20, 2
"""Minutes of work and travel that the technician writes down, and how many of a part are used."""

_PATIENCE_S = 300


class DoesNotHold(Exception):
    """A step of the walk that the product did not keep, in one sentence."""


def hold(condition: object, sentence: str) -> None:
    if not condition:
        raise DoesNotHold(sentence)


def tell(line: str) -> None:
    print(f"  ✓ {line}", flush=True)


async def walk(url: str, passport: str, people: People, say: Callable[[str], None] = tell) -> int:
    """Walk the product at `url`; return 0 when every step held, 1 at the first that did not."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        try:
            await Walk(http, passport, people, say).go()
        except DoesNotHold as error:
            print(f"  ✗ {error}", flush=True)
            return 1
        except httpx.HTTPError as error:
            print(f"  ✗ The server could not be asked: {error!r}", flush=True)
            return 1
    print("The walk holds: from a scan to figures that name what they counted.", flush=True)
    return 0


class Walk:
    """One walk: a passer-by, a dispatcher, a technician's phone and a manager, each with their own token."""

    def __init__(
        self, http: httpx.AsyncClient, passport: str, people: People, say: Callable[[str], None]
    ) -> None:
        self.http = http
        self.passport = passport.rpartition("/p/")[2]
        self.people = people
        self.say = say
        self.photo = draw_photo(f"walk {secrets.token_hex(4)}", (1_600, 1_200))
        self.evidence = draw_photo(f"after {secrets.token_hex(4)}", (1_600, 1_200))
        self.sequence = 0

    async def go(self) -> None:
        self.manager = await self.sign_in("manager")
        self.dispatcher = await self.sign_in("dispatcher")
        asset_id = await self.find_asset()
        before = await self.figures(asset_id)
        status = await self.report()
        await self.expect_status(status, "received")
        request = await self.find_request()
        job = await self.accept(request)
        hold(job["asset_id"] == asset_id, "The work order is about another asset.")
        visit = await self.plan(job)
        await self.expect_status(status, "planned")
        phone = await self.pull(visit, job)
        await self.try_to_finish_unproved(phone, visit, job)
        photo_id = await self.finish_without_bytes(phone, visit, job)
        await self.upload(phone, photo_id)
        finished = await self.expect_completed(job)
        await self.close(finished)
        await self.expect_status(status, "done")
        await self.compare(asset_id, before, await self.read_job(job["id"]), visit)

    # --- asking ---------------------------------------------------------------------------------------

    async def ask(
        self, method: str, path: str, who: Json | None = None, *, status: int = 200, **more: Any
    ) -> Any:
        """Send a request and return its JSON, else the response; anything but `status` ends the walk."""
        headers = {**(who or {}), **more.pop("headers", {})}
        answer = await self.http.request(method, path, headers=headers, **more)
        hold(
            answer.status_code == status,
            f"{method} {path} answered {answer.status_code} instead of {status}: {answer.text[:300]}",
        )
        is_json = "json" in answer.headers.get("content-type", "") and answer.content
        return answer.json() if is_json else answer

    async def sign_in(self, who: str) -> Json:
        body = {"login": self.people.login(who), "password": self.people.password}
        session = await self.ask("POST", "/api/sign-in", json=body)
        return {"Authorization": f"Bearer {session['access_token']}"}

    # --- the passer-by --------------------------------------------------------------------------------

    async def report(self) -> str:
        """Scan, read the page, report a stopped machine with a photo; return the status link's token."""
        scanned = await self.ask("GET", f"/p/{self.passport}", status=307)
        page = await self.ask("GET", scanned.headers["location"])
        hold(
            len(page.content) < 30_000,
            f"The passport page is {len(page.content)} bytes, over 30 kB.",
        )
        for secret in ("Vltava", "Ludmila", "Bohemia", "Praha"):
            hold(secret not in page.text, f"The passport shows a stranger '{secret}'.")
        self.say("a stranger's scan opens the passport: no login, no customer, no address")
        action = _one(r'<form method="post" action="(/p/[^"]+/report[^"]*)"', page.text)
        self.text = f"It stopped with a bang 💥 ({secrets.token_hex(4)})"
        answer = await self.ask(
            "POST",
            action.replace("&amp;", "&"),
            status=303,
            data={
                "report_id": _one(r'name="report_id" value="([^"]+)"', page.text),
                "text": self.text,
                "impact": "stopped",
                "contact_name": "Zdeněk",
            },
            files={"photo": ("IMG_0001.jpg", self.photo, "image/jpeg")},
        )
        thanks = await self.ask("GET", answer.headers["location"])
        token = _one(r'href="/s/([^"?/]+)', thanks.text)
        self.say("the problem is reported with a photo, and answered with a status link")
        return token

    async def expect_status(self, token: str, step: str) -> None:
        body = await self.ask("GET", f"/s/{token}", headers={"Accept": "application/json"})
        hold(body["current"] == step, f"The status link says '{body['current']}', not '{step}'.")
        self.say(f"the caller's status link says: {step}")

    # --- the dispatcher -------------------------------------------------------------------------------

    async def find_request(self) -> Json:
        page = await self.ask("GET", "/api/service-requests?limit=20", self.dispatcher)
        found = [one for one in page["items"] if one["text"] == self.text]
        hold(len(found) == 1, "The dispatcher does not see the report, exactly once.")
        request: Json = found[0]
        hold(
            request["request_class"] == "incident", "A stopped machine is not classed as incident."
        )
        dossier = await self.ask("GET", f"/api/service-requests/{request['id']}", self.dispatcher)
        (attachment,) = dossier["attachments"]
        photo = await self.ask("GET", attachment["url"], self.dispatcher)
        hold(photo.content == self.photo, "The photo did not arrive as it was sent.")
        self.say(
            f"the dispatcher sees {request['number']}, classed as incident, with the photo intact"
        )
        return request

    async def accept(self, request: Json) -> Json:
        accepted = await self.ask(
            "POST",
            f"/api/service-requests/{request['id']}/acceptance",
            self.dispatcher,
            status=201,
            json={"work_type": self.work_type, "priority": 1},
        )
        job = await self.read_job(accepted["work_order_id"])
        hold(job["contract_id"], "The work order is under no contract.")
        hold(job["respond_by"] and job["restore_by"], "The work order has no due times.")
        contract = await self.ask("GET", f"/api/contracts/{job['contract_id']}", self.dispatcher)
        self.say(
            f"{job['number']} is under contract {contract['number']}: "
            f"respond by {job['respond_by'][:16]}, restore by {job['restore_by'][:16]} UTC"
        )
        return job

    async def plan(self, job: Json) -> Json:
        """Plan the next working day, read the reasons, accept, dispatch; return the job's visit."""
        day = _next_working_day()
        run = await self.ask(
            "POST",
            "/api/plans",
            self.dispatcher,
            status=202,
            json={"starts_on": day.isoformat(), "seconds": 2},
        )
        async for plan in self._until(f"/api/plans/{run['id']}", self.dispatcher):
            if plan["status"] not in ("queued", "solving"):
                break
        hold(plan["status"] == "ready", f"The plan is {plan['status']}: {plan['failure']}")
        stops = [stop for route in plan["routes"] for stop in route["stops"]]
        hold(
            any(stop["work_order_id"] == job["id"] for stop in stops),
            "The plan leaves the urgent job out: "
            + "; ".join(
                one["said"]["en"] for one in plan["unplanned"] if one["work_order_id"] == job["id"]
            ),
        )
        for one in plan["unplanned"]:
            hold(
                one["said"]["en"] and one["said"]["ru"], f"{one['number']} is left out unexplained."
            )
        hold(plan["unplanned"], "The plan has room for the job that nobody is able to do.")
        visits = sum(stop["kind"] == "visit" for stop in stops)
        self.say(
            f"the plan of {day} has {visits} visits; {len(plan['unplanned'])} left out, each with a reason"
        )
        self.say(f"why not: “{plan['unplanned'][0]['said']['en']}”")
        accepted = await self.ask(
            "POST", f"/api/plans/{run['id']}/acceptance", self.dispatcher, json={}
        )
        (visit,) = [one for one in accepted["visits"] if one["work_order_id"] == job["id"]]
        await self.ask(
            "POST", "/api/visits/dispatching", self.dispatcher, json={"visit_ids": [visit["id"]]}
        )
        self.say("the dispatcher accepts the plan and releases the visit to a phone")
        found: Json = visit
        return found

    async def _until(self, path: str, who: Json) -> AsyncIterator[Json]:
        """Yield what is at `path` every half second, and give up after a minute."""
        for _ in range(_PATIENCE_S * 2):
            yield await self.ask("GET", path, who)
            await asyncio.sleep(0.5)
        raise DoesNotHold(f"{path} did not come to an end within {_PATIENCE_S} s.")

    async def read_job(self, job_id: str) -> Json:
        job: Json = await self.ask("GET", f"/api/work-orders/{job_id}", self.dispatcher)
        return job

    # --- the technician's phone -----------------------------------------------------------------------

    async def pull(self, visit: Json, job: Json) -> Json:
        """Register the phone of the technician, pull everything; return its authorization."""
        technician = await self.ask(
            "GET", f"/api/technicians/{visit['technician_id']}", self.dispatcher
        )
        signed_in = await self.sign_in(technician["number"].lower())
        device = await self.ask(
            "POST",
            "/sync/v1/devices",
            signed_in,
            json={
                "install_id": secrets.token_hex(8),
                "platform": "walk",
                "app": "1.0",
                "schema": 5,
            },
        )
        self.device_id = device["device_id"]
        phone = {"Authorization": f"Bearer {device['token']}"}
        rows: dict[str, dict[str, Json]] = {}
        since = None
        while True:
            page = await self.ask(
                "GET", "/sync/v1/pull", phone, params={"since": since} if since else None
            )
            for change in page["changes"]:
                if change["op"] == "put":
                    rows.setdefault(change["c"], {})[change["id"]] = change["d"]
            since, self.head = page["since"], page["head"]
            if page["complete"]:
                break
        hold(visit["id"] in rows.get("visits", {}), "The phone did not get the visit.")
        hold(job["id"] in rows.get("work_orders", {}), "The phone did not get the job.")
        hold(job["asset_id"] in rows.get("assets", {}), "The phone did not get the asset.")
        hold(rows.get("checklists"), "The phone did not get the checklist.")
        self.parts = rows["parts"]
        self.say(f"{technician['name']}'s phone has the visit, the asset and the frozen checklist")
        return phone

    def intent(self, name: str, /, **data: Any) -> Json:
        self.sequence += 1
        return {
            "id": str(uuid7()),
            "seq": self.sequence,
            "type": name,
            "base_seq": self.head,
            "occurred_at": _now().isoformat(),
            "mono_ms": self.sequence * 1_000,
            "boot": "walk",
            "after": [],
            "data": data,
        }

    async def push(self, phone: Json, intents: list[Json]) -> dict[str, Json]:
        """Push intents, twice as a phone that lost the answer would; return outcomes by intent."""
        body = {"device_id": self.device_id, "outbox_empty_at": None, "intents": intents}
        first = await self.ask("POST", "/sync/v1/push", phone, json=body)
        again = await self.ask("POST", "/sync/v1/push", phone, json=body)
        repeated = {one["id"]: one["status"] for one in again["outcomes"]}
        hold(
            set(repeated.values()) == {"duplicate"},
            f"An intent that was sent twice was not known the second time: {repeated}",
        )
        return {one["id"]: one for one in first["outcomes"]}

    async def try_to_finish_unproved(self, phone: Json, visit: Json, job: Json) -> None:
        """Work offline, then push it all: finishing is refused with exactly what is missing."""
        at = {"visit_id": visit["id"]}
        now = _now()
        work_from = now - timedelta(minutes=WORK_MIN)
        self.part = min(self.parts.values(), key=lambda part: part["number"])
        intents = [
            self.intent("visit.travel", **at),
            self.intent("visit.arrive", **at),
            self.intent("visit.start", **at),
            self.intent("answer.set", **at, item="secured", value=True),
            self.intent("answer.set", **at, item="cause", value="wear"),
            self.intent(
                "time.add",
                **at,
                kind="travel",
                **{
                    "from": (work_from - timedelta(minutes=TRAVEL_MIN)).isoformat(),
                    "to": work_from.isoformat(),
                },
            ),
            self.intent(
                "time.add",
                **at,
                kind="work",
                **{"from": work_from.isoformat(), "to": now.isoformat()},
            ),
            self.intent("part.use", **at, part_id=self.part["id"], qty=PARTS),
            self.intent("visit.finish", **at),
        ]
        outcomes = await self.push(phone, intents)
        *done, finish = [outcomes[intent["id"]] for intent in intents]
        hold(
            all(one["status"] == "applied" for one in done),
            f"Not everything done offline was applied: {done}",
        )
        hold(finish["status"] == "rejected", f"An unproved finish was not refused: {finish}")
        missing = {(one["at"], one["code"]) for one in finish["problem"]["unmet"]}
        expected = {("/items/reading", "required"), ("/items/after/photos/0", "photo_missing")}
        hold(missing == expected, f"The refusal names {missing}, not {expected}.")
        now_job = await self.read_job(job["id"])
        hold(now_job["status"] == "in_progress", f"The job is {now_job['status']}.")
        self.say("work done offline arrives once, though pushed twice")
        self.say(
            "finishing without proof is refused, naming the reading and the photo that are missing"
        )

    async def finish_without_bytes(self, phone: Json, visit: Json, job: Json) -> str:
        """Declare the photo, keep its bytes, finish: the work is done and the job is not completed."""
        at = {"visit_id": visit["id"]}
        photo_id = str(uuid7())
        intents = [
            self.intent("answer.set", **at, item="reading", value=231.5),
            self.intent(
                "photo.add",
                **at,
                photo_id=photo_id,
                item="after",
                slot=0,
                sha256=hashlib.sha256(self.evidence).hexdigest(),
                size=len(self.evidence),
                mime="image/jpeg",
                captured_at=_now().isoformat(),
            ),
            self.intent("visit.finish", **at),
        ]
        outcomes = await self.push(phone, intents)
        hold(
            all(one["status"] == "applied" for one in outcomes.values()),
            f"The finish was not applied: {outcomes}",
        )
        now_job = await self.read_job(job["id"])
        hold(now_job["status"] == "work_done", f"The job is {now_job['status']}, not work_done.")
        verdict = await self.ask("GET", f"/api/work-orders/{job['id']}/verdict", self.dispatcher)
        hold(
            [(one["at"], one["code"]) for one in verdict["unmet"]]
            == [("/items/after/photos/0", "photo_pending")],
            f"The verdict says {verdict['unmet']}.",
        )
        refused = await self.ask(
            "POST",
            f"/api/work-orders/{job['id']}/closure",
            self.dispatcher,
            status=422,
            json={"facts_rev": verdict["facts_rev"]},
        )
        hold(refused["code"] == "checklist-incomplete", f"Closing said {refused['code']}.")
        self.say(f"the work is done but not completed: “{verdict['said'][0]}”")
        return photo_id

    async def upload(self, phone: Json, photo_id: str) -> None:
        """Send the photo over tus in two parts with a broken connection between them."""
        tus = {**phone, "Tus-Resumable": "1.0.0"}
        digest = hashlib.sha256(self.evidence).hexdigest()
        metadata = ",".join(
            f"{name} {base64.b64encode(value.encode()).decode()}"
            for name, value in (("photo_id", photo_id), ("sha256", digest))
        )
        created = await self.ask(
            "POST",
            "/files",
            tus,
            status=201,
            headers={"Upload-Length": str(len(self.evidence)), "Upload-Metadata": metadata},
        )
        place = httpx.URL(created.headers["location"]).path
        half = len(self.evidence) // 2
        with_offset = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        with suppress(_Broken):
            await self.http.patch(
                place, headers={**tus, **with_offset}, content=_broken_off(self.evidence[:half])
            )
        head = await self.ask("HEAD", place, tus)
        offset = int(head.headers["upload-offset"])
        hold(0 < offset <= half, f"The upload claims {offset} bytes of the {half} sent.")
        await self.ask(
            "PATCH",
            place,
            tus,
            status=204,
            headers={**with_offset, "Upload-Offset": str(offset)},
            content=self.evidence[offset:],
        )
        self.say(f"the photo's upload broke off, resumed at byte {offset:,} and arrived")

    # --- the office -----------------------------------------------------------------------------------

    async def expect_completed(self, job: Json) -> Json:
        now_job = await self.read_job(job["id"])
        hold(
            now_job["status"] == "completed",
            f"Every byte is here and the job is {now_job['status']}, not completed.",
        )
        self.say(f"{job['number']} is completed at its last byte, by nobody's click")
        return now_job

    async def close(self, job: Json) -> None:
        closed = await self.ask(
            "POST",
            f"/api/work-orders/{job['id']}/closure",
            self.dispatcher,
            json={"facts_rev": job["facts_rev"]},
        )
        hold(closed["status"] == "closed", f"The job is {closed['status']}, not closed.")
        self.say("the office has checked it and closes it")

    # --- the manager ----------------------------------------------------------------------------------

    async def find_asset(self) -> str:
        found = await self.ask("GET", "/api/scan", self.dispatcher, params={"text": self.passport})
        (match,) = found["matches"]
        asset: Json = await self.ask("GET", f"/api/assets/{match['asset_id']}", self.dispatcher)
        self.work_type = _WORK_TYPES[asset["model"].split()[0]]
        return str(asset["id"])

    async def figures(self, asset_id: str) -> dict[str, Json]:
        """Return MTBF, restoration and cost of the asset over the year up to tomorrow."""
        now = _now()
        span = {
            "scope": f"asset:{asset_id}",
            "from": (now - timedelta(days=364)).replace(hour=0, minute=0, second=0).isoformat(),
            "to": (now + timedelta(days=2)).replace(hour=0, minute=0, second=0).isoformat(),
        }
        return {
            kpi: await self.ask("GET", f"/api/kpis/{kpi}", self.manager, params=span)
            for kpi in ("mtbf", "restoration", "cost")
        }

    async def compare(self, asset_id: str, before: dict[str, Json], job: Json, visit: Json) -> None:
        """Hold the figures to what a hand calculation from the walk's own instants and prices says."""
        after = await self.figures(asset_id)
        failure = await self.ask("GET", f"/api/failures/{job['failure_id']}", self.dispatcher)
        reported, restored = _instant(job["reported_at"]), _instant(failure["restored_at"])
        outage_h = (restored - reported).total_seconds() / 3600

        old, new = before["mtbf"], after["mtbf"]
        passed_h = (_instant(new["as_of"]) - _instant(old["as_of"])).total_seconds() / 3600
        up_h = old["numerator"]["value"] + passed_h - outage_h
        hold(new["n"] == old["n"] + 1, f"MTBF counts {new['n']} failures after {old['n']}.")
        _near(new["value"], up_h / new["n"], "MTBF")
        self.say(
            f"MTBF of the asset: {_h(old['value'])} → {_h(new['value'])} "
            f"({new['n']} failures, 90 % between {_h(new['interval']['low'])} and "
            f"{_h(new['interval']['high'])})"
        )

        old, new = before["restoration"], after["restoration"]
        hours = (old["numerator"] or {"value": 0})["value"] + outage_h if old["n"] else outage_h
        hold(new["n"] == old["n"] + 1, f"Restoration counts {new['n']} after {old['n']}.")
        _near(new["value"], hours / new["n"], "Time to restoration")
        self.say(f"time to restoration: {_h(old['value'])} → {_h(new['value'])}")

        spent = await self._spent(visit)
        change = Decimal(after["cost"]["value"]) - Decimal(before["cost"]["value"] or 0)
        hold(change == spent, f"The cost rose by {change}, by hand it is {spent}.")
        lineage = await self.ask("GET", new["lineage"], self.manager)
        hold(lineage["items"], "The figure does not name what it counted.")
        self.say(f"cost: +{spent} {after['cost']['unit']}, as rates and prices of the day have it")

    async def _spent(self, visit: Json) -> Decimal:
        """Return by hand what the walk cost: hours × rate, parts × cost, each line to the cent."""
        rates = await self.ask(
            "GET",
            "/api/rates",
            self.manager,
            params={"technician_id": visit["technician_id"], "on": _today().isoformat()},
        )
        by_kind = {rate["kind"]: Decimal(rate["amount"]) for rate in rates["items"]}
        prices = await self.ask("GET", f"/api/parts/{self.part['id']}/prices", self.manager)
        cost = Decimal(prices["items"][0]["cost"])

        def line(quantity: Decimal, price: Decimal) -> Decimal:
            hours = quantity.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
            return (hours * price).quantize(Decimal("0.01"), ROUND_HALF_EVEN)

        return (
            line(Decimal(WORK_MIN) / 60, by_kind["labour"])
            + line(Decimal(TRAVEL_MIN) / 60, by_kind["travel"])
            + line(Decimal(PARTS), cost)
        )


_WORK_TYPES = {
    "LX": "lift_repair",
    "LC": "lift_repair",
    "DL": "dock_repair",
    "AC": "hvac_repair",
    "VU": "hvac_repair",
    "BR": "boiler_repair",
    "SA": "medical_repair",
    "DW": "medical_repair",
}


class _Broken(Exception):
    """The connection broke, as far as the walk's phone can tell."""


async def _broken_off(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # what the server has taken in by now, it keeps
    raise _Broken


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise DoesNotHold(f"The page holds nothing like {pattern}.")
    return found[1]


def _now() -> datetime:
    return datetime.now(UTC)


def _today() -> date:
    return _now().astimezone(ZoneInfo("Europe/Prague")).date()


def _next_working_day() -> date:
    day = _today() + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _near(value: float | None, by_hand: float, what: str) -> None:
    hold(
        value is not None and abs(value - by_hand) <= 1e-6 * abs(by_hand),
        f"{what} is {value}, by hand it is {by_hand}.",
    )


def _h(value: float | None) -> str:
    return "—" if value is None else f"{value:,.2f} h"
