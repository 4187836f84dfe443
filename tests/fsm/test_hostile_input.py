"""Hostile and clumsy requests: each gets a precise problem, and the database is what it was before.

The requests stand in `hostile/`: values, references, and what is wrong on the wire.
"""

import asyncio
import html
import re
from collections.abc import Iterator

import httpx
import pytest

from fsm.embedded import EmbeddedPostgres
from fsm.web.views import FormProblem
from tests.fsm.evidence.pictures import encoded, png_claiming, scene
from tests.fsm.hostile import references, values, wire
from tests.fsm.hostile.cases import Case
from tests.fsm.one_program import Program, one_program

CASES = [*values.CASES, *references.CASES, *wire.CASES]

#: What only our own insides would say.
TELLTALE = re.compile(
    r"Traceback|File \"|sqlalchemy|asyncpg|psycopg|pydantic|msgspec|litestar|site-packages|"
    r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b"
)


@pytest.fixture(scope="module")
def program(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    with one_program(postgres, tmp_path_factory.mktemp("hostile")) as program:
        yield program


def test_the_table_is_a_table() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_precisely_and_changes_nothing(program: Program, case: Case) -> None:
    before = program.rows()
    answer = program.send(case.request(program))
    assert answer.status_code == case.status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == case.code, problem
    assert problem["status"] == case.status
    assert problem["type"] == f"/problems/{case.code}"
    assert problem["title"][0].isupper()
    assert len(problem["detail"]) > 15, problem
    assert problem["detail"].rstrip().endswith((".", "!", "?")), problem
    assert case.says in answer.text
    assert len(answer.content) < 20_000, "a refusal does not send the request back"
    assert not TELLTALE.search(answer.text), answer.text
    after = program.rows()
    changed = {table for table in before if after[table] != before[table]}
    assert changed <= set(case.keeps)


# --- strange, but nobody's fault --------------------------------------------------------------------------

STRANGE = {
    "SQL": "Robert'); DROP TABLE customer;--",
    "HTML": '<script>alert("1")</script><img src=x onerror=alert(1)>',
    "a template": "{{ 7*7 }}${7*7}<%= 7*7 %>",
    "emoji": "👩🏽‍🔧🛗🏳️‍🌈",
    "from right to left": "مصعد רכבת \u202ereversed\u202c",
    "combining marks": "Z̷̡̛a͙l̶g̙o̕",
    "a byte order mark": "\ufeffBOM",
    "the last character": "\U0010ffff",
    "a path": "../../../../etc/passwd",
    "a formula": '=cmd|"/c calc"!A1',
    "a backslash at the end": "C:\\",
    "300 letters": "Ж" * 300,
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_a_strange_name_is_kept_as_it_is_and_never_becomes_markup(
    program: Program, text: str
) -> None:
    company, run = program.company, program.runner.run
    headers = company.headers["administrator"]
    path = f"/api/asset-models/{company.model.id}"
    rev = run(program.client.get(path, headers=headers)).json()["rev"]
    edit = program.client.patch(path, headers=headers, json={"rev": rev, "name": text})
    assert run(edit).json()["name"] == text
    assert run(program.client.get(path, headers=headers)).json()["name"] == text
    page = run(program.client.get(f"/p/{company.passport.code}/page"))
    assert page.status_code == 200
    assert text in html.unescape(page.text)
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text


def test_of_a_member_sent_twice_the_last_counts(program: Program) -> None:
    answer = program.runner.run(
        program.client.post(
            "/api/customers",
            headers=program.company.headers["administrator"] | {"Content-Type": "application/json"},
            content=b'{"number": "C-TWICE", "name": "first", "name": "last"}',
        )
    )
    assert (answer.status_code, answer.json()["name"]) == (201, "last")


@pytest.mark.parametrize(
    ("content", "photo"),
    [
        (png_claiming(40_000, 40_000), FormProblem.PHOTO_TOO_MANY_PIXELS),
        (b"<html><script>alert(1)</script></html>", FormProblem.PHOTO_NOT_IMAGE),
        (encoded(scene(1, (64, 48)), "PNG"), "stored"),
    ],
    ids=["40,000 × 40,000", "a page", "a PNG named .jpg"],
)
def test_a_strangers_report_counts_whatever_its_photo_is(
    program: Program, content: bytes, photo: str
) -> None:
    """A person in front of a broken lift is heard; a picture that nobody can open is left out."""
    answer = program.runner.run(
        program.client.post(
            f"/p/{program.company.passport.code}/report",
            headers={"Accept": "application/json"},
            data={"text": "It does not move", "impact": "stopped"},
            files={"photo": ("lift.jpg", content, "image/jpeg")},
        )
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["photo"] == photo


# --- two at once ------------------------------------------------------------------------------------------


async def _at_once(client: httpx.AsyncClient, *sent: httpx.Request) -> list[httpx.Response]:
    return list(await asyncio.gather(*(client.send(one) for one in sent)))


def _edit(program: Program, path: str, **body: object) -> httpx.Request:
    headers = program.company.headers["administrator"]
    return program.client.build_request("PATCH", path, headers=headers, json=body)


def test_of_two_edits_of_one_revision_one_is_told_to_read_again(program: Program) -> None:
    path = f"/api/customers/{program.company.customer.id}"
    read = program.client.build_request(
        "GET", path, headers=program.company.headers["administrator"]
    )
    for turn in range(5):
        rev = program.send(read).json()["rev"]
        edits = [
            _edit(program, path, rev=rev, name=f"Grand Hotel {turn} {who}") for who in ("a", "b")
        ]
        answers = program.runner.run(_at_once(program.client, *edits))
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert (won.status_code, lost.status_code) == (200, 409)
        assert (lost.json()["code"], lost.json()["rev"]) == ("stale-change", rev + 1)
        assert program.send(read).json()["name"] == won.json()["name"]


def test_of_two_with_one_number_one_is_refused(program: Program) -> None:
    headers = program.company.headers["administrator"]
    for turn in range(5):
        body = {"number": f"C-RACE-{turn}", "name": "x"}
        posts = [
            program.client.build_request("POST", "/api/customers", headers=headers, json=body)
            for _ in range(3)
        ]
        answers = program.runner.run(_at_once(program.client, *posts))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


def test_two_assets_moved_under_each_other_at_once_make_no_ring(program: Program) -> None:
    company = program.company
    headers = company.headers["administrator"]

    def add(number: str) -> str:
        body = {
            "site_id": str(company.site.id),
            "model_id": str(company.model.id),
            "number": number,
            "name": number,
        }
        sent = program.client.build_request("POST", "/api/assets", headers=headers, json=body)
        return str(program.send(sent).json()["id"])

    for turn in range(5):
        pair = [add(f"RING-{turn}-{which}") for which in ("a", "b")]
        moves = [
            program.client.build_request(
                "POST",
                f"/api/assets/{one}/move",
                headers=headers,
                json={"rev": 1, "parent_id": other},
            )
            for one, other in (pair, pair[::-1])
        ]
        answers = program.runner.run(_at_once(program.client, *moves))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[0] == 200, [answer.text for answer in answers]
        assert statuses[1] in (409, 503), [answer.text for answer in answers]
