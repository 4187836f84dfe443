"""What is known about a work order when its closing rules are asked: plain values, no rows.

Ids are text (UUIDs as they are written in JSON). Only *counted* facts belong here: no retracted
photos, no facts that wait for review. `order` says which of several answers is newer: any integers
that grow with receipt will do. Nothing depends on the order in which facts are listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: The members of facts that are no facts of the job: they go on changing after it was judged.
CONTEXT = ("last_readings", "asset_codes", "part_codes", "job", "asset")


class PhotoState(StrEnum):
    """How far a photo's bytes have come; see sync protocol, section 7."""

    DECLARED = "declared"
    UPLOADING = "uploading"
    STORED = "stored"
    VERIFIED = "verified"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that one visit gives to one item; `value` is any JSON, null for an answer taken
    back.
    """

    item: str
    visit: str
    value: Any
    order: int = 0


@dataclass(frozen=True, slots=True, order=True)
class PhotoFlag:
    """Something odd about a photo, for a person to look at; it never blocks. `ref` is the other
    photo, if any.
    """

    code: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo or video of the step `(visit, item, slot)`, or the image of a signature.

    `size` in bytes; `seconds` is a video's length, None where unknown.
    """

    photo_id: str
    visit: str
    item: str
    slot: int
    state: PhotoState
    mime: str = "image/jpeg"
    size: int = 1
    seconds: float | None = None
    flags: tuple[PhotoFlag, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody signed; the image is the photo `photo_id`."""

    item: str
    visit: str
    photo_id: str
    name: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class Decline:
    """Somebody would not or could not sign, for a stated reason."""

    item: str
    visit: str
    reason: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class Waiver:
    """A named person of the office let an item go. `by` is the person's id, `name` what they are
    called.
    """

    item: str
    by: str
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a verdict may depend on.

    `finishing_visit` is the visit that ended the work last, None while there is none: items with
    the scope `visit` take answers from it alone. `last_readings` are the asset's meters before
    this job, by meter code. `asset_codes` and `part_codes` are the identifiers that a barcode item
    may have to match. `job` and `asset` are the attributes that rules see.
    """

    facts_rev: int
    finishing_visit: str | None = None
    answers: tuple[Answer, ...] = ()
    photos: tuple[Photo, ...] = ()
    signatures: tuple[Signature, ...] = ()
    declines: tuple[Decline, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    last_readings: Mapping[str, float] = field(default_factory=dict)
    asset_codes: frozenset[str] = frozenset()
    part_codes: frozenset[str] = frozenset()
    job: Mapping[str, Any] = field(default_factory=dict)
    asset: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the form in which facts stand in the published vectors and in an evidence pack."""
        return {
            "facts_rev": self.facts_rev,
            "finishing_visit": self.finishing_visit,
            "answers": [
                {"item": one.item, "visit": one.visit, "value": one.value, "order": one.order}
                for one in self.answers
            ],
            "photos": [_photo_json(one) for one in self.photos],
            "signatures": [
                {
                    "item": one.item,
                    "visit": one.visit,
                    "photo_id": one.photo_id,
                    "name": one.name,
                    "order": one.order,
                }
                for one in self.signatures
            ],
            "declines": [
                {"item": one.item, "visit": one.visit, "reason": one.reason, "order": one.order}
                for one in self.declines
            ],
            "waivers": [
                {"item": one.item, "by": one.by, "reason": one.reason, "name": one.name}
                for one in self.waivers
            ],
            "last_readings": dict(self.last_readings),
            "asset_codes": sorted(self.asset_codes),
            "part_codes": sorted(self.part_codes),
            "job": dict(self.job),
            "asset": dict(self.asset),
        }

    def context(self) -> dict[str, Any]:
        """Return what stands beside the facts and changes later: a verdict is given again with it."""
        whole = self.to_json()
        return {name: whole[name] for name in CONTEXT}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Facts":
        """Read what `to_json` wrote; members with a default may be left out."""
        return cls(
            facts_rev=data["facts_rev"],
            finishing_visit=data.get("finishing_visit"),
            answers=tuple(Answer(**one) for one in data.get("answers", ())),
            photos=tuple(_photo(one) for one in data.get("photos", ())),
            signatures=tuple(Signature(**one) for one in data.get("signatures", ())),
            declines=tuple(Decline(**one) for one in data.get("declines", ())),
            waivers=tuple(Waiver(**one) for one in data.get("waivers", ())),
            last_readings=dict(data.get("last_readings", {})),
            asset_codes=frozenset(data.get("asset_codes", ())),
            part_codes=frozenset(data.get("part_codes", ())),
            job=dict(data.get("job", {})),
            asset=dict(data.get("asset", {})),
        )


def _photo_json(photo: Photo) -> dict[str, Any]:
    flags = [{"code": flag.code, **({"ref": flag.ref} if flag.ref else {})} for flag in photo.flags]
    return {
        "photo_id": photo.photo_id,
        "visit": photo.visit,
        "item": photo.item,
        "slot": photo.slot,
        "state": photo.state.value,
        "mime": photo.mime,
        "size": photo.size,
        "seconds": photo.seconds,
        "flags": flags,
    }


def _photo(data: Mapping[str, Any]) -> Photo:
    flags = tuple(PhotoFlag(**flag) for flag in data.get("flags", ()))
    return Photo(**{**data, "state": PhotoState(data["state"]), "flags": flags})
