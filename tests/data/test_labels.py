"""Class names become texts through templates."""

import numpy as np
import pytest

from wordsight.base.errors import InputError, UsageError
from wordsight.data.cache import build_cache
from wordsight.data.fake import FakeSource
from wordsight.data.image_set import Annotation
from wordsight.data.labels import LabelTexts, Prompter


def _drawn(prompter, words, number=400):
    return [prompter.draw(words, chance) for chance in np.linspace(0, 1, number, endpoint=False)]


def test_synonyms_and_templates_are_drawn_alike_and_count_as_the_same():
    drawn = _drawn(Prompter(["a {}.", "the {}."]), Annotation(label="brown bear, bruin"))
    texts = [wording.text for wording in drawn]
    assert {text: texts.count(text) for text in texts} == {
        "a brown bear.": 100,
        "the brown bear.": 100,
        "a bruin.": 100,
        "the bruin.": 100,
    }
    assert {wording.same_as for wording in drawn} == {"label brown bear, bruin"}


def test_share_splits_between_prompts_and_captions():
    drawn = _drawn(Prompter(["a {}."], share=0.25), Annotation(("one", "two"), "dog"))
    counts = {text: sum(w.text == text for w in drawn) for text in ("a dog.", "one", "two")}
    assert counts == {"a dog.": 100, "one": 150, "two": 150}
    assert {w.same_as for w in drawn} == {"label dog", "text one", "text two"}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_what_is_missing_is_not_drawn(share):
    prompter = Prompter(["a {}."], share=share)
    assert {w.text for w in _drawn(prompter, Annotation(("one",), None))} == {"one"}
    assert {w.text for w in _drawn(prompter, Annotation((), "dog"))} == {"a dog."}
    with pytest.raises(InputError):
        prompter.draw(Annotation(), 0.5)


def test_arguments_without_sense():
    with pytest.raises(UsageError, match="templates"):
        Prompter([])
    with pytest.raises(UsageError, match="share"):
        Prompter(share=1.5)


def test_a_labelled_set_is_the_set_beneath_with_other_texts(tmp_path):
    cache = build_cache(FakeSource(6), size=16, folder=tmp_path)
    labelled = LabelTexts(cache, ["a photo of a {}."])
    rows = np.arange(6)
    assert len(labelled) == 6 and labelled.size == 16
    assert np.array_equal(labelled.pixels(rows)[0], cache.pixels(rows)[0])
    assert labelled.draw(2, 0.9).text == "a photo of a red."
    assert cache.draw(2, 0.9).text == "a square that is red"
