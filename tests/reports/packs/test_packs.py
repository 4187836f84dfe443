"""Evidence packs: complete, the same every time, checked without us, and every tampering is named."""

import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import rfc8785

from fsm.database import Database
from fsm.evidence import statements
from fsm.evidence.receipts import ReceiptKey
from reports.packs import form
from reports.packs.container import PackReader, PackRefused, PackWriter
from reports.packs.verifying import Report, verify_pack
from tests.company import Company
from tests.conftest import Clock
from tests.reports.documents.office import Office
from tests.reports.packs.proved_job import ProvedJob, prove_job

FOREIGN = ReceiptKey.from_seed(b"f" * 32)


@pytest.fixture
async def proved(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> ProvedJob:
    return await prove_job(client, database, company, clock)


@pytest.fixture
async def pack(proved: ProvedJob) -> bytes:
    return await proved.pack()


def check(content: bytes, *keys: str) -> Report:
    return verify_pack(BytesIO(content), keys)


def named(report: Report) -> set[str]:
    return {finding.where for finding in report.findings}


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(parts: dict[str, bytes]) -> bytes:
    file = BytesIO()
    writer = PackWriter(file)
    for name, content in parts.items():
        writer.add(name, content)
    writer.close()
    return file.getvalue()


def signed_again(content: bytes, key: ReceiptKey, **changed: Any) -> bytes:
    """Return the pack with other documents, and a manifest that fits them under this key."""
    parts = members(content)
    for name, document in changed.items():
        parts[f"{name}.json"] = rfc8785.dumps(document)
    manifest = json.loads(parts[form.MANIFEST])
    for one in manifest["files"]:
        made = parts[one["name"]]
        one.update(sha256=sha256(made).hexdigest(), size=len(made))
    rest = {name: one for name, one in manifest.items() if name not in ("kid", "signature")}
    parts[form.MANIFEST] = rfc8785.dumps(statements.sign(key, **rest))
    return rebuilt(parts)


async def test_a_pack_holds_the_job_and_is_genuine_by_the_published_key(
    client: httpx.AsyncClient, proved: ProvedJob, pack: bytes
) -> None:
    published = await client.get("/evidence/keys", params={"tenant": "acme"})
    report = check(pack, published.json()["keys"][0]["key"])
    assert report.findings == []
    assert report.flags == []
    assert report.is_key_given
    assert report.photos == 1
    parts = members(pack)
    assert set(parts) == {
        form.MANIFEST,
        form.README,
        *form.DOCUMENTS,
        f"photos/{proved.photo.photo_id}.jpg",
    }
    assert parts[f"photos/{proved.photo.photo_id}.jpg"] == proved.photo.content
    documents = {name: json.loads(parts[name]) for name in form.DOCUMENTS}
    assert documents[form.VERDICT]["verdict"]["met"]
    assert documents[form.JOB]["status"] == "completed"
    (chain,) = documents[form.DEVICE_CHAIN]
    assert chain["records"] == proved.records
    kinds = [one["event"]["kind"] for one in documents[form.EVENTS]]
    assert report.events == len(kinds)
    for kind in ("visit.dispatched", "visit.finished", "photo.received", "work_order.completed"):
        assert kind in kinds
    assert [answer["value"] for answer in documents[form.RECORDS]["answers"]] == [True, 142.5]


async def test_the_same_snapshot_gives_the_same_bytes(proved: ProvedJob, pack: bytes) -> None:
    assert await proved.pack() == pack


async def test_a_pack_stays_genuine_when_its_days_are_over(
    proved: ProvedJob, pack: bytes, database: Database, company: Company, clock: Clock
) -> None:
    from fsm.evidence.daily_roots import make_daily_roots

    clock.forward(days=1)
    async with database.transaction(company.id) as session:
        await make_daily_roots(session, company.id, proved.key, clock())
    later = await proved.pack()
    assert later != pack
    for content, kind in ((pack, statements.OPEN_ROOT), (later, statements.ROOT)):
        assert check(content, proved.key.to_json()["key"]).findings == []
        roots = json.loads(members(content)[form.PROOFS])["roots"]
        assert {root["type"] for root in roots} == {kind}


async def test_later_readings_of_the_meter_do_not_change_the_verdict_of_a_pack(
    proved: ProvedJob, company: Company, database: Database
) -> None:
    from fsm.work_orders.tables import WorkOrder

    async with database.transaction(company.id) as session:
        job = await session.get(WorkOrder, (company.id, proved.job.id))
        assert job is not None
        job.priority = 5
    content = await proved.pack()
    assert check(content).findings == []
    assert json.loads(members(content)[form.FACTS])["job"]["priority"] != 5


# --- tampering --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "around"), [(4, 40), pytest.param(200, 2_000, marks=pytest.mark.long)]
)
async def test_any_altered_byte_is_named_by_its_member(
    inside: int, around: int, pack: bytes, proved: ProvedJob
) -> None:
    """Alter bytes all over the archive: one by one, in every member and in all that is around them."""
    draw = random.Random(5)
    contents: dict[int, str] = {}
    places: set[int] = set()
    for member in PackReader(BytesIO(pack)).members.values():
        own = range(member.start, member.start + member.size)
        contents |= dict.fromkeys(own, member.name)
        places |= {own[0], own[-1], *draw.sample(own, min(inside, member.size))}
    rest = sorted(set(range(len(pack))) - contents.keys())
    places |= set(draw.sample(rest, min(around, len(rest))))
    key = proved.key.to_json()["key"]
    for place in sorted(places):
        altered = bytearray(pack)
        altered[place] ^= 1 << draw.randrange(8)
        try:
            found = named(check(bytes(altered), *draw.choice(([], [key]))))
        except PackRefused:
            assert place not in contents
        else:
            assert found, place
            assert contents.get(place) in {None, *found}, place


async def test_every_missing_and_every_added_member_is_named(pack: bytes) -> None:
    parts = members(pack)
    for name in parts:
        rest = {one: content for one, content in parts.items() if one != name}
        assert name in named(check(rebuilt(rest))), name
    assert named(check(rebuilt({**parts, "photos/another.jpg": b"?"}))) == {"photos/another.jpg"}


def tampered(documents: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    copied = json.loads(json.dumps(documents))
    change(copied)
    return {name: copied[name] for name in copied if copied[name] != documents[name]}


def _drop_event(documents: dict[str, Any]) -> None:
    del documents["events"][2]


def _swap_events(documents: dict[str, Any]) -> None:
    events = documents["events"]
    events[1], events[2] = events[2], events[1]


def _rewrite_event(documents: dict[str, Any]) -> None:
    documents["events"][3]["event"]["actor_name"] = "Somebody else"


def _rewrite_event_and_hash(documents: dict[str, Any]) -> None:
    one = documents["events"][3]
    one["event"]["actor_name"] = "Somebody else"
    content = bytes.fromhex(one["previous"]) + rfc8785.dumps(one["event"])
    one["hash"] = sha256(content).hexdigest()


def _other_answer(documents: dict[str, Any]) -> None:
    documents["facts"]["answers"][1]["value"] = 500


def _other_verdict(documents: dict[str, Any]) -> None:
    documents["verdict"]["closure"]["verdict"]["unmet"] = [{"at": "/items/safe", "code": "shape"}]


def _easier_template(documents: dict[str, Any]) -> None:
    documents["template"]["document"]["items"][1]["max"] = 1000


def _other_receipt(documents: dict[str, Any]) -> None:
    documents["receipts"][0]["received_at"] = "2020-01-01T00:00:00.000Z"


def _other_photo(documents: dict[str, Any]) -> None:
    documents["photos"][0]["sha256"] = "0" * 64


def _other_root(documents: dict[str, Any]) -> None:
    documents["proofs"]["roots"][0]["root"] = "0" * 64


def _no_closure_told(documents: dict[str, Any]) -> None:
    documents["verdict"]["closure"]["id"] = "01900000-0000-7000-8000-000000000000"


CHANGES: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (_drop_event, form.EVENTS, "is missing"),
    (_swap_events, form.EVENTS, "stands after event"),
    (_rewrite_event, form.EVENTS, "its hash does not fit"),
    (_rewrite_event_and_hash, form.PROOFS, "does not belong to the signed root"),
    (_other_answer, form.VERDICT, "does not follow from the template and the facts"),
    (_other_verdict, form.VERDICT, "the closure's unmet does not follow"),
    (_easier_template, form.TEMPLATE, "its rules_sha256"),
    (_other_receipt, form.RECEIPTS, "is not genuine"),
    (_other_photo, "photos", "not the photo that was received"),
    (_other_root, form.PROOFS, "the root of"),
    (_no_closure_told, form.EVENTS, "no event tells of the closure"),
]


async def test_a_change_is_named_even_where_the_server_itself_signs_the_manifest_again(
    pack: bytes, proved: ProvedJob
) -> None:
    """Hashes, chain, roots and rules hold by themselves; the manifest is not what they rest on."""
    documents = {
        name.removesuffix(".json"): json.loads(content)
        for name, content in members(pack).items()
        if name in form.DOCUMENTS
    }
    for change, where, what in CHANGES:
        altered = tampered(documents, change)
        assert altered, change
        report = check(signed_again(pack, proved.key, **altered), proved.key.to_json()["key"])
        said = [str(finding) for finding in report.findings]
        assert any(one.startswith(where) and what in one for one in said), (change, said)


async def test_the_acts_of_a_job_go_along_as_they_were_issued(
    client: httpx.AsyncClient, proved: ProvedJob, company: Company
) -> None:
    office = Office(client, company)
    first = await office.issue(proved)
    second = await office.issue(proved, replaces_id=first["id"])
    pack, key = await proved.pack(), proved.key.to_json()["key"]
    parts = members(pack)
    acts = json.loads(parts[form.ACTS])
    assert [(one["statement"]["number"], one["state"]) for one in acts] == [
        (first["number"], "replaced"),
        (second["number"], "valid"),
    ]
    for one, issued in zip(acts, (first, second), strict=True):
        file = await office.call("GET", f"/{issued['id']}/file")
        assert parts[one["member"]] == file.content
    assert check(pack, key).findings == []

    acts[0]["statement"]["issued_at"] = "2020-01-01T00:00:00.000Z"
    (told,) = check(signed_again(pack, proved.key, acts=acts), key).findings
    assert told.where == form.ACTS
    assert f"the statement of {first['number']} is not genuine" in told.what
    one, other = (form.act_member(issued["number"]) for issued in (first, second))
    swapped = rebuilt({**parts, one: parts[other], other: parts[one]})
    assert named(check(signed_again(swapped, proved.key), key)) == {one, other}


async def test_a_pack_signed_by_anybody_else_is_not_ours(pack: bytes, proved: ProvedJob) -> None:
    forged = signed_again(pack, FOREIGN)
    report = check(forged, proved.key.to_json()["key"])
    assert form.MANIFEST in named(report)
    assert "was not given" in str(report.findings[0])
    assert {form.MANIFEST, form.RECEIPTS, form.PROOFS} <= named(
        check(pack, FOREIGN.to_json()["key"])
    )


async def test_a_broken_chain_of_the_phone_is_shown_and_blames_nobody(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock, proved: ProvedJob
) -> None:
    documents = json.loads(members(await proved.pack())[form.DEVICE_CHAIN])
    documents[0]["records"][2]["data"]["value"] = 99
    del documents[0]["records"][3]
    report = check(signed_again(await proved.pack(), proved.key, device_chain=documents))
    assert report.findings == []
    assert [str(flag).rpartition(": ")[2] for flag in report.flags] == ["wrong_hash", "out_of_line"]


# --- hostile archives -------------------------------------------------------------------------------------


def _zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def _twice(name: str) -> bytes:
    file = BytesIO()
    writer = PackWriter(file)
    writer.add(name, b"{}")
    writer.add(name, b"[]")
    writer.close()
    return file.getvalue()


def _overlapping() -> bytes:
    """Ten directory entries over the same bytes: an archive that is larger inside than outside."""
    content = rebuilt({f"a{n}.json": b"[]" for n in range(10)})
    at = content.index(b"PK\x01\x02")
    directory = bytearray(content[at:])
    entry = len(directory[:-22]) // 10
    for n in range(10):
        directory[n * entry + 42 : n * entry + 46] = bytes(4)
    return content[:at] + bytes(directory)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "too short"),
        (b"GIF89a" * 100, "does not end as a ZIP"),
        (_zip(("manifest.json", b"0" * 10_000_000), method=zipfile.ZIP_DEFLATED), "compressed"),
        (_zip(("../../etc/passwd", b"x")), "is called"),
        (_zip(("/manifest.json", b"x")), "is called"),
        (_zip(("photos/../manifest.json", b"x")), "is called"),
        (_zip(("C:\\manifest.json", b"x")), "is called"),
        (_twice("manifest.json"), "same name"),
        (_zip(*((f"a{n}.json", b"") for n in range(10_001))), "too many members"),
        (_overlapping(), "shares its bytes"),
        (rebuilt({"manifest.json": b"{}"})[:-1], "does not end"),
        (rebuilt({"manifest.json": b"{}"})[10:], "outside|cannot be read|cut off"),
    ],
)  # fmt: skip
def test_an_unsafe_or_broken_archive_is_refused_in_a_sentence(content: bytes, why: str) -> None:
    with pytest.raises(PackRefused, match=why):
        check(content)


def test_a_document_too_long_for_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.packs.container.MOST_DOCUMENT", 1_000)
    with pytest.raises(PackRefused, match="longer than"):
        check(rebuilt({form.MANIFEST: b" " * 1_001}))


def test_documents_of_any_other_shape_are_findings_and_no_accident() -> None:
    for document in (b"[]", b"{}", b"1", b'"x"', b"null", b"[[[[]]]]", b'{"files":[1]}', b"{"):
        parts = dict.fromkeys((form.MANIFEST, *form.DOCUMENTS), document)
        assert check(rebuilt(parts)).findings, document
    deep = b"[" * 100_000 + b"]" * 100_000
    assert form.MANIFEST in named(check(rebuilt({form.MANIFEST: deep})))


# --- doors ------------------------------------------------------------------------------------------------


def test_checking_needs_no_settings_and_no_database(
    pack: bytes, proved: ProvedJob, tmp_path: Path
) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(pack)
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(Path.cwd()),
        **{name: value for name, value in os.environ.items() if name.startswith("PYTHON")},
    }

    def verify(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fsm", "evidence", "verify", str(file), *more],
            env=environment,
            capture_output=True,
            text=True,
        )

    genuine = verify()
    assert genuine.returncode == 0, genuine.stderr
    assert genuine.stdout.startswith("Genuine: ")
    assert "taken from the pack itself" in genuine.stdout
    altered = bytearray(pack)
    altered[PackReader(BytesIO(pack)).members[form.FACTS].start + 5] ^= 1
    file.write_bytes(altered)
    found = verify("--key", proved.key.to_json()["key"])
    assert found.returncode == 1
    assert f"NOT GENUINE  {form.FACTS}: " in found.stdout


async def test_the_office_downloads_a_pack_and_a_stranger_gets_none(
    client: httpx.AsyncClient, proved: ProvedJob, pack: bytes, company: Company, stranger: Company
) -> None:
    path = f"/api/work-orders/{proved.job.id}/evidence-pack"
    answer = await client.get(path, headers=company.headers["dispatcher"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content == pack
    assert (await client.get(path, headers=stranger.headers["dispatcher"])).status_code == 404
    assert (await client.get(path, headers=company.headers["technician"])).status_code == 403


async def test_a_job_that_was_never_dispatched_has_nothing_to_prove(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    from tests.fsm.work_orders.steps import new_job

    job = await new_job(database, company, clock)
    path = f"/api/work-orders/{job.id}/evidence-pack"
    answer = await client.get(path, headers=company.headers["dispatcher"])
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing-to-prove")


async def test_a_damaged_photo_is_told_instead_of_packed(
    client: httpx.AsyncClient, proved: ProvedJob, company: Company
) -> None:
    (stored,) = company.settings.blob_dir.rglob(proved.photo.sha256)
    stored.chmod(0o644)
    stored.write_bytes(proved.photo.content[:-1] + b"?")
    path = f"/api/work-orders/{proved.job.id}/evidence-pack"
    answer = await client.get(path, headers=company.headers["dispatcher"])
    assert (answer.status_code, answer.json()["code"]) == (503, "evidence-damaged")


async def test_rules_that_nobody_vouches_for_are_judged_by_within_limits_only(
    pack: bytes, proved: ProvedJob
) -> None:
    template = json.loads(members(pack)[form.TEMPLATE])
    template["document"]["items"][0]["visible_if"] = " && ".join(["size(answers) > 1.0"] * 1_000)
    report = check(signed_again(pack, FOREIGN, template=template))
    assert "could not be published" in " ".join(map(str, report.findings))


async def test_more_than_fits_into_one_file_is_refused_in_a_sentence(
    client: httpx.AsyncClient,
    proved: ProvedJob,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reports.packs.container.MOST_BYTES", 5_000)
    path = f"/api/work-orders/{proved.job.id}/evidence-pack"
    answer = await client.get(path, headers=company.headers["dispatcher"])
    assert (answer.status_code, answer.json()["code"]) == (413, "pack-too-large")
