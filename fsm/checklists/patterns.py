"""Regular expressions that mean the same to RE2 and to ECMAScript, and how to recognise them.

`matches()` runs in RE2 on the server and in the phone's own engine there, with or without its `u`
flag. The subset below is what all of them agree on; whatever is outside is refused when a template
is published:

* `.`, negated classes, `\\D`, `\\W`, `\\s`, `\\S` (line ends, Unicode spaces, characters outside
  the BMP differ);
* look-around, back-references, named groups, flags, `\\p{…}`, POSIX classes (one side lacks them);
* unescaped `{`, `}`, `]` (an error under `u`), escapes of ordinary letters, characters outside the
  BMP;
* a repetition inside a repetition, such as `(a+)+`: RE2 is linear there, a backtracking engine is
  not.
"""

MAX_PATTERN = 500
MAX_REPEAT = 1_000

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_CONTROL = frozenset("tnrfv")
_CLASSES = frozenset("dw")


class PatternError(ValueError):
    """The pattern is outside the common subset; the message says what to write instead."""


def check_pattern(pattern: str) -> None:
    """Return nothing if RE2 and ECMAScript agree about `pattern`, else raise `PatternError`."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"A pattern has at most {MAX_PATTERN} characters.")
    for char in pattern:
        if ord(char) > 0xFFFF or 0xD800 <= ord(char) <= 0xDFFF:
            raise PatternError("A pattern holds no characters beyond U+FFFF, such as emoji.")
        if ord(char) < 0x20:
            raise PatternError(r"A pattern holds no control characters; write \n, \t, \r.")
    reader = _Reader(pattern)
    reader.alternatives(depth=0)
    if reader.position < len(pattern):
        raise PatternError(f"Unmatched ')' at character {reader.position + 1}.")


class _Reader:
    """A recursive-descent reader of the subset; it only recognises."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    def _peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def _take(self) -> str:
        char = self._peek()
        self.position += 1
        return char

    def alternatives(self, depth: int) -> bool:
        """Read alternatives up to the closing bracket; return whether anything inside repeats."""
        if depth > 10:
            raise PatternError("Groups are nested at most ten deep.")
        repeats = False
        while self._peek() not in ("", ")"):
            if self._peek() == "|":
                self._take()
                continue
            repeats |= self._piece(depth)
        return repeats

    def _piece(self, depth: int) -> bool:
        char = self._take()
        may_repeat, inner = True, False
        if char == "(":
            inner = self._group(depth)
        elif char == "[":
            self._class()
        elif char == "\\":
            may_repeat = self._escape(in_class=False)[1]
        elif char in "^$":
            may_repeat = False
        elif char == ".":
            raise PatternError("'.' differs at line ends: name what may stand there, as in [a-z ].")
        elif char in "*+?{}]":
            raise PatternError(f"Unexpected '{char}'; escape it if it is meant literally.")
        return self._quantifier(may_repeat=may_repeat, inner=inner) or inner

    def _group(self, depth: int) -> bool:
        if self._peek() == "?":
            if self.pattern[self.position : self.position + 2] != "?:":
                raise PatternError("Only (…) and (?:…) groups are understood on both sides.")
            self.position += 2
        inner = self.alternatives(depth + 1)
        if self._take() != ")":
            raise PatternError("A '(' is never closed.")
        return inner

    def _quantifier(self, *, may_repeat: bool, inner: bool) -> bool:
        """Read an optional quantifier; return whether it allows more than one turn."""
        char = self._peek()
        if char not in ("*", "+", "?", "{") or not char:
            return False
        if not may_repeat:
            raise PatternError("An anchor cannot be repeated.")
        self._take()
        many = char in "*+"
        if char == "{":
            many = self._counts() > 1
        if self._peek() == "?":
            self._take()
        if self._peek() in ("*", "+", "?", "{") and self._peek():
            raise PatternError("A quantifier cannot follow another.")
        if many and inner:
            raise PatternError("A repetition cannot hold another, as in (a+)+.")
        return many

    def _counts(self) -> int:
        end = self.pattern.find("}", self.position)
        text = self.pattern[self.position : end] if end >= 0 else ""
        low, comma, high = text.partition(",")
        if not _is_count(low) or (high and not _is_count(high)):
            raise PatternError("Write a repetition as {2}, {2,} or {2,5}.")
        least = int(low)
        most = int(high) if high else (MAX_REPEAT if comma else least)
        if most > MAX_REPEAT or least > most:
            raise PatternError(f"A repetition runs upwards and to at most {MAX_REPEAT}.")
        self.position = end + 1
        return most

    def _class(self) -> None:
        if self._peek() == "^":
            raise PatternError("Negated classes differ beyond U+FFFF: name what may stand there.")
        if self._peek() == "]":
            raise PatternError("A class cannot be empty.")
        while (char := self._take()) != "]":
            start = self._member(char)
            if self._peek() == "-" and self.pattern[self.position + 1 : self.position + 2] != "]":
                self._take()
                end = self._member(self._take())
                if start is None or end is None or ord(start) > ord(end):
                    raise PatternError(
                        "A range in a class runs from a lower character to a higher."
                    )

    def _member(self, char: str) -> str | None:
        """Return the character a class member stands for, or None for a set such as `\\d`."""
        if char == "":
            raise PatternError("A '[' is never closed.")
        if char == "\\":
            return self._escape(in_class=True)[0]
        if char in "[&~^" or (char == "-" and self._peek() != "]"):
            raise PatternError(f"Escape or move '{char}' inside a class.")
        return char

    def _escape(self, *, in_class: bool) -> tuple[str | None, bool]:
        """Read what follows a backslash; return the character meant and whether it may repeat."""
        char = self._take()
        if char in _CLASSES and char:
            return None, True
        if char and char in "bB" and not in_class:
            return None, False
        if char in _SYNTAX or (in_class and char == "-"):
            return char, True
        if char in _CONTROL:
            return {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}[char], True
        raise PatternError(f"'\\{char}' is not the same on both sides.")


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4 and str(int(text)) == text
