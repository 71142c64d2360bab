"""How often `wordsight ask` answers rightly about products, garments and photos, beside two guesses without an image.

    python benchmarks/asking_products.py DATA [--split train] [--count 2000] [--record FILE]
    python benchmarks/asking_products.py DATA --split train --no ground        # yes against another kind of no

DATA holds fashion_products, clothing and flickr8k, whose photos are asked whether a thing is there that three of the
five captions name, or none does.  Each image is asked for its colour, kind, gender, usage and season, with the
answers of the shipped lists and with the data's own values; and three questions with yes or no, each once where yes is
right and once where no is.  Values that a shipped list lacks count as wrong.  Majority: the commonest right answer of
the same images, so the best that a constant can do; random: one answer of the list.  Prints shares with 95 % intervals
(Wilson), the mean probability of the first answer and its calibration error (ten equal bins).
"""

import argparse
import io
import json
import random
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image

from wordsight.embeddings.model import Model, load
from wordsight.evaluate.fairness import wilson_interval
from wordsight.search.ask import Ballot
from wordsight.text.caption_phrases import article, nouns, parse
from wordsight.text.contrasts import contrasts
from wordsight.text.grammar import bare
from wordsight.text.visual_questions import PossibleAnswer, VisualQuestion, visual_question
from wordsight.text.yes_no import GROUND

KINDS = {  # the shop's types, and the answer of the list "products" that is right; others are in no list
    "Tshirts": "t-shirt",
    "Shirts": "shirt",
    "Casual Shoes": "casual shoes",
    "Watches": "watch",
    "Handbags": "handbag",
    "Sports Shoes": "sports shoes",
    "Tops": "top",
    "Heels": "high heels",
    "Kurtas": "kurta",
    "Kurtis": "kurta",
    "Sweatshirts": "sweatshirt",
    "Belts": "belt",
    "Sweaters": "sweater",
    "Flip Flops": "flip-flops",
    "Wallets": "wallet",
    "Flats": "flats",
    "Shorts": "shorts",
    "Socks": "socks",
    "Jackets": "jacket",
    "Sunglasses": "sunglasses",
    "Caps": "cap",
    "Sandals": "sandals",
    "Formal Shoes": "formal shoes",
    "Backpacks": "backpack",
    "Briefs": "underwear",
    "Trunk": "underwear",
    "Trousers": "trousers",
    "Innerwear Vests": "undershirt",
    "Ties": "tie",
    "Track Pants": "track pants",
    "Jeans": "jeans",
    "Tunics": "tunic",
    "Clutches": "clutch",
    "Deodorant": "perfume",
    "Perfume and Body Mist": "perfume",
    "Dupatta": "scarf",
    "Stoles": "scarf",
    "Mufflers": "scarf",
    "Scarves": "scarf",
    "Laptop Bag": "laptop bag",
    "Dresses": "dress",
    "Skirts": "skirt",
    "Hat": "hat",
    "Leggings": "leggings",
}
COLOURS = {
    "Multi": "multicoloured",
    "Steel": "silver",
    "Tan": "beige",
    "Cream": "beige",
    "Khaki": "beige",
    "Charcoal": "grey",
    "Off White": "white",
    "Copper": "brown",
    "Bronze": "brown",
    "Burgundy": "maroon",
    "Turquoise Blue": "turquoise",
    "Teal": "turquoise",
    "Magenta": "pink",
}
AUDIENCES = {"Unisex": "everyone"}
SEASONS = {"Fall": "autumn"}
GARMENTS = {"pants": "trousers", "outwear": "jacket", "longsleeve": ""}
NOUNS = {"Tshirts": "t-shirt", "Innerwear Vests": "vest", "Flip Flops": "flip-flops", "Trunk": "trunks"}


@dataclass(frozen=True)
class Asked:
    """One question about one image: `right` is the right answer, `answers` what to choose from if not a list."""

    name: str
    question: str
    image: int
    right: str
    answers: tuple[str, ...] | None = None


def products(data: Path, split: str, count: int) -> tuple[list[bytes], list[dict]]:
    table = parquet.read_table(data / "fashion_products" / f"{split}.parquet")
    chosen = sorted(random.Random(0).sample(range(table.num_rows), min(count, table.num_rows)))
    records = table.take(chosen).to_pylist()
    return [record.pop("image") for record in records], records


def garments(data: Path) -> tuple[list[bytes], list[str]]:
    images, names = [], []
    for split in ("val", "test"):
        with tarfile.open(data / "clothing" / f"{split}-0000.tar") as shard:
            parts = {member.name: shard.extractfile(member).read() for member in shard if member.isfile()}
        for name, content in parts.items():
            if name.endswith(".json"):
                images.append(parts[name.replace(".json", ".jpg")])
                names.append(json.loads(content)["class"])
    return images, names


def of_products(records: Sequence[Mapping[str, str]]) -> Iterator[Asked]:
    """Yield the questions about products with a list's answers and with the data's."""
    columns = {
        "colour": ("baseColour", "What colour is it?", COLOURS),
        "kind": ("articleType", "What kind of product is this?", KINDS),
        "gender": ("gender", "Who is it for?", AUDIENCES),
        "usage": ("usage", "What usage is it for?", {}),
        "season": ("season", "What season is it for?", SEASONS),
    }
    for name, (column, question, meaning) in columns.items():
        values = tuple(sorted({named(column, one[column]) for one in records if one[column] != "NA"}))
        for i, record in enumerate(records):
            value = record[column]
            if value == "NA":
                continue
            yield Asked(f"{name}, shipped list", question, i, meaning.get(value, value.lower()))
            yield Asked(f"{name}, the data's values", question, i, named(column, value), values)
            if name == "colour":
                of = f"What colour are the {noun(record)}?"
                yield Asked("colour of the thing, shipped list", of, i, meaning.get(value, value.lower()))
                yield Asked("colour of the thing, the data's values", of, i, value.lower(), values)


def named(column: str, value: str) -> str:
    return NOUNS.get(value, value.lower()) if column == "articleType" else value.lower()


def noun(record: Mapping[str, str]) -> str:
    return named("articleType", record["articleType"])


def with_yes_and_no(records: Sequence[Mapping[str, str]]) -> Iterator[Asked]:
    """Yield each question twice: with the image's own value, and with that of another image that differs."""
    draw = random.Random(1)
    for i, record in enumerate(records):
        if record["articleType"] in KINDS:
            kind = KINDS[record["articleType"]]
            other = draw.choice([k for r in records if (k := KINDS.get(r["articleType"])) and k != kind])
            for right, one in (("yes", kind), ("no", other)):
                plural = one.endswith("s") and not one.endswith("ss")
                yield Asked(
                    "is this a KIND?", f"Are these {one}?" if plural else f"Is this {article(one)} {one}?", i, right
                )
        colour = record["baseColour"]
        other = draw.choice([r["baseColour"] for r in records if r["baseColour"] not in (colour, "NA")])
        if colour != "NA":
            for right, one in (("yes", colour), ("no", other)):
                yield Asked("are the THINGS COLOUR?", f"Are the {noun(record)} {one.lower()}?", i, right)
        if record["gender"] in ("Men", "Women"):
            for right in ("yes", "no"):
                group = record["gender"] if right == "yes" else {"Men": "Women", "Women": "Men"}[record["gender"]]
                yield Asked("is it for GENDER?", f"Is this a product for {group.lower()}?", i, right)


def of_garments(names: Sequence[str]) -> Iterator[Asked]:
    values = tuple(sorted(set(names)))
    for i, name in enumerate(names):
        yield Asked("garment, shipped list", "What garment is this?", i, GARMENTS.get(name, name))
        yield Asked("garment, the data's values", "What garment is this?", i, name, values)


def photos(data: Path, split: str, count: int) -> tuple[list[bytes], list[list[str]]]:
    with tarfile.open(data / "flickr8k" / f"{split}-0000.tar") as shard:
        parts = {member.name: shard.extractfile(member).read() for member in shard if member.isfile()}
    names = [name for name in parts if name.endswith(".json")][: 2 * count]
    return [parts[name.replace(".json", ".jpg")] for name in names], [json.loads(parts[n])["captions"] for n in names]


def of_photos(captions: Sequence[Sequence[str]]) -> Iterator[Asked]:
    """Yield whether a thing is there: one that three captions name, and one that none does, as common as these."""
    named_in = [Counter(w for c in texts for w in {p.noun.singular for p in parse(c).phrases}) for texts in captions]
    often = Counter(word for names in named_in for word, times in names.items() if times >= 3)
    common = sorted(word for word, times in often.items() if times >= 8)
    draw = random.Random(1)
    for i, names in enumerate(named_in):
        seen = [word for word in common if names[word] >= 3]
        text = " ".join(captions[i]).lower()
        absent = [word for word in common if word not in text and nouns()[word].plural not in text]
        if seen:
            other = draw.choices(absent, weights=[often[word] for word in absent])[0]
            for right, one in (("yes", draw.choice(seen)), ("no", other)):
                yield Asked("is there a THING? (photos)", f"Is there {article(one)} {one}?", i, right)


def another_no(question: VisualQuestion, kind: str) -> VisualQuestion:
    """Return a question with yes or no whose no is stated in another way than by the lists; others as they are."""
    if question.kind != "yes-no" or kind == "lists":
        return question
    yes = question.candidates[0]
    thing = bare(yes.ways[0][0].removeprefix("a photo of ").rstrip("."))
    drawn = (one.text for seed in range(6) for one in contrasts(yes.ways[0][0], seed=seed) if not one.is_weak)
    ways = {
        "without": ((f"a photo without {thing}.",),),
        "there-is-no": ((f"there is no {thing}.",),),
        "ground": GROUND,
        "contrasts": (*((text,) for text in dict.fromkeys(drawn)), *GROUND),
    }[kind]
    return replace(question, candidates=(yes, PossibleAnswer("no", ways)))


def measured(model: Model, embeddings: np.ndarray, asked: Iterable[Asked], no: str) -> Iterator[dict]:
    """Yield a row for each kind of question."""
    ballots: dict[tuple, Ballot] = {}
    kinds: dict[str, list] = defaultdict(list)
    for one in asked:
        key = one.question, one.answers
        if key not in ballots:
            ballots[key] = Ballot(model, another_no(visual_question(one.question, one.answers), no))
        answers = ballots[key].answers(embeddings[one.image]).answers
        kinds[one.name].append((one.right, [a.text for a in answers], answers[0].probability))
    for name, rows in kinds.items():
        yield {"question": name, **figures(rows)}


def figures(rows: Sequence[tuple[str, list[str], float]]) -> dict:
    hits = np.array([right == answers[0] for right, answers, _ in rows])
    sure = np.array([probability for _, _, probability in rows])
    low, high = wilson_interval(np.array([hits.sum()]), np.array([len(hits)]))
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(abs(hits[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean() for b in set(bins))
    lacking = np.mean([right not in answers for right, answers, _ in rows])
    return {
        "count": len(rows),
        "answers": len(rows[0][1]),
        "right": round(float(hits.mean()), 4),
        "low": round(float(low[0]), 4),
        "high": round(float(high[0]), 4),
        "in_first_three": round(float(np.mean([right in answers[:3] for right, answers, _ in rows])), 4),
        "majority": round(Counter(right for right, _, _ in rows).most_common(1)[0][1] / len(rows), 4),
        "random": round(1 / len(rows[0][1]), 4),
        "lacking": round(float(lacking), 4),
        "mean_probability": round(float(sure.mean()), 4),
        "calibration_error": round(float(error), 4),
    }


def embedded(model: Model, images: Sequence[bytes]) -> np.ndarray:
    return model.embed_images([Image.open(io.BytesIO(one)).convert("RGB") for one in images])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val", help="of the products; with train, the garments are left out")
    parser.add_argument("--count", type=int, default=500, help="products, at most")
    parser.add_argument("--model", help="another model than the bundled one")
    parser.add_argument("--record", type=Path, help="a file to which the rows are added, one JSON object a line")
    parser.add_argument("--no", choices=("lists", "without", "there-is-no", "ground", "contrasts"), default="lists")
    args = parser.parse_args()
    model = load(args.model)
    images, records = products(args.data, args.split, args.count)
    asked = [*(of_products(records) if args.no == "lists" else ()), *with_yes_and_no(records)]
    rows = list(measured(model, embedded(model, images), asked, args.no))
    images, captions = photos(args.data, args.split, args.count)
    rows += measured(model, embedded(model, images), of_photos(captions), args.no)
    if args.split != "train":
        images, names = garments(args.data)
        rows += measured(model, embedded(model, images), of_garments(names), args.no)
    for row in rows:
        row |= {"split": args.split, "model": model.name, "fingerprint": model.fingerprint}
        print(
            f"{row['question']:40} {row['count']:5}  {100 * row['right']:.1f} ({100 * row['low']:.1f}–"
            f"{100 * row['high']:.1f})  first three {100 * row['in_first_three']:.1f}  majority "
            f"{100 * row['majority']:.1f}  random {100 * row['random']:.1f}  lacking {100 * row['lacking']:.1f}  "
            f"mean probability {row['mean_probability']:.2f}  calibration error {row['calibration_error']:.3f}"
        )
    if args.record:
        with args.record.open("a") as handle:
            handle.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
