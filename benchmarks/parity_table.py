"""Write docs/parity.md from what was measured: the tests' figures, and those at true sizes.

PARITY_TABLE=small.jsonl scripts/test tests/parity
python benchmarks/parity.py --out benchmarks/results
python benchmarks/parity_table.py small.jsonl benchmarks/results/parity.jsonl
"""

import argparse
import datetime
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "parity.md"
HEAD = """# parity: equal to the reference implementations

For every family that is read, a reference implementation builds the model with random weights (every number moved off
its initial value) and saves it; Wordsight reads the file; images of odd sizes and modes and texts short, overlong and
empty go through both, each with its own preprocessing and tokenizer. The tables show the largest absolute difference
between two numbers of unit embeddings, in float32; the tests demand at most 1e-5. "back" is the other direction: the
reference strictly loads what Wordsight writes. `benchmarks/parity_table.py` writes this page and says how.
"""


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file, one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def small(rows: Iterable[dict[str, Any]], day: str) -> list[str]:
    """Return the table of the tests: for each family and reference how many cases, and the worst of each direction."""
    read: dict[tuple[str, str], list[float]] = {}
    back: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        key = (re.split("[:,]", row["row"])[0].strip(), row["neighbour"])
        there = "back" in row["row"] or "written" in row["row"]
        (back if there else read).setdefault(key, []).append(row["worst"])
    table = [
        f"| {family} | {neighbour} | {len(read.get(key, [])) + len(back.get(key, []))} | {worst(read.get(key))} | "
        f"{worst(back.get(key))} | {day} |"
        for key in sorted({*read, *back}, key=lambda key: (key[0].lower(), key[1]))
        for family, neighbour in [key]
    ]
    return ["| row | reference | cases | worst | worst, back | date |", "|---|---|---|---|---|---|", *table]


def worst(values: list[float] | None) -> str:
    """Return the largest value, or a dash for none."""
    return f"{max(values):.1e}" if values else "–"


def true_sizes(runs: list[dict[str, Any]]) -> list[str]:
    """Return the table of the last run of each row at its true size."""
    last = {row["row"]: (row, run["environment"]) for run in runs for row in run["rows"]}
    table = [
        f"| {name} | {row['neighbour']} | {row['parameters']:.0f} | "
        f"{row['image']:.1e} | {row['text']:.1e} | {record['time'][:10]} |"
        for name, (row, record) in last.items()
    ]
    return ["| row | reference | million parameters | images | texts | date |", "|---|---|---|---|---|---|", *table]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path, help="what PARITY_TABLE collected")
    parser.add_argument("large", type=Path, help="what benchmarks/parity.py wrote")
    args = parser.parse_args()
    day = datetime.date.today().isoformat()
    parts = [
        HEAD,
        "## Tiny sizes, in every test run\n",
        *small(lines(args.small), day),
        "\n## True sizes\n",
        "`benchmarks/parity.py`: pixels through both preprocessings, token ids through both text towers.\n",
        *true_sizes(lines(args.large)),
    ]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
