"""A served library of a few coloured images, in this process or behind a real socket, on the fake engine."""

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.run import _listener, server_config
from wordsight.serve.settings import ServeSettings, named_libraries


def make_photos(folder: Path) -> Path:
    """Write one image of each colour, in two folders, and index them with the fake engine."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        inside = folder / "ab"[number % 2]
        inside.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 20), colour).save(inside / f"{name}.png")
    with open_library(folder, model=load(engine="fake")) as library:
        library.sync()
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The location of the served library, called photos."""
    return make_photos(tmp_path / "photos")


@pytest.fixture
def settings(photos: Path) -> ServeSettings:
    """What is served: the library photos, the fake engine, any free port."""
    return ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0, thumbnails=False)


@pytest.fixture
def client(settings: ServeSettings):
    """A client of the application in this process."""
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as one:
        yield one


@pytest.fixture(scope="session")
def steady(tmp_path_factory):
    """A client of the application in this process, over a library that no test changes."""
    photos = make_photos(tmp_path_factory.mktemp("steady") / "photos")
    settings = ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0, thumbnails=False)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as one:
        one.photos = photos
        yield one


@contextlib.contextmanager
def _listening(settings: ServeSettings):
    """Give the address of a real server in a thread of this process, for clients that open sockets."""
    listener = _listener(settings)
    server = uvicorn.Server(server_config(settings))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(trust_env=False, transport=httpx.HTTPTransport(retries=20)) as waiting:
            assert waiting.get(f"{address}/ready", timeout=30).status_code == 200
        yield address
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive()


@contextlib.contextmanager
def _running(*arguments: str, engine: str = "fake", end: int = signal.SIGTERM):
    """Give the address and the process of `wordsight serve` with these arguments."""
    command = [sys.executable, "-m", "wordsight", "serve", *arguments, "--port", "0", "--engine", engine]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        address = process.stderr.readline().split()[0]
        yield address, process
    finally:
        process.send_signal(end)
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def listening():
    """Return a function from settings to a real server in a thread: `with listening(settings) as address`."""
    return _listening


@pytest.fixture(scope="module")
def browser():
    """The real Chromium, one for all tests of a file."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def running():
    """Return a function that runs the command: `with running("PLACE") as (address, process)`."""
    return _running


@pytest.fixture
def base64_image():
    """Return a function from the path of an image to its file as base64."""
    return lambda path: base64.b64encode(path.read_bytes()).decode()
