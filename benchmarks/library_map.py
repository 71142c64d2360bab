"""The map of a library: time, memory, and how many neighbours it keeps beside other layouts.

    python benchmarks/library_map.py LIBRARY [--library DIR] [--count 100000] [--tsne 5000] [--label COLUMN]

LIBRARY is a library of real images.  Its map is made from nothing, then read again.  Kept neighbours: the share of the
10 nearest on the map that are among the 50 nearest by their embeddings, of 1,000 images, for the map, for principal
components alone, and, of the first `--tsne` images, for scikit-learn's t-SNE and for our layout of the same images.
`--label`: how far the clusters agree with a column (normalised mutual information), beside k-means of the embeddings.
`--count`: embeddings mixed from the real ones, with noise, for which time and memory are taken too.
Appends a line to benchmarks/results/library_map.jsonl.
"""

import argparse
import json
import resource
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import unit
from wordsight.base.processor import read_processor
from wordsight.search.duplicates.held import hold, temporary
from wordsight.search.library import open_library
from wordsight.search.mapping import kept
from wordsight.search.mapping.clusters import cluster_count, hills
from wordsight.search.mapping.layout import layout, principal
from wordsight.search.mapping.library_map import GRAPH, library_map
from wordsight.search.mapping.neighbours import nearest

SAMPLE, OURS, THEIRS = 1000, 10, 50
GROUP = 8192


def kept_neighbours(positions: Any, rows: Any) -> float:
    """Return the share of the 10 nearest on the map that are among the 50 nearest by the embeddings (N, W)."""
    chosen = np.random.default_rng(1).permutation(len(rows))[:SAMPLE]
    kept_count = 0
    for number in chosen.tolist():
        cosines = np.asarray(rows, np.float32) @ np.asarray(rows[number], np.float32)
        distances = ((positions - positions[number]) ** 2).sum(axis=1)
        cosines[number], distances[number] = -2, np.inf
        near = np.argpartition(distances, OURS)[:OURS]
        kept_count += int(np.isin(near, np.argpartition(-cosines, THEIRS)[:THEIRS]).sum())
    return kept_count / (len(chosen) * OURS)


def laid_out(rows: Any) -> tuple[Any, float]:
    """Return our layout of embeddings and the seconds that it took."""
    begin = time.perf_counter()
    positions = layout(nearest(rows, GRAPH).numbers, principal(rows))
    return positions, time.perf_counter() - begin


def against_tsne(rows: Any) -> dict[str, Any]:
    """Return time and kept neighbours of scikit-learn's t-SNE and of ours."""
    from sklearn.manifold import TSNE

    ours, seconds = laid_out(rows)
    begin = time.perf_counter()
    theirs = TSNE(init="pca", metric="cosine", n_jobs=1, random_state=0).fit_transform(np.asarray(rows, np.float32))
    return {
        "images": len(rows),
        "tsne_s": time.perf_counter() - begin,
        "tsne_kept": kept_neighbours(theirs, rows),
        "ours_s": seconds,
        "ours_kept": kept_neighbours(ours, rows),
    }


def agreement(numbers: Any, labels: list[str], rows: Any) -> dict[str, float]:
    """Return how far clusters, and as many by k-means of the embeddings, agree with labels."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    means = KMeans(int(numbers.max()) + 1, n_init=1, random_state=0).fit_predict(np.asarray(rows, np.float32))
    return {
        "clusters_nmi": float(normalized_mutual_info_score(labels, numbers)),
        "kmeans_nmi": float(normalized_mutual_info_score(labels, means)),
    }


def mixed(real: Any, count: int) -> Any:
    """Return embeddings (count, W) mixed in pairs from real ones, with noise, in a temporary file."""
    draw, width = np.random.default_rng(3), real.shape[1]
    rows = temporary((count, width), np.float16)
    for start in range(0, count, GROUP):
        size = min(GROUP, count - start)
        some, others = (real[draw.integers(0, len(real), size)] for _ in range(2))
        rows[start : start + size] = unit(some + 0.7 * others + draw.normal(0, 0.5 / np.sqrt(width), some.shape))
    return rows


def large(real: Any, count: int) -> dict[str, Any]:
    """Return what a map of so many takes."""
    rows = mixed(real, count)
    spent = time.process_time()
    begin = time.perf_counter()
    near = nearest(rows, GRAPH)
    neighbours = time.perf_counter()
    positions = layout(near.numbers, principal(rows))
    placed = time.perf_counter()
    numbers = hills(positions, cluster_count(count))
    return {
        "count": count,
        "neighbours_s": neighbours - begin,
        "layout_s": placed - neighbours,
        "clusters_s": time.perf_counter() - placed,
        "cpu_s": time.process_time() - spent,
        "clusters": int(numbers.max()) + 1,
        "kept": kept_neighbours(positions, rows),
        "most_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("location", type=Path, metavar="LIBRARY")
    parser.add_argument("--library", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--tsne", type=int, default=0)
    parser.add_argument("--label")
    args = parser.parse_args()
    result: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), **asdict(read_processor())}
    with open_library(args.location, library_dir=args.library) as library:
        library.model.embed_texts(["a photo"])  # loaded
        (library.folder / kept.NAME).unlink(missing_ok=True)
        begin, spent = time.perf_counter(), time.process_time()
        made = library_map(library)
        result |= {
            "images": len(made),
            "made_s": time.perf_counter() - begin,
            "made_cpu_s": time.process_time() - spent,
        }
        result["most_resident_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begin = time.perf_counter()
        library_map(library)
        result |= {"again_s": time.perf_counter() - begin, "bytes": (library.folder / kept.NAME).stat().st_size}
        with library.reading() as index:
            rows, keys = (held := hold(index)).rows, held.keys
            starts = range(0, len(keys), GROUP) if args.label else ()
            entries = [entry for start in starts for entry in index.entries(keys[start : start + GROUP])]
    result |= {"kept": kept_neighbours(made.positions, rows), "principal_kept": kept_neighbours(principal(rows), rows)}
    result["names"] = [f"{one.name} ({one.size})" for one in made.clusters]
    if args.label:
        result |= agreement(made.numbers, [str(entry.meta.get(args.label)) for entry in entries], rows)
    if args.tsne:
        result["tsne"] = against_tsne(rows[: args.tsne])
    if args.count:
        result["mixed"] = large(np.asarray(rows[:GROUP], np.float32), args.count)
    print(json.dumps(result, indent=1))
    with open(Path(__file__).parent / "results" / "library_map.jsonl", "a") as out:
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
