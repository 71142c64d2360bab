"""Image files with metadata, made byte by byte, so that what they claim may be wrong."""

import io
import struct

from PIL import Image

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, BYTE, SRATIONAL = 2, 3, 4, 5, 7, 1, 10
FLOAT, DOUBLE = 11, 12
PHOTO, POSITION = 0x8769, 0x8825
CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")


def fractions(*values, order="<"):
    """Return rationals as bytes; a value is a whole number, or (above, below)."""
    pairs = [value if isinstance(value, tuple) else (value, 1) for value in values]
    return b"".join(struct.pack(f"{order}II", *pair) for pair in pairs)


def entry(kind, data, count=None, order="<"):
    """Return a tag's kind, count and bytes: text, numbers or bytes."""
    if isinstance(data, str):
        data = data.encode() + b"\0"
    elif isinstance(data, int):
        data = struct.pack(order + {BYTE: "B", SHORT: "H", LONG: "I"}[kind], data)
    sizes = {ASCII: 1, BYTE: 1, UNDEFINED: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SRATIONAL: 8, FLOAT: 4, DOUBLE: 8}
    return kind, len(data) // sizes[kind] if count is None else count, data


def exif(first=None, photo=None, position=None, order="<"):
    """Return an EXIF block: dicts of tag -> `entry` for its three directories."""
    directories = [dict(first or {}), dict(photo or {}), dict(position or {})]
    sizes = [2 + 12 * (len(d) + (2 if n == 0 else 0)) + 4 for n, d in enumerate(directories)]
    starts = [8, 8 + sizes[0], 8 + sizes[0] + sizes[1]]
    directories[0][PHOTO] = entry(LONG, starts[1], order=order)
    directories[0][POSITION] = entry(LONG, starts[2], order=order)
    at, heads, tail = 8 + sum(sizes), b"", b""
    for directory in directories:
        heads += struct.pack(f"{order}H", len(directory))
        for tag, (kind, count, data) in sorted(directory.items()):
            heads += struct.pack(f"{order}HHI", tag, kind, count)
            if len(data) <= 4:
                heads += data.ljust(4, b"\0")
            else:
                heads += struct.pack(f"{order}I", at + len(tail))
                tail += data + b"\0" * (len(data) % 2)
        heads += b"\0" * 4
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + heads + tail


def usual(order="<"):
    """Return the block of an ordinary photo."""

    def one(kind, data):
        return entry(kind, data, order=order)

    def rationals(*values):
        return one(RATIONAL, fractions(*values, order=order))

    return exif(
        {0x10F: one(ASCII, "NIKON CORPORATION"), 0x110: one(ASCII, "NIKON D850"), 0x4746: one(SHORT, 4)},
        {
            0x829A: rationals((1, 250)),
            0x829D: rationals((28, 10)),
            0x8827: one(SHORT, 400),
            0x9003: one(ASCII, "2025:06:01 12:00:00"),
            0x9011: one(ASCII, "+02:00"),
            0x920A: rationals(50),
            0xA434: one(ASCII, "50mm f/1.8"),
        },
        {
            1: one(ASCII, "N"),
            2: rationals(52, 31, (1200, 100)),
            3: one(ASCII, "W"),
            4: rationals(13, 24, 0),
            5: one(BYTE, 0),
            6: rationals((345, 10)),
        },
        order=order,
    )


USUAL = {
    "taken": "2025-06-01T12:00:00",
    "taken_utc": "2025-06-01T10:00:00Z",
    "camera": "NIKON D850",
    "lens": "50mm f/1.8",
    "latitude": 52.52,
    "longitude": -13.4,
    "altitude": 34.5,
    "rating": 4,
    "iso": 400,
    "aperture": 2.8,
    "focal_length": 50,
    "exposure": 0.004,
}


def xmp(inside="", attributes=""):
    """Return an XMP document with these elements and attributes in its description."""
    spaces = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "aux": "http://ns.adobe.com/exif/1.0/aux/",
        "lr": "http://ns.adobe.com/lightroom/1.0/",
        "digiKam": "http://www.digikam.org/ns/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
        "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    }
    declared = " ".join(f'xmlns:{name}="{space}"' for name, space in spaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def bag(name, *values, kind="Bag"):
    """Return a property of several values."""
    return f"<{name}><rdf:{kind}>{''.join(f'<rdf:li>{value}</rdf:li>' for value in values)}</rdf:{kind}></{name}>"


def iptc(*sets, utf8=True):
    """Return an IPTC block of (number, text) of its second record."""
    block = b"\x1c\x01\x5a\x00\x03\x1b%G" if utf8 else b""
    for number, text in sets:
        data = text.encode("utf-8" if utf8 else "latin-1")
        block += bytes((0x1C, 2, number)) + len(data).to_bytes(2, "big") + data
    return block


def photoshop(block):
    """Return Photoshop's resources with an IPTC block, behind another one with a name of odd length."""
    other = b"8BIM\x03\xed\x03abc" + (4).to_bytes(4, "big") + b"abcd"
    return other + b"8BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block + b"\0" * (len(block) % 2)


def pixels(kind, shade=0):
    """Return a small image as a file of a kind."""
    data = io.BytesIO()
    Image.new("RGB", (24, 16), (200, 30, shade)).save(data, kind)
    return data.getvalue()


def jpeg(block=b"", document=b"", captions=b"", shade=0):
    """Return a JPEG with an EXIF block, an XMP document, an IPTC block."""
    segments = b""
    for mark, head, data in (
        (0xE1, b"Exif\0\0", block),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0", document),
        (0xED, b"Photoshop 3.0\0", photoshop(captions) if captions else b""),
    ):
        if data:
            segments += bytes((0xFF, mark)) + (len(head) + len(data) + 2).to_bytes(2, "big") + head + data
    plain = pixels("JPEG", shade)
    return plain[:2] + segments + plain[2:]


def png(block=b"", document=b""):
    """Return a PNG with an EXIF block and an XMP document."""
    import zlib

    def chunk(name, data):
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    plain = pixels("PNG")
    texts = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + document) if document else b""
    return plain[:33] + texts + (chunk(b"eXIf", block) if block else b"") + plain[33:]


def webp(block, document):
    """Return a WebP with an EXIF block and an XMP document."""
    data = io.BytesIO()
    Image.new("RGB", (24, 16)).save(data, "WEBP", exif=block, xmp=document)
    return data.getvalue()


def box(kind, *contents, version=None):
    """Return a box of ISO base media."""
    data = b"".join(contents)
    if version is not None:
        data = bytes((version, 0, 0, 0)) + data
    return (len(data) + 8).to_bytes(4, "big") + kind + data


def heic(block=b"", document=b"", brand=b"heic"):
    """Return the boxes of a HEIC file with an EXIF item and an XMP item, and no image."""
    head = box(b"ftyp", brand, b"\0\0\0\0", b"mif1", brand)
    items = [(1, b"Exif", b"\0\0\0\0" + block, b""), (2, b"mime", document, b"application/rdf+xml\0")]
    infos = [
        box(b"infe", number.to_bytes(2, "big"), b"\0\0", kind, b"\0", rest, version=2)
        for number, kind, _, rest in items
    ]
    iinf = box(b"iinf", len(infos).to_bytes(2, "big"), *infos, version=0)

    def iloc(start):
        content, at = b"\x44\x00" + len(items).to_bytes(2, "big"), start
        for number, _, data, _ in items:
            content += number.to_bytes(2, "big") + b"\0\0\0\1"
            content += at.to_bytes(4, "big") + len(data).to_bytes(4, "big")
            at += len(data)
        return box(b"iloc", content, version=0)

    length = len(head) + len(box(b"meta", iinf, iloc(0), version=0)) + 8
    return head + box(b"meta", iinf, iloc(length), version=0) + box(b"mdat", *(data for _, _, data, _ in items))


def canon(first, photo, position, document=b""):
    """Return the boxes of a raw file of Canon's: a block for each directory, and XMP."""
    blocks = box(b"CMT1", first) + box(b"CMT2", photo) + box(b"CMT3", b"junk") + box(b"CMT4", position)
    moov = box(b"moov", box(b"uuid", CANON, blocks))
    space = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    return box(b"ftyp", b"crx ", b"\0\0\0\1", b"crx isom") + moov + box(b"uuid", space, document)


def one_directory(tags):
    """Return a block whose first directory has these tags."""
    start = 8 + 2 + 12 * len(tags) + 4
    heads, tail = struct.pack("<H", len(tags)), b""
    for tag, (kind, count, data) in sorted(tags.items()):
        heads += struct.pack("<HHI", tag, kind, count)
        heads += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", start + len(tail))
        tail += data if len(data) > 4 else b""
    return b"II*\0" + struct.pack("<I", 8) + heads + b"\0" * 4 + tail
