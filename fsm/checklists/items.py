"""The kinds of checklist item: what an author may write about each, and the typed form that is
judged.

`ITEM_SCHEMAS` is the normative shape of an item in a template document (JSON Schema 2020-12), one
per kind. `Item.of` reads an item that fits its schema; everything a rule or a verdict needs is an
attribute of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class Kind(StrEnum):
    YESNO = "yesno"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"
    PHOTO = "photo"
    VIDEO = "video"
    SIGNATURE = "signature"
    METER = "meter"
    BARCODE = "barcode"


class Scope(StrEnum):
    """Which visits' answers count: any visit of the job, or only the one that finishes it."""

    JOB = "job"
    VISIT = "visit"


class Waiver(StrEnum):
    """Who may let a job complete without this item."""

    NONE = "none"
    OFFICE = "office"


class Symbology(StrEnum):
    """What a barcode must look like; the answer is its text, so the text is checked."""

    QR = "qr"
    DATAMATRIX = "datamatrix"
    CODE128 = "code128"
    CODE39 = "code39"
    EAN13 = "ean13"
    EAN8 = "ean8"
    UPCA = "upca"


#: Kinds whose answer is bytes in slots, `(visit, item, slot)`, and not a value.
MEDIA: Final = frozenset({Kind.PHOTO, Kind.VIDEO})

#: The rules an item may carry; what each must come to is among the house rules.
RULES: Final = ("visible_if", "required_if", "constraint", "photos_required", "corrective_if")

MAX_LIST = 1_000
MAX_TEXT = 10_000
MAX_PHOTOS = 100
MAX_EXPRESSION_BYTES = 2_048

#: Integers beyond this lose digits in JavaScript and have no RFC 8785 form.
MAX_NUMBER = 1_000_000_000_000_000

ID_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
MIME_PATTERN = r"^[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}$"

_NUMBER = {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}
_BOOLEAN = {"type": "boolean"}
_CODE = {"type": "string", "pattern": CODE_PATTERN}
_UNIT = {"type": "string", "minLength": 1, "maxLength": 32}
# Length in bytes is checked where the rule is read; this bound only keeps absurd documents short.
_EXPRESSION = {"type": "string", "minLength": 1, "maxLength": MAX_EXPRESSION_BYTES}
_COUNT = {"type": "integer", "minimum": 0, "maximum": MAX_PHOTOS}


def _integer(minimum: int, maximum: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


#: Text by language, such as `{"en": "Pressure", "ru": "Давление"}`; one language is enough.
LOCALIZED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 40,
        "propertyNames": {"pattern": LANGUAGE_PATTERN},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 1_000},
    }
)

_COMMON: Mapping[str, Any] = {
    "id": {"type": "string", "pattern": ID_PATTERN},
    "kind": {"enum": [kind.value for kind in Kind]},
    "label": dict(LOCALIZED),
    "help": dict(LOCALIZED),
    "required": _BOOLEAN,
    "scope": {"enum": [scope.value for scope in Scope]},
    "waiver": {"enum": [waiver.value for waiver in Waiver]},
    "visible_if": _EXPRESSION,
    "required_if": _EXPRESSION,
    # A job of that type is opened when the work is done and the rule is true: the inspection failed.
    "corrective_if": _EXPRESSION,
    "corrective": {
        "type": "object",
        "required": ["work_type"],
        "properties": {"work_type": {"type": "string", "minLength": 1, "maxLength": 60}},
        "additionalProperties": False,
    },
}
#: Kinds with a value may say what it must satisfy, and what to tell people when it does not.
_VALUED: Mapping[str, Any] = {"constraint": _EXPRESSION, "constraint_text": dict(LOCALIZED)}
_MIME_LIST = {
    "type": "array",
    "minItems": 1,
    "maxItems": 20,
    "uniqueItems": True,
    "items": {"type": "string", "pattern": MIME_PATTERN},
}
_MEDIA_PROPERTIES: Mapping[str, Any] = {
    "min": {**_COUNT, "minimum": 1},
    "max": {**_COUNT, "minimum": 1},
    "mime": _MIME_LIST,
    "max_bytes": _integer(1, 4_294_967_296),
    "photos_required": _EXPRESSION,
}
_CHOICE = {
    "type": "object",
    "required": ["code"],
    "properties": {"code": _CODE, "label": dict(LOCALIZED)},
    "additionalProperties": False,
}

_PROPERTIES: Mapping[Kind, Mapping[str, Any]] = {
    Kind.YESNO: _VALUED,
    Kind.NUMBER: {
        **_VALUED,
        "unit": _UNIT,
        "min": _NUMBER,
        "max": _NUMBER,
        "decimals": _integer(0, 9),
    },
    Kind.CHOICE: {
        **_VALUED,
        "choices": {"type": "array", "minItems": 1, "maxItems": MAX_LIST, "items": _CHOICE},
        "multiple": _BOOLEAN,
        "min_picks": _integer(1, MAX_LIST),
        "max_picks": _integer(1, MAX_LIST),
    },
    Kind.TEXT: {
        **_VALUED,
        "min_length": _integer(1, MAX_TEXT),
        "max_length": _integer(1, MAX_TEXT),
    },
    # `original`: the phone sends the camera's own bytes, not a smaller copy.
    Kind.PHOTO: {**_MEDIA_PROPERTIES, "original": _BOOLEAN},
    Kind.VIDEO: {**_MEDIA_PROPERTIES, "max_seconds": _integer(1, 3_600)},
    # `decline`: a stated reason stands in for the signature.
    Kind.SIGNATURE: {**_VALUED, "role": _CODE, "decline": _BOOLEAN},
    Kind.METER: {
        **_VALUED,
        "meter": _CODE,
        "unit": _UNIT,
        "min": _NUMBER,
        "max": _NUMBER,
        "decimals": _integer(0, 9),
    },
    Kind.BARCODE: {
        **_VALUED,
        "symbology": {
            "type": "array",
            "minItems": 1,
            "maxItems": len(Symbology),
            "uniqueItems": True,
            "items": {"enum": [symbology.value for symbology in Symbology]},
        },
        "match": {"enum": ["asset", "part"]},
    },
}

_REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    Kind.CHOICE: ("id", "kind", "choices"),
    Kind.METER: ("id", "kind", "meter"),
}

ITEM_SCHEMAS: Final[Mapping[Kind, Mapping[str, Any]]] = MappingProxyType(
    {
        kind: {
            "type": "object",
            "required": list(_REQUIRED.get(kind, ("id", "kind"))),
            "properties": {**_COMMON, **_PROPERTIES[kind]},
            "additionalProperties": False,
        }
        for kind in Kind
    }
)

#: What only people read. It changes a template's `sha256`, never its `rules_sha256`.
WORDING: Final = frozenset({"label", "help", "constraint_text"})


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a checklist template, as it is judged.

    Attributes that a kind does not have keep their defaults. `minimum` and `maximum` bound the
    number of a `number` or `meter` (in `unit`), the count of photos or videos, the picks of a
    `choice`, or the length of a `text` in Unicode code points.
    """

    id: str
    kind: Kind
    label: Mapping[str, str]
    required: bool = False
    scope: Scope = Scope.JOB
    waiver: Waiver = Waiver.NONE
    visible_if: str | None = None
    required_if: str | None = None
    constraint: str | None = None
    constraint_text: Mapping[str, str] = field(default_factory=dict)
    photos_required: str | None = None
    corrective_if: str | None = None
    corrective_work_type: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    decimals: int | None = None
    codes: tuple[str, ...] = ()
    choice_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    multiple: bool = False
    mime: tuple[str, ...] = ()
    max_bytes: int | None = None
    max_seconds: int | None = None
    role: str | None = None
    decline: bool = False
    meter: str | None = None
    symbology: tuple[Symbology, ...] = ()
    match: str | None = None

    @property
    def is_media(self) -> bool:
        return self.kind in MEDIA

    def rule(self, name: str) -> str | None:
        """Return the CEL source of one of `RULES`, or None where the item has none."""
        value: str | None = getattr(self, name)
        return value

    def title(self, language: str) -> str:
        """Return the item's label in `language`, else in English, else in any language, else its
        id.
        """
        return localized(self.label, language) or self.id

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Item":
        """Read an item that fits `ITEM_SCHEMAS` of its kind."""
        kind = Kind(document["kind"])
        choices = document.get("choices", ())
        low, high = _BOUNDS.get(kind, ("min", "max"))
        return cls(
            id=document["id"],
            kind=kind,
            label=MappingProxyType(dict(document.get("label", {}))),
            required=document.get("required", False),
            scope=Scope(document.get("scope", Scope.JOB)),
            waiver=Waiver(document.get("waiver", Waiver.NONE)),
            visible_if=document.get("visible_if"),
            required_if=document.get("required_if"),
            constraint=document.get("constraint"),
            constraint_text=MappingProxyType(dict(document.get("constraint_text", {}))),
            photos_required=document.get("photos_required"),
            corrective_if=document.get("corrective_if"),
            corrective_work_type=document.get("corrective", {}).get("work_type"),
            minimum=document.get(low),
            maximum=document.get(high),
            unit=document.get("unit"),
            decimals=document.get("decimals"),
            codes=tuple(choice["code"] for choice in choices),
            choice_labels=MappingProxyType(
                {choice["code"]: dict(choice.get("label", {})) for choice in choices}
            ),
            multiple=document.get("multiple", False),
            mime=tuple(document.get("mime", ())),
            max_bytes=document.get("max_bytes"),
            max_seconds=document.get("max_seconds"),
            role=document.get("role"),
            decline=document.get("decline", False),
            meter=document.get("meter"),
            symbology=tuple(Symbology(one) for one in document.get("symbology", ())),
            match=document.get("match"),
        )


#: Where an item's `minimum` and `maximum` are written, for the kinds that do not call them `min`
#: and `max`.
_BOUNDS: Mapping[Kind, tuple[str, str]] = {
    Kind.CHOICE: ("min_picks", "max_picks"),
    Kind.TEXT: ("min_length", "max_length"),
}


def localized(texts: Mapping[str, str], language: str) -> str | None:
    """Return the text in `language`, else in English, else the first by language code; None if
    there is none.
    """
    for candidate in (language, language.split("-")[0], "en", *sorted(texts)):
        if candidate in texts:
            return texts[candidate]
    return None
