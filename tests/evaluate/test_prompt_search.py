"""Templates chosen on validation images and judged on test images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.evaluate import prompt_search
from wordsight.evaluate.linear import Labelled
from wordsight.evaluate.prompt_search import (
    combine_templates,
    judge_templates,
    random_words_templates,
    search_templates,
)
from wordsight.text.prompts import class_prompts


def drawn(seed, *, templates=6, classes=7, width=8, images=150):
    generator = np.random.default_rng(seed)
    truth = generator.standard_normal((classes, width))
    noise = generator.uniform(0.5, 3.0, (templates, 1, 1))
    per_template = np.stack(
        [unit(one) for one in truth + noise * generator.standard_normal((templates, classes, width))]
    )
    parts = []
    for _ in range(2):
        labels = generator.integers(classes, size=images)
        parts.append(Labelled(unit(truth[labels] + generator.standard_normal((images, width))), labels))
    return per_template, *parts


def right(per_template, chosen, images):
    """The number of images that are right, by the definition, in double precision, one image at a time."""
    mean = np.mean([per_template[t].astype(np.float64) for t in chosen], axis=0)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    count = 0
    for embedding, label in zip(images.embeddings.astype(np.float64), images.labels, strict=True):
        scores = mean @ embedding
        count += all(scores[label] > score for number, score in enumerate(scores) if number != label)
    return count


def greedy(per_template, images, most):
    chosen, counts, tried = [], [], 0
    while len(chosen) < min(most, len(per_template)):
        left = [t for t in range(len(per_template)) if t not in chosen]
        tried += len(left)
        best = max(left, key=lambda t: (right(per_template, [*chosen, t], images), -t))
        count = right(per_template, [*chosen, best], images)
        if counts and count <= counts[-1]:
            break
        chosen, counts = [*chosen, best], [*counts, count]
    return chosen, counts, tried


@pytest.mark.parametrize("kept", [prompt_search.KEPT, 0, 64 * 6 * 7 * 4])
@pytest.mark.parametrize("seed", [0, 2, 3])
def test_the_search_is_greedy_selection_by_the_definition(seed, kept, monkeypatch):
    monkeypatch.setattr(prompt_search, "KEPT", kept)  # all blocks of cosines, none, and one of three
    per_template, validation, _ = drawn(seed)
    search = search_templates(per_template, validation, most=5)
    chosen, counts, tried = greedy(per_template, validation, 5)
    assert len(chosen) > 1
    assert (list(search.chosen), search.tried) == (chosen, tried)
    assert search.accuracies == tuple(count / len(validation) for count in counts)


@given(seed=st.integers(0, 10_000), most=st.integers(1, 8))
@settings(max_examples=15, deadline=None)
def test_every_step_is_better_than_the_one_before_and_the_first_is_the_best_single(seed, most):
    per_template, validation, test = drawn(seed, templates=5, classes=4, images=40)
    search = search_templates(per_template, validation, most=most)
    assert 1 <= len(search.chosen) == len(set(search.chosen)) == len(search.accuracies) <= min(most, 5)
    assert list(search.accuracies) == sorted(set(search.accuracies))
    report = judge_templates(per_template, search.chosen, validation=validation, test=test)
    assert search.accuracies[0] == max(single.validation for single in report.singles)
    assert report.chosen.validation == search.accuracies[-1]
    assert report.interval[0] <= report.chosen.test <= report.interval[1]


def test_two_templates_that_are_wrong_alone_are_right_together():
    onward = unit(np.array([[1, 1.2, 0], [0, 1, 1.2], [1.2, 0, 1]], np.float32))  # each class leans to the next,
    back = unit(np.array([[1, 0, 1.2], [1.2, 1, 0], [0, 1.2, 1]], np.float32))  # or to the one before; the sum to none
    search = search_templates(np.stack([onward, back]), Labelled(np.eye(3, dtype=np.float32), np.arange(3)))
    assert (search.chosen, search.accuracies, search.tried) == ((0, 1), (0.0, 1.0), 3)


def test_equals_go_to_the_first_and_nothing_is_added_without_gain():
    per_template, validation, _ = drawn(3)
    doubled = np.concatenate([per_template[:1]] * 3)
    search = search_templates(doubled, validation)
    assert (search.chosen, search.tried) == ((0,), 3 + 2)


def test_ties_count_against_the_model():
    same = np.ones((2, 3, 4), np.float32) / 2
    images = Labelled(same[0], np.arange(3))
    assert search_templates(same, images).accuracies == (0.0,)
    report = judge_templates(same, [1], validation=images, test=images)
    assert (report.chosen.test, report.all.test, report.gain) == (0.0, 0.0, (0.0, 0.0))


def test_the_report_is_by_the_definition():
    per_template, validation, test = drawn(4)
    chosen = (2, 0)
    report = judge_templates(per_template, chosen, validation=validation, test=test)
    for accuracy, numbers in [
        (report.chosen, chosen),
        (report.all, range(6)),
        *zip(report.singles, [[t] for t in range(6)], strict=True),
    ]:
        assert accuracy.validation == right(per_template, numbers, validation) / len(validation)
        assert accuracy.test == right(per_template, numbers, test) / len(test)
        assert accuracy.gap == accuracy.validation - accuracy.test
    assert report.gain[0] <= report.chosen.test - report.all.test <= report.gain[1]
    assert np.allclose(np.linalg.norm(combine_templates(per_template, chosen), axis=1), 1)


def test_what_was_chosen_on_noise_is_no_better_on_other_noise():
    generator = np.random.default_rng(5)
    reports = []
    for _ in range(10):
        per_template = np.stack([unit(generator.standard_normal((2, 16))) for _ in range(60)])
        parts = [Labelled(unit(generator.standard_normal((60, 16))), generator.integers(2, size=60)) for _ in range(2)]
        chosen = search_templates(per_template, parts[0]).chosen
        reports.append(judge_templates(per_template, chosen, validation=parts[0], test=parts[1]))
    assert np.mean([report.chosen.validation for report in reports]) > 0.65
    assert abs(np.mean([report.chosen.test for report in reports]) - 0.5) < 0.06  # 600 images: 3 standard errors
    assert np.mean([report.chosen.gap for report in reports]) > 0.1


def test_what_cannot_be_searched_is_refused():
    per_template, validation, test = drawn(6)
    nothing = Labelled(validation.embeddings[:0], validation.labels[:0])
    cases = [
        (r"most = 0; allow", lambda: search_templates(per_template, validation, most=0)),
        (r"no images", lambda: search_templates(per_template, nothing)),
        (r"embeddings \(7, 8\) of classes", lambda: search_templates(per_template[0], validation)),
        (r"embeddings \(0, 7, 8\) of classes", lambda: search_templates(per_template[:0], validation)),
        (r"\(150, 8\) of images", lambda: search_templates(per_template[:, :, :5], validation)),
        (r"one class", lambda: search_templates(per_template[:, :1], validation)),
        (r"class numbers 0 to 6 for 5 classes", lambda: search_templates(per_template[:, :5], validation)),
        (r"no template is chosen", lambda: judge_templates(per_template, [], validation=validation, test=test)),
        (r"no images", lambda: judge_templates(per_template, [0], validation=validation, test=nothing)),
    ]
    for message, call in cases:
        with pytest.raises(UsageError, match=message):
            call()


def test_random_words_are_templates_that_the_seed_decides():
    made = random_words_templates(1, 5)
    assert made == random_words_templates(1, 5) != random_words_templates(2, 5)
    assert len(set(made)) == 5
    prompts = class_prompts("cat", made)
    assert all(prompt.startswith("a photo of a cat, which has ") and prompt.count(", ") == 2 for prompt in prompts)
    assert random_words_templates(1, 0) == []
