"""CEL expressions of checklist templates: compiled once, evaluated without ever raising.

A rule sees three maps and nothing else, never a clock:

* `answers.<item>`: present when a usable answer counts for the item. `.value` is a bool (`yesno`),
  a double (`number`, `meter`), a string (`text`, `barcode`, `choice` with one pick, the name under
  a `signature`) or a list of strings (`choice` with `multiple`); a `meter` also has `.rollover`, a
  `signature` also `.declined` (its `.value` is then ""), both bools. Photos and videos are not
  visible to rules: their bytes arrive after the technician has left, and must not change what is
  asked then.
* `job`, `asset`: attributes, flat: strings, doubles, bools and lists of these. Unknown ones are
  absent.

Every number is a double, so that `1` in JSON and `1.0` in a rule meet as equals on both sides.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from cel_expr_python import cel

from fsm.checklists.items import MAX_EXPRESSION_BYTES, MAX_LIST, MAX_TEXT
from fsm.checklists.syntax import Node, UnreadableError, read_tree

Scalar: TypeAlias = bool | float | str
RuleValue: TypeAlias = Scalar | list[Scalar]

VARIABLES: Final = ("answers", "job", "asset")


class ExpressionError(ValueError):
    """The expression does not compile; the message is the engine's, on one line.

    `offset` counts code points from the beginning of a one-line expression; -1 where unknown.
    """

    def __init__(self, message: str) -> None:
        found = _PLACE.match(message)
        super().__init__(message[found.end() :] if found else message)
        self.offset = int(found[2]) - 1 if found and found[1] == "1" else -1


#: How the engine begins a message: `ERROR: <input>:1:41: …`, line and column from 1.
_PLACE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule came to: its value, or `error` where it failed or was unknown (`value` is then
    None).
    """

    value: bool | float | str | None
    error: str | None = None


class Activation:
    """One set of values for many rules. Build it with `activation`."""

    def __init__(self, native: Any) -> None:
        self._native = native

    @property
    def native(self) -> Any:
        """The engine's own form."""
        return self._native


class RuleEngine:
    """CEL behind three methods, so that a second engine can stand in for the first.

    Safe to share: compiled expressions are immutable, and an evaluation has a bounded cost, since
    a rule that passed publishing holds a handful of unnested loops over lists of at most
    `MAX_LIST`; the engine stops at a budget of its own as well.
    """

    def __init__(self, cache_size: int = 4_096) -> None:
        strings_to_anything = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
        self._environment = cel.NewEnv(variables=dict.fromkeys(VARIABLES, strings_to_anything))
        self._compiled = lru_cache(maxsize=cache_size)(self._compile)

    def _compile(self, expression: str) -> Any:
        try:
            size = len(expression.encode())
        except UnicodeEncodeError as error:
            raise ExpressionError("The expression is not valid Unicode.") from error
        if size > MAX_EXPRESSION_BYTES:
            raise ExpressionError(f"{size} bytes; at most {MAX_EXPRESSION_BYTES} are allowed.")
        try:
            return self._environment.compile(expression)
        except RuntimeError as error:
            raise ExpressionError(_one_line(str(error))) from error

    def tree(self, expression: str) -> Node:
        """Return the syntax tree of `expression`, or raise `ExpressionError`."""
        try:
            return read_tree(self._compiled(expression).serialize())
        except (UnreadableError, RuntimeError) as error:
            raise ExpressionError(_one_line(str(error))) from error

    def activation(
        self,
        answers: Mapping[str, Mapping[str, Any]],
        job: Mapping[str, Any],
        asset: Mapping[str, Any],
    ) -> Activation:
        """Bind values. What a rule could not compute with the same result on a phone is left out
        as absent.
        """
        data = {
            "answers": {
                key: _attributes(fields) for key, fields in answers.items() if _is_text(key)
            },
            "job": _attributes(job),
            "asset": _attributes(asset),
        }
        return Activation(self._environment.Activation(data))

    def evaluate(self, expression: str, activation: Activation) -> Outcome:
        """Return what `expression` comes to. Never raises: a failure has `error` set."""
        try:
            result = self._compiled(expression).eval(activation.native)
            kind = result.type().name()
            value = result.plain_value()
        except (RuntimeError, ExpressionError, ValueError, TypeError) as error:
            return Outcome(None, _one_line(str(error)))
        if kind in ("ERROR", "UNKNOWN"):
            return Outcome(None, _one_line(str(value)))
        if isinstance(value, bool | str):
            return Outcome(value)
        if isinstance(value, int | float):
            number = float(value)
            if math.isfinite(number):
                return Outcome(number)
            return Outcome(None, f"The result is {number}.")
        return Outcome(None, f"A rule cannot come to a {kind}.")

    def truth(self, expression: str, activation: Activation) -> Outcome:
        """Like `evaluate`, with anything but a bool an error."""
        outcome = self.evaluate(expression, activation)
        if outcome.error is None and not isinstance(outcome.value, bool):
            return Outcome(None, "The result is neither true nor false.")
        return outcome

    def number(self, expression: str, activation: Activation) -> Outcome:
        """Like `evaluate`, with anything but a finite number an error."""
        outcome = self.evaluate(expression, activation)
        if outcome.error is None and (
            isinstance(outcome.value, bool) or not isinstance(outcome.value, float)
        ):
            return Outcome(None, "The result is not a number.")
        return outcome


def _attributes(values: Mapping[str, Any]) -> dict[str, RuleValue]:
    known = {}
    for key, value in values.items():
        converted = rule_value(value)
        if converted is not None and _is_text(key):
            known[key] = converted
    return known


def rule_value(value: object) -> RuleValue | None:
    """Return `value` as rules see it, or None where they do not see it at all.

    Hidden from rules: null, objects, numbers that are not finite, text with lone surrogates or
    longer than `MAX_TEXT`, lists longer than `MAX_LIST` or holding any of these.
    """
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST:
            return None
        scalars = [one for one in map(_scalar, value) if one is not None]
        return scalars if len(scalars) == len(value) else None
    return _scalar(value)


def _scalar(value: object) -> Scalar | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if isinstance(value, str) and len(value) <= MAX_TEXT and _is_text(value):
        return str(value)
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _one_line(message: str) -> str:
    """Return an engine's message without its drawing of the source: the first line, at most 300
    characters.
    """
    first = message.strip().splitlines()[0] if message.strip() else "The expression failed."
    return first.removeprefix("INVALID_ARGUMENT: ")[:300]


#: The engine that publishing and verdicts share.
ENGINE: Final = RuleEngine()
