"""What callers of `wordsight serve` get, beside the engine's own rate and infinity, on the same model and inputs.

    python benchmarks/serve.py --keep DIR [--infinity ENV/bin/infinity_emb] [--library FOLDER --location PLACE]

The model is a ViT-B/32 CLIP with random weights (`serve_model.py`); texts and images are all different, so that nothing
is answered from a cache.  All servers run, and are asked in turn, round after round, by 64, 16 and 1 callers that wait
for their answer (`serve_load.py`, whose own ceiling is printed first); medians of the rounds are told, by the clock and
for a second of the processor.  `--library` is an index of a million (`large.py`): searches by 64 callers beside
`Index.search` in batches of 64.  Appends a line to benchmarks/results/serve.jsonl.  immich's machine learning service
is on no package registry, so it is not compared.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scan import FLAGS
from serve_load import Outcome, ceiling, load, request
from serve_model import made

from wordsight.base.processor import CPUINFO
from wordsight.base.records import append_line, environment

RESULTS = Path(__file__).parent / "results" / "serve.jsonl"
CALLERS = (64, 16, 1)
WORDS = Path(__file__).parent.parent / "src" / "wordsight" / "search" / "phrases.txt"


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: where, what its requests are by kind of input, and its process."""

    name: str
    address: tuple[str, int]
    requests: dict[str, list[bytes]]
    process: Any
    asked: Counter[str] = field(default_factory=Counter)  # requests of each kind so far: others are sent next


def texts(count: int, seed: int = 0) -> list[str]:
    """Return texts of 3 to 14 words, all different."""
    words = sorted({word for line in WORDS.read_text().splitlines() if line[:1] != "#" for word in line.split()})
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(words, random.integers(3, 15))) for _ in range(count)]


def images(count: int, seed: int = 0) -> list[bytes]:
    """Return JPEG files of 500 x 375 pixels, about as large as photos are."""
    random = np.random.default_rng(seed)
    files = []
    for _ in range(count):
        rough = Image.fromarray(random.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize((500, 375), 3)
        grain = random.normal(0, 12, (375, 500, 1))
        buffer = io.BytesIO()
        Image.fromarray((np.asarray(rough) + grain).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
        files.append(buffer.getvalue())
    return files


def own_requests(path: str, some_texts: list[str], files: list[bytes]) -> dict[str, list[bytes]]:
    coded = [base64.b64encode(one).decode() for one in files]
    if path == "/api/embed":
        return {
            "texts": [request(path, {"texts": [one]}) for one in some_texts],
            "images": [request(path, {"images": [one]}) for one in coded],
        }
    return neighbour_requests(path, "default", some_texts, files)


def neighbour_requests(path: str, model: str, some_texts: list[str], files: list[bytes]) -> dict[str, list[bytes]]:
    coded = [f"data:image/jpeg;base64,{base64.b64encode(one).decode()}" for one in files]
    return {
        "texts": [request(path, {"model": model, "input": [one]}) for one in some_texts],
        "images": [request(path, {"model": model, "input": [one], "modality": "image"}) for one in coded],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, *, ready: str, log: Path, seconds: float = 240) -> Iterator[Any]:
    """Give the process of a server that answers at `ready`."""
    environment_of = {**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment_of)
        try:
            end = time.monotonic() + seconds
            while True:
                with contextlib.suppress(OSError):
                    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                    if opener.open(f"http://127.0.0.1:{port}{ready}", timeout=5).status == 200:
                        break
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{command[0]} does not answer; see {log}")
                time.sleep(0.5)
            yield process
        finally:
            process.terminate()
            process.wait(60)


def serve_command(port: int, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "wordsight", "serve", "--port", str(port), *arguments]


@dataclass(frozen=True, slots=True)
class Measured:
    """What callers got, and how many a second of the processor that is: other processes disturb it less."""

    outcome: Outcome
    per_cpu_s: float


def cpu_seconds(process: Any) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(one: "Served", kind: str, callers: int, seconds: float) -> Measured:
    before = cpu_seconds(one.process)
    first = one.asked[kind]
    outcome = load(one.address, one.requests[kind], callers=callers, seconds=seconds, first=first)
    one.asked[kind] += outcome.total + callers
    return Measured(outcome, outcome.total / max(cpu_seconds(one.process) - before, 1e-9))


def memory_of(process: Any) -> dict[str, int]:
    """Return MB of a process: resident, and its share of what is shared."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    held = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines[1:] if line.split()[-1] == "kB"}
    return {"rss_mb": held["Rss"], "pss_mb": held["Pss"]}


ENGINE = """
import json, sys, time, base64
from wordsight.embeddings.model import load
folder, engine, path = sys.argv[1:]
given = json.load(open(path))
files = [base64.b64decode(one) for one in given["images"]]
model = load(folder, engine=engine)
model.embed_texts(given["texts"][:64]); model.embed_images(files[:16])
def rate(work, items, size, least):
    done, begin, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < begin + least:
        for start in range(0, len(items), size):
            done += len(work(items[start:start + size]))
            if time.perf_counter() > begin + least:
                break
    return done / (time.perf_counter() - begin), done / (time.process_time() - cpu)
texts = rate(model.embed_texts, given["texts"], 64, 6)
print(json.dumps({"texts": texts, "images": rate(model.embed_images, files, 64, 6)}))
"""


def engine_rate(folder: Path, engine: str, given: Path) -> dict[str, tuple[float, float]]:
    """Return inputs a second that the engine embeds in batches of 64, files of images decoded, in a process alone.

    By the clock, and for a second of the processor.
    """
    command = [sys.executable, "-c", ENGINE, str(folder), engine, str(given)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def library_rates(location: Path, folder: Path, *, rounds: int, seconds: float, keep: Path) -> dict[str, Any]:
    """Return searches a second: of the index itself in batches of 64, of `answer_all`, and of 64 callers."""
    port = free_port()
    command = serve_command(port, str(location), "--library", str(folder))
    fresh, again = texts(20_000, seed=7), texts(256, seed=8)
    path = f"/api/libraries/{location.name}/search"
    figures: dict[str, list[float]] = {}
    with running(command, port, ready="/ready", log=keep / "search.log") as process:
        for _ in range(rounds):
            bare = subprocess.run(
                [sys.executable, "-c", BARE, str(location), str(folder)], check=True, capture_output=True, text=True
            )
            for name, rate in json.loads(bare.stdout).items():
                figures.setdefault(name, []).append(rate)
            for name, queries in (("64 callers, texts that come again", again), ("64 callers, new texts", fresh)):
                asked = [request(path, {"query": one, "k": 10}) for one in queries]
                warm = 4.0 if queries is again else 1.0
                outcome = load(("127.0.0.1", port), asked, callers=64, seconds=seconds, warm=warm)
                figures.setdefault(name, []).append(outcome.rate)
                figures.setdefault(f"{name}, p99 ms", []).append(outcome.p99_ms)
        memory = memory_of(process)
    return {name: statistics.median(values) for name, values in figures.items()} | memory | {"rounds": figures}


BARE = """
import json, sys, time
from pathlib import Path
import numpy as np
sys.path.insert(0, "benchmarks")
from serve import texts
from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.search.limits import HitLimits
model = load()
library = open_library(Path(sys.argv[1]), model=model, library_dir=Path(sys.argv[2]))
some = texts(256, seed=8)
embeddings = model.embed_texts(some)
known = dict(zip(some, embeddings))
asked = [(library.read(one), HitLimits(k=10)) for one in some]
look = lambda ts: np.array([known[one] for one in ts])
def rate(work):
    work(0)
    done, begin = 0, time.perf_counter()
    while time.perf_counter() < begin + 5:
        work(done % 256); done += 64
    return done / (time.perf_counter() - begin)
with library.reading() as index:
    bare = rate(lambda at: index.search(embeddings[at:at + 64], 10))
print(json.dumps({"index, batches of 64": bare,
                  "answer_all of 64": rate(lambda at: library.answer_all(asked[at:at + 64], embed=look))}))
"""


def embedding_rates(args: argparse.Namespace) -> dict[str, Any]:
    huggingface, ours = made(args.keep)
    some_texts, files = texts(40_000), images(96)
    given = args.keep / "inputs.json"
    given.write_text(
        json.dumps({"texts": some_texts[:4096], "images": [base64.b64encode(one).decode() for one in files]})
    )
    figures: dict[str, list[Measured]] = {}
    with contextlib.ExitStack() as stack:
        servers = []
        for name, engine in (("wordsight", "auto"), ("wordsight, torch", "torch")):
            port = free_port()
            command = serve_command(port, "--model", str(ours), "--engine", engine)
            process = stack.enter_context(running(command, port, ready="/ready", log=args.keep / f"{engine}.log"))
            servers.append(Served(name, ("127.0.0.1", port), own_requests(args.path, some_texts, files), process))
        if args.infinity:
            port = free_port()
            command = [str(args.infinity), "v2", "--model-id", str(huggingface), "--port", str(port)]
            command += ["--host", "127.0.0.1", "--served-model-name", "clip"]
            process = stack.enter_context(running(command, port, ready="/health", log=args.keep / "infinity.log"))
            requests = neighbour_requests("/embeddings", "clip", some_texts, files)
            servers.append(Served("infinity", ("127.0.0.1", port), requests, process))
        for number in range(args.rounds):
            for kind in ("texts", "images"):
                for callers in args.callers:
                    for one in servers if number % 2 else servers[::-1]:
                        outcome = measured(one, kind, callers, args.seconds)
                        figures.setdefault(f"{one.name}, {kind}, {callers}", []).append(outcome)
                        print(one.name, kind, callers, outcome, flush=True)
            for name, engine in (("engine", "auto"), ("engine, torch", "torch")):
                for kind, (rate, per_cpu_s) in engine_rate(ours, engine, given).items():
                    outcome = Measured(Outcome(rate, 0, 0, 0, 0, {}, 0), per_cpu_s)
                    figures.setdefault(f"{name}, {kind}", []).append(outcome)
                    print(name, kind, rate, per_cpu_s, flush=True)
        memory = {one.name: memory_of(one.process) for one in servers}
    return {name: medians(each) for name, each in figures.items()} | {"memory": memory}


def medians(rounds: list[Measured]) -> dict[str, Any]:
    outcomes = [one.outcome for one in rounds]
    middle = {name: statistics.median(getattr(one, name) for one in outcomes) for name in ("rate", "p50_ms", "p99_ms")}
    middle["per_cpu_s"] = statistics.median(one.per_cpu_s for one in rounds)
    return middle | {"rates": [round(one.rate, 1) for one in outcomes], "failures": [one.failures for one in outcomes]}


def surroundings(infinity: Path | None) -> dict[str, Any]:
    flags = set(CPUINFO.read_text(encoding="utf-8").split()) if CPUINFO.is_file() else set()
    versions = {name: metadata.version(name) for name in ("uvicorn", "starlette", "onnxruntime", "torch", "orjson")}
    if infinity is not None:
        command = [
            str(infinity.parent / "python"),
            "-c",
            "import importlib.metadata as m; print(m.version('infinity-emb'))",
        ]
        versions["infinity-emb"] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return {**environment(), "flags": [flag for flag in FLAGS if flag in flags], **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--infinity", type=Path)
    parser.add_argument("--library", type=Path, help="the folder of a library of the default model")
    parser.add_argument("--location", type=Path, help="what it is a library of")
    parser.add_argument("--path", default="/v1/embeddings", help="of our embeddings (or /api/embed)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS)
    parser.add_argument("--only", choices=("embeddings", "search"))
    args = parser.parse_args()
    args.keep.mkdir(exist_ok=True)
    result: dict[str, Any] = {"callers_at_most": ceiling(), **surroundings(args.infinity)}
    if args.only != "search":
        result["embeddings"] = embedding_rates(args)
    if args.library and args.only != "embeddings":
        result["search"] = library_rates(
            args.location, args.library, rounds=args.rounds, seconds=args.seconds, keep=args.keep
        )
    print(json.dumps(result, indent=1))
    append_line(RESULTS, result)


if __name__ == "__main__":
    main()
