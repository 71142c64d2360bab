"""A server under mixed load with broken clients, on loopback: every good answer is right, and nothing grows.

    python benchmarks/soak/serving.py --minutes 10 --out benchmarks/results/serving_soak.jsonl

Good clients search, embed texts and images and open pages on connections that are kept.  Broken ones send half a
request, half a body or nothing, reset the connection, stop to read, or send what no server wants.  Every few seconds
the resident memory, file descriptors and threads of the server are noted.

It ends with 1 where a good client got anything but its answer, where the server does not end well, or where something
grew: memory of the last quarter over that of the second by more than 5 % and 8 MB, or descriptors and threads after all
clients have gone over those before they came by more than the pools of threads.
"""

import argparse
import base64
import contextlib
import http.client
import io
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from wordsight.engines.fake import COLOURS

SHARE, ROOM = 0.05, 8e6  # by which memory may grow
THREADS = 16  # that pools may start while they are first used, each with a connection to a database
MODEL = ("red", "a dog", "two cats on grass", "nothing of the kind")


@dataclass(frozen=True)
class Sample:
    """What a process holds at a moment: bytes, and numbers."""

    seconds: float
    memory: int
    descriptors: int
    threads: int


class Clients:
    """Threads that ask until they are stopped, and what they were answered."""

    def __init__(self, address: str, library: str, image: bytes, seed: int) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.search = f"/api/libraries/{library}/search"
        self.image = base64.b64encode(image).decode()
        self.seed = seed
        self.stop = threading.Event()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.lock = threading.Lock()

    def count(self, what: str) -> None:
        """Note that something was done."""
        with self.lock:
            self.answers[what] += 1

    def good(self, number: int) -> None:
        """Ask as one should, until stopped or answered wrongly."""
        random_numbers = random.Random(self.seed * 1000 + number)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        while not self.stop.is_set():
            method, path, body = self._request(random_numbers)
            try:
                connection.request(method, path, body=body and json.dumps(body))
                answer = connection.getresponse()
                content = answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.count("kept connections that had ended")
                connection.close()  # it was idle for too long, as between any two requests
                continue
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"{path}: {error!r}")
                return
            if answer.status != 200 or not content:
                self.wrong.append(f"{path}: {answer.status} {content[:200]!r}")
                return
            self.count("good")
            time.sleep(random_numbers.uniform(0, 0.05))

    def _request(self, random_numbers: random.Random) -> tuple[str, str, dict[str, object] | None]:
        text = random_numbers.choice(MODEL)
        return random_numbers.choice(
            [
                ("POST", self.search, {"query": text, "k": random_numbers.randrange(1, 50)}),
                ("POST", self.search, {"query": f"{text} {random_numbers.random()}", "where": "width > 10"}),
                ("POST", "/api/embed", {"texts": [f"{text} {n}" for n in range(random_numbers.randrange(1, 9))]}),
                ("POST", "/api/embed", {"images": [self.image] * random_numbers.randrange(1, 4)}),
                ("GET", "/", None),
                ("GET", "/page/base.css", None),
                ("GET", "/health", None),
            ]
        )

    def broken(self, number: int) -> None:
        """Ask as nobody should, until stopped."""
        random_numbers = random.Random(self.seed * 1000 + 500 + number)
        held: list[socket.socket] = []
        while not self.stop.is_set():
            how = random_numbers.choice(list(BROKEN))
            with contextlib.suppress(OSError):
                client = socket.create_connection((self.host, self.port), timeout=5)
                held.append(client)
                client.sendall(BROKEN[how](random_numbers, self))
                if how == "not read":
                    time.sleep(0.01)
                elif how == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                    client.close()
                elif how in ("nonsense", "deep", "bomb", "large", "smuggled"):
                    client.recv(65536)
                    client.close()
                self.count(f"broken: {how}")
            while len(held) > 20:
                held.pop(0).close()
            time.sleep(random_numbers.uniform(0, 0.1))
        for client in held:
            client.close()


def _post(path: str, body: bytes, stated: int | None = None) -> bytes:
    length = len(body) if stated is None else stated
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode() + body


def _bomb() -> bytes:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return json.dumps({"images": [base64.b64encode(out.getvalue()).decode()]}).encode()


BOMB = _bomb()
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
BROKEN = {  # name -> (random numbers, clients) -> what is sent
    "half headers": lambda numbers, clients: GET[: numbers.randrange(1, len(GET))],
    "half a body": lambda numbers, clients: _post("/api/embed", b'{"texts": ["a', numbers.randrange(100, 10**7)),
    "nothing": lambda numbers, clients: b"",
    "reset": lambda numbers, clients: _post(clients.search, b'{"query": "red", "k": 50}'),
    "not read": lambda numbers, clients: _post(clients.search, b'{"query": "red", "k": 1000}') * 50,
    "nonsense": lambda numbers, clients: numbers.randbytes(numbers.randrange(1, 5000)),
    "deep": lambda numbers, clients: _post("/api/embed", b"[" * 100_000),
    "bomb": lambda numbers, clients: _post("/api/embed", BOMB),
    "large": lambda numbers, clients: _post("/api/embed", b"", 10**10),
    "smuggled": lambda numbers, clients: _post("/api/embed", b"{}").replace(
        b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"
    ),
}


def draw(folder: Path, count: int) -> bytes:
    """Draw images, and return one as a file."""
    numbers = random.Random(0)
    for number, colour in zip(range(count), itertools.cycle(COLOURS.values())):
        path = folder / f"{number % 10}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (numbers.randrange(100, 400), 200), colour).save(path)
    return path.read_bytes()


@contextlib.contextmanager
def server(folder: Path, engine: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give the address and the process of a server of a folder."""
    command = [sys.executable, "-m", "wordsight"]
    subprocess.run([*command, "index", str(folder), "--engine", engine, "--quiet"], check=True)
    serve = [*command, "serve", str(folder), "--log", "off", "--port", "0", "--engine", engine]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(serve, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        address = urlsplit(process.stderr.readline().split()[0]).netloc
        threading.Thread(target=lambda: log.writelines(process.stderr or ()), daemon=True).start()
        try:
            yield address, process
        finally:
            process.kill()
            process.wait()


def sampled(process: int, begin: float) -> Sample:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    memory = int(status["VmRSS"].split()[0]) * 1024
    descriptors = len(os.listdir(f"/proc/{process}/fd"))
    return Sample(round(time.perf_counter() - begin, 1), memory, descriptors, int(status["Threads"]))


def grown(samples: list[Sample], before: Sample, after: Sample) -> list[str]:
    """Return what grew beyond its bound."""
    end = samples[-1].seconds
    second = [one.memory for one in samples if end * 0.25 <= one.seconds < end * 0.5]
    last = [one.memory for one in samples if one.seconds >= end * 0.75]
    problems = []
    if statistics.mean(last) > statistics.mean(second) * (1 + SHARE) + ROOM:
        problems.append(f"memory: {statistics.mean(second) / 1e6:.0f} MB, then {statistics.mean(last) / 1e6:.0f} MB")
    if after.descriptors > before.descriptors + THREADS:
        problems.append(f"descriptors: {before.descriptors}, then {after.descriptors}")
    if after.threads > before.threads + THREADS:
        problems.append(f"threads: {before.threads}, then {after.threads}")
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--good", type=int, default=3, metavar="CLIENTS")
    parser.add_argument("--broken", type=int, default=2, metavar="CLIENTS")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--engine", default="fake")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=2, metavar="SECONDS")
    parser.add_argument("--out", type=Path, help="a file of JSON lines to add the figures to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as work:
        folder = Path(work) / "photos"
        image = draw(folder, args.images)
        with server(folder, args.engine) as (address, process):
            problems, figures = soak(args, Clients(address, folder.name, image, args.seed), process)
    print(json.dumps(figures, indent=1))
    if args.out is not None:
        with args.out.open("a") as file:
            file.write(json.dumps(figures) + "\n")
    if problems:
        sys.exit("\n".join(problems))
    print("every good client got its answers, and nothing grew")


def soak(
    args: argparse.Namespace, clients: Clients, process: "subprocess.Popen[str]"
) -> tuple[list[str], dict[str, object]]:
    """Run clients for as long as asked; return the problems and the figures."""
    wait_ready(clients)
    begin = time.perf_counter()
    before = sampled(process.pid, begin)
    threads = [threading.Thread(target=clients.good, args=(n,)) for n in range(args.good)]
    threads += [threading.Thread(target=clients.broken, args=(n,)) for n in range(args.broken)]
    for thread in threads:
        thread.start()
    samples = []
    while time.perf_counter() - begin < args.minutes * 60 and not clients.wrong and process.poll() is None:
        time.sleep(args.every)
        samples.append(sampled(process.pid, begin))
    clients.stop.set()
    for thread in threads:
        thread.join()
    after = settled(process.pid, begin, before)
    process.terminate()
    process.wait(60)
    problems = [*clients.wrong, *grown(samples, before, after)]
    problems += [f"the server ended with {process.returncode}"] if process.returncode else []
    shown = samples[:: max(1, len(samples) // 40)]
    return problems, {
        "minutes": args.minutes,
        "engine": args.engine,
        "clients": {"good": args.good, "broken": args.broken},
        "answers": dict(sorted(clients.answers.items())),
        "before": asdict(before),
        "most": {name: max(asdict(one)[name] for one in samples) for name in ("memory", "descriptors", "threads")},
        "after": asdict(after),
        "samples": [list(asdict(one).values()) for one in shown],
        "problems": problems,
    }


def wait_ready(clients: Clients) -> None:
    while True:
        connection = http.client.HTTPConnection(clients.host, clients.port, timeout=60)
        connection.request("GET", "/ready")
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return
        time.sleep(0.1)


def settled(process: int, begin: float, before: Sample) -> Sample:
    """Return what the server holds when connections that nobody uses have ended, within a minute."""
    held = []
    for _ in range(120):
        sample = sampled(process, begin)
        held.append(sample.descriptors)
        if sample.descriptors <= before.descriptors or (len(held) > 10 and len(set(held[-10:])) == 1):
            break
        time.sleep(0.5)
    return sample


if __name__ == "__main__":
    main()
