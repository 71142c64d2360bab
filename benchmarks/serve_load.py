"""Callers of a server: each sends a request, waits for the answer, and sends the next, on a connection of its own.

    outcome = load(("127.0.0.1", 7070), requests, callers=64, seconds=10)
    outcome.rate, outcome.p50_ms, outcome.p99_ms, outcome.failures

Plain sockets and as little as HTTP/1.1 needs, so that the callers cost little beside what they measure: run with
`--ceiling` it says how many requests a second they can send to a server that does nothing.  A process of its own.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Requests answered with 200 a second, milliseconds until the answer, others by status, bytes of an answer.

    `answered` in the time that is measured, `total` with the warm-up.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    answered: int
    total: int
    failures: dict[str, int]
    bytes_answer: int


def request(path: str, body: Any) -> bytes:
    """Return a POST of JSON as it goes over the connection."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


async def answered(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Return status and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = head.split(" ", 2)[1]
    if "content-length:" in head:
        return status, await reader.readexactly(int(head.split("content-length:", 1)[1].split("\r\n", 1)[0]))
    parts = []
    while size := int(await reader.readline(), 16):  # chunked
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return status, b"".join(parts)


async def _load(
    address: Address, requests: Sequence[bytes], *, callers: int, seconds: float, warm: float, first: int
) -> Outcome:
    times: list[float] = []
    failures: dict[str, int] = {}
    size = total = 0
    begin = time.perf_counter() + warm
    end = begin + seconds

    async def caller(number: int) -> None:
        nonlocal size, total
        reader, writer = await asyncio.open_connection(*address, limit=1 << 24)
        step = first + number
        while (sent := time.perf_counter()) < end:
            writer.write(requests[step % len(requests)])
            step += callers
            status, body = await answered(reader)
            now = time.perf_counter()
            if status != "200":
                failures[status] = failures.get(status, 0) + 1
                await asyncio.sleep(0.01)
                continue
            total, size = total + 1, len(body)
            if begin <= now <= end:
                times.append(now - sent)
        writer.close()

    await asyncio.gather(*(caller(number) for number in range(callers)))
    if not times:
        return Outcome(0.0, 0.0, 0.0, 0, total, failures, 0)
    p50, p99 = np.percentile(1000 * np.array(times), (50, 99))
    return Outcome(len(times) / seconds, float(p50), float(p99), len(times), total, failures, size)


def _run(queue: Any, address: Address, requests: Sequence[bytes], options: dict[str, Any]) -> None:
    try:
        import uvloop

        queue.put(uvloop.run(_load(address, requests, **options)))
    except ImportError:
        queue.put(asyncio.run(_load(address, requests, **options)))


def load(
    address: Address, requests: Sequence[bytes], *, callers: int, seconds: float, warm: float = 1.0, first: int = 0
) -> Outcome:
    """Return how a server answers so many callers, after a warm-up; `first` is the request that they begin with."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    options = {"callers": callers, "seconds": seconds, "warm": warm, "first": first}
    process = context.Process(target=_run, args=(queue, address, requests, options))
    process.start()
    outcome: Outcome = queue.get(timeout=seconds + warm + 300)
    process.join()
    return outcome


class _Stub(asyncio.Protocol):
    """A server that reads no request, and answers each with as much as an embedding takes."""

    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6000\r\n\r\n" + b"0" * 6000

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self.ANSWER * data.count(b"POST "))


async def _stub(connected: Any) -> None:
    server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0)
    connected.send(server.sockets[0].getsockname())
    await server.serve_forever()


def _serve_stub(connected: Any) -> None:
    asyncio.run(_stub(connected))


def ceiling(seconds: float = 3.0) -> dict[str, Any]:
    """Return what the callers can send at most."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    stub = context.Process(target=_serve_stub, args=(there,), daemon=True)
    stub.start()
    address = here.recv()
    outcomes = {
        str(callers): asdict(load(address, [request("/", {"input": "a dog"})], callers=callers, seconds=seconds))
        for callers in (1, 16, 64)
    }
    stub.terminate()
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    print(json.dumps(ceiling(), indent=1))
