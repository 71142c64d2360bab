"""The cached-feature adapter: its votes, the blend that is chosen, the keys that are learned."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.evaluate.adapters import TipAdapter, choose_blend, choose_blend_published, learn_keys
from wordsight.evaluate.linear import Labelled

EYE = np.eye(3, dtype=np.float32)


def test_votes_are_those_of_the_paper():
    keys = Labelled(EYE[[0, 1, 1]], np.array([0, 1, 1]))
    adapter = TipAdapter(keys, 2, alpha=2.0, beta=5.0)
    votes = adapter.votes(EYE[[0, 1]])
    np.testing.assert_allclose(votes, [[1, 2 * np.exp(-5)], [np.exp(-5), 2]], rtol=1e-5)
    zero_shot = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(adapter.scores(EYE[[0, 1]], zero_shot), zero_shot + 2 * votes, rtol=1e-6)


def test_names_that_are_right_are_left_alone_and_wrong_ones_outvoted():
    keys = Labelled(EYE, np.arange(3))
    rows = Labelled(EYE, np.arange(3))
    right = 10 * EYE
    assert choose_blend(TipAdapter(keys, 3), rows, right).alpha == 0.0
    wrong = 10 * EYE[[1, 2, 0]]
    blended = choose_blend(TipAdapter(keys, 3), rows, wrong)
    assert blended.alpha > 10
    assert blended.scores(EYE, wrong).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("error")
def test_learned_keys_make_their_own_classes_likelier_without_voting_for_themselves():
    generator = np.random.default_rng(0)
    labels = np.arange(20) % 4
    centres = generator.normal(size=(4, 16))
    few = Labelled(unit(centres[labels] + 1.5 * generator.normal(size=(20, 16))), labels)
    adapter = TipAdapter(few, 4, alpha=3.0, beta=20.0)
    learned = learn_keys(adapter, np.zeros((20, 4)))
    assert (learned.alpha, learned.beta) == (3.0, 20.0)
    assert learned.keys.labels is labels
    test = Labelled(unit(centres[labels] + 1.5 * generator.normal(size=(20, 16))), labels)

    def likelihood(one):
        votes = one.scores(test.embeddings, np.zeros((20, 4)))
        return float((votes[np.arange(20), labels] - np.log(np.exp(votes).sum(axis=1))).mean())

    assert likelihood(learned) > likelihood(adapter)
    single = TipAdapter(Labelled(EYE[:1], np.array([0])), 3)  # nobody else to vote: nothing to learn
    np.testing.assert_array_equal(learn_keys(single, np.zeros((1, 3))).keys.embeddings, EYE[:1])


def test_the_published_search_takes_the_first_of_the_best_on_its_grid():
    generator = np.random.default_rng(3)
    labels = np.arange(30) % 3
    centres = generator.normal(size=(3, 8))
    few = Labelled(unit(centres[labels[:6]] + generator.normal(size=(6, 8))), labels[:6])
    held_out = Labelled(unit(centres[labels] + generator.normal(size=(30, 8))), labels)
    zero_shot = 3 * generator.normal(size=(30, 3))
    adapter = TipAdapter(few, 3)
    chosen = choose_blend_published(adapter, held_out, zero_shot, most=(7.0, 3.0), counts=(5, 4))
    tried = []
    for beta in (0.1, 1.48, 2.86, 4.24, 5.62):  # 0.1 + i * 6.9 / 5
        for alpha in (0.1, 0.825, 1.55, 2.275):  # 0.1 + i * 2.9 / 4
            affinity = held_out.embeddings @ few.embeddings.T
            logits = zero_shot + alpha * np.exp(-beta * (1 - affinity)) @ np.eye(3)[few.labels]
            tried.append(((logits.argmax(axis=1) == labels).mean(), beta, alpha))
    best = max(tried, key=lambda one: one[0])
    assert (chosen.beta, chosen.alpha) == (pytest.approx(best[1]), pytest.approx(best[2]))
    assert chosen.keys is few
