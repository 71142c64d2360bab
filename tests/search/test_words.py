"""Exact words beside meaning: what no picture shows is found where words say it; the rest stays as it was."""

import json

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.index import caches, words_cache
from wordsight.index.index import Neighbour
from wordsight.search.fusion import fused


@pytest.fixture
def shop(paint, opened, tmp_path):
    """Thirty pictures, half of them titled; the towers know nothing of brands and numbers."""

    def making(titles):
        folder = tmp_path / "shop"
        rows = []
        for i in range(30):
            paint(folder / f"{i}.png", ["red", "blue", "green"][i % 3], shade=i)
            rows.append({"file": f"{i}.png", **({"title": titles[i]} if i in titles else {})})
        (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        library = opened(folder)
        library.sync()
        return library

    return making


TITLES = {i: f"{'Acme' if i % 2 else 'Zorro'} thing {1000 + i}" for i in range(15)}


def test_a_word_that_no_tower_knows_finds_its_pictures(shop):
    library = shop(TITLES)
    assert library.search("1007", k=1)[0].key == "7.png"
    assert {hit.key for hit in library.search("ACME", k=7)} == {f"{i}.png" for i in range(15) if i % 2}
    assert "7.png" not in {hit.key for hit in library.search("1007 red", k=5, keywords="off")}
    assert library.search("red 1007", k=30, where="name = '3.png'")[0].key == "3.png"


def test_the_score_stays_the_cosine(shop):
    library = shop(TITLES)
    cosines = {hit.key: hit.score for hit in library.search("red 1007", k=30, keywords="off")}
    with_words = {hit.key: hit.score for hit in library.search("red 1007", k=30)}
    assert with_words == pytest.approx(cosines, abs=1e-6)


def test_names_count_only_when_asked_for(shop):
    library = shop({})
    assert library.search("29 png", k=1, keywords="on")[0].key == "29.png"
    assert [hit.key for hit in library.search("29 png", k=30)] == [
        hit.key for hit in library.search("29 png", k=30, keywords="off")
    ]
    with pytest.raises(UsageError, match="keywords = 'yes'; use auto, on, off"):
        library.search("red", keywords="yes")


def test_one_caption_is_enough_and_names_beside_it_do_not_count(shop):
    library = shop({29: "our picnic"})
    assert library.search("picnic", k=1)[0].key == "29.png"
    assert library.search("picnic", k=30, sort="name")[0].key is not None
    assert [hit.key for hit in library.search("7 png", k=30)] == [
        hit.key for hit in library.search("7 png", k=30, keywords="off")
    ]
    assert library.search("7 png", k=1, keywords="on")[0].key == "7.png"


def test_a_library_whose_words_are_not_asked_for_has_no_file_of_them(shop):
    library = shop({})
    library.search("red")
    assert not (library.folder / "words.cache").exists()
    library.search("red", keywords="on")
    assert (library.folder / "words.cache").exists()
    library.forget()
    assert not (library.folder / "words.cache").exists()


@pytest.mark.parametrize("titles", [TITLES, {}])
def test_words_of_many_captions_are_made_after_the_sync(shop, monkeypatch, titles):
    monkeypatch.setattr(caches, "SMALL", 5)
    library = shop(titles)
    library.close()
    assert (library.folder / "words.cache").exists() == bool(titles)
    monkeypatch.setattr(words_cache, "postings_of", None)  # a search only reads them
    assert len(library.search("red 1007", k=1)) == 1


def test_images_without_words_do_not_sink_below_those_with_a_common_one():
    near = [neighbour(f"n{i}", 1 - i / 100) for i in range(20)]
    some = [neighbour(f"w{i}", 0.2) for i in range(20)]
    embedding = np.array([1, 0], np.float32)
    assert [one.key for one in fused(near, some, embedding)[:5]] == ["n0", "n1", "n2", "n3", "n4"]
    whole = [neighbour("w0", 1.0)]
    assert fused(near, whole, embedding)[0].key == "w0"
    assert len(fused(near, [*whole, neighbour("n3", 0.5)], embedding)) == 21


def neighbour(key, score):
    return Neighbour(key, score, np.array([0.5, 0.5], np.float32), {})
