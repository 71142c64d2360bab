"""What a web framework and a server cost for an answer of the size of an embedding: why `serve` is built on these.

    python benchmarks/serving_stack.py [--rounds 3] [--seconds 4]

Each answers POST {"texts": ["…"]} with 512 numbers, by 64 callers (`serve_load.py`), in turn, round after round.  Told
are requests a second and for a second of the processor, medians.  Appends a line to
benchmarks/results/serving_stack.jsonl.  Needs starlette, uvicorn, msgspec, orjson, fastapi and granian.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from serve import FLAGS, Served, free_port, measured, request, texts

from wordsight.base.processor import CPUINFO
from wordsight.base.records import append_line, environment

RESULTS = Path(__file__).parent / "results" / "serving_stack.jsonl"
EMBEDDING = np.random.default_rng(0).standard_normal(512).astype(np.float32)
STACKS = {  # name: server, application
    "Starlette, msgspec, orjson; uvicorn": ("uvicorn", "starlette_msgspec"),
    "Starlette, json; uvicorn": ("uvicorn", "starlette_json"),
    "FastAPI, pydantic; uvicorn": ("uvicorn", "fastapi_pydantic"),
    "Starlette, msgspec, orjson; granian": ("granian", "starlette_msgspec"),
    "FastAPI, pydantic; granian": ("granian", "fastapi_pydantic"),
}


def starlette_msgspec() -> Any:
    import msgspec
    import orjson
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    class Asked(msgspec.Struct):
        texts: list[str]

    class Answer(msgspec.Struct):
        embeddings: msgspec.Raw

    async def embed(asked_of: Any) -> Any:
        asked = msgspec.json.decode(await asked_of.body(), type=Asked)
        rows = np.stack([EMBEDDING for _ in asked.texts])
        answer = Answer(msgspec.Raw(orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)))
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Starlette(routes=[Route("/embed", embed, methods=["POST"])])


def starlette_json() -> Any:
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def embed(asked_of: Any) -> Any:
        asked = await asked_of.json()
        return JSONResponse({"embeddings": [EMBEDDING.tolist() for _ in asked["texts"]]})

    return Starlette(routes=[Route("/embed", embed, methods=["POST"])])


def fastapi_pydantic() -> Any:
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        texts: list[str]

    class Answer(BaseModel):
        embeddings: list[list[float]]

    async def embed(asked: Asked) -> Answer:
        return Answer(embeddings=[EMBEDDING.tolist() for _ in asked.texts])

    app = FastAPI()
    app.add_api_route("/embed", embed, methods=["POST"], response_model=Answer)
    return app


def command(server: str, application: str, port: int) -> list[str]:
    if server == "granian":
        program = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
        return [*program, "--factory", "--no-access-log", f"serving_stack:{application}"]
    program = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port)]
    return [*program, "--factory", "--no-access-log", "--log-level", "warning", f"serving_stack:{application}"]


class ProcessTree:
    """Stands for the process of a server that has children: granian's worker is one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [one for one in children if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]
        self.pid = int(workers[-1]) if workers else process.pid


@contextlib.contextmanager
def answering(server: str, application: str) -> Iterator[Served]:
    port = free_port()
    folder = str(Path(__file__).parent)
    paths = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command(server, application, port),
        env={**os.environ, "PYTHONPATH": paths},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/embed", b'{"texts": ["a"]}')
        asked.add_header("content-type", "application/json")
        for _ in range(240):
            with contextlib.suppress(OSError):
                opener.open(asked, timeout=5).read()
                break
            time.sleep(0.25)
        requests = {"texts": [request("/embed", {"texts": [one]}) for one in texts(256)]}
        yield Served(application, ("127.0.0.1", port), requests, ProcessTree(process))
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    args = parser.parse_args()
    rounds: dict[str, list[Any]] = {name: [] for name in STACKS}
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(answering(*of)) for name, of in STACKS.items()}
        for _ in range(args.rounds):
            for name, served in servers.items():
                rounds[name].append(measured(served, "texts", 64, args.seconds))
    flags = set(CPUINFO.read_text(encoding="utf-8").split()) if CPUINFO.is_file() else set()
    packages = ("starlette", "uvicorn", "msgspec", "orjson", "fastapi", "pydantic", "granian", "httptools", "uvloop")
    result: dict[str, Any] = {**environment(), "flags": [flag for flag in FLAGS if flag in flags]}
    result |= {package: metadata.version(package) for package in packages}
    for name, each in rounds.items():
        rates = [one.outcome.rate for one in each]
        result[name] = {
            "rate": statistics.median(rates),
            "per_cpu_s": statistics.median(one.per_cpu_s for one in each),
            "p99_ms": statistics.median(one.outcome.p99_ms for one in each),
            "bytes": each[0].outcome.bytes_answer,
            "rates": [round(rate) for rate in rates],
        }
    print(json.dumps(result, indent=1))
    append_line(RESULTS, result)


if __name__ == "__main__":
    main()
