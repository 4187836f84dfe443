"""Snapshots with everything in them, as plain values: no database needed."""

from hashlib import sha256
from io import BytesIO
from typing import Any

from PIL import Image

from reports.documents.kinds import DocumentKind, number_of
from reports.documents.snapshot import TYPE, Snapshot, freeze

NAMES = "Žluťoučký kůň, s.r.o. · Société d’Électricité Œuvre & Fils · ООО «Щёголь» · Müller"
"""Names in Czech, French, Russian and German."""


def jpeg(seed: int, size: tuple[int, int] = (900, 675)) -> bytes:
    picture = Image.linear_gradient("L").resize(size).convert("RGB").rotate(seed * 7)
    out = BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


PHOTOS = {sha256(content).hexdigest(): content for content in map(jpeg, range(4))}


def job_content(**changes: Any) -> dict[str, Any]:
    """Return the content of an act with four photos, a signature and a part that is not original."""
    content = {
        "company": "Lift & Co",
        "issued_by": "Jana Nováková",
        "job": {
            "id": "0192f0c0-0000-7000-8000-000000000001",
            "number": "W-1042",
            "title": "Двери не закрываются",
            "description": "The door of the second floor stays open.",
            "status": "completed",
            "priority": 2,
            "reported_at": "2026-03-28T07:00:00.000000Z",
            "work_started_at": "2026-03-28T08:30:00.000000Z",
            "work_done_at": "2026-03-29T01:30:00.000000Z",
            "completed_at": "2026-03-29T01:31:00.000000Z",
        },
        "work_type": "Oprava výtahu",
        "customer": {"number": "C-7", "name": NAMES, "tax_number": "CZ12345678"},
        "site": {"name": "Hôtel", "address": "Náměstí Míru 9", "city": "Praha", "country": "CZ"},
        "asset": {
            "number": "A-1", "name": "Lift 1", "serial": "OT-0001234", "place": "Shaft 2",
            "warranty_ends_on": "2027-01-31", "model": "Otto LX 5",
        },
        "contract": {"number": "K-3", "name": "Full service", "kind": "subscription"},
        "visits": [
            {
                "id": "v1", "technician": "Pavel Dvořák", "status": "finished",
                "arrived_at": "2026-03-28T08:20:00.000000Z", "work_started_at": None,
                "finished_at": "2026-03-29T01:30:00.000000Z",
            }
        ],
        "times": [
            {"visit_id": "v1", "kind": "work", "hours": "2.5000"},
            {"visit_id": "v1", "kind": "travel", "hours": "0.7500"},
            {"visit_id": "v1", "kind": "break", "hours": "0.5000"},
            {"visit_id": None, "kind": "work", "hours": "1.0000"},
        ],
        "parts": [
            {"number": "P-1", "name": "Ремень", "unit": "pc", "is_original": False,
             "quantity": "2.0000", "manufacturer": ""},
        ],
        "answers": [
            {"item": "safe", "kind": "yesno", "label": "Lift secured", "value": True, "unit": None,
             "least": None, "most": None, "answered_at": "2026-03-28T08:31:00.000000Z", "by": "P"},
            {"item": "p", "kind": "number", "label": "Pressure", "value": 412.5, "unit": "kPa",
             "least": 0, "most": 400, "answered_at": "2026-03-28T08:32:00.000000Z", "by": "P"},
        ],
        "meters": [{"code": "h", "name": "Hours", "unit": "h", "value": "1204.5000",
                    "read_at": "2026-03-28T08:32:00.000000Z"}],
        "notes": [{"text": "Замена ремня. Doporučujeme výměnu lana; à vérifier.", "by": "P",
                   "written_at": "2026-03-28T09:00:00.000000Z"}],
        "photos": [
            {"label": f"Photo {place}", "captured_at": "2026-03-28T09:00:00.000000Z",
             "sha256": f"{place:064x}", "mime": "image/jpeg", "image": name, "item": "after"}
            for place, name in enumerate(PHOTOS)
        ],
        "photos_on_their_way": 1,
        "signatures": [
            {"label": "Customer", "name": "Anne Martin", "signed_at": "2026-03-29T01:32:00.000000Z",
             "declined_reason": None, "image": None},
        ],
        "waivers": [{"label": "Photo before", "reason": "no light", "name": "Jana Nováková"}],
        "failure": {"symptom": "Doors stay open", "mode": "WEAR", "mechanism": None, "cause": "BELT",
                    "failed_at": None, "detected_at": "2026-03-28T07:00:00.000000Z",
                    "restored_at": "2026-03-29T01:30:00.000000Z"},
        "missing": 0,
        "costs": [{"payer": "customer", "kind": "labour", "rule": "stated", "amount": "125.00",
                   "currency": "CZK"}],
    }  # fmt: skip
    return {**content, **changes}


def snapshot(
    kind: DocumentKind, content: dict[str, Any], language: str = "en", zone: str = "Europe/Prague"
) -> Snapshot:
    return freeze(
        {
            "type": TYPE,
            "id": "0192f0c0-0000-7000-8000-00000000abcd",
            "kind": kind,
            "number": number_of(kind, 17),
            "language": language,
            "zone": zone,
            "issued_at": "2026-03-29T01:45:30.000000Z",
            "issued_by": "Jana Nováková",
            "company": {"id": "0192f0c0-0000-7000-8000-000000000000", "name": "Lift & Co"},
            "replaces": None,
            "template": "test",
            "verify_url": "https://id.example.com/d",
            "content": content,
        }
    )
