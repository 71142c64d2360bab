"""Zip files read without trusting them: what the directory says is checked before a byte is unpacked.

    archive = Zip(path)
    archive.names, archive.small("archive/data.pkl", limit=...), archive.raw("archive/data/0")

Refused, each with its reason: entries that overlap, lie outside the file, are encrypted, are links, are packed
in an uncommon way, grow out of all proportion, or have names that lead elsewhere.  Nothing is ever written.
The format: PKWARE APPNOTE.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.weights.checkpoint import Array

END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
CENTRAL_SIZE, LOCAL_SIZE, END_SIZE, END64_SIZE, LOCATOR_SIZE = 46, 30, 22, 56, 20
COMMENT = 65535  # the longest comment there can be behind the directory
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x41  # flags: encrypted, strongly encrypted
UNIX, LINK, KIND = 3, 0o120000, 0o170000
FULL32, FULL16 = 0xFFFFFFFF, 0xFFFF  # "see the 64-bit field"
MOST_ENTRIES = 200_000  # a checkpoint with the optimiser's state of a giant has some ten thousand
MOST_GROWTH = 100  # packed weights shrink by a tenth; more than this is a bomb ...
FREE_GROWTH = 64 * 2**20  # ... unless it stays small
ELSEWHERE = re.compile(r"^/|^[A-Za-z]:|\\|\x00|(^|/)\.\.(/|$)")


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One file in a zip: how it is packed, its sizes and checksum, and where its bytes begin."""

    name: str
    method: int
    size: int
    packed: int
    checksum: int
    head: int
    begin: int = 0


class Zip:
    """The entries of a zip file; the file is mapped, not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
        self.entries = {entry.name: entry for entry in self._located(self._directory())}

    @property
    def names(self) -> list[str]:
        """The names of the entries, folders left out."""
        return list(self.entries)

    def raw(self, name: str) -> Array:
        """Return an entry's bytes as uint8 numbers: mapped where it is not packed, else unpacked."""
        entry = self.entries[name]
        lying = self._content[entry.begin : entry.begin + entry.packed]
        if entry.method == STORED:
            return lying
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(lying.tobytes(), entry.size + 1)
        except zlib.error as error:
            raise self._bad(f"{name} cannot be unpacked: {error}") from None
        if len(content) != entry.size or zlib.crc32(content) != entry.checksum:
            raise self._bad(f"{name} does not unpack to what the directory says")
        return np.frombuffer(content, np.uint8)

    def start(self, name: str, count: int) -> bytes:
        """Return the first bytes of an entry, without unpacking more."""
        entry = self.entries[name]
        lying = self._slice(entry.begin, entry.begin + min(entry.packed, 2 * count))
        if entry.method == STORED:
            return lying[:count]
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(lying, count)
        except zlib.error as error:
            raise self._bad(f"{name} cannot be unpacked: {error}") from None

    def small(self, name: str, *, limit: int) -> bytes:
        """Return a small entry's bytes, compared with their checksum; more than `limit` is a `FormatError`."""
        entry = self.entries.get(name)
        if entry is None:
            raise self._bad(f"it has no {name}")
        if entry.size > limit:
            raise self._bad(f"{name} has {entry.size} bytes, more than {limit}")
        content = self.raw(name).tobytes()
        if zlib.crc32(content) != entry.checksum:
            raise self._bad(f"{name} is damaged (its checksum differs)")
        return content

    def _bad(self, problem: str) -> FormatError:
        return FormatError(f"{self.path} is no sound zip archive: {problem}", cure="fetch the file again")

    def _directory(self) -> list[ZipMember]:
        """Read the directory at the end of the file."""
        size = len(self._content)
        tail = self._slice(max(0, size - COMMENT - END_SIZE), size)
        at = tail.rfind(END)
        if at < 0 or len(tail) - at < END_SIZE:
            raise self._bad("its directory is missing")
        end = size - len(tail) + at
        _, _, _, count, length, begin, _ = struct.unpack("<4H2LH", tail[at + 4 : at + END_SIZE])
        if count == FULL16 or FULL32 in (length, begin):
            count, length, begin, end = self._end64(end)
        if count > MOST_ENTRIES:
            raise self._bad(f"it has {count} entries, more than {MOST_ENTRIES}")
        if begin + length > end or length < count * CENTRAL_SIZE:
            raise self._bad("its directory does not lie where it should")
        self._end_of_data = begin
        return self._central(self._slice(begin, begin + length), count)

    def _end64(self, end: int) -> tuple[int, int, int, int]:
        locator = self._slice(max(0, end - LOCATOR_SIZE), end)
        if locator[:4] != LOCATOR64:
            return self._plain_end(end)
        (at,) = struct.unpack("<Q", locator[8:16])
        record = self._slice(at, at + END64_SIZE) if at + END64_SIZE <= len(self._content) else b""
        if record[:4] != END64:
            raise self._bad("its 64-bit directory is missing")
        count, length, begin = struct.unpack("<3Q", record[32:56])
        return count, length, begin, at

    def _plain_end(self, end: int) -> tuple[int, int, int, int]:
        count, length, begin = struct.unpack("<H2L", self._slice(end + 10, end + 20))
        return count, length, begin, end

    def _central(self, directory: bytes, count: int) -> list[ZipMember]:
        entries, at = [], 0
        for _ in range(count):
            head = directory[at : at + CENTRAL_SIZE]
            if len(head) < CENTRAL_SIZE or head[:4] != CENTRAL:
                raise self._bad("its directory is damaged")
            made, _, flags, method, _, checksum, packed, size = struct.unpack("<4HL3L", head[4:28])
            lengths = struct.unpack("<3H", head[28:34])
            attributes, offset = struct.unpack("<2L", head[38:46])
            at += CENTRAL_SIZE
            named = directory[at : at + lengths[0]]
            extra = directory[at + lengths[0] : at + lengths[0] + lengths[1]]
            at += sum(lengths)
            name = self._name(named)
            if flags & ENCRYPTED:
                raise self._bad(f"{name} is encrypted")
            if made >> 8 == UNIX and (attributes >> 16) & KIND == LINK:
                raise self._bad(f"{name} is a link")
            if method not in (STORED, DEFLATED):
                raise self._bad(f"{name} is packed by method {method}, which no checkpoint uses")
            size, packed, offset = self._wide(extra, (size, packed, offset), name)
            entries.append(ZipMember(name, method, size, packed, checksum, offset))
        return entries

    def _name(self, raw: bytes) -> str:
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("cp437")
        if not name or ELSEWHERE.search(name):
            raise self._bad(f"the name {name!r} leads out of the archive")
        return name

    def _wide(self, extra: bytes, values: tuple[int, int, int], name: str) -> tuple[int, int, int]:
        """Replace full 32-bit fields by those of the 64-bit extra field."""
        if FULL32 not in values:
            return values
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack("<2H", extra[at : at + 4])
            if kind == 1:
                wide = iter(struct.unpack(f"<{length // 8}Q", extra[at + 4 : at + 4 + length // 8 * 8]))
                sizes = [next(wide, value) if value == FULL32 else value for value in values]
                return sizes[0], sizes[1], sizes[2]
            at += 4 + length
        raise self._bad(f"the size of {name} is missing")

    def _located(self, entries: list[ZipMember]) -> list[ZipMember]:
        """Compare each entry with its local head, and all with each other; return the files."""
        files, end, grown, names = [], 0, 0, set()
        for entry in sorted(entries, key=lambda entry: entry.head):
            begin = self._begin(entry)
            if entry.head < end:
                raise self._bad(f"{entry.name} overlaps another entry")
            end = begin + entry.packed
            if end > self._end_of_data:
                raise self._bad(f"{entry.name} lies outside the file")
            if entry.method == STORED and entry.size != entry.packed:
                raise self._bad(f"{entry.name} is not packed but has two sizes")
            if entry.name in names:
                raise self._bad(f"{entry.name} is there twice")
            names.add(entry.name)
            grown += entry.size if entry.method == DEFLATED else 0
            if not entry.name.endswith("/"):
                values = (entry.name, entry.method, entry.size, entry.packed, entry.checksum, entry.head, begin)
                files.append(ZipMember(*values))
        if grown > FREE_GROWTH + MOST_GROWTH * len(self._content):
            raise self._bad(f"its {len(self._content)} bytes would unpack to {grown}")
        return files

    def _begin(self, entry: ZipMember) -> int:
        head = self._slice(entry.head, entry.head + LOCAL_SIZE) if entry.head < len(self._content) else b""
        if len(head) < LOCAL_SIZE or head[:4] != LOCAL:
            raise self._bad(f"{entry.name} lies outside the file")
        _, flags, method = struct.unpack("<3H", head[4:10])
        lengths = struct.unpack("<2H", head[26:30])
        named = self._slice(entry.head + LOCAL_SIZE, entry.head + LOCAL_SIZE + lengths[0])
        if method != entry.method or flags & ENCRYPTED or self._name(named) != entry.name:
            raise self._bad(f"{entry.name} is described in two ways")
        return entry.head + LOCAL_SIZE + int(sum(lengths))

    def _slice(self, begin: int, end: int) -> bytes:
        part: bytes = self._content[begin:end].tobytes()
        return part
