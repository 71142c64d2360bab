"""Queries answered together are answered as each would be alone, and the error of one is nobody else's."""

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import BrokenImage, NoEmbedding, NotFound, UsageError, WordsightError
from wordsight.engines.fake import COLOURS
from wordsight.index.exact import ExactIndex
from wordsight.index.where import WhereError
from wordsight.search.limits import HitLimits
from wordsight.search.query import Part, Query
from wordsight.search.wishes import Wishes

NAMES = sorted(COLOURS)


@pytest.fixture(scope="module")
def shop(tmp_path_factory, model):
    """Eighty coloured pictures with captions, prices and a few near-duplicates."""
    from wordsight.search.library import open_library

    folder = tmp_path_factory.mktemp("shop")
    rows = ["file,price,text"]
    for number in range(80):
        name = NAMES[number % len(NAMES)]
        red, green, blue = COLOURS[name]
        shade = number // len(NAMES) * 3
        Image.new("RGB", (24, 16), (red, abs(green - shade), abs(blue - shade))).save(folder / f"{number:02}.png")
        rows.append(f"{number:02}.png,{number},a {name} thing number {number}")
    (folder / "metadata.csv").write_text("\n".join(rows), encoding="utf-8")
    library = open_library(folder, model=model)
    library.sync()
    yield library
    library.close()


def asked_of(library):
    """Return queries of every kind."""
    read = library.read
    picture = library.location / "07.png"
    return [
        (read("red"), HitLimits(k=5)),
        (read("red"), HitLimits(k=70)),
        (read("blue", where="price < 30"), HitLimits()),
        (read("green", where="price < 30"), HitLimits(k=3)),
        (read("green", without=["blue", picture]), HitLimits(k=4)),
        (read("red", sort="-price"), HitLimits(k=6)),
        (read("red", sort="price", where="price > 10"), HitLimits(k=6, min_match=0.2)),
        (read("white", fold=True), HitLimits(k=9)),
        (read("thing number 17", keywords="on"), HitLimits()),
        (read("number 21", keywords="off"), HitLimits()),
        (read("pink", where="price in (3, 4, 5)"), HitLimits(k=2, min_cosine=0.1)),
        (read(["2:red", (0.5, picture)]), HitLimits(k=7)),
        (read(picture), HitLimits(k=2)),
        (read(picture), HitLimits(min_match=0.4)),
        (read(like=["03.png"]), HitLimits(k=3)),
        (read(like=["03.png", "11.png"]), HitLimits(k=3)),
        (read("red", liked=["03.png"], disliked=["04.png"]), HitLimits(k=3)),
        (read("blue", disliked=["04.png"], where="price > 5"), HitLimits(k=3, absent=True)),
        (read("red", where="price > 1000"), HitLimits()),
    ]


def alone(library, asked):
    query, limits = asked
    try:
        return library.answer(
            query, k=limits.k, min_match=limits.min_match, min_cosine=limits.min_cosine, absent=limits.absent
        )
    except WordsightError as error:
        return error


def shown(answer):
    """Return all that is comparable of an answer."""
    if isinstance(answer, WordsightError):
        return type(answer), str(answer)
    hits = [(hit.key, hit.path, dict(hit.meta), hit.alike, hit.why, hit.named) for hit in answer]
    return hits, answer.matching, answer.is_cut, answer.least


def same(answers, expected):
    for together, apart in zip(answers, expected, strict=True):
        assert shown(together) == shown(apart)
        if not isinstance(apart, WordsightError):
            np.testing.assert_allclose([h.score for h in together], [h.score for h in apart], atol=1e-6)
            known = [(a.match, b.match) for a, b in zip(together, apart, strict=True)]
            assert all((a is None) == (b is None) for a, b in known)
            np.testing.assert_allclose([a or 0 for a, _ in known], [b or 0 for _, b in known], atol=2e-5)


def test_queries_of_every_kind_are_answered_as_alone(shop):
    asked = asked_of(shop)
    expected = [alone(shop, one) for one in asked]
    assert sum(len(hits) for hits in expected) > 80 and any(h.match is not None for hits in expected for h in hits)
    same(shop.answer_all(asked), expected)
    same(shop.answer_all(asked[::-1]), expected[::-1])
    same(shop.answer_all(asked * 2), expected * 2)
    assert shop.answer_all([]) == []


def test_an_error_is_that_of_its_query(shop, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    red = (shop.read("red"), HitLimits(k=3))
    asked = [
        (Query((Part(1.0, image=tmp_path / "broken.png"),)), HitLimits()),
        red,
        (shop.read("red", where="prize < 4"), HitLimits()),
        (shop.read("red", where="prize < 4"), HitLimits(k=2)),
        (shop.read("red", sort="nothing"), HitLimits()),
        (Query((), wishes=Wishes(like=("nowhere.png",))), HitLimits()),
        (Query((Part(1.0, text="red"), Part(1.0, image=object()))), HitLimits()),
        (shop.read(shop.location / "07.png"), HitLimits(k=2)),
    ]
    expected = [alone(shop, one) for one in asked]
    kinds = [type(one) for one in expected if isinstance(one, WordsightError)]
    assert kinds == [BrokenImage, WhereError, WhereError, UsageError, NotFound, UsageError]
    same(shop.answer_all(asked), expected)


def test_a_text_without_an_embedding_fails_alone(shop, monkeypatch):
    embed = shop.model.engine.embed_texts
    bad = shop.model.tokenizer.batch(["blue"], pad_to="longest")[0]

    def with_nan(tokens):
        embeddings = embed(tokens)
        for row, one in enumerate(tokens):
            if [t for t in one if t] == [t for t in bad if t]:
                embeddings[row] = np.nan
        return embeddings

    monkeypatch.setattr(shop.model.engine, "embed_texts", with_nan)
    first, second, third = shop.answer_all([(shop.read(text), HitLimits(k=2)) for text in ("red", "blue", "green")])
    assert isinstance(second, NoEmbedding) and "blue" in str(second)
    assert len(first) == len(third) == 2


def test_all_texts_are_embedded_in_one_call_each_once_by_whatever_is_given(shop):
    calls = []

    def embed(texts):
        calls.append(list(texts))
        return shop.model.embed_texts(texts)

    texts = ["red", "blue", "red"]
    asked = [(shop.read(text, without=["green"]), HitLimits(k=2)) for text in texts]
    same(shop.answer_all(asked, embed=embed), [alone(shop, one) for one in asked])
    assert calls == [["red", "green", "blue"]]


def test_an_embedding_that_is_none_is_the_error_of_its_query(shop):
    def embed(texts):
        return np.array([shop.model.embed_texts([text])[0] * (np.nan if text == "blue" else 1) for text in texts])

    asked = [(shop.read(text, keywords="off"), HitLimits(k=2)) for text in ("red", "blue")]
    first, second = shop.answer_all(asked, embed=embed)
    assert len(first) == 2 and isinstance(second, UsageError)


def test_queries_of_one_condition_are_searched_together(shop, monkeypatch):
    searches = []
    search = ExactIndex.search

    def counted(self, embeddings, k, where=None, **options):
        searches.append((len(embeddings), k, where is not None))
        return search(self, embeddings, k, where, **options)

    monkeypatch.setattr(ExactIndex, "search", counted)
    plain = [(shop.read(text, keywords="off"), HitLimits(k=k)) for k, text in enumerate(NAMES[:6], 1)]
    shop.answer_all(plain)
    assert searches == [(6, 6, False)]
    searches.clear()
    narrowed = [(shop.read(text, keywords="off", where="price < 50"), HitLimits(k=4)) for text in NAMES[:6]]
    shop.answer_all([*plain, *narrowed])
    assert searches == [(6, 6, False), (6, 5, True)]


def test_a_library_that_is_not_made_is_no_error_of_a_query(opened, tmp_path):
    (tmp_path / "empty").mkdir()
    library = opened(tmp_path / "empty")
    with pytest.raises(NotFound, match="no library"):
        library.answer_all([(library.read("red"), HitLimits())])
