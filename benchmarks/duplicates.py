"""How many planted copies `wordsight duplicates` finds, of each kind, and how many of its pairs are none.

    python benchmarks/planted_copies.py DATA FOLDER other && python benchmarks/duplicates.py FOLDER [--sheet FILE]

Beside it, on the same library: a fixed cosine distance of 0.01 and 0.03, and the perceptual hash of
`data/near_duplicates.py` alone.  A pair of images is right where both come from one image, planted or an equal file.
What is left is no mistake for certain: real sets have copies of their own, so `--sheet` shows them, to be looked at.
Appends a line to benchmarks/results/duplicates.jsonl.
"""

import argparse
import json
import resource
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from wordsight.base.processor import read_processor
from wordsight.data.near_duplicates import near_groups, perceptual_hash
from wordsight.search.library import open_library

RIGHT_KIND = {"resave": "near", "resize": "near", "edit": "near", "mark": "near", "crop": "crop", "flip": "flip"}
Pair = tuple[str, str]


def interval(right: int, count: int) -> tuple[float, float, float]:
    """Return a share with its 95 % interval (Wilson 1927), in percent."""
    if not count:
        return 0.0, 0.0, 100.0
    share, z = right / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return 100 * share, 100 * float(middle - half), 100 * float(middle + half)


def ordered(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def within(groups: Iterable[list[str]]) -> set[Pair]:
    return {ordered(a, b) for group in groups for n, a in enumerate(group) for b in group[:n]}


def embedded(library: Any) -> tuple[list[str], Any]:
    with library.reading() as index:
        keys = list(index.files.states())
        return keys, np.array([entry.embedding for entry in index.entries(keys)])


def by_distance(keys: list[str], rows: Any, distance: float) -> set[Pair]:
    near = np.argwhere(np.triu(rows @ rows.T >= 1 - distance, 1))
    return {ordered(keys[a], keys[b]) for a, b in near}


def by_hash(folder: Path, keys: list[str]) -> set[Pair]:
    hashes = [perceptual_hash(Image.open(folder / key).convert("RGB")) for key in keys]
    return within(near_groups(keys, hashes))


def measured(pairs: set[Pair], planted: dict[Pair, str], origin: dict[str, str]) -> dict[str, Any]:
    """Return recall of each kind and precision of all, with intervals."""
    count = Counter(planted.values())
    right = Counter(kind for pair, kind in planted.items() if pair in pairs)
    sound = sum(origin[a] == origin[b] for a, b in pairs)
    recall = {kind: interval(right[kind], count[kind]) for kind in RIGHT_KIND}
    return {"recall": recall, "pairs": len(pairs), "right": sound, "precision": interval(sound, len(pairs))}


def sheet(folder: Path, pairs: list[Pair], path: Path, side: int = 110) -> None:
    across = 10
    image = Image.new("RGB", (across * (2 * side + 8), -(-len(pairs) // across) * (side + 14)), "white")
    for n, pair in enumerate(pairs):
        x, y = n % across * (2 * side + 8), n // across * (side + 14)
        for at, key in enumerate(pair):
            image.paste(Image.open(folder / key).convert("RGB").resize((side, side)), (x + at * side, y))
        ImageDraw.Draw(image).text((x, y + side), f"{n}", fill="black")
    image.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, help="draw the pairs that were not planted")
    args = parser.parse_args()
    rows = [json.loads(line) for line in (args.folder / "planted.jsonl").read_text().splitlines()]
    planted = {ordered(row["path"], row["of"]): row["kind"] for row in rows if row["kind"]}
    library = open_library(args.folder)
    library.sync()
    with library.reading() as index:
        content = {key: state.sha256 for key, state in index.files.states().items()}
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(content[row["path"]], row["path"])
    origin = {row["path"]: first[content[row["of"] or row["path"]]] for row in rows}
    origin = {path: first.get(content[of], of) for path, of in origin.items()}
    begin, spent = time.perf_counter(), time.process_time()
    result_groups = library.duplicates(kinds=("exact", "near", "crop", "flip"))
    took = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - spent}
    took["most_resident_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours = within([[member.image.key for member in group.members] for group in result_groups.groups])
    kinds = {
        ordered(group.members[0].image.key, member.image.key): member.kind
        for group in result_groups.groups
        for member in group.members[1:]
    }
    named = Counter(kind for pair, kind in planted.items() if kinds.get(pair) == RIGHT_KIND[kind])
    false = sorted(pair for pair in kinds if origin[pair[0]] != origin[pair[1]])
    by_kind = {}
    for kind in ("exact", "near", "crop", "flip"):
        stated = [pair for pair, one in kinds.items() if one == kind]
        by_kind[kind] = (len(stated), sum(origin[a] == origin[b] for a, b in stated))
    keys, embeddings = embedded(library)
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "images": len(keys),
        "planted": len(planted),
        "ours": measured(ours, planted, origin),
        "right_kind": dict(named),
        "told_and_planted": by_kind,
        "not_planted": dict(Counter(kinds[pair] for pair in false)),
        "distance 0.01": measured(by_distance(keys, embeddings, 0.01), planted, origin),
        "distance 0.03": measured(by_distance(keys, embeddings, 0.03), planted, origin),
        "perceptual hash": measured(by_hash(args.folder, keys), planted, origin),
        **took,
        **asdict(read_processor()),
    }
    print(json.dumps(result, indent=1))
    for number, pair in enumerate(false):
        print(number, kinds[pair], *pair)
    missed = [f"{kind} {pair}" for pair, kind in planted.items() if pair not in ours]
    print(len(missed), "missed:", *missed[:40], sep="\n  ")
    if args.sheet and false:
        sheet(args.folder, false, args.sheet)
    with open(Path(__file__).parent / "results" / "duplicates.jsonl", "a") as out:
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
