"""The file of a pack: a ZIP archive of stored members, always the same bytes, and a wary reader.

Nothing is compressed (photos are already), so no archive is larger inside than outside. Every byte that is
no member's content follows from names, sizes and checksums: the reader makes those bytes again and compares.
Pure but for the file it is given.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

MOST_BYTES = 2**32 - 2**20
"""4 GiB less a little: beyond it archives need another form, and few people can mail them."""
MOST_MEMBERS = 10_000
MOST_DOCUMENT = 64 * 2**20
"""The longest member that is read into memory; photos are not."""

_PIECE = 1 << 20
_NAME = re.compile(r"(?:[a-z0-9][a-z0-9_-]*/)?[a-z0-9][a-z0-9_-]*\.[a-z0-9]{1,5}")
_LONGEST_NAME = 100

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION = 10  # what stored members need
_MADE_BY = (3 << 8) | 20  # so that the rights below are read as Unix ones
_MIDNIGHT, _FIRST_DAY = 0, 0x21  # 1980-01-01, the first that the format knows
_RIGHTS = 0o100644 << 16


class PackRefused(ValueError):
    """The file is not opened any further; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: where its content begins and how long it is; `crc` as its directory entry says."""

    name: str
    offset: int
    start: int
    size: int
    crc: int


# --- writing ----------------------------------------------------------------------------------------------


class PackWriter:
    """Writes members in the order given into a seekable file. `close` ends the archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: list[Member] = []
        self._at = 0

    def add(self, name: str, content: bytes) -> str:
        """Write a member; return the SHA-256 of its content in hexadecimal."""
        with self.open(name) as member:
            member.write(content)
        return member.sha256

    def open(self, name: str) -> "OpenMember":
        """Begin a member whose content comes in pieces; it ends with its `with` block."""
        if not is_name(name):
            raise ValueError(name)
        header = len(_local(name, 0, 0))
        self._file.seek(self._at)
        self._file.write(bytes(header))
        return OpenMember(self, name, self._at + header)

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def end(self, member: "OpenMember") -> None:
        """Put a member's header before its content."""
        offset = self._at
        self._at = member.start + member.size
        if self._at > MOST_BYTES or len(self._members) >= MOST_MEMBERS:
            raise PackRefused("The pack would be larger than 4 GiB, or hold too many files.")
        self._file.seek(offset)
        self._file.write(_local(member.name, member.size, member.crc))
        self._members.append(Member(member.name, offset, member.start, member.size, member.crc))

    def close(self) -> int:
        """Write the directory; return the length of the archive in bytes."""
        self._file.seek(self._at)
        end = _directory(self._members, self._at)
        self._file.write(end)
        return self._at + len(end)


class OpenMember:
    """A member that is being written; `sha256` is known once it has ended."""

    def __init__(self, writer: PackWriter, name: str, start: int) -> None:
        self.name = name
        self.start = start
        self.size = 0
        self.crc = 0
        self.sha256 = ""
        self._writer = writer
        self._digest = sha256()

    def write(self, piece: bytes) -> None:
        self._writer.write(piece)
        self.size += len(piece)
        self.crc = zlib.crc32(piece, self.crc)
        self._digest.update(piece)

    def __enter__(self) -> "OpenMember":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.sha256 = self._digest.hexdigest()
            self._writer.end(self)


def is_name(name: str) -> bool:
    """Return whether a member may be called that: at most one folder, small letters, one ending."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _local(name: str, size: int, crc: int) -> bytes:
    encoded = name.encode("ascii")
    return (
        _LOCAL.pack(
            _LOCAL_SIGN, _VERSION, 0, 0, _MIDNIGHT, _FIRST_DAY, crc, size, size, len(encoded), 0
        )
        + encoded
    )


def _directory(members: list[Member], start: int) -> bytes:
    entries = b"".join(
        _CENTRAL.pack(
            _CENTRAL_SIGN,
            _MADE_BY,
            _VERSION,
            0,
            0,
            _MIDNIGHT,
            _FIRST_DAY,
            one.crc,
            one.size,
            one.size,
            len(one.name),
            0,
            0,
            0,
            0,
            _RIGHTS,
            one.offset,
        )
        + one.name.encode("ascii")
        for one in members
    )
    count = len(members)
    return entries + _END.pack(_END_SIGN, 0, 0, count, count, len(entries), start, 0)


# --- reading ----------------------------------------------------------------------------------------------


class PackReader:
    """Reads an archive that anybody may have made. Nothing is ever written to a disk.

    Refused (`PackRefused`): what is no archive, compressed or encrypted members, members that share bytes or
    lie outside, names with folders above or twice the same, too many or too large ones. An archive that other
    programs have rewritten is read, and `is_original` says that it is not the one that was made.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hashed: dict[str, str] = {}
        self._size = file.seek(0, 2)
        if self._size > MOST_BYTES:
            raise PackRefused("The file is larger than a pack can be.")
        self.members = {one.name: one for one in self._read_directory()}

    def read(self, name: str) -> bytes:
        """Return the content of a document; one that is too long for memory is refused."""
        if self.members[name].size > MOST_DOCUMENT:
            raise PackRefused(f"'{name}' is longer than {MOST_DOCUMENT >> 20} MiB.")
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content of a member."""
        member = self.members[name]
        return self._range(member.start, member.start + member.size)

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a member; it is read once, however often it is asked for."""
        if name not in self._hashed:
            digest = sha256()
            for piece in self.pieces(name):
                digest.update(piece)
            self._hashed[name] = digest.hexdigest()
        return self._hashed[name]

    def find_foreign_byte(self) -> int | None:
        """Return the place of the first byte around the contents that our writer would not have written.

        None when the archive is as it was made. A wrong checksum of a content is not told here.
        """
        at = 0
        ordered = list(self.members.values())
        for member in ordered:
            expected = _local(member.name, member.size, member.crc)
            if member.offset != at or (place := self._differs(at, expected)) is not None:
                return at if member.offset != at else place
            at = member.start + member.size
        return self._differs(at, _directory(ordered, at), is_end=True)

    def _differs(self, at: int, expected: bytes, *, is_end: bool = False) -> int | None:
        found = b"".join(self._range(at, min(self._size, at + len(expected))))
        for place, (one, other) in enumerate(zip(found, expected, strict=False)):
            if one != other:
                return at + place
        if len(found) < len(expected) or (is_end and at + len(expected) < self._size):
            return at + len(found)
        return None

    def _range(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            self._file.seek(start)
            piece = self._file.read(min(_PIECE, stop - start))
            if not piece:
                raise PackRefused("The file ends too early.")
            yield piece
            start += len(piece)

    def _read_directory(self) -> list[Member]:
        if self._size < _END.size:
            raise PackRefused("This is no pack: it is too short.")
        end = b"".join(self._range(self._size - _END.size, self._size))
        sign, disk, first_disk, here, count, length, start, comment = _END.unpack(end)
        if sign != _END_SIGN or comment:
            raise PackRefused("This is no pack: it does not end as a ZIP archive does.")
        if disk or first_disk or here != count or count > MOST_MEMBERS:
            raise PackRefused("The archive is in several parts or has too many members.")
        if start + length > self._size - _END.size or length > count * 1_000:
            raise PackRefused("The archive's directory lies outside it.")
        directory = b"".join(self._range(start, start + length))
        members, at = [], 0
        for _ in range(count):
            if at + _CENTRAL.size > len(directory):
                raise PackRefused("The archive's directory is cut off.")
            entry = _CENTRAL.unpack_from(directory, at)
            sign, flags, method, crc, packed, size = (entry[place] for place in (0, 3, 4, 7, 8, 9))
            name_length, extra, note, offset = (entry[place] for place in (10, 11, 12, 16))
            raw = directory[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
            at += _CENTRAL.size + name_length + extra + note
            name = raw.decode("ascii", "replace")
            if sign != _CENTRAL_SIGN:
                raise PackRefused("The archive's directory cannot be read.")
            if not is_name(name):
                raise PackRefused(f"A member is called {name[:100]!r}, as none of a pack is.")
            if flags & 1 or method != 0 or packed != size:
                raise PackRefused(f"'{name}' is compressed or encrypted; in a pack nothing is.")
            members.append(self._locate(name, offset, size, crc, start))
        if len({one.name for one in members}) < len(members):
            raise PackRefused("Two members have the same name.")
        reached = 0
        for one in sorted(members, key=lambda member: member.offset):
            if one.offset < reached:
                raise PackRefused(f"'{one.name}' shares its bytes with another member.")
            reached = one.start + one.size
        return members

    def _locate(self, name: str, offset: int, size: int, crc: int, end: int) -> Member:
        if offset + _LOCAL.size > end:
            raise PackRefused(f"'{name}' lies outside the archive.")
        header = _LOCAL.unpack(b"".join(self._range(offset, offset + _LOCAL.size)))
        start = offset + _LOCAL.size + header[9] + header[10]
        if header[0] != _LOCAL_SIGN or start + size > end:
            raise PackRefused(f"'{name}' lies outside the archive.")
        return Member(name, offset, start, size, crc)
