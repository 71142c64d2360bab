"""How soon the search page shows images: against a static page of the same thumbnails, in the same browser and run.

    python benchmarks/page.py DATA --work FOLDER [--count 10000] [--rounds 15] --out page.jsonl

DATA holds tar shards and parquet files of images; FOLDER takes a library of `count` of them, which stays for the next
run.  Both pages are opened in turn, each time in a browser without a cache; thumbnails were made before, by one round
that does not count.  Measured in the browser, from the start of the navigation: the first image that is painted, and
the moment when all images in the window are.  Each page is opened from three tabs a round: the browser's page of a new
tab, where people type addresses; another site's page; and about:blank, whose process a page may go on in.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import tarfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import Browser, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.run import _listener
from wordsight.serve.settings import ServeSettings, named_libraries

FIRST = 60  # images that the static page has, as many as the search page asks for first
PAGES = ("search page", "static page")
WATCH = """
window.painted = [];
document.addEventListener("load", (event) => {
  if (event.target.tagName !== "IMG") return;
  const box = event.target.getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight || box.width < 20) return;
  requestAnimationFrame(() => requestAnimationFrame(() => window.painted.push(performance.now())));
}, true);
"""
WHOLE = """() => {
  const near = [...document.querySelectorAll("#grid img, .still img")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  const all = near.length > 5 && near.every((one) => one.complete && one.naturalWidth);
  return all && window.painted.length >= near.length;
}"""
STYLE = ".still{display:flex;flex-wrap:wrap;gap:6px}.still img{height:196px;flex:1 1 196px;object-fit:cover}"


def images_of(data: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, file) of the images of tar shards, then of parquet files, the largest sets last."""
    for shard in sorted(data.glob("*/*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.name.endswith(".jpg") and (file := tar.extractfile(member)) is not None:
                    yield f"{shard.parent.name}/{Path(member.name).name}", file.read()
    import pyarrow.parquet as pq

    for table in sorted(data.glob("*/*.parquet")):
        for batch in pq.ParquetFile(table).iter_batches(256, columns=["key", "image"]):
            for row in batch.to_pylist():
                yield f"{table.parent.name}/{row['key']}.jpg".replace(" ", "_"), row["image"]


def library_of(data: Path, work: Path, count: int) -> Path:
    """Return a folder of so many images with its library; made when it is not there."""
    folder = work / f"images-{count}"
    if not folder.exists():
        draft = work / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        for _, (name, file) in zip(range(count), images_of(data), strict=False):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(file)
        draft.rename(folder)
    with open_library(folder, model=load()) as library:
        library.sync()
        print(f"{len(library)} images in {folder}")
    return folder


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Give the address at which an application answers."""
    listener = _listener(ServeSettings(port=0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def static_page(address: str, folder: Path, side: int) -> None:
    """Write a page of the first images of a served library as they are shown there, with their thumbnails beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        name = client.get("/api/status").json()["libraries"][0]["name"]
        hits = client.post(f"/api/libraries/{name}/search", json={"k": FIRST}).json()["hits"]
        images = []
        for number, hit in enumerate(hits):
            key = urllib.parse.quote(hit["key"])
            answer = client.get(f"/api/libraries/{name}/thumbnails/{key}", params={"side": side})
            (folder / f"{number}.jpg").write_bytes(answer.raise_for_status().content)
            images.append(f'<img src="{number}.jpg" alt="">')
    page = f"<!doctype html><title>x</title><style>{STYLE}</style><div class=still>{''.join(images)}</div>"
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "other.html").write_text("<!doctype html><title>x</title>another site", encoding="utf-8")


def opened(browser: Browser, address: str, before: str) -> dict[str, float]:
    """Return the milliseconds until the first image and until all in the window, from the page `before`, uncached."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(before)
    page.goto(address)
    page.wait_for_function(WHOLE)
    first, whole = page.evaluate("[Math.min(...window.painted), Math.max(...window.painted)]")
    context.close()
    return {"first": first, "whole": whole}


def main() -> None:
    """Measure both pages in turn, and write a line for each opening and one for the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    folder = library_of(args.data, args.work, args.count)
    still = args.work / "static"
    served = make_app(ServeSettings(libraries=named_libraries([folder])))
    tabs, lines = {"about:blank": "about:blank", "new tab": "chrome://newtab/"}, []
    with serving(served) as ours, sync_playwright() as playwright:
        httpx.get(f"{ours}/ready", trust_env=False, timeout=60)
        static_page(ours, still, 256)
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with serving(Starlette(routes=[Mount("/", StaticFiles(directory=still, html=True))])) as plain:
            tabs["another site"] = f"{plain}/other.html".replace("127.0.0.1", "localhost")
            for number in range(-1, args.rounds):
                for tab, before in tabs.items():
                    for name, address in zip(PAGES, (f"{ours}/", f"{plain}/"), strict=True):
                        times = opened(browser, address, before)
                        line = {"page": name, "tab": tab, "round": number, "at": time.strftime("%F %T"), **times}
                        if number >= 0:
                            lines.append(line)
        browser.close()
    summary = {tab: medians_of([one for one in lines if one["tab"] == tab]) for tab in tabs}
    args.out.write_text("".join(json.dumps(one) + "\n" for one in [*lines, summary]))
    print(json.dumps(summary, indent=1))


def medians_of(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return the medians of both pages, and the ratios."""
    figures = {}
    for what in ("first", "whole"):
        both = [statistics.median(one[what] for one in lines if one["page"] == name) for name in PAGES]
        figures |= {f"{name} {what}": round(median, 1) for name, median in zip(PAGES, both, strict=True)}
        figures[f"{what} ratio"] = round(both[0] / both[1], 2)
    return figures


if __name__ == "__main__":
    main()
