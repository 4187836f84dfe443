"""Checklist template documents: what may be published, how a version is named, which one applies.

A document is plain JSON::

    {"template_id": "boiler-service", "version": 3, "title": {"en": "Boiler service"},
     "supersedes": {"min_accepted": 2, "policy": "review"},
     "items": [{"id": "reading", "kind": "number", "unit": "kPa", "required": true}, …]}

A version is immutable and named by its contents: `sha256` over the RFC 8785 form of the document,
and `rules_sha256` over that part of it which judges (items without their wording), so that
correcting a label does not make a finished job look differently judged. Everything here is pure.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeVar

import rfc8785
from jsonschema.exceptions import ValidationError

from fsm.checklists.house_rules import breaches
from fsm.checklists.items import (
    CODE_PATTERN,
    ID_PATTERN,
    ITEM_SCHEMAS,
    LANGUAGE_PATTERN,
    LOCALIZED,
    MAX_EXPRESSION_BYTES,
    MIME_PATTERN,
    RULES,
    WORDING,
    Item,
    Kind,
    localized,
)
from fsm.checklists.json_schema import DIALECT, Validator
from fsm.checklists.rules import ENGINE, RuleEngine
from fsm.problems import Problem

_T = TypeVar("_T")

MAX_ITEMS = 300
MAX_VERSION = 1_000_000


class TemplateRefused(Problem):
    """The document cannot be published; `errors` lists each reason: `{"at", "code", "detail"}`."""

    code, status, title = "template-invalid", 422, "The checklist template has errors"


class VersionIsFixed(Problem):
    """The version exists with other contents; `sha256` is what is published under it."""

    code, status, title = "template-version-fixed", 409, "A published version never changes"


@dataclass(frozen=True, slots=True)
class TemplateError:
    """One reason not to publish. `at` is a JSON pointer into the document."""

    at: str
    code: str
    detail: str

    def to_json(self) -> dict[str, str]:
        return {"at": self.at, "code": self.code, "detail": self.detail}


class Policy(StrEnum):
    """What becomes of a job finished under a version older than `min_accepted`; it is never
    rejected.
    """

    ACCEPT = "accept"
    REVIEW = "review"


class Level(StrEnum):
    """Where a template can be assigned, in the order of resolution."""

    ASSET = "asset"
    MODEL = "model"
    SITE = "site"
    WORK_TYPE = "work_type"


#: The document around its items (JSON Schema 2020-12); items have a schema per kind,
#: `ITEM_SCHEMAS`.
_ENVELOPE: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["template_id", "version", "items"],
    "properties": {
        "template_id": {"type": "string", "pattern": CODE_PATTERN},
        "version": {"type": "integer", "minimum": 1, "maximum": MAX_VERSION},
        "title": dict(LOCALIZED),
        "supersedes": {
            "type": "object",
            "required": ["min_accepted", "policy"],
            "properties": {
                "min_accepted": {"type": "integer", "minimum": 1, "maximum": MAX_VERSION},
                "policy": {"enum": [policy.value for policy in Policy]},
            },
            "additionalProperties": False,
        },
        "items": {"type": "array", "maxItems": MAX_ITEMS},
    },
    "additionalProperties": False,
}

_ENVELOPE_VALIDATOR = Validator(_ENVELOPE)
_ITEM_VALIDATORS = {kind: Validator(ITEM_SCHEMAS[kind]) for kind in Kind}


def template_schema() -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of a template document, for authors' tools."""
    of_kind = [
        {
            "if": {"properties": {"kind": {"const": kind.value}}, "required": ["kind"]},
            "then": dict(ITEM_SCHEMAS[kind]),
        }
        for kind in Kind
    ]
    items = {
        **_ENVELOPE["properties"]["items"],
        "items": {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"enum": [kind.value for kind in Kind]}},
            "allOf": of_kind,
        },
    }
    return {
        "$schema": DIALECT,
        **_ENVELOPE,
        "properties": {**_ENVELOPE["properties"], "items": items},
    }


@dataclass(frozen=True)
class Template:
    """A published version, as it is judged. Build it with `publish`, from storage with `load`."""

    document: Mapping[str, Any]
    items: tuple[Item, ...]

    @property
    def template_id(self) -> str:
        return str(self.document["template_id"])

    @property
    def version(self) -> int:
        return int(self.document["version"])

    @property
    def min_accepted(self) -> int:
        """The oldest version whose finished jobs need no second look; 1 unless the author says
        otherwise.
        """
        return int(self.document.get("supersedes", {}).get("min_accepted", 1))

    @property
    def policy(self) -> Policy:
        return Policy(self.document.get("supersedes", {}).get("policy", Policy.ACCEPT))

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the whole document's RFC 8785 form."""
        return hashlib.sha256(rfc8785.dumps(dict(self.document))).hexdigest()

    @cached_property
    def rules_sha256(self) -> str:
        """Hex SHA-256 of the RFC 8785 form of what judges: `{"items": […]}` without labels and
        other wording.
        """
        judging = [
            {
                key: [{"code": choice["code"]} for choice in value] if key == "choices" else value
                for key, value in item.items()
                if key not in WORDING
            }
            for item in self.document["items"]
        ]
        return hashlib.sha256(rfc8785.dumps({"items": judging})).hexdigest()

    @cached_property
    def by_id(self) -> Mapping[str, Item]:
        return MappingProxyType({item.id: item for item in self.items})

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The place of each item on the sheet, from 0."""
        return MappingProxyType({item.id: place for place, item in enumerate(self.items)})

    def title(self, language: str) -> str:
        """Return the template's title in `language`, else in English, else in any language, else
        its id.
        """
        return localized(self.document.get("title", {}), language) or self.template_id

    def verdict_of_age(self, pinned_version: int) -> Policy:
        """Say whether a job finished under `pinned_version` needs the office now that this version
        is current.
        """
        return Policy.ACCEPT if pinned_version >= self.min_accepted else self.policy


def publish(document: object, engine: RuleEngine = ENGINE) -> Template:
    """Return the template, or raise `TemplateRefused` with every error of the document."""
    errors = publishing_errors(document, engine)
    if errors or not isinstance(document, Mapping):
        count = len(errors)
        raise TemplateRefused(
            f"The template has {count} error{'' if count == 1 else 's'}: {errors[0].detail}",
            errors=[error.to_json() for error in errors],
        )
    return load(document)


def load(document: Mapping[str, Any]) -> Template:
    """Return a template that has passed `publish` before, such as one read from the database."""
    return Template(document, tuple(Item.of(item) for item in document["items"]))


def check_republish(published: Template, offered: Template) -> None:
    """Return nothing if `offered` may stand beside `published`, else raise `VersionIsFixed`."""
    same_name = (published.template_id, published.version) == (
        offered.template_id,
        offered.version,
    )
    if same_name and published.sha256 != offered.sha256:
        raise VersionIsFixed(
            f"Version {offered.version} of '{offered.template_id}' has other contents. "
            f"Publish the change as version {offered.version + 1}.",
            sha256=published.sha256,
        )


def resolve(candidates: Mapping[Level, _T | None]) -> _T | None:
    """Return the candidate of the first level that has one; it applies whole, nothing is merged."""
    return next((hit for level in Level if (hit := candidates.get(level)) is not None), None)


def empty_document(template_id: str, title: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a first version that requires nothing: for work types without a checklist, and for
    imports.
    """
    document: dict[str, Any] = {"template_id": template_id, "version": 1, "items": []}
    return {**document, "title": dict(title)} if title else document


#: What a pattern asks for, in words.
_PATTERNS: Final[Mapping[str, str]] = {
    ID_PATTERN: "An id begins with a small letter, then also digits and _; at most 64 in all.",
    CODE_PATTERN: "A code begins with a letter or digit, then also _ . -; at most 64 in all.",
    LANGUAGE_PATTERN: "Languages are written as en, ru or pt-BR.",
    MIME_PATTERN: "A media type is written as image/jpeg.",
}


def publishing_errors(document: object, engine: RuleEngine = ENGINE) -> list[TemplateError]:
    """Return every reason not to publish `document`, in the order of the document; empty if there
    is none.

    Where the shape of an item is wrong its rules are not looked at, as they would be misread.
    """
    errors = [_shape_error(error) for error in _ENVELOPE_VALIDATOR.iter_errors(document)]
    listed = document.get("items") if isinstance(document, Mapping) else None
    raw_items = listed[:MAX_ITEMS] if isinstance(listed, list) else []
    items: dict[str, Item] = {}
    stand_ins: dict[str, Item] = {}
    places: dict[str, int] = {}
    for place, raw in enumerate(raw_items):
        found = _item_shape_errors(raw, f"/items/{place}")
        errors += found
        if found:
            stand_ins |= _stand_in(raw)
            continue
        item = Item.of(raw)
        if item.id in items:
            detail = f"'{item.id}' is already the id of item {places[item.id] + 1}."
            errors.append(TemplateError(f"/items/{place}/id", "duplicate_id", detail))
            continue
        items[item.id], places[item.id] = item, place
        errors += _contradictions(raw, item, f"/items/{place}")
    for name, item in items.items():
        errors += _rule_errors(engine, item, stand_ins | items, f"/items/{places[name]}")
    if not errors:
        errors += _canonical_errors(document)
    return sorted(dict.fromkeys(errors), key=lambda error: (_place(error.at), error.at, error.code))


def _place(pointer: str) -> int:
    """Return the index of the item that a pointer leads into, -1 for the document around the
    items.
    """
    parts = pointer.split("/")
    return int(parts[2]) if len(parts) > 2 and parts[1] == "items" and parts[2].isdigit() else -1


def _item_shape_errors(raw: object, base: str) -> list[TemplateError]:
    if not isinstance(raw, dict):
        return [TemplateError(base, "shape", "An item is an object.")]
    try:
        kind = Kind(raw["kind"])
    except (KeyError, ValueError, TypeError):
        kinds = ", ".join(Kind)
        return [TemplateError(f"{base}/kind", "kind", f"The kind of an item is one of {kinds}.")]
    return [_shape_error(error, base, kind) for error in _ITEM_VALIDATORS[kind].iter_errors(raw)]


def _stand_in(raw: object) -> dict[str, Item]:
    """Return a bare item for a malformed one, so that rules of others that name it are not blamed
    as well.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        return {}
    try:
        kind = Kind(raw["kind"])
    except (KeyError, ValueError, TypeError):
        return {}
    name = raw["id"]
    return {name: Item(id=name, kind=kind, label={}, multiple=raw.get("multiple") is True)}


def _shape_error(error: ValidationError, base: str = "", kind: Kind | None = None) -> TemplateError:
    """Say in a sentence what JSON Schema found; the values at fault are not repeated."""
    at = base + "".join(f"/{_escaped(str(part))}" for part in error.absolute_path)
    keyword, wanted = str(error.validator), error.validator_value
    where = f"a {kind} item" if kind else "a template"
    if keyword == "additionalProperties" and isinstance(error.instance, dict):
        schema: Any = error.schema
        unknown = sorted(
            str(name)[:64] for name in error.instance if name not in schema["properties"]
        )
        names = ", ".join(unknown[:5])
        detail = f"Not a property of {where if at == base else 'this object'}: {names}."
        return TemplateError(at, "unknown_property", detail)
    if keyword == "required" and isinstance(error.instance, dict):
        required: Any = wanted
        missing = ", ".join(name for name in required if name not in error.instance)
        return TemplateError(at, "missing_property", f"Missing in {where}: {missing}.")
    details = {
        "type": f"Must be of type {wanted}.",
        "enum": f"Must be one of {wanted}.",
        "pattern": _PATTERNS.get(str(wanted), f"Must match {wanted}."),
        "minimum": f"Must be at least {wanted}.",
        "maximum": f"Must be at most {wanted}.",
        "minLength": "Must not be empty.",
        "maxLength": f"Must have at most {wanted} characters.",
        "minItems": f"Must have at least {wanted} entry.",
        "maxItems": f"Must have at most {wanted} entries.",
        "minProperties": "Must not be empty.",
        "maxProperties": f"Must have at most {wanted} entries.",
        "uniqueItems": "Must not repeat an entry.",
    }
    code = "limit" if keyword.startswith(("min", "max")) else "shape"
    return TemplateError(at, code, details.get(keyword, f"Breaks '{keyword}'."))


def _contradictions(raw: Mapping[str, Any], item: Item, base: str) -> list[TemplateError]:
    """Return what no single property shows: bounds that cross, codes that repeat, settings without
    effect.
    """
    errors = []
    low, high = item.minimum, item.maximum
    if low is not None and high is not None and low > high:
        errors.append(
            TemplateError(base, "bounds", f"The lower bound {low} is above the upper {high}.")
        )
    if item.kind is Kind.CHOICE:
        for code in sorted({code for code in item.codes if item.codes.count(code) > 1}):
            detail = f"The code '{code}' stands for several choices."
            errors.append(TemplateError(f"{base}/choices", "duplicate_code", detail))
        if not item.multiple and ("min_picks" in raw or "max_picks" in raw):
            detail = 'Bounds on picks need "multiple": true.'
            errors.append(TemplateError(base, "bounds", detail))
        if low is not None and low > len(set(item.codes)):
            detail = f"{low} picks are wanted of {len(set(item.codes))} choices."
            errors.append(TemplateError(f"{base}/min_picks", "bounds", detail))
    if (item.corrective_if is None) != (item.corrective_work_type is None):
        detail = "'corrective_if' says when to open a job and 'corrective' which; both or neither."
        errors.append(TemplateError(base, "bounds", detail))
    if item.constraint_text and item.constraint is None:
        detail = "There is no constraint for this text to explain."
        errors.append(TemplateError(f"{base}/constraint_text", "bounds", detail))
    return errors


def _rule_errors(
    engine: RuleEngine, item: Item, items: Mapping[str, Item], base: str
) -> list[TemplateError]:
    errors = []
    for rule in RULES:
        expression = item.rule(rule)
        if expression is None:
            continue
        at = f"{base}/{rule}"
        size = len(expression.encode("utf-8", "surrogatepass"))
        if size > MAX_EXPRESSION_BYTES:
            detail = f"{size} bytes; an expression has at most {MAX_EXPRESSION_BYTES}."
            errors.append(TemplateError(at, "limit", detail))
            continue
        for breach in breaches(engine, item, rule, items):
            where = f" (character {breach.offset + 1})" if breach.offset >= 0 else ""
            errors.append(TemplateError(at, breach.code, breach.detail + where))
    return errors


def _canonical_errors(document: object) -> list[TemplateError]:
    """Return an error where the document has no RFC 8785 form: NaN, lone surrogates."""
    try:
        rfc8785.dumps(document)  # type: ignore[arg-type]  # JSON by now, as its schema held
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        return [
            TemplateError("", "canonical", f"The document has no canonical form: {error}"[:300])
        ]
    return []


def _escaped(part: str) -> str:
    """Return a JSON pointer's reference token (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")[:128]
