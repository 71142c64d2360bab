"""Every line with curl in the documentation, run as it stands by a shell, against a server over generated images."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.safety.keys import NewKey, add_key
from wordsight.serve.safety.settings import SafetySettings
from wordsight.serve.settings import ServeSettings, named_libraries

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("serve.md", "guides/serve.md", "cli.md")
HOSTS = ("photos.example.org", "photos.local")  # names of the server in examples
IMAGES, PLAN = 50, "2026-11-30-204500-3f9a1c.jsonl"  # the name stands for that of a plan that was applied
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def lines_of(page):
    """Return what a reader copies: the lines with curl, and those that give variables a value, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    given = re.findall(r"`(L=http\S+)`", text)
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return given + [line for line in lines if "curl " in line or re.match(r"[A-Z_]+=\S", line)]


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """A folder with the indexed `Photos` and `dog.jpg`, as the examples name them."""
    folder = tmp_path_factory.mktemp("documented")
    photos = folder / "Photos"
    (photos / "dogs").mkdir(parents=True)
    colours, random = list(COLOURS.values()), np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = np.full((40 + number, 600 if number % 5 == 0 else 60, 3), colours[number % len(colours)], np.uint8)
        pixels[:20] = random.integers(0, 255, 3)
        name = ("a.jpg", "b.jpg", "dogs/a.jpg")[number] if number < 3 else f"dogs/{number}.jpg"
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Maker", f"M{number % 3}"
        Image.fromarray(pixels).save(photos / name, exif=exif)
    shutil.copy(photos / "dogs" / "a.jpg", folder / "dog.jpg")
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    return folder


def shell(folder, port, *, key=""):
    """Return a function that runs a line, and answers what it wrote; `curl` reaches the server at its port."""
    resolved = " ".join(f"--resolve {name}:{port}:127.0.0.1" for name in HOSTS)
    curl = f"curl() {{ command curl --noproxy '*' --fail-with-body --max-time 60 {resolved} \"$@\"; }}"

    def run(*lines):
        script = "\n".join(["set -o pipefail", curl, f"KEY={key}", *lines])
        return subprocess.run(["bash", "-c", script.replace(":7070", f":{port}")], cwd=folder, capture_output=True)

    return run


@pytest.mark.parametrize("page", PAGES)
def test_every_line_is_answered(page, documented, listening):
    safety = SafetySettings(allow_hosts=HOSTS)
    settings = ServeSettings(
        named_libraries([documented / "Photos"]), engine="fake", port=0, thumbnails=False, safety=safety
    )
    keys = documented / f"keys of {page.replace('/', ' ')}"
    key = add_key(keys, NewKey("tests"))
    with listening(settings) as address, listening(replace(settings, keys=keys)) as keyed:
        open_shell = shell(documented, address.rpartition(":")[2])
        keyed_shell = shell(documented, keyed.rpartition(":")[2], key=key)
        before, failed, plan, tried = [], [], PLAN, 0
        for line in lines_of(page):
            if "curl " not in line:
                before.append(line)
                continue
            tried += 1
            done = (keyed_shell if "$KEY" in line else open_shell)(*before, line.replace(PLAN, plan))
            if done.returncode or b"event: error" in done.stdout:
                failed.append((line, done.returncode, done.stdout[-300:], done.stderr[-300:]))
            if "duplicates/apply" in line and (found := re.search(rb'"plan":"([^"]+)"', done.stdout)):
                plan = found[1].decode()
    assert failed == []
    assert tried == len(re.findall(r"(?m)^[^#\n]*\bcurl -", "\n".join(BLOCK.findall((DOCS / page).read_text()))))
    assert tried >= {"serve.md": 35, "guides/serve.md": 4, "cli.md": 1}[page]


def test_a_line_that_is_refused_is_noticed(documented, listening):
    settings = ServeSettings(named_libraries([documented / "Photos"]), engine="fake", port=0, thumbnails=False)
    with listening(settings) as address:
        run = shell(documented, address.rpartition(":")[2])
        assert run("curl -s http://127.0.0.1:7070/api/status").returncode == 0
        assert run("""curl -s http://127.0.0.1:7070/api/embed -d '{"text": 1}'""").returncode != 0
