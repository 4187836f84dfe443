"""Roads from a real OSRM server: the right times, asked for once, and never waited for when it fails."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from sqlmodel import select

from fsm.app import compose_database
from fsm.customers.tables import Site
from fsm.database import Database
from fsm.jobs import Job
from fsm.settings import Settings
from fsm.technicians.tables import Technician, TechnicianPosition
from fsm.web.arrivals import with_arrival_at
from fsm.web.progress import Progress
from fsm.web.views import StepName
from fsm.work_orders.orders import find_work_order
from scheduler import osrm
from scheduler.jobs import solve_plan
from scheduler.osrm import Osrm
from scheduler.tables import PlanRun
from scheduler.travel import Geodesic, geodesic_travel
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import new_job
from tests.scheduler.osrm_server import programs, roads, serving

Places = npt.NDArray[np.float64]
CAPITAL = (42.5078, 1.5211)
ENCAMP = (42.5345, 1.5801)
PARIS = (48.8566, 2.3522)


def somewhere(count: int, seed: int = 1) -> Places:
    """Return places in the valleys of Andorra, some hundred metres from a road at the most."""
    rng = random.Random(seed)
    ends = np.array([CAPITAL, ENCAMP])
    share = np.array([[rng.random()] for _ in range(count)])
    noise = np.array([(rng.gauss(0, 0.002), rng.gauss(0, 0.002)) for _ in range(count)])
    return np.asarray(ends[0] + share * (ends[1] - ends[0]) + noise)


@pytest.fixture(scope="session")
def router(test_data: Path, pytestconfig: pytest.Config) -> Iterator[str]:
    extract = test_data / "real" / "andorra.osm.pbf"
    if not extract.is_file():
        pytest.skip("FSM_TEST_DATA has no real/andorra.osm.pbf")
    cache = pytestconfig.cache
    if cache is None:
        pytest.skip("no OSRM: its programs are kept in pytest's cache, which is switched off")
    folder = cache.mkdir("osrm")
    binaries = programs(folder)
    with serving(binaries, roads(folder, binaries, extract)) as address:
        yield address


async def test_times_and_distances_are_those_of_the_routes(router: str) -> None:
    places = somewhere(6)
    travel = await Osrm(router).travel(places)
    assert (travel.source, travel.notes) == ("osrm", ())
    assert not np.diagonal(travel.seconds).any()
    rounded = np.round(places, 4)
    async with httpx.AsyncClient(base_url=router) as client:
        for a, b in ((0, 1), (1, 0), (2, 5), (4, 3)):
            here, there = (f"{rounded[n][1]},{rounded[n][0]}" for n in (a, b))
            answer = (await client.get(f"/route/v1/driving/{here};{there}")).json()
            (route, *_) = answer["routes"]
            assert travel.seconds[a, b] == pytest.approx(route["duration"], abs=1)
            assert travel.metres[a, b] == pytest.approx(route["distance"], abs=2)
    assert (travel.metres >= 0.99 * geodesic_travel(places).metres / 1.4 - 60).all()


async def test_a_large_matrix_is_asked_for_in_blocks_and_only_once(router: str) -> None:
    places = np.round(somewhere(120), 4)
    provider = Osrm(router)
    first = await provider.travel(places)
    assert provider.requests == 9, "three blocks of at most fifty by three"
    again = await provider.travel(places[::-1] + 4e-5, hour=8)
    assert provider.requests == 9
    assert np.array_equal(again.seconds, first.seconds[::-1, ::-1])
    more = np.vstack([places[:20], somewhere(3, seed=2)])
    grown = await provider.travel(more)
    assert provider.requests == 10, "what is new, with what it is new to"
    assert np.array_equal(grown.seconds, (await Osrm(router).travel(more)).seconds)


async def test_a_full_memory_gives_up_what_was_used_longest_ago(
    router: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osrm, "MOST_CELLS", 90)
    provider = Osrm(router)
    for seed in range(4):
        places = somewhere(40, seed)
        found = await provider.travel(places)
        assert np.array_equal(found.metres, (await Osrm(router).travel(places)).metres)
    assert provider.requests == 4
    await provider.travel(somewhere(40, 2))
    assert provider.requests == 4, "it is still there"
    await provider.travel(somewhere(40, 0))
    assert provider.requests == 5
    crowd = await provider.travel(somewhere(91))
    assert (crowd.source, crowd.notes) == ("geodesic", ("router_too_many_places",))


async def test_a_place_off_the_map_is_estimated_and_said(router: str) -> None:
    places = np.array([CAPITAL, ENCAMP, PARIS])
    travel = await Osrm(router).travel(places)
    estimated = geodesic_travel(places)
    assert travel.notes == ("router_gaps:4",)
    assert travel.seconds[0, 1] != estimated.seconds[0, 1]
    for a, b in ((0, 2), (2, 0), (1, 2), (2, 1)):
        assert travel.seconds[a, b] == estimated.seconds[a, b]
        assert travel.metres[a, b] == estimated.metres[a, b]


# --- when it fails ----------------------------------------------------------------------------------------


@asynccontextmanager
async def answering(*answers: bytes | None) -> AsyncIterator[str]:
    """Yield the address of a server that gives these answers in turn; None: it says nothing at all."""
    left = list(answers)
    silent = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = left.pop(0) if len(left) > 1 else left[0]
        if body is None:
            await silent.wait()
        else:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        silent.set()
        server.close()


def table(version: str = "one", **more: Any) -> bytes:
    there = {"distance": 1.0}
    body = {
        "code": "Ok",
        "durations": [[0, 61.4], [58.6, 0]],
        "distances": [[0, 800], [790, 0]],
        "sources": [there, there],
        "destinations": [there, there],
        "data_version": version,
        **more,
    }
    return json.dumps(body).encode()


TWO = np.array([CAPITAL, ENCAMP])


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (None, "router_late"),
        (b"hello", "router_unreadable"),
        (table(durations=[[0, 1]]), "router_unreadable"),
        (table(distances=[[0, 1, 2], [1, 2, 3]]), "router_unreadable"),
        (b'{"code": "InvalidOptions"}', "router_refused"),
    ],
)
async def test_what_the_router_fails_at_is_estimated_and_it_is_left_alone(
    answer: bytes | None, note: str
) -> None:
    async with answering(answer) as address:
        provider = Osrm(address, timeout_s=0.3 if answer is None else 60)
        for _ in range(3):
            travel = await provider.travel(TWO)
            assert (travel.source, travel.notes) == ("geodesic", (note,))
            assert np.array_equal(travel.seconds, geodesic_travel(TWO).seconds)
        assert provider.requests == 1, "not asked again at once"


async def test_who_waits_in_vain_for_their_turn_is_no_reason_to_leave_the_router_alone() -> None:
    async with answering(table()) as address:
        provider = Osrm(address, timeout_s=0.05)
        async with provider._turn:
            travel = await provider.travel(TWO)
        assert (travel.source, travel.notes) == ("geodesic", ("router_busy",))
        provider._timeout_s = 60
        assert (await provider.travel(TWO)).source == "osrm"


async def test_those_in_the_queue_behind_a_question_that_failed_do_not_ask_again() -> None:
    async with answering(b"hello") as address:
        provider = Osrm(address, timeout_s=60)
        found = await asyncio.gather(*(provider.travel(TWO) for _ in range(3)))
        assert {travel.notes for travel in found} == {("router_unreadable",)}
        assert provider.requests == 1


async def test_a_router_that_comes_back_is_asked_again() -> None:
    async with answering(b"", table()) as address:
        provider = Osrm(address, rest_s=0)
        assert (await provider.travel(TWO)).notes == ("router_unreadable",)
        travel = await provider.travel(TWO)
        assert (travel.source, travel.notes) == ("osrm", ())
        assert travel.seconds.tolist() == [[0, 61], [59, 0]]
        assert travel.metres.tolist() == [[0, 800], [790, 0]]


async def test_another_map_is_never_mixed_with_what_is_remembered() -> None:
    slower = table("two", durations=[[0, 90], [91, 0]])
    async with answering(table("one"), slower) as address:
        provider = Osrm(address, rest_s=0)
        assert (await provider.travel(TWO)).seconds[0, 1] == 61
        elsewhere = TWO + 0.01
        assert (await provider.travel(elsewhere)).notes == ("router_map_changed",)
        assert (await provider.travel(TWO)).seconds[0, 1] == 90


async def test_no_roads_between_two_places_are_estimated() -> None:
    async with answering(table(durations=[[0, None], [58.6, 0]])) as address:
        travel = await Osrm(address).travel(TWO)
    assert travel.notes == ("router_gaps:1",)
    assert travel.seconds[0, 1] == geodesic_travel(TWO).seconds[0, 1]
    assert travel.seconds[1, 0] == 59


async def test_a_single_place_is_no_question() -> None:
    travel = await Osrm("http://127.0.0.1:9").travel(TWO[:1])
    assert (travel.source, travel.notes, travel.seconds.tolist()) == ("geodesic", (), [[0]])


# --- for who waits -----------------------------------------------------------------------------------------


async def test_a_customer_is_told_the_arrival_over_the_routers_roads_and_in_any_case_something(
    database: Database, settings: Settings, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    async with database.transaction(company.id) as session:
        site = (await session.exec(select(Site).where(Site.tenant_id == company.id))).one()
        site.latitude, site.longitude = CAPITAL
        boris = await session.get(Technician, (company.id, company.technician.id))
        assert boris is not None
        boris.position_consent_at = clock() - timedelta(days=1)
        session.add(
            TechnicianPosition(
                tenant_id=company.id,
                technician_id=boris.id,
                fixed_at=clock(),
                latitude=ENCAMP[0],
                longitude=ENCAMP[1],
                received_at=clock(),
            )
        )
    on_the_way = Progress(StepName.ON_THE_WAY, {}, technician_id=company.technician.id)

    async def drive_s(address: str | None, patience_s: float = 600) -> float:
        routed = compose_database(replace(settings, router_url=address))
        async with routed.transaction(company.id) as session:
            row = await find_work_order(session, company.system, job.id)
            with patch("scheduler.roads.PATIENCE_S", patience_s):
                told = await with_arrival_at(session, row, "Europe/Paris", on_the_way, clock())
        await routed.close()
        assert told.arrival_at is not None
        return (told.arrival_at - clock()).total_seconds()

    by_the_line = await drive_s(None)
    async with answering(table(), b"nonsense") as address:
        assert await drive_s(address) == 61 != by_the_line
        assert await drive_s(address) == 61, "it is remembered"
    async with answering(None) as silent:
        assert await drive_s(silent, patience_s=0.1) == by_the_line


# --- in a plan --------------------------------------------------------------------------------------------


async def test_a_plan_says_whether_the_router_answered(
    router: str,
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    company: Company,
    clock: Clock,
) -> None:
    async with database.transaction(company.id) as session:
        site = (await session.exec(select(Site).where(Site.tenant_id == company.id))).one()
        site.latitude, site.longitude = CAPITAL
        home = (await session.exec(select(Technician).where(Technician.number == "T-1"))).one()
        home.home_latitude, home.home_longitude = ENCAMP
    await new_job(database, company, clock)
    expected = await Geodesic().travel(np.array([ENCAMP, CAPITAL]))
    drives = {}
    for address in ("http://127.0.0.1:9", router):
        asked = await client.post(
            "/api/plans",
            headers=company.headers["dispatcher"],
            json={"starts_on": clock().date().isoformat(), "seconds": 0.5},
        )
        run_id = asked.json()["id"]
        routed = compose_database(replace(settings, router_url=address))
        await solve_plan(routed, Job(company.id, {"run_id": run_id}), clock())
        await routed.close()
        async with database.transaction(company.id) as session:
            run = (await session.exec(select(PlanRun).where(PlanRun.id == run_id))).one()
        assert run.result is not None, run.failure
        (route,) = run.result["routes"]
        (stop,) = [one for one in route["stops"] if one["kind"] == "visit"]
        notes = [note for note in run.result["notes"] if note.startswith("router")]
        drives[address] = (run.result["travel_source"], notes, stop["travel_s"])
    assert drives["http://127.0.0.1:9"] == (
        "geodesic",
        ["router_down"],
        int(expected.seconds[0, 1]),
    )
    source, notes, travel_s = drives[router]
    assert (source, notes) == ("osrm", [])
    assert travel_s != expected.seconds[0, 1]
