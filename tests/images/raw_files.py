"""Raw files of cameras, made by hand: a DNG with a sensor's samples, and a preview if wanted."""

import struct
from collections.abc import Sequence

import numpy as np

_LETTERS = {1: "B", 3: "H", 4: "I", 5: "II", 10: "ii"}
Tag = tuple[int, int, Sequence[int] | bytes]


def dng(
    width: int = 64, height: int = 48, *, orientation: int = 1, preview: bytes = b"", sides: tuple[int, int] = (0, 0)
) -> bytes:
    """Return a DNG of noise; `preview` is a JPEG of these `sides` that lies in its first directory."""
    samples = np.random.default_rng(0).integers(200, 4000, (height, width)).astype("<u2").tobytes()
    sensor: list[Tag] = [
        (254, 4, [0]), (256, 4, [width]), (257, 4, [height]), (258, 3, [16]), (259, 3, [1]), (262, 3, [32803]),
        (273, 4, [0]), (277, 3, [1]), (278, 4, [height]), (279, 4, [len(samples)]), (284, 3, [1]),
        (33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2]), (50717, 4, [4095]),
    ]  # fmt: skip
    camera: list[Tag] = [
        (271, 2, b"Test\0"), (272, 2, b"Camera\0"), (274, 3, [orientation]), (50706, 1, [1, 4, 0, 0]),
        (50707, 1, [1, 1, 0, 0]), (50708, 2, b"Test Camera\0"), (50721, 10, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
        (50728, 5, [1, 1, 1, 1, 1, 1]), (50778, 3, [21]),
    ]  # fmt: skip
    start = b"II*\0" + struct.pack("<I", 8)
    if not preview:
        return start + _directory(8, sensor + camera, samples)
    first: list[Tag] = [
        (254, 4, [1]), (256, 4, [sides[0]]), (257, 4, [sides[1]]), (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [6]),
        (273, 4, [0]), (277, 3, [3]), (278, 4, [sides[1]]), (279, 4, [len(preview)]), (330, 4, [0]),
    ]  # fmt: skip
    length = len(_directory(8, first + camera, preview))
    length += length % 2
    first[-1] = (330, 4, [8 + length])
    return start + _directory(8, first + camera, preview).ljust(length, b"\0") + _directory(8 + length, sensor, samples)


def _directory(at: int, tags: list[Tag], strip: bytes) -> bytes:
    """Return a directory that lies at `at`, what its tags lead to, and its strip behind."""
    tags = sorted(tags)
    behind = at + 2 + 12 * len(tags) + 4
    long = b""
    for round_ in range(2):  # the second time it is known where the strip lies
        entries, offset = b"", behind + len(long)
        long_now = b""
        for tag, kind, values in tags:
            if tag == 273 and round_:
                values = [offset]
            data = (
                values
                if isinstance(values, bytes)
                else struct.pack(f"<{_LETTERS[kind] * (len(values) // len(_LETTERS[kind]))}", *values)
            )
            count = len(values) // (len(_LETTERS[kind]) if kind != 2 else 1)
            if len(data) <= 4:
                entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
            else:
                entries += struct.pack("<HHII", tag, kind, count, behind + len(long_now))
                long_now += data + b"\0" * (len(data) % 2)
        long = long_now
    return struct.pack("<H", len(tags)) + entries + bytes(4) + long + strip
