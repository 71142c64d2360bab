"""The terminal program, driven by keys in a terminal that is not there."""

import asyncio

import numpy as np
import pytest
from PIL import Image
from textual.widgets import Input, Static

from wordsight.browse.app import PAUSE, BrowseApp
from wordsight.browse.asked import Browsed
from wordsight.browse.cells import UPPER, fit, half_blocks
from wordsight.browse.details import Details, describe
from wordsight.browse.grid import SIZES, HitGrid, caption
from wordsight.cli.main import main
from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.hits import Hit
from wordsight.search.library import open_library

COUNT = 30


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [name for name in COLOURS if name.isalpha()]
    for i in range(COUNT):
        colour = COLOURS[names[i % len(names)]]
        shade = tuple(min(255, value + i) for value in colour)
        Image.new("RGB", (40 + i, 30), shade).save(folder / f"{i:02} {names[i % len(names)]}.png")
    return folder


@pytest.fixture
def library(photos):
    with open_library(photos, model=load(engine="fake")) as made:
        made.sync()
        yield made


def browsed(library, script, *, size=(110, 40)):
    """Run the program, drive it with an async function of app and pilot, and return what that returns."""

    async def run():
        app = BrowseApp(library, sync=False)
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            return await script(app, pilot)

    return asyncio.run(run())


async def settled(app, pilot):
    """Wait until nothing is asked or decoded any more."""
    await pilot.pause(PAUSE + 0.03)
    for _ in range(2):
        await app.workers.wait_for_complete()
        await pilot.pause()


def state(app):
    return str(app.query_one("#state", Static).render())


def chosen(app):
    hit = app.query_one(HitGrid).chosen
    return None if hit is None else hit.key


def seen(app):
    """Return the text of the grid's lines."""
    grid = app.query_one(HitGrid)
    return ["".join(segment.text for segment in grid._line(y)) for y in range(grid.size.height)]


def test_search_as_you_type_and_filter(library):
    async def script(app, pilot):
        assert "1 of 30: all images" in state(app)
        await pilot.press("slash", *"red")
        await settled(app, pilot)
        first = chosen(app)
        await pilot.press("escape", "f", *"width > 60")
        await settled(app, pilot)
        return first, chosen(app), state(app), len(app.query_one(HitGrid)._hits)

    first, narrowed, said, count = browsed(library, script)
    assert "red" in first
    assert narrowed is not None and int(narrowed[:2]) > 20
    assert "red, where width > 60" in said
    assert count < COUNT


def test_a_condition_half_typed_says_why_and_keeps_the_hits(library):
    async def script(app, pilot):
        await pilot.press("slash", *"red", "escape", "f", *"widht > 6")
        await settled(app, pilot)
        return state(app), chosen(app)

    said, key = browsed(library, script)
    assert "no column widht" in said
    assert key is not None


def test_moving_about(library):
    async def script(app, pilot):
        grid = app.query_one(HitGrid)
        grid.focus()
        columns, lines = grid._columns, grid._lines
        positions = [grid.position]
        for key in ("right", "down", "left", "up", "pagedown", "end", "right", "home", "left"):
            await pilot.press(key)
            positions.append(grid.position)
        return columns, lines, positions

    columns, lines, positions = browsed(library, script)
    page = columns * lines
    at = [1, 2, 2 + columns, 1 + columns, 1, 1 + page, 30, 30, 1, 1]
    assert positions == [(one, COUNT) for one in at]


def test_the_images_are_drawn_in_their_colours(library):
    async def script(app, pilot):
        await pilot.press("slash", *"red")
        await settled(app, pilot)
        return app.query_one(HitGrid)._line(0), seen(app)

    line, lines = browsed(library, script)
    blocks = [segment for segment in line if segment.text == UPPER]
    assert len(blocks) > 20
    red, green, blue = blocks[0].style.color.triplet
    assert red > 150 and max(green, blue) < 120
    assert any("red.png" in one for one in lines)


def test_sizes_and_narrow_terminals(library):
    async def script(app, pilot):
        grid = app.query_one(HitGrid)
        grid.focus()
        counts = []
        for _ in SIZES:
            counts.append((grid._columns, grid._lines))
            await pilot.press("z")
            await settled(app, pilot)
        await pilot.resize_terminal(30, 12)
        await settled(app, pilot)
        return counts, [len(line) for line in seen(app)]

    counts, _ = browsed(library, script)
    assert counts[0] > counts[1] > counts[2]
    assert min(map(min, counts)) >= 1


def test_similar_back_thumbs_and_order(library):
    async def script(app, pilot):
        said = []
        app.query_one(HitGrid).focus()
        await pilot.press("minus")
        await settled(app, pilot)
        said.append(state(app))
        await pilot.press("s")
        await settled(app, pilot)
        said.append((state(app), chosen(app)))
        await pilot.press("plus", "backspace")
        await settled(app, pilot)
        said.append(state(app))
        await pilot.press("slash", *"red", "escape", "plus", "right", "minus", "o")
        await settled(app, pilot)
        said.append(state(app))
        return said

    nothing, (similar, key), back, thumbs = browsed(library, script)
    assert "all images" in nothing
    assert "like 00 " in similar and not key.startswith("00 ")
    assert "all images" in back
    assert "red, 1 up, 1 down, newest file first" in thumbs


def test_a_broken_image_is_said_to_be_one(library, photos):
    min(photos.glob("*.png")).write_bytes(b"no image any more")

    async def script(app, pilot):
        return seen(app)

    assert any("cannot be read" in line for line in browsed(library, script))


def test_details_say_all_that_is_known():
    hit = Hit(0.5, "a/\x1b[31mb.jpg", None, {"width": 3, "text": "a dog\na cat", "path": "p"}, 0.31, alike=("c.jpg",))
    text = describe(hit).plain
    assert "\x1b" not in text
    assert "31% likely, cosine 0.500" in text and "nearly the same: c.jpg" in text and "a dog / a cat" in text
    assert text.index("text") < text.index("width")
    assert caption(hit) == "31% \\x1b[31mb.jpg +1"


def test_images_keep_their_proportions():
    assert fit(640, 320, columns=20, rows=20) == (20, 5)
    assert fit(100, 1000, columns=20, rows=10) == (2, 10)
    assert fit(1, 100_000, columns=20, rows=10) == (1, 10)
    lines = half_blocks(np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3))
    assert [line.cell_length for line in lines] == [3]
    (first, *_), last = lines[0], list(lines[0])[-1]
    assert first.style.color.triplet == (0, 1, 2) and first.style.bgcolor.triplet == (9, 10, 11)
    assert last.style.bgcolor.triplet == (15, 16, 17)


def test_without_a_question_the_filter_and_the_order_hold(library):
    async def script(app, pilot):
        await pilot.press("escape", "f", *"width > 60", "escape", "o")
        await settled(app, pilot)
        said = [(state(app), chosen(app), app.query_one(HitGrid).position[1])]
        await pilot.press("o", "o")
        await settled(app, pilot)
        said.append((state(app), chosen(app)))
        await pilot.press("f", *" and", "escape")
        await settled(app, pilot)
        said.append(state(app))
        return said

    (first, newest, count), (second, by_name), broken = browsed(library, script)
    assert "all images, where width > 60, newest file first" in first and count == 9
    assert newest is not None and "by name" in second and by_name.startswith("21 ")
    assert "where" in broken and "1 of" not in broken


def test_orders_are_those_of_the_library():
    asked = Browsed("a dog")
    assert asked.reordered(["price"]) == asked
    assert asked.reordered(["taken", "name"]).sort == "-taken"
    assert asked.reordered(["taken"]).reordered(["taken"]).reordered(["taken"]) == asked


def test_what_is_typed_at_once_belongs_to_the_search(library):
    async def script(app, pilot):
        app.query_one(HitGrid).focus()
        await pilot.pause()
        app.action_focus_on("text")
        return app.focused.id

    assert browsed(library, script) == "text"


def test_a_question_with_thumbs():
    asked = Browsed("a dog").thumbed("a", up=True).thumbed("b", up=False).thumbed("a", up=False)
    assert (asked.liked, asked.disliked) == ((), ("b", "a"))
    assert asked.thumbed("b", up=False).disliked == ("a",)
    assert asked.near("c") == Browsed(like="c")


def test_duplicates_are_reviewed_and_planned(library, photos, monkeypatch, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(noise).save(photos / name)
    (photos / "c.png").write_bytes((photos / "a.png").read_bytes())
    library.sync()
    monkeypatch.chdir(tmp_path)

    async def script(app, pilot):
        await pilot.press("escape", "u")
        await settled(app, pilot)
        said = [str(app.screen.query_one("#group", Static).render())]
        assert [hit.key for hit in app.screen.query_one(HitGrid)._hits][:3] == ["a.png", "b.png", "c.png"]
        await pilot.press("space", "w", "space", "w", "escape")
        await settled(app, pilot)
        said.append(state(app))
        return said

    group, back = browsed(library, script)
    assert "exact, 3 images, 2 would be moved" in group
    assert "all images" in back
    plans = [(tmp_path / f"duplicates-{n}.jsonl").read_text().splitlines() for n in (1, 2)]
    assert len(plans[1]) == len(plans[0]) + 3
    assert all((photos / name).exists() for name in ("a.png", "b.png", "c.png"))


def test_there_has_to_be_a_terminal(photos, capsys):
    assert main(["browse", str(photos), "--engine", "fake"]) == 2
    assert "no terminal" in capsys.readouterr().err
    assert not (photos / ".wordsight").exists()


def test_the_screen_has_all_parts(library):
    async def script(app, pilot):
        await pilot.press("escape", "d")
        return app.query_one(Details).has_class("hidden"), len(app.query(Input))

    assert browsed(library, script) == (True, 2)
