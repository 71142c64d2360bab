"""Small films, animations and documents that tests make themselves."""

import struct
from io import BytesIO

import av
import numpy as np
from PIL import Image

from wordsight.engines.fake import COLOURS

RATE = 10  # frames a second


def scene(colour, size=(64, 48)):
    """An image that is mostly of one colour: uint8 (H, W, 3)."""
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:] = COLOURS[colour]
    pixels[: size[1] // 4, : size[0] // 3] = 255 - np.array(COLOURS[colour], np.uint8)
    return pixels


def film(path, scenes, *, codec="mpeg4", gop=5, pixels="yuv420p"):
    """Write a film of (colour or function of the frame's number, seconds)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, pixels, gop
        for what, seconds in scenes:
            for number in range(round(seconds * RATE)):
                shown = what(number) if callable(what) else scene(what)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def turned(path):
    """Let an mp4 say that it is to be turned by a quarter, clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 8 + (32 if data[data.index(b"tkhd") + 4] else 20) + 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 * 65536, 0, 1 << 30)
    path.write_bytes(data)


def sound(path):
    """Write an mp4 without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for _ in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate = 44100
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(path, colours, duration=300, **options):
    """Write an animation, or a TIFF of pages, of these colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(scene(colour)) for colour in colours]
    first.save(path, save_all=True, append_images=others, duration=duration, **options)
    return path


def pdf(path, colours):
    """Write a document with a page of each colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(scene(colour)) for colour in colours]
    first.save(path, "PDF", save_all=True, append_images=others, resolution=72)
    return path


def hand_made_pdf(count=1, box="0 0 200 100", trailer=""):
    """Return a document of `count` empty pages."""
    kids = " ".join(f"{number + 3} 0 R" for number in range(count))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {count}>>"]
    objects += [f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]>>"] * count
    out, offsets = BytesIO(), []
    out.write(b"%PDF-1.7\n")
    for number, one in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj{one}endobj\n".encode())
    table = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    out.write("".join(f"{offset:010} 00000 n \n" for offset in offsets).encode())
    out.write(f"trailer<</Size {len(objects) + 1}/Root 1 0 R{trailer}>>\nstartxref\n{table}\n%%EOF\n".encode())
    return out.getvalue()


ENCRYPTED = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'41' * 32}>/U<{'42' * 32}>>>/ID[<{'43' * 16}><{'43' * 16}>]"
