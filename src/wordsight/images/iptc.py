r"""What an IPTC block (IIM, of 1991) says of an image: keywords, title, caption, date.

    columns = read_iptc(block)            # {"keywords": "beach\nsummer", "caption": "...", "taken": "2025-06-01"}
    block = of_photoshop(resources)       # where it lies in Photoshop's resources, as in JPEG files

A block that is cut short gives what stands before the cut.  Source: IPTC-NAA Information Interchange Model 4.2.
"""

from collections.abc import Iterator

from wordsight.base.value import Value
from wordsight.images import sound_values as sound
from wordsight.images.moments import moment

LARGEST = 1 << 20  # bytes of a block that are read
_MARK, _RESOURCE = 0x1C, b"8BIM"
_IPTC = 0x0404  # the resource that holds the block
_UTF8 = b"\x1b%G"
_CHARACTERS = (1, 90)
_TITLE, _KEYWORD, _DAY, _TIME, _HEADLINE, _CAPTION = ((2, number) for number in (5, 25, 55, 60, 105, 120))
_KNOWN = (_TITLE, _KEYWORD, _DAY, _TIME, _HEADLINE, _CAPTION)
_MOST_SETS = 20_000


def read_iptc(block: bytes) -> dict[str, Value]:
    """Return the columns that a block states."""
    values: dict[tuple[int, int], list[bytes]] = {}
    is_utf8 = False
    for tag, data in _data_sets(block[:LARGEST]):
        if tag == _CHARACTERS:
            is_utf8 = data == _UTF8
        elif tag in _KNOWN:
            values.setdefault(tag, []).append(data)
    texts = {tag: [_text(data, is_utf8=is_utf8) for data in some] for tag, some in values.items()}
    first = {tag: some[0] for tag, some in texts.items()}
    columns = {
        "keywords": sound.keywords(texts.get(_KEYWORD, ())),
        "title": sound.line(first.get(_TITLE)) or sound.line(first.get(_HEADLINE)),
        "caption": sound.caption(first.get(_CAPTION)),
    }
    return {**{name: value for name, value in columns.items() if value}, **_moment(first)}


def of_photoshop(resources: bytes) -> bytes:
    """Return the IPTC block among Photoshop's resources, b"" where there is none."""
    at = 0
    while at + 12 <= len(resources) and resources[at : at + 4] == _RESOURCE:
        kind = int.from_bytes(resources[at + 4 : at + 6], "big")
        name = 1 + resources[at + 6]
        start = at + 6 + name + name % 2 + 4
        size = int.from_bytes(resources[start - 4 : start], "big")
        if kind == _IPTC:
            return resources[start : start + size]
        at = start + size + size % 2
    return b""


def _data_sets(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    at = 0
    for _ in range(_MOST_SETS):
        if at + 5 > len(block) or block[at] != _MARK:
            return
        size, start = int.from_bytes(block[at + 3 : at + 5], "big"), at + 5
        if size & 0x8000:  # the length of the length
            wide = size & 0x7FFF
            if wide > 4:
                return
            size, start = int.from_bytes(block[start : start + wide], "big"), start + wide
        yield (block[at + 1], block[at + 2]), block[start : start + size]
        at = start + size


def _text(data: bytes, *, is_utf8: bool) -> str:
    return data.decode(errors="replace") if is_utf8 else sound.decoded(data)


def _moment(first: dict[tuple[int, int], str]) -> dict[str, str]:
    """Return the columns for a day CCYYMMDD, of which month or day may be 00, and a time HHMMSS with its offset."""
    day, time = first.get(_DAY, ""), first.get(_TIME, "")
    if len(day) != 8 or not (day.isascii() and day.isdecimal()):
        return {}
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    if len(time) >= 6 and time[:6].isascii() and time[:6].isdecimal():
        return moment(f"{date}T{time[:2]}:{time[2:4]}:{time[4:6]}{time[6:]}") or moment(date)
    return moment(date)
