"""Answers to checklist items: their shape as JSON Schema 2020-12, and what is wrong with a given
one.

The schema of an item is generated from its kind and is what the server checks with, so the one
that is published to app authors cannot drift from it. Besides the standard's keywords it uses two
of its own: `decimals` (at most so many digits after the point in the number's shortest decimal
form) and `symbology` (the text must be possible in one of these barcodes, check digit included).
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from jsonschema import validators
from jsonschema.exceptions import ValidationError

from fsm.checklists.items import MAX_LIST, MAX_NUMBER, MAX_PHOTOS, Item, Kind, Symbology
from fsm.checklists.json_schema import DIALECT, Validator
from fsm.checklists.rules import RuleValue, rule_value
from fsm.checklists.templates import Template

DEFAULT_MAX_TEXT = 2_000
MAX_NAME = 200


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong with an answer: `code` is `shape` or `limit`, `rule` the check it failed."""

    code: str
    rule: str


def answers_schema(template: Template) -> dict[str, Any]:
    """Return the schema of all answers of a template by item id, each as `answer_schema` has it.

    Nothing is `required`: what must be answered depends on the other answers and is the verdict's
    to say.
    """
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {item.id: answer_schema(item) for item in template.items},
        "additionalProperties": False,
    }


def answer_schema(item: Item) -> dict[str, Any]:
    """Return the schema of one answer to `item`.

    For photos and videos it describes one filled slot: `{"slot", "mime", "size", "seconds"}`,
    bytes and seconds. A `meter` is a number, or `{"value": …, "rollover": true}` where the counter
    has begun anew.
    """
    return _SCHEMAS[item.kind](item)


def is_blank(value: object) -> bool:
    """Say whether a value is no answer at all: null, text of nothing but white space, an empty
    list.
    """
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == []


def faults(item: Item, value: object) -> tuple[Fault, ...]:
    """Return what is wrong with `value` as an answer to `item`, sorted; empty if nothing is.

    An answer of the wrong shape is only told so: its limits mean nothing. Never raises, whatever
    `value` is.
    """
    if not _is_flat(value):
        return (Fault("shape", "type"),)
    found = {
        _fault(item, error) for error in _AnswerValidator(answer_schema(item)).iter_errors(value)
    }
    shapes = sorted(fault for fault in found if fault.code == "shape")
    return tuple(shapes or sorted(found))


def rule_fields(item: Item, value: object) -> dict[str, RuleValue] | None:
    """Return an answer as rules see it (see `fsm.checklists.rules`), None if its shape is wrong.

    Not for photos, videos and signatures, whose facts are not plain values.
    """
    if is_blank(value) or any(fault.code == "shape" for fault in faults(item, value)):
        return None
    seen = rule_value(meter_reading(value) if item.kind is Kind.METER else value)
    if seen is None:
        return None
    if item.kind is Kind.METER:
        return {"value": seen, "rollover": has_rolled_over(value)}
    return {"value": seen}


def meter_reading(value: object) -> object:
    """Return the number in a meter's answer, whichever of its two forms it has."""
    return value.get("value") if isinstance(value, Mapping) else value


def has_rolled_over(value: object) -> bool:
    """Say whether a meter's answer declares that the counter has begun anew."""
    return isinstance(value, Mapping) and value.get("rollover") is True


def _yesno(item: Item) -> dict[str, Any]:
    return {"type": "boolean"}


def _number(item: Item) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "number",
        "minimum": -MAX_NUMBER if item.minimum is None else item.minimum,
        "maximum": MAX_NUMBER if item.maximum is None else item.maximum,
    }
    return schema if item.decimals is None else {**schema, "decimals": item.decimals}


def _choice(item: Item) -> dict[str, Any]:
    one = {"type": "string", "enum": list(item.codes)}
    if not item.multiple:
        return one
    schema: dict[str, Any] = {"type": "array", "items": one, "uniqueItems": True}
    if item.minimum is not None:
        schema["minItems"] = item.minimum
    if item.maximum is not None:
        schema["maxItems"] = item.maximum
    return schema


def _text(item: Item) -> dict[str, Any]:
    # A lower bound above the usual upper one lifts it: an item must stay answerable.
    usual = max(DEFAULT_MAX_TEXT, item.minimum or 0)
    longest = usual if item.maximum is None else item.maximum
    return {"type": "string", "minLength": item.minimum or 1, "maxLength": longest}


def _media(item: Item) -> dict[str, Any]:
    mime = (
        {"type": "string", "enum": list(item.mime)}
        if item.mime
        else {"type": "string", "pattern": "^image/" if item.kind is Kind.PHOTO else "^video/"}
    )
    size = {"type": "integer", "minimum": 1}
    seconds = {"type": "number", "minimum": 0}
    if item.max_bytes is not None:
        size["maximum"] = item.max_bytes
    if item.max_seconds is not None:
        seconds["maximum"] = item.max_seconds
    highest = MAX_PHOTOS if item.maximum is None else int(item.maximum)
    return {
        "type": "object",
        "required": ["slot", "mime", "size"],
        "properties": {
            "slot": {"type": "integer", "minimum": 0, "maximum": highest - 1},
            "mime": mime,
            "size": size,
            "seconds": seconds,
        },
        "additionalProperties": False,
    }


def _signature(item: Item) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["photo_id", "name"],
        "properties": {
            "photo_id": {"type": "string"},
            "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
        },
        "additionalProperties": False,
    }


def _meter(item: Item) -> dict[str, Any]:
    number = _number(item)
    declared = {
        "type": "object",
        "required": ["value"],
        "properties": {"value": number, "rollover": {"type": "boolean"}},
        "additionalProperties": False,
    }
    return {"if": {"type": "object"}, "then": declared, "else": number}


def _barcode(item: Item) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 4_296}
    return {**schema, "symbology": list(item.symbology)} if item.symbology else schema


_SCHEMAS: Final[Mapping[Kind, Callable[[Item], dict[str, Any]]]] = {
    Kind.YESNO: _yesno,
    Kind.NUMBER: _number,
    Kind.CHOICE: _choice,
    Kind.TEXT: _text,
    Kind.PHOTO: _media,
    Kind.VIDEO: _media,
    Kind.SIGNATURE: _signature,
    Kind.METER: _meter,
    Kind.BARCODE: _barcode,
}

#: What the text of a symbology can hold. A 2D code can hold any text; Code 128 all of ASCII.
_SYMBOLS: Final[Mapping[Symbology, re.Pattern[str]]] = {
    Symbology.QR: re.compile(r"[\s\S]+"),
    Symbology.DATAMATRIX: re.compile(r"[\s\S]+"),
    Symbology.CODE128: re.compile(r"[\x00-\x7f]+"),
    Symbology.CODE39: re.compile(r"[0-9A-Z. $/+%-]+"),
    Symbology.EAN13: re.compile(r"[0-9]{13}"),
    Symbology.EAN8: re.compile(r"[0-9]{8}"),
    Symbology.UPCA: re.compile(r"[0-9]{12}"),
}
_GS1: Final = frozenset({Symbology.EAN13, Symbology.EAN8, Symbology.UPCA})


def _is_possible(symbology: Symbology, text: str) -> bool:
    if not _SYMBOLS[symbology].fullmatch(text):
        return False
    return symbology not in _GS1 or has_gs1_check_digit(text)


def has_gs1_check_digit(digits: str) -> bool:
    """Check the last digit: weights 3, 1, 3, … from the right of the rest (GS1 General
    Specifications 7.9.1).
    """
    *body, check = (int(digit) for digit in digits)
    total = sum(digit * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return (total + check) % 10 == 0


def _check_decimals(
    validator: Any, limit: float, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, float) and math.isfinite(instance):
        exponent = Decimal(repr(instance)).normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > limit:
            yield ValidationError(f"has more than {limit} decimals")


def _check_symbology(
    validator: Any, allowed: list[str], instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not any(
        _is_possible(Symbology(one), instance) for one in allowed
    ):
        yield ValidationError(f"is none of {allowed}")


_AnswerValidator: Final = validators.extend(  # type: ignore[no-untyped-call]  # see json_schema
    Validator, {"decimals": _check_decimals, "symbology": _check_symbology}
)

_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "min",
    "maximum": "max",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_picks",
    "maxItems": "max_picks",
    "decimals": "decimals",
}


def _fault(item: Item, error: ValidationError) -> Fault:
    keyword = str(error.validator)
    place = str(error.absolute_path[-1]) if error.absolute_path else ""
    if item.is_media and place in ("mime", "size", "seconds", "slot"):
        return Fault("limit" if keyword in _LIMITS else "shape", place)
    if keyword in _LIMITS:
        return Fault("limit", _LIMITS[keyword])
    if keyword == "enum":
        return Fault("limit", "codes")
    return Fault("shape", "symbology" if keyword == "symbology" else "type")


def _is_flat(value: object) -> bool:
    """Say whether `value` is a plain scalar, or a short list or object of them: all that an answer
    can be.
    """
    if isinstance(value, list):
        return len(value) <= MAX_LIST and all(map(_is_plain, value))
    if isinstance(value, dict):
        return len(value) <= 10 and all(map(_is_plain, (*value, *value.values())))
    return _is_plain(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" or char == "\0" for char in value)
    return value is None or isinstance(value, bool | int)
