"""The syntax tree of a compiled CEL expression, read from the engine's own serialised form.

The engine has no tree in its interface, but `Expression.serialize()` is a `google.protobuf.Any`
holding a `cel.expr.CheckedExpr` (github.com/google/cel-spec, proto/cel/expr/syntax.proto and
checked.proto, field numbers below). Reading those bytes means that the rules about rules see
exactly what will run, not a second parser's opinion of it. Only the few message types that a rule
can contain are understood; anything else is `UnreadableError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


class UnreadableError(ValueError):
    """The serialised expression is not of the form described above."""


@dataclass(frozen=True, slots=True)
class Const:
    """A literal. `value` is None for null, `type` one of null, bool, int, uint, double, string,
    bytes, other.
    """

    at: int
    type: str
    value: bool | int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Ident:
    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `has(operand.field)` when `is_test`."""

    at: int
    operand: "Node"
    field: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; `arguments` begins with the receiver, if there is one."""

    at: int
    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    at: int
    elements: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """What `all`, `exists`, `exists_one`, `filter` and `map` become."""

    at: int
    variable: str
    second_variable: str
    range: "Node"
    accumulator: str
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


@dataclass(frozen=True, slots=True)
class Construct:
    """A map or message literal; rules have no use for them, so only its place is kept."""

    at: int


Node: TypeAlias = Const | Ident | Select | Call | ListOf | Comprehension | Construct

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 200

Fields: TypeAlias = dict[int, list[int | bytes]]


def read_tree(serialized: bytes) -> Node:
    """Return the tree of a serialised expression; `at` is each node's offset in code points, -1 if
    unknown.
    """
    try:
        envelope = _fields(serialized)
        checked = _fields(_message(envelope, 2))
        positions = _positions(_message(checked, 5))
        return _node(_message(checked, 4), positions, 0)
    except (IndexError, UnicodeDecodeError) as error:
        raise UnreadableError(str(error)) from error


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it."""
    yield node
    match node:
        case Select():
            yield from walk(node.operand)
        case Call():
            for argument in node.arguments:
                yield from walk(argument)
        case ListOf():
            for element in node.elements:
                yield from walk(element)
        case Comprehension():
            for part in (node.range, node.start, node.condition, node.step, node.result):
                yield from walk(part)


def _node(data: bytes, positions: dict[int, int], depth: int) -> Node:
    if depth > _MAX_DEPTH:
        raise UnreadableError("The expression is nested too deeply.")
    fields = _fields(data)
    at = positions.get(_integer(fields, 2), -1)

    def below(message: Fields, number: int) -> Node:
        return _node(_message(message, number), positions, depth + 1)

    def each(message: Fields, number: int) -> tuple[Node, ...]:
        return tuple(_node(part, positions, depth + 1) for part in _messages(message, number))

    if 3 in fields:
        return _constant(at, _fields(_message(fields, 3)))
    if 4 in fields:
        return Ident(at, _text(_fields(_message(fields, 4)), 1))
    if 5 in fields:
        select = _fields(_message(fields, 5))
        return Select(at, below(select, 1), _text(select, 2), bool(_integer(select, 3)))
    if 6 in fields:
        call = _fields(_message(fields, 6))
        receiver = (below(call, 1),) if 1 in call else ()
        return Call(at, _text(call, 2), receiver + each(call, 3))
    if 7 in fields:
        return ListOf(at, each(_fields(_message(fields, 7)), 1))
    if 8 in fields:
        return Construct(at)
    if 9 in fields:
        loop = _fields(_message(fields, 9))
        return Comprehension(
            at,
            variable=_text(loop, 1),
            second_variable=_text(loop, 8),
            range=below(loop, 2),
            accumulator=_text(loop, 3),
            start=below(loop, 4),
            condition=below(loop, 5),
            step=below(loop, 6),
            result=below(loop, 7),
        )
    raise UnreadableError("An expression of an unknown kind.")


def _constant(at: int, fields: Fields) -> Const:
    if 1 in fields:
        return Const(at, "null", None)
    if 2 in fields:
        return Const(at, "bool", bool(_integer(fields, 2)))
    if 3 in fields:
        raw = _integer(fields, 3)
        return Const(at, "int", raw - (1 << 64) if raw >= 1 << 63 else raw)
    if 4 in fields:
        return Const(at, "uint", _integer(fields, 4))
    if 5 in fields:
        return Const(at, "double", None)  # no house rule asks for its value
    if 6 in fields:
        return Const(at, "string", _text(fields, 6))
    if 7 in fields:
        return Const(at, "bytes", _message(fields, 7))
    return Const(at, "other", None)


def _positions(source_info: bytes) -> dict[int, int]:
    """Map expression ids to offsets: `map<int64, int32> positions = 4`, an entry a message of two
    varints.
    """
    positions = {}
    for entry in _messages(_fields(source_info), 4):
        pair = _fields(entry)
        positions[_integer(pair, 1)] = _integer(pair, 2)
    return positions


def _fields(data: bytes) -> Fields:
    """Split a protobuf message into its fields: number → values in order, fixed-width ones left
    undecoded.
    """
    fields: Fields = {}
    index = 0
    while index < len(data):
        key, index = _varint(data, index)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == _VARINT:
            value, index = _varint(data, index)
        elif wire == _BYTES:
            length, index = _varint(data, index)
            value, index = _slice(data, index, length)
        elif wire == _FIXED64:
            value, index = _slice(data, index, 8)
        elif wire == _FIXED32:
            value, index = _slice(data, index, 4)
        else:
            raise UnreadableError(f"Wire type {wire}.")
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data: bytes, index: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[index]
        index += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, index
        shift += 7
        if shift > 63:
            raise UnreadableError("A number of more than 64 bits.")


def _slice(data: bytes, index: int, length: int) -> tuple[bytes, int]:
    if index + length > len(data):
        raise UnreadableError("The message ends too early.")
    return data[index : index + length], index + length


def _messages(fields: Fields, number: int) -> list[bytes]:
    values = [value for value in fields.get(number, ()) if isinstance(value, bytes)]
    if len(values) != len(fields.get(number, ())):
        raise UnreadableError(f"Field {number} is a number.")
    return values


def _message(fields: Fields, number: int) -> bytes:
    values = fields.get(number, [b""])
    value = values[-1]
    if not isinstance(value, bytes):
        raise UnreadableError(f"Field {number} is a number.")
    return value


def _integer(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise UnreadableError(f"Field {number} is not a number.")
    return value


def _text(fields: Fields, number: int) -> str:
    return _message(fields, number).decode()
