"""From an empty environment to a page that answers: install, index, serve, look, and another program's client.

Nothing is fetched: the packages that the extra `serve` needs are those of this environment, linked into the new one, and
pip checks that none is missing.  The photos are drawn; what each shows is known, and is not in its name.
"""

import importlib.metadata
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect, sync_playwright

import wordsight

ROOT = Path(__file__).resolve().parents[2]
QUERY = "two dogs running on grass"
PHOTOS, WIDTH, HEIGHT, HORIZON = 1000, 192, 144, 54
THINGS = ("dogs", "cars", "houses", "trees", "boats")  # photo i shows THINGS[i % 5]
GROUND = {"grass": (86, 152, 62), "sand": (222, 200, 150), "snow": (238, 242, 248), "road": (96, 96, 100)}
FUR = ((120, 78, 40), (60, 45, 35), (200, 160, 110), (235, 225, 205))
SKY, WATER, DARK = (172, 212, 236), (40, 100, 160), (20, 20, 20)


class Pen:
    """Draws in units of a thing's size around its middle, to the left or to the right."""

    def __init__(self, draw: ImageDraw.ImageDraw, middle: tuple[float, float], scale: float, way: int = 1) -> None:
        self.draw, self.middle, self.scale, self.way = draw, middle, scale, way

    def at(self, points):
        (x, y), scale = self.middle, self.scale
        return [(x + self.way * across * scale, y + down * scale) for across, down in points]

    def line(self, points, width, colour):
        self.draw.line(self.at(points), fill=colour, width=max(1, round(width * self.scale)), joint="curve")

    def area(self, points, colour):
        self.draw.polygon(self.at(points), fill=colour)

    def oval(self, middle, sides, colour):
        ((x, y),) = self.at([middle])
        across, down = sides[0] * self.scale, sides[1] * self.scale
        self.draw.ellipse((x - across, y - down, x + across, y + down), fill=colour)


def dog(pen: Pen, chance: random.Random) -> None:
    fur = chance.choice(FUR)
    shade = tuple(part * 2 // 3 for part in fur)
    pen.line([(-30, -8), (-44, -26), (-50, -34)], 7, fur)  # the tail
    for top, foot in ((-24, -40), (-18, -8), (20, 10), (26, 44)):
        pen.line([(top, 4), ((top + foot) / 2, 22), (foot, 38)], 8, shade if top == -18 else fur)
    pen.oval((0, -4), (34, 15), fur)
    pen.oval((26, -10), (15, 15), fur)
    pen.line([(26, -10), (44, -30)], 16, fur)
    pen.oval((48, -34), (14, 12), fur)
    pen.oval((62, -30), (11, 7), fur)
    pen.oval((71, -33), (4, 3.5), DARK)
    pen.oval((52, -38), (2.6, 2.6), DARK)
    pen.area([(36, -42), (44, -44), (36, -18), (29, -24)], shade)  # an ear


def car(pen: Pen, chance: random.Random) -> None:
    paint = chance.choice(((200, 30, 30), (30, 70, 180), (240, 190, 20)))
    pen.area([(-50, -6), (50, -6), (50, 20), (-50, 20)], paint)
    pen.area([(-30, -6), (-18, -26), (20, -26), (34, -6)], (180, 210, 230))
    for wheel in (-28, 28):
        pen.oval((wheel, 20), (10, 10), DARK)


def house(pen: Pen, chance: random.Random) -> None:
    pen.area([(-36, -30), (36, -30), (36, 36), (-36, 36)], chance.choice(((230, 220, 190), (190, 90, 70))))
    pen.area([(-44, -30), (0, -64), (44, -30)], (120, 50, 40))
    pen.area([(-8, 8), (8, 8), (8, 36), (-8, 36)], (80, 50, 30))
    for left in (-28, 14):
        pen.area([(left, -18), (left + 14, -18), (left + 14, -4), (left, -4)], (160, 200, 230))


def tree(pen: Pen, chance: random.Random) -> None:
    pen.line([(0, 38), (0, -10)], 10, (100, 70, 40))
    for middle in ((-16, -20), (16, -20), (0, -40)):
        pen.oval(middle, (24, 22), (40, 100 + chance.randrange(30), 40))


def boat(pen: Pen, chance: random.Random) -> None:
    pen.area([(-44, 8), (44, 8), (28, 28), (-30, 28)], (130, 70, 40))
    pen.line([(0, 8), (0, -60)], 4, (90, 60, 40))
    pen.area([(4, -58), (4, -2), (40, -2)], (250, 250, 250))


DRAWN = dict(zip(THINGS, (dog, car, house, tree, boat), strict=True))


def photo(number: int) -> Image.Image:
    """Return two of a thing, under the sky."""
    chance, noise = random.Random(number), np.random.default_rng(number)
    thing = THINGS[number % len(THINGS)]
    ground = "grass" if thing == "dogs" and number % 2 else chance.choice(list(GROUND))
    pixels = np.empty((HEIGHT, WIDTH, 3), np.float32)
    pixels[:HORIZON], pixels[HORIZON:] = SKY, WATER if thing == "boats" else GROUND[ground]
    pixels[HORIZON:] += noise.normal(0, 14, (HEIGHT - HORIZON, WIDTH, 1))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    for across in (50, 138):
        middle = (across + chance.randrange(-6, 7), 90 + chance.randrange(-4, 14))
        scale, way = 0.55 + 0.15 * chance.random(), chance.choice((-1, 1))
        DRAWN[thing](Pen(ImageDraw.Draw(image), middle, scale, way), chance)
    return image


def shows(key: str) -> str:
    """Return what the photo of a key shows."""
    return THINGS[int(Path(key).stem) % len(THINGS)]


def needed(extra: str) -> set[str]:
    """Return the distributions that this package needs with an extra, and those that build it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [(Requirement(text), "") for text in [*project["dependencies"], *project["optional-dependencies"][extra]]]
    wanted.append((Requirement("hatchling"), ""))
    known: set[tuple[str, str]] = set()
    while wanted:
        one, given = wanted.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": given}):
            continue
        for asked in {"", *one.extras}:
            if (step := (canonicalize_name(one.name), asked)) not in known:
                known.add(step)
                wanted += [(Requirement(text), asked) for text in importlib.metadata.requires(one.name) or ()]
    return {name for name, _ in known}


def link(name: str, folder: Path) -> None:
    """Give an environment a distribution of this one."""
    distribution = importlib.metadata.distribution(name)
    for top in {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}:
        source = Path(str(distribution.locate_file(top)))
        if source.exists() and not (folder / top).exists():
            (folder / top).symlink_to(source)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment, into which this project was installed with the extra `serve`."""
    folder = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in needed("serve"):
        link(name, packages)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]
    source = folder.parent / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    command = [*pip, "install", "--no-index", "--no-build-isolation", "--no-cache-dir", "--no-compile", ".[serve]"]
    done = subprocess.run(command, cwd=source, env=plain(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bin" / "wordsight"


def plain() -> dict[str, str]:
    """Return an environment in which this source tree is unknown, and both cores may be used."""
    kept = ("PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in kept}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 photos in a folder a year; each year has as many of each thing."""
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    for number in range(PHOTOS):
        path = folder / str(2021 + number // len(THINGS) % 4) / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(number).save(path, quality=90)
    return folder


@pytest.fixture(scope="module")
def address(program: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server, which the installed program runs on the library that it made."""
    indexed = subprocess.run([program, "index", photos], cwd=photos.parent, env=plain(), capture_output=True, text=True)
    assert indexed.returncode == 0, indexed.stderr
    assert f"{PHOTOS} added" in indexed.stdout + indexed.stderr
    log = tmp_path_factory.mktemp("log") / "stderr"
    with log.open("wb") as written:
        command = [program, "serve", photos, "--port", "0", "--log", "json"]
        process = subprocess.Popen(command, stderr=written, cwd=photos.parent, env=plain())
    try:
        yield listening(process, log)
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    assert lines and not [line for line in lines if line["status"] >= 500]


def listening(process: subprocess.Popen, log: Path) -> str:
    """Return the address that a server writes, once it is ready."""
    while not (written := re.search(r"http://\S+:\d+", log.read_text(encoding="utf-8"))):
        assert process.poll() is None, log.read_text(encoding="utf-8")
    with httpx.Client(trust_env=False, transport=httpx.HTTPTransport(retries=20)) as client:
        assert client.get(f"{written[0]}/ready", timeout=60).status_code == 200
    return written[0]


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    """The search page in a real browser."""
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        yield page
        browser.close()


def hits(address: str, **asked) -> dict:
    answer = httpx.post(f"{address}/api/libraries/photos/search", json={"query": QUERY, **asked}, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_light_install_has_no_torch(program: Path) -> None:
    code = (
        "import importlib.util as u, wordsight; print(u.find_spec('torch'), wordsight.__version__, wordsight.__file__)"
    )
    done = subprocess.run([program.with_name("python"), "-c", code], env=plain(), capture_output=True, text=True)
    torch, version, file = done.stdout.split()
    assert (torch, version) == ("None", wordsight.__version__)
    assert Path(file).is_relative_to(program.parents[1])


def test_the_page_answers(address: str, page: Page) -> None:
    page.get_by_role("searchbox").fill(QUERY)
    page.get_by_role("searchbox").press("Enter")
    right = hits(address, k=10)["hits"]
    assert [shows(hit["key"]) for hit in right] == ["dogs"] * 10
    expect(page).to_have_title(re.compile(QUERY))
    first = page.get_by_role("gridcell").first
    expect(first).to_have_accessible_name(re.compile(re.escape(right[0]["name"].rpartition("/")[2])))
    image = first.locator("img")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("one => one.naturalWidth") > 0


def test_a_facet_narrows(address: str, page: Page) -> None:
    right = hits(address, k=1, where="folder = '2022'")
    page.get_by_role("group", name="folder").get_by_role("checkbox", name=re.compile("^2022")).check()
    expect(page.get_by_role("gridcell").first).to_have_accessible_name(
        re.compile(re.escape(right["hits"][0]["name"].rpartition("/")[2]))
    )
    expect(page).to_have_url(re.compile("2022"))


def test_a_hit_is_explained(page: Page) -> None:
    page.get_by_role("gridcell").first.click()
    dialog = page.get_by_role("dialog")
    with page.expect_response(lambda answer: answer.url.endswith("/why")) as why:
        dialog.get_by_role("button", name="Why", exact=True).click()
    (reason,) = why.value.json()["reasons"]
    assert shows(reason["key"]) == "dogs"
    assert reason["overlay"].startswith("data:image/jpeg;base64,")
    expect(dialog.get_by_text(reason["region"])).to_be_visible()


def test_another_programs_client_gets_the_same_numbers(address: str) -> None:
    with httpx.Client(trust_env=False) as http:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", http_client=http)
        answer = client.embeddings.create(model="default", input=[QUERY])
    library = wordsight.load().embed_texts([QUERY])
    np.testing.assert_array_equal(np.float32(answer.data[0].embedding), library[0])
