"""Ask a library many things and draw the answers as one page of images, with a table of them as text.

    python benchmarks/contact_sheet.py PLACE QUERIES --out sheet.png --text answers.md [--model M] [-k 8]

QUERIES is a text file with a query a line, or "query | condition" for `--where`.  PLACE is what `wordsight index`
takes.  The page is for looking at; commit only pages of images whose licence allows it.
"""

import argparse
import io
from pathlib import Path

from PIL import Image, ImageDraw

from wordsight.data.source import Source, open_source
from wordsight.search.library import Hit, Library, open_library

CELL, LABEL = 112, 16


def read_queries(path: Path) -> list[tuple[str, str | None]]:
    """Return (query, condition) for each line."""
    lines = [line.partition("|") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(query.strip(), condition.strip() or None) for query, _, condition in lines]


def images_of(library: Path, keys: set[str]) -> dict[str, Image.Image]:
    """Return the images with these keys, small."""
    source: Source = open_source(library)
    small = {}
    for sample in source.samples():
        if sample.key in keys and sample.image is not None:
            opened = Image.open(io.BytesIO(sample.image) if isinstance(sample.image, bytes) else sample.image)
            opened = opened.convert("RGB")
            opened.thumbnail((CELL, CELL))
            small[sample.key] = opened
    return small


def draw(answers: list[tuple[str, list[Hit]]], images: dict[str, Image.Image], columns: int) -> Image.Image:
    """Return the page: a line of text and a row of images for each query."""
    page = Image.new("RGB", (columns * (CELL + 4), len(answers) * (CELL + LABEL + 6)), "white")
    pen = ImageDraw.Draw(page)
    for row, (query, hits) in enumerate(answers):
        top = row * (CELL + LABEL + 6)
        pen.text((4, top + 2), query, fill="black")
        for column, hit in enumerate(hits):
            page.paste(images[hit.key], (column * (CELL + 4), top + LABEL))
    return page


def describe(hit: Hit) -> str:
    """Return the score and the class of the image, or its name."""
    label = hit.meta.get("class") or hit.key
    return f"{hit.score:.2f} {str(label).splitlines()[0][:90]}"


def ask(library: Library, queries: list[tuple[str, str | None]], k: int) -> list[tuple[str, list[Hit]]]:
    """Return each query as typed with its hits."""
    return [
        (f"{query}  [{condition}]" if condition else query, library.search(query, k=k, where=condition))
        for query, condition in queries
    ]


def main() -> None:
    """Read the command line, ask, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--library", type=Path)
    parser.add_argument("-k", type=int, default=8)
    args = parser.parse_args()
    with open_library(args.place, model=args.model, library_dir=args.library) as library:
        library.sync()
        answers = ask(library, read_queries(args.queries), args.k)
    images = images_of(args.place, {hit.key for _, hits in answers for hit in hits})
    draw(answers, images, args.k).save(args.out)
    if args.text:
        lines = [
            f"**{query}**\n\n" + "\n".join(f"{n}. {describe(h)}" for n, h in enumerate(hits, 1))
            for query, hits in answers
        ]
        args.text.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
