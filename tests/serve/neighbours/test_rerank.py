"""Rankings of texts and images in the shapes of Jina, Cohere, infinity and Voyage; what their scores are."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.embeddings.model import load
from wordsight.search.background import moments
from wordsight.serve.neighbours.relevance import EmbeddedParts, UsualMoments, deviations, relevance


@pytest.fixture
def documents(photos, base64_image):
    return ["a blue sky", {"image": base64_image(photos / "a" / "red.png")}, {"text": "red"}, "green"]


@pytest.fixture
def ask(client):
    """Return a function from what is asked to the answer."""

    def asked(path, **body):
        answer = client.post(path, json={"model": "default", **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return asked


def test_texts_and_images_are_ranked_together(ask, documents):
    for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
        answer = ask(path, query="red", documents=documents)
        assert (answer["object"], answer["model"], answer["usage"]) == (
            "rerank",
            "fake",
            {"prompt_tokens": 3 + 5 + 3 + 3, "total_tokens": 3 + 5 + 3 + 3},
        )
        assert {one["index"] for one in answer["results"][:2]} == {1, 2}
        scores = [one["relevance_score"] for one in answer["results"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert all(one.keys() == {"index", "relevance_score"} for one in answer["results"])


def test_raw_scores_are_cosines(ask, documents, photos):
    model = load(engine="fake")
    embedded = np.concatenate(
        [
            model.embed_texts(["a blue sky"]),
            model.embed_images([photos / "a" / "red.png"]),
            model.embed_texts(["red", "green"]),
        ]
    )
    for query, asked in (
        (model.embed_texts(["red"])[0], "red"),
        (embedded[1], documents[1]),
        (unit(embedded[:2].mean(0)[None])[0], {"content": documents[:2]}),
    ):
        results = ask("/rerank", query=asked, documents=documents, raw_scores=True)["results"]
        expected = embedded.astype(np.float64) @ query
        assert [one["index"] for one in results] == np.argsort(-expected, kind="stable").tolist()
        np.testing.assert_allclose([one["relevance_score"] for one in results], np.sort(expected)[::-1], atol=1e-6)


def test_documents_come_back_as_each_client_reads_them(ask, documents):
    body = {"query": {"text": "red"}, "documents": documents, "return_documents": True}
    for path, shown in (
        ("/v1/rerank", {"text": "a blue sky"}),
        ("/v2/rerank", {"text": "a blue sky"}),
        ("/rerank", "a blue sky"),
    ):
        by_index = {one["index"]: one["document"] for one in ask(path, **body)["results"]}
        assert (by_index[0], by_index[1], by_index[2]) == (shown, documents[1], documents[2])


def test_top_n_cuts_and_voyage_has_its_own_names(ask, documents):
    (best,) = ask("/v1/rerank", query="green", documents=documents, top_n=1)["results"]
    assert best["index"] == 3
    answer = ask("/v1/rerank", query="green", documents=documents, top_k=2, truncation=True)
    assert (answer["object"], "results" in answer) == ("list", False)
    assert answer["data"][0]["index"] == 3
    assert len(answer["data"]) == 2
    assert len(ask("/v1/rerank", query="green", documents=documents, top_k=None, truncation=True)["data"]) == 4
    assert answer["usage"]["total_tokens"] > 0


def test_vllm_has_documents_as_one_content(ask, documents, base64_image, photos):
    address = f"data:image/png;base64,{base64_image(photos / 'a' / 'red.png')}"
    content = [{"type": "text", "text": "green"}, {"type": "image_url", "image_url": {"url": address}}]
    results = ask("/rerank", query="red", documents={"content": content}, top_n=0)["results"]
    assert [one["index"] for one in results] == [1, 0]
    query = {"content": content[1:]}
    assert ask("/rerank", query=query, documents=["green", "red"])["results"][0]["index"] == 1


def test_an_image_is_a_query_too(ask, documents):
    results = ask("/v1/rerank", query=documents[1], documents=documents)["results"]
    assert {one["index"] for one in results[:2]} == {1, 2}


def test_errors_are_read_by_all_clients(client):
    for body, status in (
        ({"query": "red", "documents": []}, 400),
        ({"query": "red"}, 422),
        ({"query": "red", "documents": ["x"], "top_n": -1}, 400),
        ({"query": "red", "documents": {}}, 400),
        ({"query": "red", "documents": {"content": "red"}}, 400),
        ({"query": None, "documents": ["x"]}, 400),
        ({"query": "red", "documents": [{"image": "aGVsbG8="}]}, 400),
        ({"query": "red", "documents": ["x"], "model": "rerank-v3.5"}, 404),
    ):
        answer = client.post("/v2/rerank", json=body)
        assert answer.status_code == status, body
        assert answer.json()["message"] == answer.json()["detail"] == answer.json()["error"]["message"]


@pytest.fixture
def apart():
    """Captions and images that are alike in pairs, with a wide gap between texts and images; (texts, images)."""
    noise = np.random.default_rng(0).standard_normal
    meaning, gap = noise((200, 64)), 12 * unit(noise((1, 64)))
    return unit(meaning + 0.5 * noise((200, 64)) + gap), unit(meaning + 0.5 * noise((200, 64)) - gap)


def test_the_gap_between_texts_and_images_does_not_decide(apart):
    texts, images = apart
    usual = UsualMoments(moments(texts[100:]), moments(images[100:]))
    documents = [EmbeddedParts(("text",), texts[i : i + 1]) for i in range(1, 20)]
    documents += [EmbeddedParts(("image",), images[i : i + 1]) for i in range(20)]
    text_query, image_query = EmbeddedParts(("text",), texts[:1]), EmbeddedParts(("image",), images[:1])
    cosines = np.array([float(one.embeddings[0] @ texts[0]) for one in documents])
    assert cosines[:19].min() > cosines[19:].max()  # any text is nearer than the right image
    assert deviations(text_query, documents, usual).argmax() == 19
    documents = [EmbeddedParts(("image",), images[i : i + 1]) for i in range(1, 20)]
    documents += [EmbeddedParts(("text",), texts[i : i + 1]) for i in range(20)]
    for known in (usual, UsualMoments(usual.phrases)):  # images that are usual, or those of the request for them
        assert deviations(image_query, documents, known).argmax() == 19


def test_scores_do_not_depend_on_what_else_is_ranked(apart):
    texts, images = apart
    usual = UsualMoments(moments(texts[100:]), moments(images[100:]))
    query = EmbeddedParts(("text",), texts[:1])
    documents = [EmbeddedParts(("image", "text"), np.stack([images[0], texts[0]]))]
    documents += [EmbeddedParts(("image",), images[i : i + 1]) for i in range(5)]
    together = deviations(query, documents, usual)
    alone = [float(deviations(query, [one], usual)[0]) for one in documents]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    parts = [EmbeddedParts((kind,), row[None]) for kind, row in zip(*documents[0], strict=True)]
    assert together[0] == pytest.approx(deviations(query, parts, usual).mean(), abs=1e-5)


def test_relevance_keeps_the_order():
    scores = relevance(np.array([-1e9, -3.0, 0.0, 4.6, 9.0, 1e9]))
    assert (np.diff(scores) >= 0).all()
    assert scores[2] < 0.01
    assert 0.4 < scores[3] < 0.6
    assert scores[4] > 0.99
