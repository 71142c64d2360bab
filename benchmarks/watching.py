"""What noting a request costs: the same requests through the application with and without the layer that notes them.

    python benchmarks/watching.py 2>/dev/null

No socket and no protocol: the share of a real request is smaller than the one printed here.
"""

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any

from wordsight.serve import app as serving
from wordsight.serve.settings import ServeSettings
from wordsight.serve.watched.layers import LAYERS
from wordsight.serve.watched.settings import WatchSettings

ROUNDS, REQUESTS = 9, 300
ASKED = (("GET", "/health", b""), ("POST", "/api/embed", json.dumps({"texts": ["a dog on grass"]}).encode()))


async def ask(app: Any, method: str, path: str, body: bytes) -> int:
    """Answer one request and return its status."""
    statuses = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"127.0.0.1:7070"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
    }
    scope |= {"headers": headers, "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 7070), "scheme": "http"}
    await app(scope | {"http_version": "1.1", "asgi": {"version": "3.0"}}, receive, send)
    return statuses[0]


@contextlib.asynccontextmanager
async def started(app: Any) -> AsyncIterator[None]:
    """Start an application, and end it."""
    steps: asyncio.Queue[str] = asyncio.Queue()
    done: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": f"lifespan.{await steps.get()}"}

    async def send(message: dict[str, str]) -> None:
        await done.put(message["type"])

    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
    await steps.put("startup")
    assert await done.get() == "lifespan.startup.complete"
    yield
    await steps.put("shutdown")
    await running


async def microseconds(app: Any, request: tuple[str, str, bytes]) -> float:
    """Return what one request takes of the processor, the mean of many."""
    start = time.process_time()  # of all threads: others may use the machine
    for _ in range(REQUESTS):
        assert await ask(app, *request) == 200
    return (time.process_time() - start) / REQUESTS * 1e6


async def main() -> None:
    """Print both times for each request, each the median of rounds that take turns."""
    apps = {}
    for name, layers, form in (("without", (), "off"), ("log off", LAYERS, "off"), ("log json", LAYERS, "json")):
        serving.WATCHED = layers
        apps[name] = serving.make_app(ServeSettings(watch=WatchSettings(log=form)))
    async with contextlib.AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(started(app))
        for request in ASKED:
            times: dict[str, list[float]] = {name: [] for name in apps}
            for _ in range(ROUNDS):
                for name, app in apps.items():
                    times[name].append(await microseconds(app, request))
            print(request[1], {name: round(statistics.median(each)) for name, each in times.items()}, "µs")


if __name__ == "__main__":
    asyncio.run(main())
