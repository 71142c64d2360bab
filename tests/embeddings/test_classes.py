"""A class is one embedding: the mean of its prompts at length 1, wherever it is asked for."""

from functools import partial

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.embeddings.classes import class_embeddings
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.encode import text_embeddings


def embed(texts):
    return np.array([[len(text), 1.0] for text in texts], np.float32)


def test_a_class_is_the_mean_of_its_prompts_at_length_one():
    rows = class_embeddings(embed, [["a", "abc"], ["abcd"], ["abcdefgh", "abcdefgh"]])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, np.array([[2, 1], [4, 1], [8, 1]]) / np.sqrt([[5], [17], [65]]), rtol=1e-6)


def test_prompts_that_cancel_leave_a_class_near_nothing():
    rows = class_embeddings(lambda texts: np.array([[1, 0], [-1, 0], [0, 1]], np.float32), [["a", "b"], ["c"]])
    np.testing.assert_array_equal(rows, [[0, 0], [0, 1]])


def test_an_evaluation_makes_the_same_classes_as_the_public_face():
    model = Model(FakeEngine())
    prompts = [["a photo of a cat.", "a photo of a kitten."], ["a photo of a dog."]]
    np.testing.assert_allclose(
        class_embeddings(partial(text_embeddings, model), prompts),
        model.embed_classes(["cat, kitten", "dog"], ["a photo of a {}."]),
        atol=1e-6,
    )


def test_classes_without_templates_are_refused():
    with pytest.raises(UsageError, match="no templates for the class cat"):
        Model(FakeEngine()).embed_classes(["cat"], [])
