"""How fluently the page of a map moves with 100,000 points, in the real browser.

    python benchmarks/library_map_page.py [--count 100000] [--seconds 4] [--kind webgl2|2d]

Serves a drawn map to a headless Chromium, then moves and zooms it at every frame, as a hand would: once with points
alone in view, once zoomed in among thumbnails.  Reports the time between frames and which share of the points was drawn
in them: the page draws as many as the machine can while it moves.  Without a graphics processor WebGL is computed on
the processor, so the page takes the plain canvas by itself.  Appends a line to
benchmarks/results/library_map_page.jsonl.
"""

import argparse
import io
import json
import shutil
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from wordsight.base.processor import read_processor
from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.search.mapping.library_map import LibraryMap, MapCluster
from wordsight.serve.app import make_app
from wordsight.serve.hosting import maps
from wordsight.serve.settings import ServeSettings, named_libraries

CLUSTERS = 60
MOVE = """([x, y, zoom, seconds]) => new Promise((resolve) => {
  const {view} = libraryMap; const between = [], shares = [], begin = performance.now();
  let last = begin;
  function step(now) {
    between.push(now - last);
    last = now;
    const turn = (now - begin) / 700;
    view.look(x + 0.2 * Math.cos(turn) / zoom, y + 0.2 * Math.sin(turn) / zoom, zoom * (1 + 0.2 * Math.sin(2 * turn)));
    shares.push(libraryMap.share);
    if (now - begin < 1000 * seconds) requestAnimationFrame(step);
    else resolve([between.slice(2), shares]);
  }
  requestAnimationFrame(step);
})"""


def drawn_map(count: int) -> LibraryMap:
    """Return a map of overlapping clusters."""
    draw = np.random.default_rng(0)
    middles = draw.uniform(-0.8, 0.8, (CLUSTERS, 2))
    numbers = draw.integers(0, CLUSTERS, count).astype(np.int32)
    positions = np.clip(middles[numbers] + 0.07 * draw.normal(size=(count, 2)), -1, 1).astype(np.float32)
    keys = tuple(f"{n:06d}.jpg" for n in range(count))
    sizes = np.bincount(numbers, minlength=CLUSTERS).tolist()
    clusters = tuple(
        MapCluster(f"cluster {n}", (float(x), float(y)), sizes[n], keys[n : n + 4]) for n, (x, y) in enumerate(middles)
    )
    return LibraryMap(keys, positions, numbers, clusters)


def thumbnail() -> bytes:
    """Return a small JPEG of noise."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


def served(folder: Path) -> uvicorn.Server:
    """Return a server of a library of one image; its map is drawn."""
    Image.new("RGB", (32, 32)).save(folder / "0.png")
    with open_library(folder, model=load(engine="fake")) as library:
        library.sync()
    app = make_app(ServeSettings(libraries=named_libraries([folder]), engine="fake"))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server


def measured(page: Any, at: list[float], zoom: float, seconds: float) -> dict[str, float]:
    """Return what moving around a position took."""
    page.evaluate("([x, y, zoom]) => libraryMap.view.look(x, y, zoom)", [*at, zoom])
    page.wait_for_timeout(1500)
    shown = page.evaluate("libraryMap.thumbs.count")
    between, shares = page.evaluate(MOVE, [*at, zoom, seconds])
    return {
        "frames_per_s": 1000 * len(between) / sum(between),
        "frame_ms_median": float(np.median(between)),
        "frame_ms_95": float(np.quantile(between, 0.95)),
        "share_drawn_median": float(np.median(shares)),
        "thumbnails": shown,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--kind", choices=["webgl2", "2d", ""], default="")
    args = parser.parse_args()
    drawn = drawn_map(args.count)
    maps.library_map = lambda library, **options: drawn
    result: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), **asdict(read_processor()), **vars(args)}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = served(Path(folder))
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        body = thumbnail()
        page.route("**/thumbnails/**", lambda route: route.fulfill(body=body, content_type="image/jpeg"))
        begin = time.perf_counter()
        page.goto(f"{address}/map?in={Path(folder).name}&draw={args.kind}")
        page.wait_for_selector("#wait", state="hidden")
        result["opened_s"] = time.perf_counter() - begin
        result["bytes"] = page.evaluate(
            "performance.getEntriesByType('resource').find((one) => one.name.endsWith('/map')).encodedBodySize"
        )
        result["drawn_by"] = page.evaluate("libraryMap.drawing.kind")
        result["all"] = measured(page, [0, 0], 1, args.seconds)
        result["near"] = measured(page, list(drawn.clusters[0].centre), 25, args.seconds)
        browser.close()
        server.should_exit = True
        time.sleep(0.5)
    print(json.dumps(result, indent=1))
    with open(Path(__file__).parent / "results" / "library_map_page.jsonl", "a") as out:
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
