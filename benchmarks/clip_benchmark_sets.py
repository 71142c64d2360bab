"""Sets of images as CLIP_benchmark reads them, cut from real data: both contestants read the same files.

    write_all(Path("sets"), data=Path("DATA"), images=2000)

sets/NAME/{train,test}/0.tar       KEY.jpg, KEY.cls (number of its class), KEY.txt (its caption)
sets/NAME/classnames.txt           and zeroshot_classification_templates.txt, nshards.txt in each part
sets/NAME-retrieval                the same shards with dataset_type.txt "retrieval"
sets/NAME/test/pairs.json          for each test image its caption and that of the next one
sets/NAME/pairs/test.json          the same as SugarCrepe has it, with the images in sets/NAME/pairs/images

Only the first name of a class is kept, images whose bytes or captions occur twice are left out (the two programs
count ties differently), and so are classes that do not have a image in every part.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.data.source import Columns, open_source

TEMPLATE = "a photo of a {}."
PARTS = ("test", "train")


@dataclass(frozen=True, slots=True)
class ClassedImage:
    """An encoded image with its class and its caption."""

    image: bytes
    label: str
    caption: str


def images_of(location: Path, split: str, *, label: str | None = None) -> list[ClassedImage]:
    """Return the images of a source that have a class, in an order drawn with a fixed seed, none of them twice."""
    source = open_source(location, split=split, columns=Columns(label=label))
    seen: set[Any] = set()
    images = []
    for sample in source.samples():
        caption = sample.texts[0] if sample.texts else ""
        if sample.label is None or not isinstance(sample.image, bytes) or {sample.image, caption} & seen:
            continue
        seen |= {sample.image, caption} - {""}
        images.append(ClassedImage(sample.image, sample.label.split(",")[0].strip(), caption))
    return [images[i] for i in np.random.default_rng(0).permutation(len(images))]


def in_turn(images: Iterable[ClassedImage], parts: int) -> Iterator[ClassedImage]:
    """Yield one image of every class after the other, as long as `parts` of them are left of it."""
    classes: dict[str, list[ClassedImage]] = {}
    for one in images:
        classes.setdefault(one.label, []).append(one)
    names = sorted(name for name, own in classes.items() if len(own) >= parts)
    for start in range(0, max(map(len, classes.values())), parts):
        for name in names:
            own = classes[name][start : start + parts]
            if len(own) == parts:
                yield from own


def write_set(folder: Path, images: list[ClassedImage], *, parts: int) -> None:
    """Write images, dealt out to `parts` parts (test, then train) in turn."""
    names = sorted({one.label for one in images})
    for number, part in enumerate(PARTS[:parts]):
        own = images[number::parts]
        (folder / part).mkdir(parents=True)
        (folder / part / "nshards.txt").write_text("1\n")
        _write_shard(folder / part / "0.tar", own, names)
        pairs = [[one.caption, after.caption] for one, after in zip(own, own[1:] + own[:1], strict=True)]
        (folder / part / "pairs.json").write_text(json.dumps(pairs))
        _write_pairs(folder / "pairs", own, pairs, part)
    (folder / "classnames.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "zeroshot_classification_templates.txt").write_text(TEMPLATE.replace("{}", "{c}") + "\n")
    retrieval = folder.with_name(f"{folder.name}-retrieval")
    retrieval.mkdir()
    (retrieval / "dataset_type.txt").write_text("retrieval\n")
    for part in PARTS[:parts]:
        (retrieval / part).symlink_to(folder.resolve() / part)


def _write_pairs(folder: Path, images: list[ClassedImage], pairs: list[list[str]], part: str) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    items = {}
    for number, (one, (own, other)) in enumerate(zip(images, pairs, strict=True)):
        name = f"{part}-{number:06d}.jpg"
        (folder / "images" / name).write_bytes(one.image)
        items[str(number)] = {"filename": name, "caption": own, "negative_caption": other}
    (folder / f"{part}.json").write_text(json.dumps(items))


def _write_shard(path: Path, images: list[ClassedImage], names: list[str]) -> None:
    with tarfile.open(path, "w") as shard:
        for number, one in enumerate(images):
            members = {
                "jpg": one.image,
                "cls": str(names.index(one.label)).encode(),
                "txt": one.caption.encode(),
            }
            for suffix, data in members.items():
                entry = tarfile.TarInfo(f"{number:06d}.{suffix}")
                entry.size = len(data)
                shard.addfile(entry, io.BytesIO(data))


def write_all(root: Path, *, data: Path, images: int, few: int) -> None:
    """Write `fashion` of so many images for all kinds of task, and five sets of at most `few` for zero-shot."""
    fashion = list(in_turn(images_of(data / "fashion_products", "train", label="articleType"), 2))[:images]
    write_set(root / "fashion", fashion, parts=2)
    five = {
        "clothing-val": images_of(data / "clothing", "val"),
        "clothing-test": images_of(data / "clothing", "test"),
        "flowers5": images_of(data / "flowers5", "test"),
        "tinyimagenet32": images_of(data / "tinyimagenet32", "train"),
        "fashion-val": images_of(data / "fashion_products", "val", label="articleType"),
    }
    for name, own in five.items():
        write_set(root / name, list(in_turn(own, 1))[:few], parts=1)
