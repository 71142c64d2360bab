"""Forty shopper's queries in words to two shops, their metadata clean and messy: by pictures, by keywords, by both.

    python benchmarks/shops.py DATA --out FOLDER --work FOLDER        # results.jsonl, answers.md

DATA holds fashion_products and ikea; their `val` splits, which no bundled model has learned from, are the shops, and
both together a third.  A hit
is graded by the data's own attributes: 2 for the kind and every other attribute that was asked for, 1 for the kind
alone.  Messy: of every metadata field a third is spoilt, half of it empty, half another product's.  nDCG@10 has gains
3 and 1; the cut is what people are shown, and what has a probability of a half.  Intervals are of 95 %, bootstrapped
over queries; differences are paired.  Packshot to label: zero-shot classes, every kind of the shop offered.
"""

import argparse
import csv
import json
import random
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from wordsight.base.processor import processor
from wordsight.embeddings.model import Model, load
from wordsight.index.keywords import words_of
from wordsight.search.library import Library, open_library

SEED, RESAMPLES = 0, 10_000
SPOILT = 1 / 3
WAYS = ("keywords alone", "pictures alone", "both")


@dataclass(frozen=True)
class Asked:
    """A query; `kind` are the kinds that are right, `others` column -> values of which one is asked for too."""

    text: str
    kind: tuple[str, ...]
    others: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Shop:
    """Products as column -> value, the image among them as bytes, and `kind`."""

    name: str
    products: list[dict]
    queries: tuple[Asked, ...]

    def grade(self, asked: Asked, product: dict) -> int:
        """Return 2, 1 or 0 by the true attributes of a product."""
        if product["kind"] not in asked.kind:
            return 0
        full = all(any(_has(product.get(column, ""), one) for one in values) for column, values in asked.others.items())
        return 2 if full and asked.others else 1 + (not asked.others)


def _has(cell: str, value: str) -> bool:
    return cell == value or value.lower() in cell.lower().replace(",", " ").split()


def ask(text: str, kind: str, **others: str) -> Asked:
    """Return a query; several values stand between bars."""
    return Asked(text, tuple(kind.split("|")), {name: tuple(value.split("|")) for name, value in others.items()})


def fashion(data: Path) -> Shop:
    rows = pq.read_table(data / "fashion_products" / "val.parquet").to_pylist()
    columns = {"articleType": "kind"} | {name: name for name in ("baseColour", "gender", "season", "usage")}
    products = [
        {
            "key": r["key"],
            "image": _bytes(r["image"]),
            "title": r["captions"][0],
            **{ours: r[theirs] or "" for theirs, ours in columns.items()},
        }
        for r in rows
    ]
    shoes, bags = "Sports Shoes|Casual Shoes", "Handbags|Clutches"
    queries = (
        ask("red running shoes", "Sports Shoes", baseColour="Red"),
        ask("white running shoes for men", "Sports Shoes", baseColour="White", gender="Men"),
        ask("black sneakers", shoes, baseColour="Black"),
        ask("brown leather shoes for the office", "Formal Shoes", baseColour="Brown"),
        ask("high heels", "Heels"),
        ask("silver high heels", "Heels", baseColour="Silver"),
        ask("flip flops for the beach", "Flip Flops"),
        ask("olive sandals", "Sandals", baseColour="Olive"),
        ask("brown handbag", bags, baseColour="Brown"),
        ask("pink purse for women", f"{bags}|Wallets", baseColour="Pink"),
        ask("black backpack", "Backpacks", baseColour="Black"),
        ask("a bag for my laptop", "Laptop Bag|Messenger Bag|Backpacks"),
        ask("a watch with a steel strap", "Watches", baseColour="Steel|Silver"),
        ask("a pink watch for a girl", "Watches", baseColour="Pink"),
        ask("sunglasses", "Sunglasses"),
        ask("leather belt for men", "Belts", gender="Men"),
        ask("white socks", "Socks", baseColour="White"),
        ask("grey hooded sweatshirt", "Sweatshirts", baseColour="Grey"),
        ask("navy blue sweater", "Sweaters", baseColour="Navy Blue"),
        ask("checked shirt", "Shirts"),
        ask("white formal shirt", "Shirts", baseColour="White", usage="Formal"),
        ask("yellow t-shirt", "Tshirts", baseColour="Yellow"),
        ask("purple top for women", "Tops", baseColour="Purple"),
        ask("red kurta", "Kurtas|Kurtis", baseColour="Red"),
        ask("blue jeans", "Jeans", baseColour="Blue"),
        ask("linen saree", "Sarees"),  # there is none
    )
    return Shop("fashion", products, queries)


def furniture(data: Path) -> Shop:
    products = []
    with tarfile.open(data / "ikea" / "val-0000.tar") as shards:
        files = {member.name: shards.extractfile(member).read() for member in shards if member.isfile()}
    for name, content in files.items():
        if name.endswith(".json"):
            product = json.loads(content)["product"]
            columns = {"name": "name", "type": "kind", "color": "color", "size": "size", "desc": "desc"}
            own = {ours: str(product[theirs] or "") for theirs, ours in columns.items()}
            key = name.removesuffix(".json")
            products.append({"key": key, "image": files[f"{key}.jpg"], **own})
    lamps = "Pendant lamp|Floor lamp|Ceiling lamp|Work lamp|Floor,reading lamp|Lamp shade|Pendant lamp shade"
    tables = "Table|Pedestal table|Desk|Table, outdoor|Laptop table|Wall-mounted drop-leaf table"
    sofas = "Two-seat sofa|Three-seat sofa|Chaise longue|2-seat sofa, outdoor|Seat module"
    rugs = "Rug, flatwoven|Rug, low pile|Rug, high pile"
    queries = (
        ask("mid-century lamp", lamps),
        ask("a small green desk lamp", "Work lamp", color="Green"),
        ask("white shelf", "Wall shelf|Shelf|Bookcase|Shelving unit|Shelf unit with doors", color="White"),
        ask("grey sofa for two", sofas, color="Grey"),
        ask("a cosy armchair", "Armchair|High-back armchair|Rocking-chair"),
        ask("carpet with stripes", rugs),
        ask("round white table", tables, color="White"),
        ask("wooden chest of drawers", "Chest of 3 drawers|Chest of 5 drawers|Chest of 2 drawers", color="Birch|oak"),
        ask("a soft toy for a baby", "Soft toy"),
        ask("green towel", "Bath towel|Hand towel|Bath sheet|Washcloth", color="Green-blue|Green"),
        ask("wicker basket", "Basket"),
        ask("stainless steel oven", "Oven", color="Stainless steel"),
        ask("glass jar with a lid", "Jar with lid"),
        ask("a christmas tree", "Christmas tree"),  # there is none
    )
    return Shop("furniture", products, queries)


def department_store(data: Path) -> Shop:
    one, other = fashion(data), furniture(data)
    return Shop("both in one", [*one.products, *other.products], (*one.queries, *other.queries))


def _bytes(image: dict | bytes) -> bytes:
    return image["bytes"] if isinstance(image, dict) else image


def written(shop: Shop, folder: Path, *, messy: bool) -> Path:
    """Write a shop as a table with image files; messy: a third of its fields are spoilt."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(c for product in shop.products for c in product if c not in ("key", "image")))
    random_ = random.Random(SEED)
    rows = []
    for product in shop.products:
        image = folder / "images" / f"{product['key']}.jpg"
        if not image.exists():
            image.write_bytes(product["image"])
        row = {"key": product["key"], "picture": f"images/{image.name}"}
        for column in columns:
            row[column] = product.get(column, "")
            draw = random_.random()
            if messy and draw < SPOILT / 2:
                row[column] = ""
            elif messy and draw < SPOILT:
                row[column] = random_.choice(shop.products).get(column, "")
        rows.append(row)
    table = folder / ("messy.csv" if messy else "clean.csv")
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def answered(library: Library, way: str, text: str) -> list[str]:
    """Return the keys of the first ten."""
    if way == "keywords alone":
        with library.reading() as index:
            return [near.key for near in index.keywords(words_of(text), 10)]
    return [hit.key for hit in library.search(text, k=10, keywords="off" if way == "pictures alone" else "auto")]


def ndcg(grades: Sequence[int], all_grades: Sequence[int]) -> float:
    """Return nDCG@10 with gains 2^grade - 1 (Järvelin and Kekäläinen 2002; Burges et al. 2005)."""
    discounts = 1 / np.log2(np.arange(2, 12))
    gained = sum((2**grade - 1) * d for grade, d in zip(grades[:10], discounts, strict=False))
    best = sum((2**grade - 1) * d for grade, d in zip(sorted(all_grades)[::-1], discounts, strict=False))
    return float(gained / best)


def interval(values: Sequence[float]) -> str:
    """Return a mean with its 95 % interval, bootstrapped."""
    values = np.array(values)
    draws = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), (0.025, 0.975))
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def record(out: Path, **figures: object) -> None:
    print(json.dumps(figures))
    with (out / "results.jsonl").open("a") as file:
        file.write(json.dumps(figures) + "\n")


def searched(shop: Shop, library: Library, state: str, out: Path) -> dict[str, list[float]]:
    """Ask every query in every way; return way -> nDCG@10 of each query that has right answers."""
    truth = {product["key"]: product for product in shop.products}
    scores: dict[str, list[float]] = {way: [] for way in WAYS}
    with (out / "answers.md").open("a") as page:
        page.write(f"\n## {shop.name}, metadata {state}\n\n")
        page.write("The first ten: ★ kind and attributes are right, ☆ the kind alone, · neither; nDCG@10.\n\n")
        page.write(f"| query | right | {' | '.join(WAYS)} |\n|---|---|---|---|---|\n")
        for asked in shop.queries:
            grades = {key: shop.grade(asked, product) for key, product in truth.items()}
            cells = [asked.text, f"{sum(g == 2 for g in grades.values())} ★, {sum(g == 1 for g in grades.values())} ☆"]
            for way in WAYS:
                got = [grades[key] for key in answered(library, way, asked.text)]
                cells.append("".join("·☆★"[grade] for grade in got))
                if any(grades.values()):
                    scores[way].append(ndcg(got, list(grades.values())))
                    cells[-1] += f" {scores[way][-1]:.2f}"
            page.write(f"| {' | '.join(cells)} |\n")
    return scores


def cuts(shop: Shop, library: Library, state: str, out: Path) -> None:
    """Record how many are shown, how many of them are right, and how many of the right ones are shown."""
    truth = {product["key"]: product for product in shop.products}
    for name in ("what people are shown", "50 %"):
        for keywords in ("off", "auto"):
            precise, full, recalled, shown, none = [], [], [], [], []
            for asked in shop.queries:
                hits = library.search(asked.text, k=len(truth), keywords=keywords)
                least = hits.least if name != "50 %" else 0.5
                kept = hits.cut(least, None)[:60]
                grades = [shop.grade(asked, truth[hit.key]) for hit in kept]
                kinds = sum(shop.grade(asked, product) > 0 for product in truth.values())
                if not kinds:
                    none.append(len(kept))
                    continue
                shown.append(len(kept))
                recalled.append(sum(grade > 0 for grade in grades) / kinds)
                if kept:
                    precise.append(np.mean([grade > 0 for grade in grades]))
                    full.append(np.mean([grade == 2 for grade in grades]))
            record(
                out,
                shop=shop.name,
                metadata=state,
                cut=name,
                keywords=keywords,
                shown=float(np.mean(shown)),
                queries_without_answer=sum(count == 0 for count in shown),
                precision_of_kind=interval(precise),
                precision_of_all=interval(full),
                recall_of_kind=interval(recalled),
                shown_where_nothing_is_right=none,
            )


def labelled(shop: Shop, model: Model, folder: Path, out: Path) -> None:
    """Record how often the kind that a picture alone is given is right, beside the most frequent kind."""
    kinds = sorted({product["kind"] for product in shop.products})
    images = [folder / "images" / f"{product['key']}.jpg" for product in shop.products]
    order = np.argsort(-model.classify(images, kinds, templates="product"), axis=1)
    truth = np.array([kinds.index(product["kind"]) for product in shop.products])
    for top in (1, 5):
        right = (order[:, :top] == truth[:, None]).any(axis=1)
        record(out, shop=shop.name, label="kind", classes=len(kinds), top=top, accuracy=interval(right))
    frequent = Counter(truth.tolist()).most_common(1)[0][0]
    record(out, shop=shop.name, label="kind", classes=len(kinds), majority=float(np.mean(truth == frequent)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the shops and their libraries are written")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in ("results.jsonl", "answers.md"):
        (args.out / name).unlink(missing_ok=True)
    model = load()
    record(args.out, model=model.name, fingerprint=model.fingerprint, processor=str(processor()))
    shops: tuple[Callable[[Path], Shop], ...] = (fashion, furniture, department_store)
    for made in shops:
        shop = made(args.data)
        folder = args.work / shop.name.replace(" ", "-")
        scores: dict[tuple[str, str], list[float]] = {}
        for messy in (False, True):
            state = "messy" if messy else "clean"
            with open_library(written(shop, folder, messy=messy), model=model) as library:
                library.sync()
                for way, values in searched(shop, library, state, args.out).items():
                    scores[state, way] = values
                    record(
                        args.out, shop=shop.name, metadata=state, way=way, queries=len(values), ndcg=interval(values)
                    )
                cuts(shop, library, state, args.out)
        labelled(shop, model, folder, args.out)
        for state in ("clean", "messy"):
            for other in WAYS[:2]:
                gains = np.subtract(scores[state, "both"], scores[state, other]).tolist()
                record(args.out, shop=shop.name, metadata=state, gain_of_both_over=other, ndcg=interval(gains))


if __name__ == "__main__":
    main()
