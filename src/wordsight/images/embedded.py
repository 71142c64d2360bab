r"""What an image file says of itself, as columns of metadata: when, where and with what it was made, and what it shows.

    embedded_columns(Path("photo.jpg"))
    # {"taken": "2025-06-01T12:00:00", "camera": "NIKON D850", "latitude": 52.52, "keywords": "beach\nsummer", ...}

What XMP says comes before IPTC, that before EXIF, column by column; when a file was made comes last.  Whatever is
damaged or not sound is no column, and nothing is an error: the image itself is there all the same.  Reads headers only
and needs no Pillow.
"""

import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from wordsight.base.errors import InputError
from wordsight.base.reading import IMAGE_LIMIT, open_regular
from wordsight.base.value import Value
from wordsight.images.blocks import Blocks, read_blocks
from wordsight.images.embedded_names import EMBEDDED, LATITUDE, LONGITUDE, TAKEN, TAKEN_UTC
from wordsight.images.iptc import read_iptc
from wordsight.images.moments import moment
from wordsight.images.xmp import XmpFacts, read_xmp

TOGETHER = ((TAKEN, TAKEN_UTC), (LATITUDE, LONGITUDE))  # columns that mean something together: of one source


def embedded_columns(image: Path | bytes | None) -> dict[str, Value]:
    """Return the columns of a path or the bytes of a file, in the order of `EMBEDDED`; none for what cannot be read."""
    if image is None:
        return {}
    if isinstance(image, bytes):
        return _columns(BytesIO(image))
    with suppress(OSError), open_regular(image, limit=IMAGE_LIMIT) as handle:
        return _columns(handle)
    return {}


def first_of(*sources: dict[str, Value]) -> dict[str, Value]:
    """Return the columns of several sources: of each column that of the first which has it.

    Those of `TOGETHER` are of one source, or of several that agree on what both have.
    """
    columns: dict[str, Value] = {}
    for source in sources:
        apart = [group for group in TOGETHER if any(columns[n] != source.get(n) for n in group if n in columns)]
        bound = {name for group in apart for name in group}
        columns |= {name: value for name, value in source.items() if name not in columns and name not in bound}
    return {**{name: columns[name] for name in EMBEDDED if name in columns}, **columns}


def _columns(handle: BinaryIO) -> dict[str, Value]:
    try:
        blocks = read_blocks(handle)
    except (OSError, ValueError, OverflowError, struct.error):  # a damaged file, or a length beyond what is possible
        blocks = Blocks()
    facts = XmpFacts()
    if blocks.xmp:
        with suppress(InputError):  # a damaged document inside a sound image
            facts = read_xmp(blocks.xmp)
    inside = read_iptc(blocks.iptc) if blocks.iptc else {}
    return first_of(facts.columns(), inside, blocks.exif.columns(), {**moment(facts.created)})
