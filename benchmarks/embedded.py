"""What reading dates, positions and keywords costs beside decoding, and the first sync of a library that has none.

    python benchmarks/embedded.py [--pictures 2000] [--model NAME]

Draws photos of 500 x 375 with an EXIF block and an XMP document into a temporary folder and indexes them.  Then the
columns that they brought along are taken from the library, as one of an earlier version lacks them, and it is synced.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.progress import track
from wordsight.base.records import environment
from wordsight.embeddings.model import Model, load
from wordsight.images.embedded import embedded_columns
from wordsight.images.embedded_names import EMBEDDED
from wordsight.images.transform import load_seen
from wordsight.index.open import backend_of
from wordsight.search.brought import BROUGHT
from wordsight.search.contents import SIGNATURE
from wordsight.search.library import open_library

PHOTO, POSITION = 0x8769, 0x8825
DOCUMENT = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmp:Rating="{rating}"><dc:subject><rdf:Bag><rdf:li>beach</rdf:li><rdf:li>summer {number}</rdf:li></rdf:Bag>'
    "</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def draw(folder: Path, count: int) -> None:
    """Write `count` photos, each with a block and a document."""
    random = np.random.default_rng(0)
    for number in track(range(count), count, unit="picture", desc="drawing"):
        tags = Image.Exif()
        tags[0x10F], tags[0x110], tags[0x10E] = "NIKON CORPORATION", "NIKON D850", f"photo {number}"
        day = f"20{number % 25:02}:06:{1 + number % 30:02} 12:00:00"
        tags.get_ifd(PHOTO).update(
            {0x9003: day, 0x9011: "+02:00", 0x8827: 400, 0x829D: 2.8, 0x920A: 50.0, 0x829A: 0.004}
        )
        tags.get_ifd(POSITION).update({1: "N", 2: (52.0, number % 60, 12.0), 3: "E", 4: (13.0, 24.0, 0.0)})
        blocks = random.integers(0, 256, (15, 20, 3), dtype=np.uint8)
        document = DOCUMENT.format(rating=number % 6, number=number)
        image = Image.fromarray(blocks).resize((500, 375), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:05}.jpg", quality=88, exif=tags, xmp=document.encode())


def as_earlier(folder: Path, model: Model) -> None:
    """Take the columns out of a library, and what says that they have been read."""
    with backend_of(folder).open(folder, fingerprint=model.fingerprint, width=model.spec.width, writable=True) as index:
        entries = index.entries(list(index.files.states()))
        metas = [{name: value for name, value in one.meta.items() if name not in EMBEDDED} for one in entries]
        index.add([one.key for one in entries], np.array([one.embedding for one in entries]), metas)
        index.note({BROUGHT: "", SIGNATURE: "earlier"})
        index.save()


def per_photo(call: Callable[[Path], object], photos: Sequence[Path], rounds: int = 5) -> float:
    """Return the least microseconds of processor time that a call took for a photo, over rounds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for photo in photos:
            call(photo)
        times.append((time.process_time() - start) / len(photos) * 1e6)
    return min(times)


def timed(call: Callable[[], object]) -> str:
    """Return what a call took: processor time and wall time."""
    wall, start = time.perf_counter(), time.process_time()
    call()
    return f"{time.process_time() - start:.2f} s of processor time, {time.perf_counter() - wall:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--model", help="default: the one in use")
    args = parser.parse_args()
    model = load(args.model) if args.model else load()
    print(environment())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder, args.pictures)
        photos = sorted(folder.iterdir())[:200]
        read = per_photo(embedded_columns, photos)
        decoded = per_photo(lambda photo: load_seen(photo, model.spec.preprocess), photos)
        print(f"a photo: metadata {read:.0f} us, decoded and resized {decoded:.0f} us: {read / decoded:.3f} of it")
        for what in ("indexed", "nothing new", "columns read for a library of an earlier version", "nothing new"):
            if what.startswith("columns"):
                as_earlier(folder / ".wordsight", model)
            with open_library(folder, model=model) as library:
                print(f"{args.pictures} photos, {what}: {timed(library.sync)}")


if __name__ == "__main__":
    main()
