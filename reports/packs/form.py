"""What a pack is made of: the names of its members, and what each of them holds.

    manifest.json      every other member with its SHA-256 and size, and the numbers of the events; signed
    readme.txt         what this is and how it is checked
    job.json           the job, its visits with their nonces, who closed it
    template.json      the checklist version that the job was judged by, with its hashes
    facts.json         what counted, as the closing rules read it
    verdict.json       the verdict on them, and the closure that the job rests on
    records.json       everything recorded, also what did not count
    photos.json        each photo: its step, hash and member, or that its bytes are no longer kept
    photos/…           the bytes as the phone sent them
    receipts.json      the server's signatures that it received those bytes
    events.json        what happened, with each event's number, hash and the hash before it
    proofs.json        signed daily roots, and each event's path to one
    device_chain.json  what each phone sent about each visit, with its own chain
    acts.json          the acts issued about the job: the server's signed statement of each, and its member
    acts/…             their files, byte for byte as they were issued
    keys.json          public keys: the server's and the phones'

JSON members are in RFC 8785 form. Pure.
"""

from typing import Any, Final

import rfc8785

from fsm.canonical import doubles

PACK: Final = "fsm-evidence-pack/1"
"""The `type` of the manifest's statement."""

MANIFEST: Final = "manifest.json"
README: Final = "readme.txt"
JOB: Final = "job.json"
TEMPLATE: Final = "template.json"
FACTS: Final = "facts.json"
VERDICT: Final = "verdict.json"
RECORDS: Final = "records.json"
PHOTOS: Final = "photos.json"
RECEIPTS: Final = "receipts.json"
EVENTS: Final = "events.json"
PROOFS: Final = "proofs.json"
DEVICE_CHAIN: Final = "device_chain.json"
ACTS: Final = "acts.json"
KEYS: Final = "keys.json"

DOCUMENTS: Final = (
    JOB, TEMPLATE, FACTS, VERDICT, RECORDS, PHOTOS, RECEIPTS, EVENTS, PROOFS, DEVICE_CHAIN, ACTS, KEYS,
)  # fmt: skip
"""The JSON members that every pack has, beside the manifest."""

ENDINGS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/avif": "avif",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "application/pdf": "pdf",
}

READ_ME: Final = """\
This archive proves how one job was done. It is checked offline, with nothing but public keys:

    fsm evidence verify pack.zip --key ed25519:...

The keys are published by the server that made it, at GET /evidence/keys?tenant=NAME, and signed
daily roots at GET /evidence/roots/DATE?tenant=NAME. Without --key the keys inside are used, which
proves that the parts belong together, not who put them together.

By hand: manifest.json is signed (Ed25519 over its RFC 8785 form without `signature`) and names the
SHA-256 of every other member. An event's `hash` is SHA-256 over the 32 bytes of `previous` and the
RFC 8785 form of `event`; proofs.json leads from there to a signed root (RFC 6962). A receipt is
signed over its other members. The verdict follows from template.json and facts.json alone.
"""


def document(value: Any) -> bytes:
    """Return the bytes of a JSON member."""
    return rfc8785.dumps(doubles(value))


def photo_member(photo_id: str, mime: str) -> str:
    """Return the name of the member with a photo's bytes."""
    return f"photos/{photo_id}.{ENDINGS.get(mime, 'bin')}"


def act_member(number: str) -> str:
    """Return the name of the member with an act's file."""
    return f"acts/{number.lower()}.pdf"
