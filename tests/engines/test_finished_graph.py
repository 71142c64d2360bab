"""Graphs of other exporters: fed by their own names and types, read by their own outputs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from wordsight.base.errors import FormatError
from wordsight.engines.fake import FakeEngine
from wordsight.engines.finished_graph import run_finished_graph
from wordsight.images.transform import normalise

SPEC = replace(FakeEngine().spec, width=4)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
TOKENS = np.array([[5, 6, 0, 0], [7, 0, 8, 0], [1, 2, 3, 4]], np.int32)


class Session:
    """A graph with these inputs (name, type, shape) and outputs; notes what it was fed, and gives `answer`."""

    def __init__(self, inputs, outputs=("image_embeds",), answer=None):
        self.inputs, self.outputs = inputs, outputs
        self.answer = answer or (lambda fed: np.arange(1, 1 + 4 * len(fed), dtype=np.float32).reshape(-1, 4))
        self.fed, self.asked = [], []

    def get_inputs(self):
        return [SimpleNamespace(name=name, type=kind, shape=shape) for name, kind, shape in self.inputs]

    def get_outputs(self):
        return [SimpleNamespace(name=name) for name in self.outputs]

    def run(self, names, values):
        self.fed.append(values)
        self.asked += names
        return [self.answer(next(iter(values.values())))]


def pixels_graph(kind="tensor(float)", batch="b", **rest):
    return Session([("pixel_values", kind, [batch, 3, 32, 32])], **rest)


@pytest.mark.parametrize(("kind", "dtype"), [("tensor(float)", np.float32), ("tensor(float16)", np.float16)])
def test_images_are_normalised_and_their_vectors_made_unit(kind, dtype):
    session = pixels_graph(kind)
    rows = run_finished_graph(session, SPEC, "image", PIXELS)
    fed = session.fed[0]["pixel_values"]
    assert fed.dtype == dtype and fed.flags.c_contiguous
    np.testing.assert_allclose(fed, normalise(PIXELS, SPEC.preprocess), rtol=1e-3, atol=1e-3)
    assert rows.dtype == np.float32
    expected = np.arange(1, 13).reshape(3, 4)
    np.testing.assert_allclose(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(("kind", "dtype"), [("tensor(int64)", np.int64), ("tensor(int32)", np.int32)])
def test_texts_come_with_a_mask_where_the_graph_wants_one(kind, dtype):
    session = Session([("input_ids", kind, ["b", "l"]), ("attention_mask", kind, ["b", "l"])])
    run_finished_graph(session, SPEC, "text", TOKENS)
    fed = session.fed[0]
    assert list(fed) == ["input_ids", "attention_mask"]
    assert {value.dtype for value in fed.values()} == {np.dtype(dtype)}
    assert fed["input_ids"].tolist() == TOKENS.tolist()
    # Padding is what follows the last token: one in the middle is seen.
    assert fed["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("outputs", "asked"),
    [
        (("last_hidden_state", "image_embeds"), "image_embeds"),
        (("x", "sentence_embedding", "y"), "sentence_embedding"),
        (("text_embeds",), "text_embeds"),
        (("first", "second"), "first"),
    ],
)
def test_the_output_that_is_the_embedding_is_asked_for(outputs, asked):
    session = pixels_graph(outputs=outputs)
    run_finished_graph(session, SPEC, "image", PIXELS)
    assert session.asked == [asked]


def test_a_graph_for_one_gets_one_by_one():
    session = pixels_graph(batch=1, answer=lambda fed: fed.reshape(1, -1)[:, :4])
    rows = run_finished_graph(session, SPEC, "image", PIXELS)
    assert [len(values["pixel_values"]) for values in session.fed] == [1, 1, 1]
    first = normalise(PIXELS, SPEC.preprocess).reshape(3, -1)[:, :4]
    np.testing.assert_allclose(rows, first / np.linalg.norm(first, axis=1, keepdims=True), rtol=1e-5)


def test_a_graph_for_three_gets_three():
    session = pixels_graph(batch=3)
    assert run_finished_graph(session, SPEC, "image", PIXELS).shape == (3, 4)
    with pytest.raises(FormatError) as caught:
        run_finished_graph(session, SPEC, "image", PIXELS[:2])
    assert str(caught.value) == "a graph for batches of 3; export it with a free batch axis, or for one"


@pytest.mark.parametrize("batch", ["b", 1, 3])
def test_no_inputs_give_no_embeddings(batch):
    session = pixels_graph(batch=batch)
    assert run_finished_graph(session, SPEC, "image", PIXELS[:0]).shape == (0, 4)
    assert session.fed == []


@pytest.mark.parametrize("width", [3, 5, 8])
def test_vectors_of_another_width_are_refused(width):
    session = pixels_graph(answer=lambda fed: np.ones((len(fed), width), np.float32))
    with pytest.raises(FormatError) as caught:
        run_finished_graph(session, SPEC, "image", PIXELS)
    assert str(caught.value) == (
        f"the image graph gives embeddings of {width} numbers, its configuration says 4; "
        "fetch the folder again, both graphs from the same export"
    )


def test_an_input_of_a_strange_type_is_refused():
    with pytest.raises(FormatError) as caught:
        run_finished_graph(pixels_graph("tensor(double)"), SPEC, "image", PIXELS)
    assert str(caught.value) == (
        "input pixel_values is tensor(double); known: tensor(float), tensor(float16), tensor(int32), tensor(int64)"
    )
