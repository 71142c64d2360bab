"""Balancing: our matcher beside the published script and two Aho-Corasick libraries, then a whole run with its memory.

    python benchmarks/balance.py --published METACLIP/metaclip/metaclip1 --captions 10000000

METACLIP is a clone of facebookresearch/MetaCLIP, which is run and not copied.  The same generated captions go to all;
their turns alternate, and the time is that of the processor (user + system), so that a busy machine changes ratios
little.  Appends a line to results/balance.jsonl.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.data.balance import match_pairs
from wordsight.data.entry_matcher import EntryMatcher

RESULTS = Path(__file__).parent / "results" / "balance.jsonl"
LETTERS = list("etaoinshrdlucmfwypvbgkjqxz")
ROUNDS = 5
MATCHED, SLOW = 50_000, 40  # captions a round: of fast matchers, of the published plain one


def vocabulary(count: int) -> list[str]:
    """Return so many different words, shorter ones first, as in a language."""
    pick = np.random.default_rng(0)
    share = 1 / np.arange(1, len(LETTERS) + 1) ** 0.5
    lengths = np.clip(np.log2(np.arange(2, 2 * count + 2)).astype(int) // 2 + pick.integers(-1, 4, 2 * count), 1, 14)
    letters = "".join(pick.choice(LETTERS, int(lengths.sum()), p=share / share.sum()))
    ends = np.cumsum(lengths)
    words = dict.fromkeys(letters[end - n : end] for end, n in zip(ends.tolist(), lengths.tolist(), strict=True))
    return list(words)[:count]


def entries_of(words: list[str], count: int) -> list[str]:
    """Return words and phrases of two to five words, half each: the shape of a list made of Wikipedia."""
    pick = np.random.default_rng(1)
    share = 1 / (np.arange(len(words)) + 2.7) ** 0.75
    entries = dict.fromkeys(words[: count // 2])
    while len(entries) < count:
        lengths = pick.choice([2, 2, 2, 3, 3, 4, 5], 50_000)
        numbers = iter(pick.choice(len(words), int(lengths.sum()), p=share / share.sum()).tolist())
        entries.update(dict.fromkeys(" ".join(words[next(numbers)] for _ in range(n)) for n in lengths.tolist()))
    return list(entries)[:count]


def captions_of(words: list[str], entries: list[str], count: int) -> Iterator[str]:
    """Yield captions of 4 to 16 words by Zipf's law, three in ten with a phrase, with commas, full stops, capitals."""
    share = np.cumsum(1 / (np.arange(len(words)) + 2.7) ** 1.05)
    names = np.array(words, object)
    for block in range(-(-count // 100_000)):
        pick = np.random.default_rng([2, block])
        lengths = pick.integers(4, 17, min(100_000, count - 100_000 * block))
        drawn = names[np.searchsorted(share, pick.random(int(lengths.sum())) * share[-1])].tolist()
        phrases = pick.integers(len(entries) // 2, len(entries), len(lengths)).tolist()
        rolls = pick.random((3, len(lengths))).tolist()
        at = 0
        for n, phrase, inserted, comma, stop in zip(lengths.tolist(), phrases, *rolls, strict=True):
            own = drawn[at : at + n]
            at += n
            if inserted < 0.3:
                own.insert(n // 2, entries[phrase])
            text = " ".join(own)
            text = text.replace(" ", ", ", 1) if comma < 0.2 else text
            yield f"{text[:1].upper()}{text[1:]}." if stop < 0.5 else text


def memory() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def built(make: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    before, start = memory(), time.process_time()
    thing = make()
    return thing, {"build_s": time.process_time() - start, "build_MB": memory() - before}


def matchers(entries: list[str], published: Path) -> tuple[dict[str, tuple[Callable[[list[str]], int], int]], Any]:
    """Return for each matcher what counts the matches of captions, and how many captions it is given a round."""
    sys.path.insert(0, str(published))
    import ahocorasick
    import ahocorasick_rs
    import substr_matching
    import substr_matching_ahocorasick

    costs = {}
    ours, costs["wordsight"] = built(lambda: EntryMatcher(entries))
    _, costs["published with pyahocorasick"] = built(lambda: substr_matching_ahocorasick.substr_matching("a", entries))
    rust, costs["ahocorasick-rs"] = built(
        lambda: ahocorasick_rs.AhoCorasick(
            [f" {entry} " for entry in entries],
            implementation=ahocorasick_rs.Implementation.ContiguousNFA,
            store_patterns=False,
        )
    )
    substr_matching.substr_matching("a", entries)

    def by_rust(captions: list[str]) -> int:
        texts = map(substr_matching.spacing, captions)
        return sum(len({hit[0] for hit in rust.find_matches_as_indexes(text, overlapping=True)}) for text in texts)

    def by_published(module: Any) -> Callable[[list[str]], int]:
        return lambda captions: sum(len(module.substr_matching(caption, entries)) for caption in captions)

    def by_ours(captions: list[str]) -> int:
        pairs = ((str(number), (caption,)) for number, caption in enumerate(captions))
        return sum(len(block.entries) for block in match_pairs(pairs, ours, threads=1))

    assert ahocorasick.Automaton
    return {
        "wordsight": (by_ours, MATCHED),
        "published with pyahocorasick": (by_published(substr_matching_ahocorasick), MATCHED),
        "ahocorasick-rs": (by_rust, MATCHED),
        "published": (by_published(substr_matching), SLOW),
    }, costs


def compare(entries: list[str], captions: list[str], published: Path) -> dict[str, Any]:
    """Return microseconds of processor time a caption, the median of rounds in which all take turns."""
    table, costs = matchers(entries, published)
    times: dict[str, list[float]] = {name: [] for name in table}
    counts = {name: match(captions[:SLOW]) for name, (match, _) in table.items()}
    assert len(set(counts.values())) == 1, counts
    for turn in range(ROUNDS):
        for name, (match, count) in table.items():
            some = captions[turn * count : (turn + 1) * count]
            start = time.process_time()
            match(some)
            times[name].append((time.process_time() - start) / count * 1e6)
    figures = {name: {"us": float(np.median(own)), "all": own, **costs.get(name, {})} for name, own in times.items()}
    for name, own in figures.items():
        print(f"{name}: {own['us']:.2f} us a caption, {own['us'] / figures['wordsight']['us']:.1f} times ours", own)
    return figures


def published_whole(captions: list[str], entries: list[str], published: Path, folder: Path) -> float:
    """Return the published script's processor time a caption: matching with its automaton, its json, its balancing."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps(entries))
    code = (
        "import sys, json, time; sys.path.insert(0, sys.argv[1]); from substr_matching_ahocorasick import *\n"
        "import balancing; metadata = json.load(open('metadata.json')); substr_matching('a', metadata)\n"
        "texts = open('captions.txt').read().split('\\n'); start = time.process_time()\n"
        "rows = [{'texts': [['t', text, ids]]} for text in texts if (ids := substr_matching(text, metadata))]\n"
        "json.dump(rows, open('in/0.json', 'w')); balancing.main('in', 'out', int(sys.argv[2]))\n"
        "print((time.process_time() - start) / len(texts) * 1e6)"
    )
    (folder / "captions.txt").write_text("\n".join(captions))
    command = [sys.executable, "-c", code, str(published.resolve()), "20"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def whole(lines: Path, entries: Path, out: Path, *, count: int, threads: int) -> dict[str, float]:
    """Run the command; return its processor and wall time a caption, and its largest resident memory."""
    command = [sys.executable, "-m", "wordsight", "data", "balance", str(lines), "--entries", str(entries)]
    command += ["--at-most", str(max(1, count // 20_000)), "--out", str(out), "--threads", str(threads), "--json"]
    code = (
        "import json, resource, subprocess, sys; out = subprocess.run(sys.argv[1:], stdout=-1, check=True).stdout\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(out.decode().strip())\n"
        "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss]))"
    )  # between this process and the command, for a child begins with its parent's largest memory
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *command], stdout=subprocess.PIPE, text=True, check=True)
    wall = time.perf_counter() - start
    printed, (used, largest) = map(json.loads, done.stdout.splitlines())
    figures = {
        "captions": count,
        "threads": threads,
        "wall_s": wall,
        "cpu_s": used,
        "us": used / count * 1e6,
        "wall_us": wall / count * 1e6,
        "rss_MB": largest / 1e3,
    }
    print(figures, printed)
    return figures | {"printed": printed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=10_000_000)
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    args = parser.parse_args()
    words = vocabulary(args.entries * 3 // 5)
    entries = entries_of(words, args.entries)
    sample = list(captions_of(words, entries, ROUNDS * MATCHED))
    figures: dict[str, Any] = {"matching": compare(entries, sample, args.published)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "entries.txt").write_text("\n".join(entries))
        whole_runs = []
        for count in sorted({min(1_000_000, args.captions), args.captions}):
            lines = folder / "lines.txt"
            with lines.open("w") as handle:
                handle.writelines(f"{caption}\n" for caption in captions_of(words, entries, count))
            for threads in args.threads:
                theirs = published_whole(sample[:MATCHED], entries, args.published, folder)
                print(f"published, whole: {theirs:.2f} us a caption", flush=True)
                ours = whole(lines, folder / "entries.txt", folder / "verdicts.csv", count=count, threads=threads)
                whole_runs.append({"published_us": theirs, **ours})
        figures["whole"] = whole_runs
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    kept = [flag for flag in flags.split() if flag.startswith(("avx", "sse4"))]
    packages = {name: version(name) for name in ("numpy", "pyahocorasick", "ahocorasick-rs")}
    about = {"date": str(date.today()), "python": platform.python_version(), **packages, "flags": kept}
    with RESULTS.open("a") as handle:
        handle.write(json.dumps({**about, "cores": os.cpu_count(), "entries": args.entries, **figures}) + "\n")


if __name__ == "__main__":
    main()
