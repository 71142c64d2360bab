"""The map of a library: what it holds, how it is kept, renewed and stopped, and how clusters are named."""

import numpy as np
import pytest

from wordsight.engines.fake import COLOURS
from wordsight.index.where import WhereError
from wordsight.search.mapping import kept, naming
from wordsight.search.mapping import library_map as mapping
from wordsight.search.mapping.library_map import library_map
from wordsight.search.mapping.naming import UNNAMED, Namer, _numbered
from wordsight.text.label_sets import Label, LabelSet

LABELS = LabelSet("colours", tuple(Label(name, (name,)) for name in ("red", "green", "blue", "white")))


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Make layouts in less time: what is tested here needs no good ones."""
    monkeypatch.setattr("wordsight.search.mapping.layout.STEPS", 120)


@pytest.fixture
def coloured(tmp_path, paint, opened):
    """A library of 12 images of each of four colours."""
    for colour in ("red", "green", "blue", "white"):
        for shade in range(12):
            paint(tmp_path / "photos" / colour / f"{shade:02d}.png", colour, shade=3 * shade)
    library = opened(tmp_path / "photos")
    library.sync()
    return library


def made_anew(monkeypatch):
    """Count from here on how often a layout is made."""
    counted = []
    real = mapping.layout
    monkeypatch.setattr(mapping, "layout", lambda *a, **k: (counted.append(1), real(*a, **k))[1])
    return counted


def test_like_images_lie_together_and_clusters_have_their_names(coloured):
    made = library_map(coloured, labels=LABELS)
    assert sorted(made.keys) == sorted(f"{c}/{n:02d}.png" for c in ("red", "green", "blue", "white") for n in range(12))
    assert made.positions.shape == (48, 2)
    colours = np.array([key.split("/")[0] for key in made.keys])
    for cluster, one in enumerate(made.clusters):
        (colour,) = set(colours[made.numbers == cluster].tolist())
        assert one.name.split(",")[0].split(" ")[0] == colour
        assert one.size == (made.numbers == cluster).sum()
        assert {key.split("/")[0] for key in one.examples} == {colour}
        at = made.nearest(*one.centre)[0]
        assert made.numbers[at] == cluster
    names = [one.name for one in made.clusters]
    assert len(set(names)) == len(names)


def test_the_same_seed_gives_the_same_map_and_another_one_another(coloured):
    first = library_map(coloured, labels=LABELS)
    (coloured.folder / kept.NAME).unlink()
    second = library_map(coloured, labels=LABELS)
    np.testing.assert_array_equal(first.positions, second.positions)
    assert first.clusters == second.clusters
    assert not np.array_equal(library_map(coloured, labels=LABELS, seed=1).positions, first.positions)


def test_it_is_kept_while_the_library_stays_as_it_is(coloured, monkeypatch):
    first = library_map(coloured, labels=LABELS)
    counted = made_anew(monkeypatch)
    again = library_map(coloured, labels=LABELS)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert (again.keys, again.clusters, counted) == (first.keys, first.clusters, [])
    library_map(coloured, labels="everyday")  # by other labels it is another map
    assert counted == [1]


def test_added_images_are_placed_and_no_other_moves(coloured, paint, monkeypatch):
    first = library_map(coloured, labels=LABELS)
    paint(coloured.location / "new.png", "blue", shade=40)
    (coloured.location / "red" / "00.png").unlink()
    coloured.sync(accept_removal=True)
    counted = made_anew(monkeypatch)
    renewed = library_map(coloured, labels=LABELS)
    assert counted == []
    assert set(renewed.keys) == {*first.keys, "new.png"} - {"red/00.png"}
    before = dict(zip(first.keys, first.positions.tolist(), strict=True))
    after = dict(zip(renewed.keys, renewed.positions.tolist(), strict=True))
    assert all(after[key] == before[key] for key in after if key in before)
    new = renewed.keys.index("new.png")
    assert renewed.clusters[renewed.numbers[new]].name.startswith("blue")
    assert sum(one.size for one in renewed.clusters) == 48
    assert "red/00.png" not in [key for one in renewed.clusters for key in one.examples]
    assert library_map(coloured, labels=LABELS).keys == renewed.keys


def test_it_is_made_anew_when_more_than_a_tenth_changed(coloured, paint, monkeypatch):
    library_map(coloured, labels=LABELS)
    counted = made_anew(monkeypatch)
    for number in range(4):
        paint(coloured.location / f"new{number}.png", "blue", shade=90 + number)
        coloured.sync()
        library_map(coloured, labels=LABELS)
    assert counted == []
    paint(coloured.location / "new4.png", "blue", shade=99)
    coloured.sync()
    library_map(coloured, labels=LABELS)
    assert counted == [1]


def test_a_changed_image_is_placed_again(coloured, paint):
    library_map(coloured, labels=LABELS)
    paint(coloured.location / "red" / "05.png", "blue", shade=31, size=(30, 16))
    coloured.sync()
    renewed = library_map(coloured, labels=LABELS)
    at = renewed.keys.index("red/05.png")
    assert renewed.clusters[renewed.numbers[at]].name.startswith("blue")


def test_a_condition_maps_some_and_keeps_nothing(coloured):
    made = library_map(coloured, "folder = 'red'", labels=LABELS)
    assert {key.split("/")[0] for key in made.keys} == {"red"}
    assert not (coloured.folder / kept.NAME).exists()
    assert len(library_map(coloured, "folder = 'none'", labels=LABELS)) == 0
    with pytest.raises(WhereError):
        library_map(coloured, "folder ==== 3", labels=LABELS)


def test_it_can_be_stopped_and_nothing_is_kept(coloured):
    class Stop(Exception):
        pass

    seen = []

    def watch(stage, share):
        seen.append((stage, share))
        if stage == "layout" and share > 0.6:
            raise Stop

    with pytest.raises(Stop):
        library_map(coloured, labels=LABELS, progress=watch)
    assert not (coloured.folder / kept.NAME).exists()
    assert [share for _, share in seen] == sorted(share for _, share in seen)
    assert list(dict.fromkeys(stage for stage, _ in seen)) == ["reading", "neighbours", "layout"]


@pytest.mark.parametrize("content", [b"", b"no map", None])
def test_a_damaged_file_is_made_again(coloured, content):
    first = library_map(coloured, labels=LABELS)
    path = coloured.folder / kept.NAME
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    assert library_map(coloured, labels=LABELS).clusters == first.clusters
    assert kept.read(coloured.folder) is not None


@pytest.mark.parametrize("count", [1, 3])
def test_small_libraries(tmp_path, paint, opened, count):
    (tmp_path / "few").mkdir()
    for colour in list(COLOURS)[:count]:
        paint(tmp_path / "few" / f"{colour}.png", colour)
    made = library_map(opened(tmp_path / "few"), labels=LABELS)  # made by the way
    assert len(made) == count
    assert [one.name for one in made.clusters] == [UNNAMED]


def test_more_than_are_laid_out_are_placed_among_them(coloured, monkeypatch):
    monkeypatch.setattr(mapping, "LAID_OUT", 30)
    made = library_map(coloured, labels=LABELS)
    colours = np.array([key.split("/")[0] for key in made.keys])
    assert len(made) == 48
    beside = [made.nearest(x, y, 2)[1] for x, y in made.positions.tolist()]
    assert (colours[beside] == colours).mean() > 0.9


def test_clusters_of_one_label_get_a_second_one(model):
    labels = LabelSet("colours", tuple(Label(name, (name,)) for name in COLOURS))
    texts = model.embed_texts(list(COLOURS))
    of = dict(zip(COLOURS, texts, strict=True))
    one, other, third = of["red"] + 0.5 * of["blue"], of["red"] + 0.5 * of["green"], of["white"]
    rows = np.repeat(np.float32([one, other, third]), [5, 5, 90], axis=0)
    rows += 0.2 * np.random.default_rng(0).normal(size=rows.shape)
    names = Namer(model, labels).names(np.float32([one, other, third]), rows.astype(np.float16))
    assert names[:2] == ["red, blue", "red, green"]


@pytest.mark.parametrize(("margin", "expected"), [(0.5, "black"), (50.0, "")])
def test_a_label_of_another_set_names_a_cluster_where_it_rises_much_more(model, monkeypatch, margin, expected):
    monkeypatch.setattr(naming, "ELSEWHERE", margin)
    of = dict(zip(COLOURS, model.embed_texts(list(COLOURS)), strict=True))
    namer = Namer(model)
    namer._sets = [
        LabelSet("sets", tuple(Label(one, (one,)) for one in names)) for names in (("black",), ("red", "blue"))
    ]
    means = np.float32([of["red"], of["blue"], of["black"], of["green"]])
    rows = np.repeat(means, [15, 15, 10, 60], axis=0)
    rows += 0.1 * np.random.default_rng(0).normal(size=rows.shape)
    assert namer.names(means, rows.astype(np.float16)) == ["red", "blue", expected, ""]


def test_no_two_names_are_equal():
    assert _numbered(["", "dog", "", "dog", "dog"]) == ["", "dog", "", "dog 2", "dog 3"]


def test_auto_takes_the_set_that_fits(model):
    assert Namer(model).digest != Namer(model, "products").digest
    assert Namer(model, LABELS).digest == Namer(model, LABELS).digest
