"""Texts/s of the tokenizer beside open_clip's, what a first query costs, and how long learning a vocabulary takes.

    python benchmarks/tokenizer.py
    python benchmarks/tokenizer.py --captions captions.txt --out benchmarks/results

Captions are drawn unless a file with one caption a line is given.  "cold" is the first pass of a fresh tokenizer,
"warm" the best of the passes after it.  The clock counts this process's CPU time.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from wordsight.base.records import append_line, environment
from wordsight.text.learn import learn_merges
from wordsight.text.spec import TokenizerSpec
from wordsight.text.tokenizer import ClipTokenizer

QUERY = (
    "from wordsight.text.spec import TokenizerSpec; from wordsight.text.tokenizer import ClipTokenizer; "
    "ClipTokenizer.from_spec(TokenizerSpec()).batch([{!r}])"
)
ACCENTS = str.maketrans("aeiou", "áéîöù")


def captions(count: int) -> list[str]:
    """Return captions of about eleven words; how often a word is used falls as in natural text (Zipf)."""
    rng = random.Random(0)
    sounds = [a + b for a in "b c d f g h l m n p r s t st tr".split() for b in "a e i o u ee ou".split()]
    vocabulary = ["".join(rng.choices(sounds, k=rng.randint(1, 4))) for _ in range(12_000)]
    weights = [1 / (rank + 5) for rank in range(len(vocabulary))]
    return [" ".join(rng.choices(vocabulary, weights, k=rng.randint(6, 16))) + "." for _ in range(count)]


def rates(fresh: Callable[[], Callable[[str], Any]], texts: list[str], rounds: int) -> dict[str, float]:
    """Return texts/s of the first pass and of the best pass after it."""
    encode = fresh()
    encode("a")
    seconds = []
    for _ in range(rounds + 1):
        start = time.process_time()
        for text in texts:
            encode(text)
        seconds.append(time.process_time() - start)
    return {"cold_per_second": len(texts) / seconds[0], "warm_per_second": len(texts) / min(seconds[1:])}


def contestants() -> dict[str, Callable[[], Callable[[str], Any]]]:
    """Return ours, and open_clip's tokenizer when it is installed."""
    tokenizers_of: dict[str, Callable[[], Callable[[str], Any]]] = {
        "wordsight": lambda: ClipTokenizer.from_spec(TokenizerSpec()).encode
    }
    if importlib.util.find_spec("open_clip") is not None:
        path = Path(str(importlib.metadata.distribution("open_clip_torch").locate_file("open_clip/tokenizer.py")))
        spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tokenizers_of["open_clip"] = lambda: module.SimpleTokenizer().encode
    return tokenizers_of


def first_query(code: str, rounds: int = 5) -> float:
    """Return the CPU milliseconds of a fresh interpreter that runs `code`: the best of some."""
    best = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best * 1000


def main() -> None:
    """Measure, print and, with --out, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path, help="text file, one caption a line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--learn", type=int, default=100_000, help="captions to learn a vocabulary of 8,192 from")
    parser.add_argument("--out", type=Path, help="folder in which tokenizer.jsonl grows by one line a row")
    arguments = parser.parse_args()
    given = arguments.captions.read_text("utf-8").splitlines() if arguments.captions else None
    plain = given[:4000] if given else captions(4000)
    rows: list[dict[str, Any]] = []
    for title, texts in (("plain", plain), ("accented", [text.translate(ACCENTS) for text in plain])):
        for name, fresh in contestants().items():
            rows.append({"name": f"{name}, {title}", **rates(fresh, texts, arguments.rounds)})
    for title, code in (
        ("bare interpreter", "pass"),
        ("numpy", "import numpy"),
        ("first plain query", QUERY.format("red running shoes")),
        ("first accented query", QUERY.format("crème brûlée")),
    ):
        rows.append({"name": title, "milliseconds": first_query(code)})
    many = given or captions(arguments.learn)
    start = time.process_time()
    merges = learn_merges(many, 8192)
    rows.append(
        {"name": f"learn {len(merges)} merges from {len(many)} captions", "seconds": time.process_time() - start}
    )
    for row in rows:
        print(f"{row['name']:44s}", "  ".join(f"{key} {value:,.1f}" for key, value in row.items() if key != "name"))
        if arguments.out:
            append_line(arguments.out / "tokenizer.jsonl", {**row, "environment": environment()})


if __name__ == "__main__":
    main()
