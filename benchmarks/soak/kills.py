"""Kills processes that bring a library up to date, at random moments, and compares it with an undisturbed twin.

    python benchmarks/soak/kills.py --kills 200 --seed 1
    python benchmarks/soak/kills.py --kills 200 --served       # while a server answers searches of it

Each round edits a folder of drawn images (new, changed, renamed, deleted, touched, a table beside them), starts one of
the commands that write, and kills it after a random time.  Then the next command goes on, and the library has to equal
that of a copy of the folder that nobody ever disturbed.  Exits with 1 at the first difference.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from wordsight.embeddings.model import Model, load
from wordsight.engines.fake import COLOURS
from wordsight.index import exact
from wordsight.search import sync
from wordsight.search.library import Library, open_library

COMMANDS = {"sync": Library.sync, "rebuild": Library.rebuild, "verify": Library.verify}
WEIGHTS = (6, 1, 1)


def draw(path: Path, random_numbers: random.Random) -> None:
    colour = tuple(
        min(255, value + random_numbers.randrange(9)) for value in random_numbers.choice(list(COLOURS.values()))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (random_numbers.randrange(8, 40), 12), colour).save(path)


def edit(folder: Path, seed: int) -> None:
    """Change a folder; the same seed makes the same changes in two equal folders."""
    numbers = random.Random(seed)
    images = sorted(folder.rglob("*.png"))
    for _ in range(numbers.randrange(1, 12)):
        draw(folder / f"{numbers.randrange(4)}" / f"{numbers.randrange(10**6)}.png", numbers)
    for path in numbers.sample(images, min(len(images) // 12, 4)):
        draw(path, numbers)
    images = [path for path in images if path.exists()]
    for path in numbers.sample(images, min(len(images) // 20, 2)):
        path.unlink()
    images = [path for path in images if path.exists()]
    for path in numbers.sample(images, min(len(images) // 15, 3)):
        path.rename(path.with_name(f"moved-{numbers.randrange(10**6)}.png"))
    rows = [f"{path.relative_to(folder).as_posix()},{numbers.randrange(100)}" for path in sorted(folder.rglob("*.png"))]
    (folder / "metadata.csv").write_text("\n".join(["file,price", *rows]))


def contents(folder: Path, model: Model) -> dict[str, tuple[object, ...]]:
    """Return what the library of a folder holds, brought up to date."""
    with open_library(folder, model=model) as library:
        library.sync()
        assert library.verify() == [], "damaged"
        with library._index.reading() as index:
            states = {key: (state.size, state.sha256, state.error) for key, state in index.files.states().items()}
            entries = index.entries([key for key, (_, _, error) in states.items() if not error])
        assert len(library) == len(entries)
    kept = {
        e.key: ({n: v for n, v in e.meta.items() if n != "mtime"}, np.round(e.embedding, 3).tolist()) for e in entries
    }
    return {key: (state, kept.get(key)) for key, state in states.items()}


def killed(folder: Path, model: Model, command: str, *, seconds: float, ask: Callable[[], None] | None) -> bool:
    """Run a command in a process that is killed after some time; says whether it was killed before its end.

    Meanwhile `ask` is called over and over.
    """
    child = os.fork()
    if child == 0:
        with open_library(folder, model=model) as library:
            COMMANDS[command](library)
        os._exit(0)
    end = time.perf_counter() + seconds
    while ask is not None and time.perf_counter() < end:
        ask()
    time.sleep(max(0.0, end - time.perf_counter()))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"{command} ended with {os.WEXITSTATUS(status)}")
    return os.WIFSIGNALED(status)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Callable[[], None]]:
    """Serve a library, and give a function that searches it and ends the run where it is not answered as it should."""
    command = [sys.executable, "-m", "wordsight", "serve", str(folder), "--port", "0", "--engine", "fake"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    address = urlsplit(server.stderr.readline().split()[0]).netloc

    def ask() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", f"/api/libraries/{folder.name}/search", body=b'{"query": "red", "k": 20}')
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or not json.loads(body)["hits"]:
            sys.exit(f"the server answers {answer.status}: {body[:500]!r}")
        connection.close()

    try:
        ask()
        yield ask
        server.terminate()
        if server.wait(60):
            sys.exit(f"the server ended with {server.returncode}")
    finally:
        server.kill()
        server.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--served", action="store_true", help="search it through a server all the time")
    args = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking
    exact.DEAD_LEAST, exact.DEAD_SHARE, sync.SAVE_SECONDS, sync.GROUP = 3, 0.05, 0.0, 4
    model, numbers = load(engine="fake"), random.Random(args.seed)
    work = Path(tempfile.mkdtemp(prefix="soak-"))
    disturbed, peaceful = work / "disturbed", work / "undisturbed"
    disturbed.mkdir()
    kills, rounds, longest = 0, 0, 0.05
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work)
        ask = None
        if args.served:
            edit(disturbed, args.seed)
            contents(disturbed, model)
            ask = stack.enter_context(served(disturbed))
        while kills < args.kills:
            edit(disturbed, args.seed + rounds)
            for _ in range(numbers.randrange(1, 4)):
                command = numbers.choices(list(COMMANDS), WEIGHTS)[0]
                begin = time.perf_counter()
                if killed(disturbed, model, command, seconds=numbers.uniform(0, longest), ask=ask):
                    kills += 1
                else:
                    longest = max(0.02, min(longest, time.perf_counter() - begin))
            longest *= 1.3
            rounds += 1
            shutil.rmtree(peaceful, ignore_errors=True)
            shutil.copytree(disturbed, peaceful, ignore=shutil.ignore_patterns(".wordsight"))
            if contents(disturbed, model) != contents(peaceful, model):
                sys.exit(f"different after {kills} kills (seed {args.seed}, round {rounds})")
    print(f"{kills} kills in {rounds} rounds: the library equals its undisturbed twin after each")


if __name__ == "__main__":
    main()
