"""More like this: pictures of the library as the query, thumbs up and down, and more for a set."""

import json

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.base.errors import NotFound, UsageError
from wordsight.search.alike import direction_of, moved


@pytest.fixture
def album(paint, opened, tmp_path):
    """Twelve pictures of four colours; `hue` says which."""
    folder = tmp_path / "album"
    rows = []
    for colour in ("red", "blue", "green", "white"):
        for shade in range(3):
            name = f"{colour}/{shade}.png"
            paint(folder / name, colour, shade=8 * shade)
            rows.append({"file": name, "hue": colour})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    library = opened(folder)
    library.sync()
    return library


def keys(hits):
    return [hit.key for hit in hits]


def test_a_picture_of_the_library_is_the_query_without_being_encoded_or_answered(album, encoded, model):
    counted = encoded(model)
    hits = album.search(like="blue/0.png", k=2)
    assert set(keys(hits)) == {"blue/1.png", "blue/2.png"}
    assert hits[0].why.startswith("near blue/0.png (")
    assert not counted


def test_it_can_be_named_by_path_or_be_a_hit(album, monkeypatch):
    expected = keys(album.search(like="blue/0.png", k=3))
    monkeypatch.chdir(album.location / "blue")
    for name in ("0.png", album.location / "blue" / "0.png", album.search("blue", where="name = '0.png'", k=1)[0]):
        assert keys(album.search(like=name, k=3)) == expected


def test_the_path_that_a_table_gives_names_its_picture(album, opened, tmp_path, encoded, model):
    table = tmp_path / "table.csv"
    files = [album.location / "red" / "0.png", album.location / "red" / "1.png", album.location / "green" / "0.png"]
    table.write_text("key,image\n" + "\n".join(f"k{i},{file}" for i, file in enumerate(files)), encoding="utf-8")
    library = opened(table)
    library.sync()
    counted = encoded(model)
    assert keys(library.search(like=files[0])) == ["k1", "k2"]
    assert not counted


def test_a_file_outside_is_encoded_and_one_that_is_nowhere_is_said(album, paint, tmp_path, encoded, model):
    counted = encoded(model)
    outside = paint(tmp_path / "outside.png", "green", shade=3)
    assert set(keys(album.search(like=outside, k=3))) == {f"green/{i}.png" for i in range(3)}
    assert counted == [1]
    with pytest.raises(NotFound, match=r"no image nowhere\.png in .*album; give its key"):
        album.search(like="nowhere.png")


def test_thumbs_move_a_query(album):
    plain = keys(album.search("white", k=3))
    assert all(key.startswith("white") for key in plain)
    liked = album.search("white", k=3, liked=["red/0.png"], disliked=["white/0.png"])
    assert liked[0].key == "red/0.png"
    away = keys(album.search("white", k=12, disliked=["white/0.png"]))
    assert "white/0.png" not in away
    assert len(away) == 11


def test_more_for_a_set_says_why(album):
    hits = album.search(like=["red/0.png", "red/1.png"], k=3)
    assert hits[0].key == "red/2.png"
    assert hits[0].why.startswith("near red/")
    assert hits[0].why.endswith("; class red")
    assert "class red" not in hits[1].why
    assert not {"red/0.png", "red/1.png"} & set(keys(hits))


def test_a_condition_and_what_to_stay_away_from_hold_for_examples_too(album):
    assert set(keys(album.search(like="blue/0.png", where="hue != blue", k=9))) == {
        f"{colour}/{i}.png" for colour in ("red", "green", "white") for i in range(3)
    }
    assert keys(album.search(like="blue/0.png", without="blue", k=11))[0] != "blue/0.png"


@pytest.mark.parametrize("wrong", [{"query": "red", "like": "red/0.png"}, {"disliked": "red/0.png"}, {"like": [3]}, {}])
def test_examples_that_nobody_can_mean(album, wrong):
    with pytest.raises(UsageError):
        album.search(**wrong)


def test_a_set_is_told_from_the_background_not_from_nothing():
    """Members share one direction with everything, and one of their own: only their own counts."""
    random = np.random.default_rng(0)
    background = unit(np.r_["1", np.full((500, 1), 2.0), random.normal(size=(500, 15)) * 0.3])
    members = background[:5].copy()
    members[:, 1] += 0.5
    direction = direction_of(unit(members), background)
    assert direction[1] > 0.8
    assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-5)
    one = direction_of(background[:1], background)
    np.testing.assert_allclose(one, background[0], atol=1e-6)
    copies = np.repeat(background[:1], 10, axis=0)
    np.testing.assert_allclose(direction_of(copies[:2], copies), background[0], atol=1e-5)


def test_thumbs_that_cancel_are_refused():
    query = np.array([1, 0], np.float32)
    with pytest.raises(UsageError, match="cancel"):
        moved(-query, query[None], query[None])
