"""`wordsight regions PICTURE --classes A,B [--out FILE]`: which parts of an image show which class."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from io import BytesIO
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import atomic_write, require_file, write_json
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.parser import out_path

PAGES, IMAGES, DATA = (".html", ".htm"), (".png", ".jpg", ".jpeg"), (".json",)
QUALITY = 90  # of JPEGs
ROUGH = (
    "shares are what the model assigns, by label maps that are rough; how rough on labelled images: "
    "wordsight evaluate MODEL --tasks segmentation:FOLDER (docs/evaluate.md)"
)
SHOWN = 1024  # pixels of the longer side of an image in a page, at most


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", metavar="PICTURE", type=Path, help="an image file")
    classes = parser.add_mutually_exclusive_group(required=True)
    classes.add_argument(
        "--classes", metavar="A,B,…", action="append", help='class names, synonyms with | between: "sofa|couch,cat"'
    )
    classes.add_argument(
        "--classes-file", type=Path, metavar="FILE", help="one class a line, synonyms with commas or | between"
    )
    parser.add_argument(
        "--out",
        type=out_path,
        metavar="FILE",
        help="a page (.html), a drawn picture (.png, .jpg) or masks as SAM's (.json)",
    )
    methods = ", ".join(resolve("wordsight.explain.region_table:REGION_METHODS"))
    parser.add_argument(
        "--method", metavar="NAME", default="auto", help=f"auto (default: the best that fits the model), {methods}"
    )
    parser.add_argument(
        "--proposals",
        type=Path,
        metavar="FILE",
        help="masks to score, JSON: SAM's, COCO's run lengths, polygons, boxes",
    )
    parser.add_argument(
        "--background",
        metavar="A,B,…",
        action="append",
        default=[],
        help="what else may be seen and counts as no class",
    )
    parser.add_argument(
        "--threshold", type=float, metavar="P", default=0.0, help="pixels whose class is less probable show none (0)"
    )
    parser.add_argument("--templates", metavar="NAME|FILE", help="prompts of a class, as in classify (photo)")
    parser.add_argument("--json", action="store_true", help="one JSON line a class, on a terminal, too")


def run(args: Namespace) -> int:
    """Find the regions and print a line a class, or write the file and print its path; 1 where none is seen."""
    if args.out:
        if args.out.suffix.lower() not in (*PAGES, *IMAGES, *DATA):
            cure = "name a page (.html), a drawn picture (.png, .jpg) or a file of masks (.json)"
            raise UsageError(f"--out {args.out}", cure=cure)
        require_file(args.out)
    if not 0 <= args.threshold <= 1:
        raise UsageError(f"--threshold {args.threshold}", cure="give a probability from 0 to 1")
    synonyms = resolve("wordsight.explain.named_regions:synonyms_of")(_names(args))
    pixels = resolve("wordsight.images.decode:decode")(args.image)
    proposals = None
    if args.proposals:
        read = resolve("wordsight.explain.proposal_files:read_proposals")
        proposals = read(args.proposals, pixels.shape[:2])
    how = resolve("wordsight.explain.named_regions:RegionOptions")(
        method=args.method,
        background=tuple(filter(None, (name.strip() for name in ",".join(args.background).split(",")))),
        threshold=args.threshold,
        templates=args.templates,
    )
    model = resolve("wordsight.embeddings.model:load")(args.model, engine=args.engine, device=args.device)
    regions = resolve("wordsight.explain.named_regions:regions")
    shown = regions(model, pixels, synonyms, proposals=proposals, how=how)
    if len(synonyms) + len(how.background) == 1 and proposals is None:
        notice("one class alone takes every pixel; name what else may be seen with --background")
    if args.out:
        _write(args.out, args.image.name, shown)
        say(str(args.out))
    elif args.json or not sys.stdout.isatty():
        for number in range(len(shown.classes)):
            say(json.dumps({"path": str(args.image), **_record(shown, number)}, ensure_ascii=True))
    else:
        for number in range(len(shown.classes)):
            say(_line(shown, number))
        notice(ROUGH)
    return 0 if shown.regions else 1


def _names(args: Namespace) -> list[str]:
    """Return the classes, the synonyms of each with | between."""
    if args.classes is not None:
        names = [name.strip() for name in ",".join(args.classes).split(",")]
        if len(names) == 1 and os.path.isfile(names[0]):
            raise UsageError(f"--classes {names[0]} is a file", cure=f"write --classes-file {names[0]}")
        return names
    listed = resolve("wordsight.text.lines:listed_lines")(args.classes_file)
    if not listed:
        raise FormatError(f"{args.classes_file} holds no class", cure="write one class a line")
    return [line.replace(",", "|") for _, line in listed]


def _record(shown: Any, number: int) -> dict[str, Any]:
    """Return the figures of a class as plain values; without a region box and cosine are null."""
    largest = shown.largest[number]
    return {
        "class": shown.classes[number],
        "share": round(float(shown.shares[number]), 6),
        "cosine": round(largest.cosine, 6) if largest else None,
        "box": [round(value, 2) for value in largest.box] if largest else None,
        "regions": sum(one.number == number for one in shown.regions),
        "whole": round(float(shown.whole[number]), 6),
        "method": shown.method,
        "model": shown.model,
    }


def _line(shown: Any, number: int) -> str:
    record = _record(shown, number)
    if record["box"] is None:
        return f"{record['class']}  not seen"
    x, y, width, height = (round(value) for value in record["box"])
    more = "" if record["regions"] == 1 else f", the largest of {record['regions']}"
    where = f"at {x},{y}, {width} x {height}{more}"
    return f"{record['class']}  {100 * record['share']:.1f} %  cosine {record['cosine']:.3f}  {where}"


def _write(out: Path, name: str, shown: Any) -> None:
    """Write the file that its ending asks for."""
    ending = out.suffix.lower()
    if ending in DATA:
        write_json(out, [_annotation(shown, one) for one in shown.regions])
    elif ending in IMAGES:
        data = _encoded(shown.overlay(), "PNG" if ending == ".png" else "JPEG")
        with atomic_write(out) as handle:
            handle.write(data)
    else:
        resolve("wordsight.report.regions_page:write_regions_page")(out, _page(name, shown))


def _annotation(shown: Any, one: Any) -> dict[str, Any]:
    """Return a region as SAM's mask generator writes a mask, with its class and cosine."""
    return {
        "class": shown.classes[one.number],
        "segmentation": resolve("wordsight.explain.masks:rle_of")(one.mask),
        "bbox": list(one.box),
        "area": one.area,
        "cosine": round(one.cosine, 6),
    }


def _page(name: str, shown: Any) -> Any:
    """Return what the page shows."""
    part = resolve("wordsight.report.regions_page:ShownClass")
    colour = resolve("wordsight.explain.region_drawing:colour_of")
    classes = [
        part(
            record["class"],
            "#{:02x}{:02x}{:02x}".format(*colour(number)),
            record["share"],
            record["cosine"],
            record["whole"],
            None if record["box"] is None else tuple(record["box"]),
            record["regions"],
        )
        for number, record in ((number, _record(shown, number)) for number in range(len(shown.classes)))
    ]
    return resolve("wordsight.report.regions_page:ShownRegions")(
        name=name,
        method=resolve("wordsight.explain.region_table:in_words")(shown.method),
        model=shown.model,
        sides=(shown.image.shape[1], shown.image.shape[0]),
        image=_smaller(shown.image),
        coloured=_smaller(shown.coloured()),
        classes=classes,
        background=tuple(zip(shown.how.background, map(float, shown.beside), strict=True)),
        threshold=shown.how.threshold,
        given=shown.given,
    )


def _encoded(pixels: Any, form: str) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, form, quality=QUALITY)  # which PNG does not read
    return buffer.getvalue()


def _smaller(pixels: Any) -> bytes:
    """Return an image as a JPEG no larger than a page shows it."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((SHOWN, SHOWN))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
