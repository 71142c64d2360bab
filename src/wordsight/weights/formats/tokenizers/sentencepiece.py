"""The pieces of a SentencePiece model, without the package that runs it.

    piece_ids(Path("spiece.model").read_bytes())["</s>"]   # 1

Reads the two fields it needs of the protocol buffer: `pieces` (1) of `ModelProto`, and in it `piece` (1)
(google/sentencepiece, `sentencepiece_model.proto`).
"""

from collections.abc import Iterator

from wordsight.base.errors import FormatError

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # kinds of fields


def piece_ids(data: bytes) -> dict[str, int]:
    """Return the number of each piece; bytes that are no SentencePiece model raise `FormatError`."""
    ids: dict[str, int] = {}
    try:
        for number, piece in enumerate(value for field, value in _fields(data) if field == 1):
            text = next(value for field, value in _fields(piece) if field == 1)
            ids.setdefault(text.decode("utf-8"), number)
    except (IndexError, StopIteration, UnicodeDecodeError):
        ids = {}
    if not ids:
        raise FormatError("the tokenizer is no whole SentencePiece model", cure="fetch spiece.model again")
    return ids


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the fields of a message that hold bytes; a message cut short raises `IndexError`."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _BYTES:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise IndexError("cut short")
            yield key >> 3, data[position : position + length]
            position += length
        elif kind == _VARINT:
            _, position = _varint(data, position)
        elif kind in (_FOUR, _EIGHT):
            position += 4 if kind == _FOUR else 8
        else:
            raise IndexError("an unknown kind of field")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
