"""The closing verdict: what stands between a work order and its completion. No clock, no I/O.

Rules are asked about answers as they stand, those of hidden items included, so that the result
does not depend on the order of the items. A rule that fails hides nothing and traps nobody: the
item is visible and required, a constraint passes, and the flag `rule_error` says so.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fsm.checklists.answers import (
    MAX_NAME,
    faults,
    has_rolled_over,
    is_blank,
    meter_reading,
    rule_fields,
)
from fsm.checklists.items import MAX_PHOTOS, Item, Kind, Scope, Waiver
from fsm.checklists.rules import ENGINE, Activation, RuleEngine
from fsm.checklists.templates import Template
from fsm.work_orders.closing_facts import Answer, Decline, Facts, Photo, PhotoState, Signature

#: The unmet codes with which work may still be finished: the phone holds those bytes until a
#: receipt.
FINISHABLE: Final = frozenset({"photo_pending", "photo_corrupt"})

#: Which photo of a slot counts, and which slots are nearest to being complete.
_STATE_RANK: Final[Mapping[PhotoState, int]] = {
    PhotoState.VERIFIED: 0,
    PhotoState.STORED: 1,
    PhotoState.UPLOADING: 2,
    PhotoState.DECLARED: 3,
    PhotoState.CORRUPT: 4,
}


@dataclass(frozen=True, slots=True)
class Unmet:
    """One thing that is missing or wrong. `at` is a JSON pointer, `rule` the check behind it.

    `code` is one of required, shape, limit, constraint, photo_missing, photo_pending,
    photo_corrupt.
    """

    at: str
    code: str
    rule: str | None = None
    photo_id: str | None = None
    state: str | None = None

    @property
    def item(self) -> str:
        """The id of the item that it is about."""
        return self.at.split("/")[2]

    @property
    def slot(self) -> int | None:
        """The slot of the photo that it is about, None where it is about the item."""
        parts = self.at.split("/")
        return int(parts[4]) if len(parts) > 4 else None

    def to_json(self) -> dict[str, Any]:
        return _present(
            at=self.at, code=self.code, rule=self.rule, photo_id=self.photo_id, state=self.state
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Unmet":
        """Read what `to_json` wrote, such as a stored verdict's."""
        names = ("at", "code", "rule", "photo_id", "state")
        return cls(**{name: data[name] for name in names if name in data})


@dataclass(frozen=True, slots=True)
class Waived:
    """An item that a named person let go; `codes` is what it lacked at the time of the verdict."""

    at: str
    by: str
    name: str
    reason: str
    codes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "by": self.by,
            "name": self.name,
            "reason": self.reason,
            "codes": list(self.codes),
        }


@dataclass(frozen=True, slots=True)
class Flag:
    """Something for a person to look at; flags never block.

    Codes: `rule_error` (of the template's `rule`), `unknown_item` (a fact about an item that the
    template does not have), `waiver_refused` (the item cannot be waived), `extra_photo` (beyond
    the item's maximum), and those that evidence raises on photos, such as `reused_photo` with the
    other photo in `ref`.
    """

    at: str
    code: str
    rule: str | None = None
    ref: str | None = None

    def to_json(self) -> dict[str, Any]:
        return _present(at=self.at, code=self.code, rule=self.rule, ref=self.ref)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one revision of a job's facts by one set of rules.

    Everything in it is sorted: by the place of the item on the sheet, then slot, code, rule and
    photo.
    """

    rules_sha256: str
    facts_rev: int
    unmet: tuple[Unmet, ...]
    waived: tuple[Waived, ...]
    flags: tuple[Flag, ...]

    @property
    def met(self) -> bool:
        """Nothing is missing: the job may be completed."""
        return not self.unmet

    @property
    def finish_allowed(self) -> bool:
        """Nothing is missing but bytes that the phone still holds: the technician may finish."""
        return all(unmet.code in FINISHABLE for unmet in self.unmet)

    def to_json(self) -> dict[str, Any]:
        return {
            "rules_sha256": self.rules_sha256,
            "facts_rev": self.facts_rev,
            "met": self.met,
            "unmet": [unmet.to_json() for unmet in self.unmet],
            "waived": [waived.to_json() for waived in self.waived],
            "flags": [flag.to_json() for flag in self.flags],
        }


@dataclass(frozen=True, slots=True)
class Demand:
    """What the rules ask of one item now.

    `required` names the rule that makes it so, None if it is optional. `photos` is how many slots
    must hold verified bytes, `photos_rule` the rule that says so.
    """

    visible: bool
    required: str | None
    photos: int = 0
    photos_rule: str | None = None
    failed_rules: tuple[str, ...] = ()


def verdict(template: Template, facts: Facts, engine: RuleEngine = ENGINE) -> Verdict:
    """Return what is missing for completion. Never raises for a template that has passed
    publishing.
    """
    sheet = _Sheet(template, facts)
    activation = engine.activation(sheet.seen_by_rules(), facts.job, facts.asset)
    unmet: list[Unmet] = []
    flags = _photo_flags(template, facts) + _unknown_items(template, facts)
    for item in template.items:
        demand = _demand(item, activation, engine)
        failed = list(demand.failed_rules)
        if demand.visible:
            found, constraint_failed = _judge(item, demand, sheet, activation, engine)
            unmet += found
            failed += ["constraint"] if constraint_failed else []
        flags += [Flag(_at(item), "rule_error", rule=rule) for rule in failed]
    waived, refused = _waived(template, facts, unmet)
    let_go = {one.at for one in waived}
    rest = (one for one in unmet if f"/items/{one.item}" not in let_go)
    return Verdict(
        rules_sha256=template.rules_sha256,
        facts_rev=facts.facts_rev,
        unmet=tuple(sorted(rest, key=lambda one: _unmet_order(template, one))),
        waived=tuple(waived),
        flags=tuple(sorted(set(flags + refused), key=lambda one: _flag_order(template, one))),
    )


def demands(template: Template, facts: Facts, engine: RuleEngine = ENGINE) -> dict[str, Demand]:
    """Return what is asked of each item by id: what a page shows while the sheet is being filled
    in.
    """
    sheet = _Sheet(template, facts)
    activation = engine.activation(sheet.seen_by_rules(), facts.job, facts.asset)
    return {item.id: _demand(item, activation, engine) for item in template.items}


def corrections(
    template: Template, facts: Facts, engine: RuleEngine = ENGINE
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return the items whose answers ask for a corrective job, and those whose rule failed.

    Hidden items ask for nothing.
    """
    sheet = _Sheet(template, facts)
    activation = engine.activation(sheet.seen_by_rules(), facts.job, facts.asset)
    wanted, failed = [], []
    for item in template.items:
        if item.corrective_if is None or not _demand(item, activation, engine).visible:
            continue
        outcome = engine.truth(item.corrective_if, activation)
        if outcome.error is not None:
            failed.append(item)
        elif outcome.value is True:
            wanted.append(item)
    return tuple(wanted), tuple(failed)


class _Sheet:
    """The facts that count, by item."""

    def __init__(self, template: Template, facts: Facts) -> None:
        self.facts = facts
        self.items = template.by_id
        self.answers: dict[str, Answer] = {}
        self.signatures: dict[str, Signature] = {}
        self.names: dict[str, str] = {}
        self.declines: dict[str, Decline] = {}
        self.slots: dict[str, dict[int, Photo]] = {}
        self.photos: dict[str, Photo] = {}
        for photo in facts.photos:
            held = self.photos.get(photo.photo_id)
            if held is None or _photo_rank(photo) < _photo_rank(held):
                self.photos[photo.photo_id] = photo
        for item in template.items:
            self._collect(item)

    def _collect(self, item: Item) -> None:
        facts = self.facts
        if item.is_media:
            self.slots[item.id] = _best_of_slots(item, facts)
        elif item.kind is Kind.SIGNATURE:
            signed = [one for one in facts.signatures if self._counts(item, one)]
            if signed:
                self.signatures[item.id] = min(signed, key=self._signature_rank)
            # What rules see must not depend on bytes that arrive later, so not on the rank above.
            named = [one for one in signed if _is_name(one.name)]
            if named:
                newest = max(named, key=lambda one: (one.order, one.visit, one.name))
                self.names[item.id] = newest.name
            declined = [one for one in facts.declines if self._counts(item, one)]
            if declined and item.decline:
                self.declines[item.id] = max(declined, key=lambda one: (one.order, one.visit))
        else:
            given = [one for one in facts.answers if self._counts(item, one)]
            if given:
                answer = max(given, key=self._answer_rank)
                if not is_blank(answer.value):
                    self.answers[item.id] = answer

    def _counts(self, item: Item, fact: Answer | Signature | Decline) -> bool:
        return fact.item == item.id and _in_scope(item, fact.visit, self.facts)

    def _answer_rank(self, answer: Answer) -> tuple[bool, int, str, str]:
        """The finishing visit's answer counts, else the newest; equals are told apart by their
        contents.
        """
        finishing = answer.visit == self.facts.finishing_visit
        return (finishing, answer.order, answer.visit, repr(answer.value))

    def _signature_rank(self, signature: Signature) -> tuple[bool, int, int, str, str, str]:
        """A named signature whose image is here counts; among equals the newest."""
        photo = self.photos.get(signature.photo_id)
        state = _STATE_RANK[photo.state] if photo else len(_STATE_RANK)
        nameless = not _is_name(signature.name)
        return (
            nameless,
            state,
            -signature.order,
            signature.visit,
            signature.photo_id,
            repr(signature.name),
        )

    def seen_by_rules(self) -> dict[str, dict[str, Any]]:
        """Return answers as rules see them; those of a wrong shape are left out, like missing
        ones.
        """
        seen: dict[str, dict[str, Any]] = {}
        for item_id, answer in self.answers.items():
            fields = rule_fields(self.items[item_id], answer.value)
            if fields is not None:
                seen[item_id] = dict(fields)
        for item_id in self.declines:
            seen[item_id] = {"value": "", "declined": True}
        for item_id, name in self.names.items():
            seen[item_id] = {"value": name, "declined": False}
        return seen


def _demand(item: Item, activation: Activation, engine: RuleEngine) -> Demand:
    """Ask the item's `visible_if`, `required_if` and `photos_required`."""
    failed: list[str] = []
    required = "required" if item.required else None
    if item.visible_if is not None:
        shown = engine.truth(item.visible_if, activation)
        if shown.error is not None:
            failed.append("visible_if")
            required = required or "visible_if"
        elif shown.value is False:
            return Demand(visible=False, required=None)
    if item.required_if is not None:
        wanted = engine.truth(item.required_if, activation)
        if wanted.error is not None:
            failed.append("required_if")
        if required is None and wanted.value is not False:
            required = "required_if"
    if not item.is_media:
        return Demand(visible=True, required=required, failed_rules=tuple(failed))
    at_least = int(item.minimum or 1)
    photos, photos_rule = (at_least, required) if required else (0, None)
    if item.photos_required is not None:
        count = engine.number(item.photos_required, activation)
        if isinstance(count.value, float):
            asked = math.ceil(min(max(count.value, 0.0), MAX_PHOTOS))
        else:
            failed.append("photos_required")
            asked = at_least
        if asked > photos:
            photos, photos_rule = asked, "photos_required"
    if item.maximum is not None:  # a rule cannot ask for more than the sheet lets anybody add
        photos = min(photos, int(item.maximum))
    return Demand(
        visible=True,
        required=required,
        photos=photos,
        photos_rule=photos_rule,
        failed_rules=tuple(failed),
    )


def _judge(
    item: Item, demand: Demand, sheet: _Sheet, activation: Activation, engine: RuleEngine
) -> tuple[list[Unmet], bool]:
    """Return what a visible item lacks, and whether its constraint could not be computed."""
    if item.is_media:
        return _judge_photos(item, demand, sheet), False
    if item.kind is Kind.SIGNATURE:
        found, is_answered = _judge_signature(item, demand, sheet)
    else:
        found, is_answered = _judge_value(item, demand, sheet)
    if item.constraint is None or not is_answered:
        return found, False
    outcome = engine.truth(item.constraint, activation)
    if outcome.value is False:
        found.append(Unmet(_at(item), "constraint", rule="constraint"))
    return found, outcome.error is not None


def _judge_value(item: Item, demand: Demand, sheet: _Sheet) -> tuple[list[Unmet], bool]:
    answer = sheet.answers.get(item.id)
    if answer is None:
        return _missing(item, demand), False
    wrong = faults(item, answer.value)
    found = [Unmet(_at(item), fault.code, rule=fault.rule) for fault in wrong]
    if any(fault.code == "shape" for fault in wrong):
        return found, False
    if item.kind is Kind.METER and _runs_backwards(item, answer.value, sheet.facts):
        found.append(Unmet(_at(item), "limit", rule="last_reading"))
    if item.match is not None:
        codes = sheet.facts.asset_codes if item.match == "asset" else sheet.facts.part_codes
        if answer.value not in codes:
            found.append(Unmet(_at(item), "constraint", rule="match"))
    return found, True


def _judge_signature(item: Item, demand: Demand, sheet: _Sheet) -> tuple[list[Unmet], bool]:
    """A signature needs a name and the bytes of its image; a reason stands in for it where that is
    allowed.
    """
    signature = sheet.signatures.get(item.id)
    if signature is None:
        if item.id in sheet.declines:
            return [], True
        return _missing(item, demand), False
    if not _is_name(signature.name):
        return [Unmet(_at(item), "shape", rule="name")], False
    photo = sheet.photos.get(signature.photo_id)
    if demand.required is None or (photo and photo.state is PhotoState.VERIFIED):
        return [], True
    if item.id in sheet.declines:
        return [], True
    if photo is None:
        lacking = Unmet(
            _at(item, 0), "photo_missing", rule=demand.required, photo_id=signature.photo_id
        )
    else:
        lacking = _not_here_yet(item, 0, photo)
    return [lacking], True


def _judge_photos(item: Item, demand: Demand, sheet: _Sheet) -> list[Unmet]:
    """Return as many entries as slots lack verified bytes: those nearest to complete, then empty
    slots.

    An optional photo is never held against the job, and one more verified photo never adds an
    entry.
    """
    slots = sheet.slots[item.id]
    waiting = sorted(
        (
            (_suitability(item, photo), slot, photo)
            for slot, photo in slots.items()
            if not _is_proof(item, photo)
        ),
        key=lambda one: one[:2],
    )
    short = demand.photos - (len(slots) - len(waiting))
    found = []
    for _, slot, photo in waiting[: max(short, 0)]:
        wrong = _media_faults(item, photo)
        if wrong:
            found += [
                Unmet(_at(item, slot), fault.code, rule=fault.rule, photo_id=photo.photo_id)
                for fault in wrong
            ]
        else:
            found.append(_not_here_yet(item, slot, photo))
    empty = (slot for slot in range(MAX_PHOTOS + len(slots)) if slot not in slots)
    for _, slot in zip(range(short - len(waiting)), empty, strict=False):
        found.append(Unmet(_at(item, slot), "photo_missing", rule=demand.photos_rule))
    return found


def _not_here_yet(item: Item, slot: int, photo: Photo) -> Unmet:
    code = "photo_corrupt" if photo.state is PhotoState.CORRUPT else "photo_pending"
    return Unmet(_at(item, slot), code, photo_id=photo.photo_id, state=photo.state.value)


def _missing(item: Item, demand: Demand) -> list[Unmet]:
    return [Unmet(_at(item), "required", rule=demand.required)] if demand.required else []


def _runs_backwards(item: Item, value: object, facts: Facts) -> bool:
    """Say whether a meter shows less than before and nobody has said that it began anew."""
    last = facts.last_readings.get(item.meter or "")
    reading = meter_reading(value)
    if last is None or not isinstance(reading, int | float):
        return False
    return reading < last and not has_rolled_over(value)


def _best_of_slots(item: Item, facts: Facts) -> dict[int, Photo]:
    """Return the photo that counts in each slot: slots are places on the sheet, whichever visit
    filled them.
    """
    best: dict[int, Photo] = {}
    for photo in facts.photos:
        if photo.item != item.id or not _in_scope(item, photo.visit, facts):
            continue
        held = best.get(photo.slot)
        if held is None or _slot_rank(item, photo) < _slot_rank(item, held):
            best[photo.slot] = photo
    return best


def _slot_rank(item: Item, photo: Photo) -> tuple[int, tuple[Any, ...]]:
    return (_suitability(item, photo), _photo_rank(photo))


def _photo_rank(photo: Photo) -> tuple[Any, ...]:
    """Order the photos of one id or slot: further along first; equals are told apart by their
    contents.
    """
    state = _STATE_RANK[photo.state]
    return (state, photo.photo_id, photo.visit, photo.item, photo.slot, repr(photo))


def _suitability(item: Item, photo: Photo) -> int:
    """Return how near a photo is to being proof, 0 being proof; an unsuitable one is farthest."""
    return len(_STATE_RANK) if _media_faults(item, photo) else _STATE_RANK[photo.state]


def _is_proof(item: Item, photo: Photo) -> bool:
    return _suitability(item, photo) == _STATE_RANK[PhotoState.VERIFIED]


def _media_faults(item: Item, photo: Photo) -> list[Any]:
    """Return what the item's limits say against a photo; its slot number is no fault of the
    picture.
    """
    length = {} if photo.seconds is None else {"seconds": photo.seconds}
    found = faults(item, {"slot": 0, "mime": photo.mime, "size": photo.size, **length})
    return list(found)


def _in_scope(item: Item, visit: str, facts: Facts) -> bool:
    return item.scope is Scope.JOB or visit == facts.finishing_visit


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and bool(name.strip())


def _waived(
    template: Template, facts: Facts, unmet: Iterable[Unmet]
) -> tuple[list[Waived], list[Flag]]:
    """Return the waivers that hold, one an item, and a flag for each on an item that cannot be
    waived.
    """
    lacking: dict[str, set[str]] = {}
    for one in unmet:
        lacking.setdefault(one.item, set()).add(one.code)
    held: dict[str, Waived] = {}
    refused = []
    for waiver in sorted(facts.waivers, key=lambda one: (one.item, one.by, one.reason, one.name)):
        item = template.by_id.get(waiver.item)
        if item is None:
            continue  # flagged with the other facts about unknown items
        if item.waiver is not Waiver.OFFICE:
            refused.append(Flag(_at(item), "waiver_refused"))
        elif item.id not in held:
            codes = tuple(sorted(lacking.get(item.id, ())))
            held[item.id] = Waived(_at(item), waiver.by, waiver.name, waiver.reason, codes)
    return [held[item.id] for item in template.items if item.id in held], refused


def _photo_flags(template: Template, facts: Facts) -> list[Flag]:
    """Carry over what evidence found odd, and mark photos in slots that the item does not have."""
    flags = []
    for photo in facts.photos:
        item = template.by_id.get(photo.item)
        if item is None:
            continue
        at = _at(item, photo.slot)
        flags += [Flag(at, flag.code, ref=flag.ref or None) for flag in photo.flags]
        if item.is_media and item.maximum is not None and photo.slot >= item.maximum:
            flags.append(Flag(at, "extra_photo"))
    return flags


def _unknown_items(template: Template, facts: Facts) -> list[Flag]:
    told = (facts.answers, facts.photos, facts.signatures, facts.declines, facts.waivers)
    named = {fact.item for group in told for fact in group}
    return [Flag(f"/items/{_token(name)}", "unknown_item") for name in named - set(template.by_id)]


def _at(item: Item, slot: int | None = None) -> str:
    """Return the JSON pointer of an item or of one of its slots; ids need no escaping."""
    return f"/items/{item.id}" if slot is None else f"/items/{item.id}/photos/{slot}"


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unmet_order(template: Template, unmet: Unmet) -> tuple[int, int, str, str, str]:
    slot = -1 if unmet.slot is None else unmet.slot
    place = template.order[unmet.item]
    return (place, slot, unmet.code, unmet.rule or "", unmet.photo_id or "")


def _flag_order(template: Template, flag: Flag) -> tuple[int, int, str, str, str, str]:
    """Sort flags like unmet entries, those of unknown items last and by their pointer."""
    parts = flag.at.split("/")
    place = template.order.get(parts[2], len(template.items))
    slot = int(parts[4]) if len(parts) > 4 else -1
    return (place, slot, flag.at, flag.code, flag.rule or "", flag.ref or "")


def _present(**members: str | None) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
