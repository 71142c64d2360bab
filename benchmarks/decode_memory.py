"""How much memory and time hostile and very large images take, in every verb that reads images.

    python benchmarks/decode_memory.py [--verbs embed,index] [--only deep.png]

Makes one folder for each file, with eight small photos beside it, and runs the verbs on it, each in a process of its
own.  Prints the peak of resident memory above that of the same verb on the small photos alone, in MB, the seconds, and
what became of the file.  `many` holds twelve photos of 48 megapixels, which all threads want at once.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

VERBS = {
    "index": lambda folder, out: ["index", folder, "--library", out],
    "embed": lambda folder, out: ["embed", folder, "--out", out],
    "classify": lambda folder, out: ["classify", folder, "--classes", "cat,dog"],
    "check": lambda folder, out: ["data", "check", folder],
    "stats": lambda folder, out: ["data", "stats", folder],
    "pack": lambda folder, out: ["data", "pack", folder, "--out", out],
}
_RUN = (
    "import sys; from wordsight.cli.main import main; status = main(sys.argv[1:]);"
    "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1];"
    "print('peak', status, peak, file=sys.stderr)"
)


def png(width: int, height: int, depth: int = 8, colour: int = 0) -> Iterator[bytes]:
    """Yield a black PNG of any size in parts: colour 0 is grey, 2 RGB, 6 RGBA."""
    yield b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    packer = zlib.compressobj(1)
    row = bytes(1 + width * depth * {0: 1, 2: 3, 6: 4}[colour] // 8)
    for _ in range(height):
        if data := packer.compress(row):
            yield chunk(b"IDAT", data)
    yield chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claiming(width: int, height: int) -> bytes:
    """Return a small JPEG whose header declares another size."""
    data = bytearray(photo(64, 64, "JPEG"))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def photo(height: int, width: int, form: str, **options: object) -> bytes:
    """Return a drawn photo: smooth noise."""
    from io import BytesIO

    small = np.random.default_rng(0).integers(0, 256, (max(2, height // 32), max(2, width // 32), 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(small).resize((width, height)).convert(str(options.pop("mode", "RGB"))).save(out, form, **options)
    return out.getvalue()


def animation(form: str, frames: int) -> bytes:
    """Return many small frames."""
    from io import BytesIO

    images = [Image.new("P", (16, 16), number % 200) for number in range(frames)]
    out = BytesIO()
    images[0].save(out, form, save_all=True, append_images=images[1:])
    return out.getvalue()


def scans(height: int, width: int, times: int) -> bytes:
    """Return a progressive JPEG in which the last scan is repeated."""
    data = photo(height, width, "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * times + data[-2:]


def texts() -> bytes:
    """Return a PNG with 70 MB of packed text."""
    from io import BytesIO

    notes = PngImagePlugin.PngInfo()
    for number in range(70):
        notes.add_text(f"note {number}", "x" * 1_000_000, zip=True)
    out = BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG", pnginfo=notes)
    return out.getvalue()


def strips(count: int) -> bytes:
    """Return a TIFF that says it is cut into so many strips."""
    entries = [(256, 4, 1, 16), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, count, 200), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, 200)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    return head.ljust(200, b"\0") + bytes(4 * count)


FILES: dict[str, Callable[[], bytes | Iterator[bytes]]] = {
    "wide.png": lambda: png(89_000_000, 1),
    "tall.png": lambda: png(1, 44_000_000),
    "rgb.png": lambda: png(9400, 9400, 8, 2),
    "deep.png": lambda: png(9400, 9400, 16, 6),
    "texts.png": texts,
    "claims.jpg": lambda: claiming(9400, 9400),
    "large.jpg": lambda: photo(9400, 9400, "JPEG"),
    "progressive.jpg": lambda: photo(8000, 8000, "JPEG", progressive=True),
    "scans.jpg": lambda: scans(6000, 8000, 51),
    "turned.jpg": lambda: photo(6000, 8000, "JPEG", exif=turned()),
    "large.webp": lambda: photo(5000, 8000, "WEBP", method=0),
    "large.avif": lambda: photo(4000, 6000, "AVIF", speed=10),
    "large.tif": lambda: photo(9400, 9400, "TIFF"),
    "lzw.tif": lambda: photo(6000, 6000, "TIFF", compression="tiff_lzw"),
    "strips.tif": lambda: strips(20_000_000),
    "cmyk.jpg": lambda: photo(6000, 8000, "JPEG", mode="CMYK"),
    "palette.png": lambda: photo(8000, 8000, "PNG", mode="P"),
    "frames.gif": lambda: animation("GIF", 20_000),
    "frames.webp": lambda: animation("WEBP", 5_000),
}


def turned() -> Image.Exif:
    """Return an EXIF block that says the photo lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def run(verb: str, folder: Path) -> tuple[int, float, float, str]:
    """Run a verb; return exit status, peak in MB, seconds and the first line that says what failed."""
    with tempfile.TemporaryDirectory() as out:
        call = [sys.executable, "-c", _RUN, *VERBS[verb](str(folder), f"{out}/out")]
        began = time.perf_counter()
        done = subprocess.run(call, capture_output=True, text=True, timeout=600, check=False)
        seconds = time.perf_counter() - began
    lines = done.stderr.splitlines() + done.stdout.splitlines()
    status, peak = next((line.split()[1:] for line in lines if line.startswith("peak ")), ("-1", "0"))
    failed = next((line for line in lines if folder.name in line and ("takes" in line or "cannot" in line)), "")
    return int(status), int(peak) / 1024, seconds, failed


def main() -> None:
    """Make the files and run the verbs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    verbs = args.verbs.split(",")
    with tempfile.TemporaryDirectory() as work:
        idle = Path(work, "idle")
        small(idle)
        base = {verb: run(verb, idle)[1] for verb in verbs}
        print(json.dumps({"idle": {verb: round(peak) for verb, peak in base.items()}}))
        for name in [*FILES, "many"]:
            if args.only and name not in args.only.split(","):
                continue
            folder = Path(work, name.replace(".", "-"))
            small(folder)
            make(folder, name)
            for verb in verbs:
                status, peak, seconds, failed = run(verb, folder)
                print(
                    f"{name:16} {verb:9} {peak - base[verb]:6.0f} MB {seconds:5.1f} s  {status}  {failed[:150]}",
                    flush=True,
                )
            shutil.rmtree(folder)


def small(folder: Path) -> None:
    """Put eight small photos into a folder."""
    folder.mkdir()
    for number in range(8):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(
            folder / f"{number}.jpg"
        )


def make(folder: Path, name: str) -> None:
    """Put a file of `FILES` into a folder, or twelve large photos."""
    if name == "many":
        data = photo(6000, 8000, "JPEG", exif=turned())
        for number in range(12):
            (folder / f"large{number}.jpg").write_bytes(data + bytes([number]))
        return
    content = FILES[name]()
    with open(folder / name, "wb") as handle:
        handle.writelines([content] if isinstance(content, bytes) else content)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
