"""What a CEL rule in a template may say: checked when the template is published, on the engine's
own tree.

CEL engines agree on a core and differ at its edges (string lengths, integers, absent keys, regular
expressions, cost). These rules keep templates inside the core, so that a phone which is offline
and the server which judges later come to the same answer. Every breach is reported, not only the
first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fsm.checklists.items import Item, Kind
from fsm.checklists.patterns import PatternError, check_pattern
from fsm.checklists.rules import VARIABLES, ExpressionError, RuleEngine
from fsm.checklists.syntax import (
    Call,
    Comprehension,
    Const,
    Construct,
    Ident,
    ListOf,
    Node,
    Select,
    walk,
)

#: Loops in one expression; they cannot be nested, so a rule costs at most this many passes over a
#: list.
MAX_LOOPS = 5

_RESULT: Mapping[str, str] = {
    "visible_if": "bool",
    "required_if": "bool",
    "constraint": "bool",
    "photos_required": "double",
    "corrective_if": "bool",
}

#: Rules that judge the item's own answer; the others decide whether it is asked for.
_OF_THE_ANSWER = frozenset({"constraint", "corrective_if"})

#: The attributes of `answers.<item>` by kind, with their types. Photos and videos have none.
_FIELDS: Mapping[Kind, Mapping[str, str]] = {
    Kind.YESNO: {"value": "bool"},
    Kind.NUMBER: {"value": "double"},
    Kind.CHOICE: {"value": "string"},
    Kind.TEXT: {"value": "string"},
    Kind.SIGNATURE: {"value": "string", "declined": "bool"},
    Kind.METER: {"value": "double", "rollover": "bool"},
    Kind.BARCODE: {"value": "string"},
}

_COMPARISONS = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_EQUALITIES = frozenset({"_==_", "_!=_"})
_ARITHMETIC = frozenset({"_+_", "_-_", "_*_", "_/_"})
_LOGIC = frozenset({"_&&_", "_||_", "!_"})
_TEXT_TESTS = frozenset({"startsWith", "endsWith", "contains"})

#: For the message; macros are allowed too: has, all, exists, exists_one, filter, map.
_FUNCTIONS: Final = "size, matches, startsWith, endsWith, contains, double"


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """One thing that a rule must not do. `offset` counts code points in the expression from 0, -1
    if unknown.
    """

    offset: int
    code: str
    detail: str


def fields_of(item: Item) -> Mapping[str, str]:
    """Return what rules may read of an answer to `item`: attribute → type; empty for photos and
    videos.
    """
    if item.kind is Kind.CHOICE and item.multiple:
        return MappingProxyType({"value": "list<string>"})
    return _FIELDS.get(item.kind, {})


def breaches(engine: RuleEngine, item: Item, rule: str, items: Mapping[str, Item]) -> list[Breach]:
    """Return every breach in `rule` of `item`, in order of place; empty if the rule may be
    published.

    `items` are all items of the template by id.
    """
    expression = item.rule(rule)
    if expression is None:
        return []
    try:
        tree = engine.tree(expression)
    except ExpressionError as error:
        return [Breach(error.offset, "cel_syntax", str(error))]
    checker = _Checker(item, rule, items)
    checker.whole(tree, _shown_when(engine, item, rule))
    return sorted(set(checker.found))


def _shown_when(engine: RuleEngine, item: Item, rule: str) -> frozenset[str]:
    """Return the paths that exist wherever the item is visible: its other rules are asked only
    then.
    """
    if rule == "visible_if" or item.visible_if is None:
        return frozenset()
    try:
        return _established(engine.tree(item.visible_if))[0]
    except ExpressionError:
        return frozenset()


class _Checker:
    """Infers types and follows `has()` through one expression."""

    def __init__(self, item: Item, rule: str, items: Mapping[str, Item]) -> None:
        self.item = item
        self.rule = rule
        self.items = items
        self.found: list[Breach] = []

    def whole(self, tree: Node, known: frozenset[str]) -> None:
        if self.rule == "constraint":  # only asked about an answer that is there
            known |= {f"answers.{self.item.id}"}
        result = self.visit(tree, known, {})
        expected = _RESULT[self.rule]
        if result not in (expected, "dyn", "error"):
            self.report(
                tree, "cel_result", f"{self.rule} must come to a {expected}, not a {result}."
            )
        loops = sum(isinstance(node, Comprehension) for node in walk(tree))
        if loops > MAX_LOOPS:
            self.report(tree, "cel_loop", f"{loops} loops; at most {MAX_LOOPS} are allowed.")

    def report(self, node: Node, code: str, detail: str) -> str:
        self.found.append(Breach(node.at, code, detail))
        return "error"

    def visit(self, node: Node, known: frozenset[str], variables: Mapping[str, str]) -> str:
        """Return the type of `node`: bool, double, string, int (a count), list<…>, dyn, or error
        once reported.

        `known` are the paths that `has()` has established where `node` is evaluated.
        """
        match node:
            case Const():
                return self.literal(node)
            case Ident():
                return self.name(node, variables)
            case Select():
                return self.access(node, known)
            case ListOf():
                kinds = {self.visit(element, known, variables) for element in node.elements}
                return f"list<{kinds.pop()}>" if len(kinds) == 1 else "list<dyn>"
            case Comprehension():
                return self.loop(node, known, variables)
            case Call():
                return self.call(node, known, variables)
            case Construct():
                return self.report(node, "cel_literal", "Rules cannot build maps or messages.")

    def literal(self, node: Const) -> str:
        if node.type in ("bool", "double", "string"):
            return node.type
        if node.type == "int":
            detail = f"Every number is a double: write {node.value!r}.0."
            return self.report(node, "cel_number", detail)
        return self.report(node, "cel_literal", f"A rule holds no {node.type} literals.")

    def name(self, node: Ident, variables: Mapping[str, str]) -> str:
        if node.name in variables:
            return variables[node.name]
        if node.name in VARIABLES:
            detail = f"'{node.name}' is used by its attributes, as in {node.name}.x."
            return self.report(node, "cel_reference", detail)
        return self.report(node, "cel_reference", f"There is no '{node.name}' in a rule.")

    def access(self, node: Select, known: frozenset[str]) -> str:
        """Check `answers.item`, `answers.item.field`, `job.field`, `asset.field`, alone or in
        `has()`.
        """
        path = _path(node)
        if path is None:
            detail = "Attributes are read as answers.<item>.value, job.<name> or asset.<name>."
            return self.report(node, "cel_reference", detail)
        if path[0] == "answers":
            return self.answer(node, path, known)
        if len(path) != 2:
            return self.report(node, "cel_reference", f"{path[0]} has no nested attributes.")
        if node.is_test:
            return "bool"
        return "dyn" if self.is_guarded(node, path, known) else "error"

    def answer(self, node: Select, path: tuple[str, ...], known: frozenset[str]) -> str:
        item = self.items.get(path[1])
        if item is None:
            return self.report(node, "cel_reference", f"There is no item '{path[1]}'.")
        if item.is_media:
            detail = f"Rules cannot look at photos or videos ('{item.id}'): they arrive later."
            return self.report(node, "cel_reference", detail)
        if item.id == self.item.id and self.rule not in _OF_THE_ANSWER:
            detail = f"{self.rule} cannot depend on the item's own answer."
            return self.report(node, "cel_reference", detail)
        if len(path) == 2:
            if node.is_test:
                return "bool"
            detail = f"Write answers.{item.id}.value."
            return self.report(node, "cel_reference", detail)
        fields = fields_of(item)
        if len(path) > 3 or path[2] not in fields:
            detail = f"An answer to '{item.id}' has {' and '.join(fields)} only."
            return self.report(node, "cel_reference", detail)
        if not self.is_guarded(node, path[:2], known):
            return "error"
        return "bool" if node.is_test else fields[path[2]]

    def is_guarded(self, node: Node, path: tuple[str, ...], known: frozenset[str]) -> bool:
        dotted = ".".join(path)
        if dotted in known:
            return True
        self.report(node, "cel_has", f"Ask has({dotted}) first, as in has({dotted}) && … .")
        return False

    def loop(self, node: Comprehension, known: frozenset[str], variables: Mapping[str, str]) -> str:
        over = self.visit(node.range, known, variables)
        if not (over.startswith("list<") or over in ("dyn", "error")):
            self.report(node.range, "cel_type", "Loops run over lists only.")
        if variables:
            self.report(node, "cel_loop", "A loop cannot stand inside another.")
        if node.variable in VARIABLES or node.second_variable:
            self.report(node, "cel_reference", "Name the loop's variable differently.")
        inside = {**variables, node.variable: _element(over)}
        body = _loop_body(node)
        if body is None:
            return self.report(node, "cel_function", "This kind of loop is not allowed.")
        predicate, transform = body
        if predicate is not None:
            self.expect(predicate, ("bool",), known, inside)
            known = known | _established(predicate)[0]
        if transform is None:
            return "bool"
        return f"list<{self.visit(transform, known, inside)}>"

    def call(self, node: Call, known: frozenset[str], variables: Mapping[str, str]) -> str:
        name, arguments = node.function, node.arguments
        if name in _LOGIC:
            return self.logic(node, known, variables)
        if name == "_?_:_" and len(arguments) == 3:
            self.expect(arguments[0], ("bool",), known, variables)
            when_true, when_false = _established(arguments[0])
            yes = self.visit(arguments[1], known | when_true, variables)
            no = self.visit(arguments[2], known | when_false, variables)
            return self.same(node, yes, no)
        if name in _COMPARISONS | _EQUALITIES and len(arguments) == 2:
            return self.comparison(node, known, variables)
        if name == "size" and len(arguments) == 1:
            kind = self.visit(arguments[0], known, variables)
            if kind.startswith("list<") or kind == "error":
                return "int"
            return self.report(node, "cel_size", "size() is for lists of the checklist only.")
        if name == "double" and len(arguments) == 1 and _is_count(arguments[0]):
            self.visit(arguments[0], known, variables)
            return "double"
        if name in _TEXT_TESTS and len(arguments) == 2:
            for argument in arguments:
                self.expect(argument, ("string",), known, variables)
            return "bool"
        if name == "matches" and len(arguments) == 2:
            self.expect(arguments[0], ("string",), known, variables)
            self.pattern(arguments[1])
            return "bool"
        if name == "@in" and len(arguments) == 2:
            needle = self.visit(arguments[0], known, variables)
            haystack = self.visit(arguments[1], known, variables)
            if not (haystack.startswith("list<") or haystack in ("dyn", "error")):
                return self.report(node, "cel_type", "'in' looks in lists only.")
            self.same(node, needle, _element(haystack))
            return "bool"
        if name == "-_" and len(arguments) == 1:
            return self.expect(arguments[0], ("double",), known, variables)
        if name in _ARITHMETIC and len(arguments) == 2:
            kinds = ("double", "string") if name == "_+_" else ("double",)
            left = self.expect(arguments[0], kinds, known, variables)
            right = self.expect(arguments[1], kinds, known, variables)
            return self.same(node, left, right)
        for argument in arguments:
            self.visit(argument, known, variables)
        shown = name.strip("_@") or name
        return self.report(
            node, "cel_function", f"'{shown}' is not among what rules may use: {_FUNCTIONS}."
        )

    def logic(self, node: Call, known: frozenset[str], variables: Mapping[str, str]) -> str:
        for argument in node.arguments:
            self.expect(argument, ("bool",), known, variables)
            when_true, when_false = _established(argument)
            known = known | (when_true if node.function == "_&&_" else when_false)
        return "bool"

    def comparison(self, node: Call, known: frozenset[str], variables: Mapping[str, str]) -> str:
        if any(_is_count(argument) for argument in node.arguments):
            for argument in node.arguments:
                if not (_is_count(argument) or _is_integer(argument)):
                    detail = "Compare size() with a whole number, as in size(x) > 1."
                    self.report(argument, "cel_number", detail)
                elif _is_count(argument):
                    self.visit(argument, known, variables)
            return "bool"
        left, right = (self.visit(argument, known, variables) for argument in node.arguments)
        if node.function in _COMPARISONS:
            for kind, argument in zip((left, right), node.arguments, strict=True):
                if kind not in ("double", "dyn", "error"):
                    detail = f"Only numbers have an order in rules, not a {kind}."
                    self.report(argument, "cel_type", detail)
        else:
            self.same(node, left, right)
        return "bool"

    def expect(
        self,
        node: Node,
        kinds: tuple[str, ...],
        known: frozenset[str],
        variables: Mapping[str, str],
    ) -> str:
        kind = self.visit(node, known, variables)
        if kind in (*kinds, "dyn", "error"):
            return kind
        if kind == "int":
            return self.report(node, "cel_number", "A count becomes a number by double(size(…)).")
        return self.report(node, "cel_type", f"Expected a {' or '.join(kinds)}, found a {kind}.")

    def same(self, node: Node, left: str, right: str) -> str:
        """Return the common type of two operands, reporting that there is none."""
        if "error" in left or "error" in right:
            return "error"
        if left == right:
            return left
        if left.startswith("list<") and right.startswith("list<") and "dyn" in left + right:
            return "list<dyn>"
        if "dyn" in (left, right):
            return "dyn"
        return self.report(node, "cel_type", f"A {left} and a {right} do not go together.")

    def pattern(self, node: Node) -> None:
        if not (isinstance(node, Const) and isinstance(node.value, str)):
            self.report(node, "cel_pattern", "matches() takes its pattern as a literal.")
            return
        try:
            check_pattern(node.value)
        except PatternError as error:
            self.report(node, "cel_pattern", str(error))


def _path(node: Node) -> tuple[str, ...] | None:
    """Return `("answers", "x", "value")` for `answers.x.value`; None if it does not begin with a
    variable.
    """
    names: list[str] = []
    while isinstance(node, Select):
        if node.is_test and names:
            return None
        names.append(node.field)
        node = node.operand
    if isinstance(node, Ident) and node.name in VARIABLES:
        return (node.name, *reversed(names))
    return None


def _established(node: Node) -> tuple[frozenset[str], frozenset[str]]:
    """Return the paths that exist when `node` is true, and those that exist when it is false."""
    nothing: frozenset[str] = frozenset()
    match node:
        case Select(is_test=True):
            path = _path(node)
            return (frozenset({".".join(path[:2])}) if path else nothing), nothing
        case Call(function="!_", arguments=(inner,)):
            when_true, when_false = _established(inner)
            return when_false, when_true
        case Call(function="_&&_", arguments=arguments):
            sides = [_established(argument) for argument in arguments]
            return _any(true for true, _ in sides), _all([false for _, false in sides])
        case Call(function="_||_", arguments=arguments):
            sides = [_established(argument) for argument in arguments]
            return _all([true for true, _ in sides]), _any(false for _, false in sides)
        case _:
            return nothing, nothing


def _any(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _all(sets: list[frozenset[str]]) -> frozenset[str]:
    return sets[0].intersection(*sets[1:]) if sets else frozenset()


def _loop_body(node: Comprehension) -> tuple[Node | None, Node | None] | None:
    """Return what an author wrote in a macro: its predicate and, for `filter` and `map`, its
    transform.

    The macros expand to: all `@ && p`, exists `@ || p`, exists_one `p ? @ + 1 : @`, filter `p ? @
    + [x] : @`, map `@ + [t]` or `p ? @ + [t] : @`, where `@` is the accumulator.
    """

    def is_accumulator(candidate: Node) -> bool:
        return isinstance(candidate, Ident) and candidate.name == node.accumulator

    def appended(candidate: Node) -> Node | None:
        match candidate:
            case Call(function="_+_", arguments=(left, ListOf(elements=(element,)))):
                return element if is_accumulator(left) else None
        return None

    match node.step:
        case Call(function="_&&_" | "_||_", arguments=(left, predicate)) if is_accumulator(left):
            return predicate, None
        case Call(function="_?_:_", arguments=(predicate, then, other)) if is_accumulator(other):
            return predicate, appended(then)
        case step if (transform := appended(step)) is not None:
            return None, transform
    return None


def _element(kind: str) -> str:
    return kind[5:-1] if kind.startswith("list<") else "dyn"


def _is_count(node: Node) -> bool:
    return isinstance(node, Call) and node.function == "size"


def _is_integer(node: Node) -> bool:
    return isinstance(node, Const) and node.type == "int"
