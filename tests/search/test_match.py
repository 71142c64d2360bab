"""Probabilities: what they are made of, when the background is made, and what a search does with them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordsight.base import progress
from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.index.index import Neighbour
from wordsight.search import background, match
from wordsight.search.background import LEAST, Background, moments, phrases, read, usual_phrases
from wordsight.search.match import (
    IMAGE,
    MIXTURE,
    TEXT,
    asked_moments,
    breadth,
    coefficients_of,
    figures,
    least_for_people,
    probabilities,
)
from wordsight.search.query import Part

WIDTH = 12


def drawn(seed, count, lean=1.0):
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(count, WIDTH)) + lean * np.arange(WIDTH) / WIDTH).astype(np.float32)


@pytest.fixture
def many(tmp_path, paint):
    """Forty pictures of three colours, none of them red."""
    folder = tmp_path / "many"
    for i in range(40):
        paint(folder / f"{i:02d}.png", ("blue", "green", "pink")[i % 3], shade=i)
    return folder


def test_the_phrases_are_many_and_each_is_there_once():
    everything = [phrase for part in phrases().values() for phrase in part]
    assert len(set(everything)) == len(everything)
    assert len(usual_phrases()) > 1900
    assert "red shoes" in phrases()["colours"] or "running shoes" in usual_phrases()
    assert set(phrases()) - {"gibberish", "languages"} == {
        *(
            "things",
            "scenes",
            "people",
            "animals",
            "products",
            "colours",
            "clothed",
            "located",
            "pairs",
            "abstract",
            "long",
        )
    }
    assert not set(usual_phrases()) & {*phrases()["gibberish"], *phrases()["languages"]}


def test_moments_give_the_spread_of_cosines():
    images, asked = drawn(1, 400), drawn(2, 5)
    assert moments(images).spread(asked) == pytest.approx((asked @ images.T).std(axis=1), rel=1e-3)


def test_figures_are_those_of_all_cosines():
    images, texts, query = drawn(1, 300, 4.0), drawn(2, 200, 3.0), drawn(3, 1)[0]
    of_all = texts @ images.T
    own = images @ query
    best = np.argsort(-own)[:8]
    known = Background(moments(images), moments(texts), 600)
    computed = figures(known, known.texts, query, scores=own[best], embeddings=images[best])
    usual = np.sqrt((of_all.std(axis=1) ** 2).mean())
    first = of_all[:, best[:5]]
    ahead = ((own[best[:5]] - first.mean(axis=0)) / first.std(axis=0)).mean()
    to_mean = texts @ texts.mean(axis=0)
    typical = (query @ texts.mean(axis=0) - to_mean.mean()) / to_mean.std()
    peak = (own[best[:5]].mean() - of_all.mean()) / usual
    spread = np.log(images.var(axis=0).sum() / texts.var(axis=0).sum())
    differs = np.sqrt(((texts - texts.mean(axis=0)) @ (images - images.mean(axis=0)).T).var())
    differing = np.log(differs / (texts @ images.mean(axis=0)).std())
    above = (own[best] - own.mean()) / own.std()
    expected = [above, np.log(own.std() / usual), ahead, typical, peak, peak * spread, np.log(2), above * differing]
    assert -0.9 < spread < 0.1  # else they count as the last that were learned from
    assert -0.5 < differing < 1.25
    for column, values in zip(computed.T, expected, strict=True):
        assert column == pytest.approx(np.broadcast_to(values, 8), rel=1e-3)


@pytest.mark.parametrize("lean", [0.0, 1.0, 6.0, 40.0])
def test_of_one_query_the_higher_score_is_never_less_likely(lean):
    images, texts = drawn(1, 300, lean), drawn(2, 200)
    known = Background(moments(images), moments(texts), 300)
    for seed in range(20):
        query = drawn(10 + seed, 1)[0]
        best = np.argsort(-images @ query)[:50]
        for coefficients in (TEXT, MIXTURE, IMAGE):
            computed = figures(known, known.texts, query, scores=images[best] @ query, embeddings=images[best])
            assert (np.diff(probabilities(computed, coefficients)) <= 0).all()


def test_a_library_counts_as_no_broader_narrower_or_larger_than_those_that_were_learned_from():
    texts = moments(drawn(2, 200, 3.0))
    alike, various = moments(drawn(1, 300, 40.0)), moments(drawn(1, 300, 0.0))
    narrow, broad = breadth(Background(alike, texts, 10)), breadth(Background(various, texts, 10**7))
    assert (narrow.spread, narrow.differing) == pytest.approx((match.SPREADS[0], match.DIFFERING[0]))
    assert (broad.spread, broad.differing) == pytest.approx((match.SPREADS[1], match.DIFFERING[1]))
    assert (narrow.size, broad.size) == pytest.approx((np.log(0.1), np.log(10)))
    for coefficients in (TEXT, MIXTURE, IMAGE):
        for differing in match.DIFFERING:
            assert coefficients.factors[0] + coefficients.factors[7] * differing > 0


def test_texts_images_and_mixtures_have_coefficients_of_their_own():
    text, image = Part(1.0, text="a"), Part(0.5, image="a.jpg")
    assert coefficients_of([text, text]) is TEXT
    assert coefficients_of([image]) is IMAGE
    assert coefficients_of([image, text]) is MIXTURE


def test_a_mixture_is_compared_with_mixtures_like_it():
    images, texts = drawn(1, 2000), drawn(2, 2000, 3.0)
    known = Background(moments(images), moments(texts), 2000)
    like_it = asked_moments(known, [Part(2.0, text="a"), Part(0.5, image=b"")])
    mixed = moments(unit(2.0 * texts + 0.5 * images[np.random.default_rng(0).permutation(2000)]))
    assert like_it.mean == pytest.approx(mixed.mean, abs=0.01)
    assert like_it.covariance == pytest.approx(mixed.covariance, abs=0.01)
    alone = asked_moments(known, [Part(7.0, text="a")])
    assert alone.mean == pytest.approx(known.texts.mean, abs=1e-4)


def test_people_are_spared_very_unlikely_hits_of_large_libraries_only():
    some = moments(drawn(1, 300))
    assert least_for_people(Background(some, some, 300)) == match.CUT
    assert least_for_people(Background(some, some, 299)) is None
    assert least_for_people(None) is None


def test_one_sees_how_far_the_phrases_are(opened, many, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(progress, "SPOKEN", 0.0)
    opened(many).sync()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("measuring what is usual: ")]
    count = len(usual_phrases())
    assert len(lines) == -(-count // background.PHRASES) and lines[-1].endswith(f": {count:,} of {count:,}")


def test_a_background_is_made_once_and_again_after_a_change(opened, many, paint, monkeypatch):
    library = opened(many)
    library.sync()
    fingerprint = library.model.fingerprint
    made = read(library.folder, fingerprint)
    assert made.count == 40
    embeddings = library.model.embed_images(sorted(many.glob("*.png")))
    assert made.images.mean == pytest.approx(embeddings.mean(axis=0), abs=2e-3)
    assert made.texts.mean == pytest.approx(library.model.embed_texts(usual_phrases()).mean(axis=0), abs=2e-3)
    monkeypatch.setattr(library.model.engine, "embed_texts", None)  # the phrases are known by now
    for count, written in ((4, 40), (5, 45)):
        for i in range(count):
            paint(many / f"{count}-{i}.png", "red", shade=i)
        library.sync()
        assert read(library.folder, fingerprint).count == written or count == 5
    assert read(library.folder, fingerprint).count == 49
    assert read(library.folder, "0123456789abcdef") is None
    (library.folder / background.NAME).unlink()
    library.sync()
    assert read(library.folder, fingerprint).count == 49
    monkeypatch.undo()
    (library.folder / background.NAME).write_bytes(b"damaged")
    assert read(library.folder, fingerprint) is None
    assert library.search("red")[0].match is None


def test_a_background_of_an_earlier_format_is_made_again_at_the_next_sync(opened, many, monkeypatch):
    library = opened(many)
    with monkeypatch.context() as earlier:
        earlier.setattr(background, "FORMAT", background.FORMAT - 1)
        library.sync()
    assert (library.folder / background.NAME).exists()
    assert read(library.folder, library.model.fingerprint) is None
    library.sync()
    assert read(library.folder, library.model.fingerprint).count == 40


@pytest.mark.parametrize("in_the_way", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_in_the_place_of_a_background_is_replaced_and_a_folder_is_passed_over(
    opened, many, capsys, in_the_way
):
    library = opened(many)
    library.sync()
    path = library.folder / background.NAME
    path.unlink()
    in_the_way(path)
    assert len(library.search("red")) == 10
    capsys.readouterr()
    assert not library.sync()
    assert capsys.readouterr().err == ""
    assert path.is_dir() or read(library.folder, library.model.fingerprint).count == 40


def test_few_pictures_have_no_probabilities(opened, photos):
    library = opened(photos)
    hits = library.search("red", min_match=0.9)
    assert [hit.match for hit in hits] == [None] * 5
    assert not (library.folder / background.NAME).exists()
    assert LEAST > 5


def test_one_picture_many_times_has_no_probabilities(opened, tmp_path, paint):
    for number in range(40):
        paint(tmp_path / "same" / f"{number}.png", "red")
    library = opened(tmp_path / "same")
    library.sync()
    assert {hit.match for hit in library.search("blue", k=5, min_cosine=-1)} == {None}
    (library.folder / "rules.toml").write_text('[[rule]]\nname = "r"\nquery = "blue"\ntag = "t"\n')
    assert list(library.rules().run().undecided) == ["r"]
    with pytest.raises(UsageError, match="no probabilities are known"):
        library.tag("colours")
    written = (library.folder / background.NAME).stat()
    library.sync()
    assert (library.folder / background.NAME).stat().st_mtime_ns == written.st_mtime_ns


def test_a_disk_that_is_full_costs_the_probabilities_only(opened, many, capsys, monkeypatch):
    def full(path):
        raise background.StorageError(f"{path}: no space", cure="free room")

    monkeypatch.setattr(background, "atomic_write", full)
    assert len(opened(many).search("blue", k=3)) == 3
    assert "hits come without probabilities: " in capsys.readouterr().err


def test_what_the_whole_library_shows_has_no_probability():
    images, texts = drawn(1, 200, lean=6.0), drawn(2, 200, lean=0.0)
    usual = Background(moments(images), moments(texts), 200)
    common = unit(images.mean(axis=0)[None])[0]
    assert match.is_everywhere(usual, common)
    assert not match.is_everywhere(usual, unit(np.eye(1, WIDTH, dtype=np.float32))[0])
    near = [Neighbour(str(i), float(common @ images[i]), images[i]) for i in range(9)]
    assert match.matches_of(usual, [Part(1.0, text="shoes")], common, near) == [None] * 9
    assert None not in match.matches_of(usual, [Part(1.0, image="a.jpg")], common, near)


def test_a_background_is_of_images_that_are_there_and_a_damaged_one_is_none(opened, many, model):
    library = opened(many)
    library.sync()
    path = library.folder / background.NAME
    content = path.read_bytes()
    for position in (*range(background.HEAD), len(content) - 1):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert background.read(library.folder, model.fingerprint) is None, position
    path.unlink()
    with library._index.writing() as index:
        index.files.record({key: replace(state, absent=True) for key, state in index.files.states().items()})
        index.save()
        background.refresh(library.folder, index, model)
    assert not path.exists()


def test_hits_are_cut_by_probability_or_cosine_when_asked(opened, many, monkeypatch):
    monkeypatch.setattr(match, "NARROW", 9.0)  # so few colours are alike, and each is what all have in common
    monkeypatch.setattr(match, "BROAD_ABOVE", 1e9)
    library = opened(many)
    hits = library.search("blue", k=40)
    assert len(hits) == 40
    matches = [hit.match for hit in hits]
    assert matches == sorted(matches, reverse=True)
    assert 0 <= matches[-1] < matches[0] <= 1
    least = (matches[0] + matches[-1]) / 2
    assert [hit.key for hit in library.search("blue", k=40, min_match=least)] == [
        hit.key for hit in hits if hit.match >= least
    ]
    assert len(library.search("blue", k=40, min_match=-1)) == 40
    assert [hit.match for hit in library.search("blue", k=2)] == matches[:2]
    least = hits[4].score
    assert {hit.score >= least for hit in library.search("blue", k=40, min_cosine=least)} == {True}


def test_an_image_and_a_mixture_have_probabilities_too(opened, many):
    library = opened(many)
    blue = many / "00.png"
    alone, mixed = library.search(blue, k=3), library.search(["2:blue", (0.5, blue)], k=3)
    assert alone[0].key == "00.png"
    assert all(0 < hit.match < 1 for hit in (*alone, *mixed))


def test_one_picture_has_one_probability_for_a_query_whatever_the_condition(opened, many, monkeypatch):
    monkeypatch.setattr(match, "NARROW", 9.0)
    monkeypatch.setattr(match, "BROAD_ABOVE", 1e9)
    library = opened(many)
    for options in ({}, {"sort": "-name"}, {"keywords": "on"}):
        told = {hit.key: hit.match for hit in library.search("blue", k=40, min_match=0.0, **options)}
        assert len(told) == 40 and None not in told.values()
        narrowed = library.search("blue", k=40, min_match=0.0, where="name > '30'", **options)
        assert {hit.key: hit.match for hit in narrowed} == {key: told[key] for key in told if key > "30"}
        assert library.search("blue", where="name = '31.png'", **options)[0].match == told["31.png"]


def test_a_facet_counts_what_the_search_for_its_value_gives(opened, many, monkeypatch):
    monkeypatch.setattr(match, "NARROW", 9.0)
    monkeypatch.setattr(match, "BROAD_ABOVE", 1e9)
    library = opened(many)
    told = [(hit.key, hit.match) for hit in library.search("blue", k=40)]
    for least in (0.0, 0.01, 0.5):
        likely = {key for key, one in told if one >= least}
        for where in ("name > '20'", None):
            values = library.facets("blue", ["name"], where=where, min_match=least)["name"]
            assert {one.label: one.count for one in values} == dict.fromkeys(likely, 1)
        for key, _ in told[::9]:
            narrowed = library.search("blue", where=f"name = '{key}'", min_match=least)
            assert [hit.key for hit in narrowed] == [key] * (key in likely)
