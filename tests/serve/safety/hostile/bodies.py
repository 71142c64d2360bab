"""Bodies of hostile requests that are too large or too odd to write down, by the names that the tables use."""

import base64
import io
import json
import struct
import zipfile
import zlib

from PIL import Image


def png(width, height, *chunks, data=b""):
    """Return a PNG file of a size that its data need not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*one) for one in ((b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b""))
    )


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def images(*files):
    return json.dumps({"images": [base64.b64encode(one).decode() for one in files]}).encode()


def small(kind="PNG", side=16):
    out = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(out, kind)
    return out.getvalue()


def utf16():
    return '{"texts": ["a"]}'.encode("utf-16")


def pixel_bomb():
    return images(png(30_000, 30_000, data=zlib.compress(bytes(1_000_000), 9)))


def gif_bomb():
    return images(
        b"GIF89a"
        + struct.pack("<HH", 65_535, 65_535)
        + b"\x80\x00\x00\x00\x00\x00\xff\xff\xff"
        + b"\x2c"
        + struct.pack("<HHHH", 0, 0, 65_535, 65_535)
        + b"\x00\x02\x02\x44\x01\x00;"
    )


def text_bomb():
    packed = zlib.compress(bytes(50_000_000), 9)
    return images(png(16, 16, (b"zTXt", b"a\x00\x00" + packed), data=zlib.compress(bytes(17 * 16))))


def profile_bomb():
    packed = zlib.compress(bytes(50_000_000), 9)
    return images(png(16, 16, (b"iCCP", b"a\x00\x00" + packed), data=zlib.compress(bytes(17 * 16))))


def zip_bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.png", bytes(20_000_000))
    return images(out.getvalue())


def svg():
    return images(
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="file:///etc/passwd"/></svg>'
    )


def polyglot():
    return images(small("GIF") + b"<script>alert(1)</script>")


def page():
    return images(b"<!doctype html><script>alert(1)</script>")


def half():
    return images(small("JPEG", 64)[:300])


def empty():
    return images(b"")


def tiff_loop():
    entry = struct.pack("<HHII", 256, 4, 1, 16)
    return images(b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8))


def many():
    return images(*[small()] * 200)


def large():
    return images(small() + bytes(700_000))


def many_files():
    return (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\na\r\n' for _ in range(2_000))
        + b"--x--\r\n"
    )


def many_fields():
    return (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\na\r\n' for _ in range(2_000)) + b"--x--\r\n"
    )


def long_field():
    return b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + b"a" * 1_500_000 + b"\r\n--x--\r\n"


def part_headers():
    return b"--x\r\n" + b"X: a\r\n" * 50_000 + b"\r\na\r\n--x--\r\n"
