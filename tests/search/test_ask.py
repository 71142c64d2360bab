"""Answers and ranks on the small engine that knows colours, in Python and as typed."""

import json

import numpy as np
import pytest

from wordsight.base.errors import BrokenImage, UsageError
from wordsight.cli.main import main
from wordsight.data.scenes import all_pairs, scenes
from wordsight.embeddings.model import load
from wordsight.search import rank as ranking
from wordsight.search.ask import Ballot, ask
from wordsight.search.background import Moments
from wordsight.search.rank import Usual, rank, ranked
from wordsight.text.visual_questions import visual_question


@pytest.fixture
def images(tmp_path, paint):
    return [paint(tmp_path / f"{name}.png", name) for name in ("red", "blue")]


def test_the_right_answer_is_first_and_probabilities_sum_to_one(model, images):
    red, blue = ask(model, images, "What colour is the car?", ["blue", "red", "green"])
    assert [red.answers[0].text, blue.answers[0].text] == ["red", "blue"]
    assert sum(one.probability for one in red.answers) == pytest.approx(1, abs=1e-6)
    assert red.margin == red.answers[0].probability - red.answers[1].probability > 0.1
    assert red.answers[0].statements == ("a photo of a red car.", "red car")


def test_yes_and_no(model, images):
    for question, expected in (("Is the car red?", ["yes", "no"]), ("Is it red or blue?", ["red", "blue"])):
        assert [one.answers[0].text for one in ask(model, images, question)] == expected


def test_a_no_with_many_ways_is_no_likelier_for_it(model):
    """Where the image says nothing, yes and no are even, though there are seventeen other colours."""
    ballot = Ballot(model, visual_question("Is it red?"))
    nothing = np.zeros(model.spec.width, np.float32)
    assert [one.probability for one in ballot.answers(nothing).answers] == pytest.approx([0.5, 0.5])


def test_statements_are_embedded_once_for_several_images(model, images, monkeypatch):
    counted = []
    embed = model.embed_texts
    monkeypatch.setattr(model, "embed_texts", lambda texts: (counted.append(len(texts)), embed(texts))[1])
    assert len(ask(model, [*images, *images], "What colour is the car?")) == 4
    assert len(counted) == 1


def test_drawn_scenes_have_the_colours_that_are_asked_for(model):
    drawn = [one for one in scenes(64, pairs=all_pairs(), seed=5) if one.scene.colour in ("red", "blue")]
    replies = ask(model, [one.image for one in drawn], "What colour is it, red or blue?")
    right = [reply.answers[0].text == one.scene.colour for reply, one in zip(replies, drawn, strict=True)]
    assert len(right) == 16 and np.mean(right) > 0.7


def test_ask_as_typed(images, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"none")
    asked = [str(tmp_path), "What colour is the car?", "--answers", "red, blue", "--engine", "fake"]
    assert main(["ask", *asked, "--json"]) == 1
    printed = capsys.readouterr()
    records = [json.loads(line) for line in printed.out.splitlines()]
    assert [(one["path"], one["answers"][0]["answer"]) for one in records] == [
        (str(tmp_path / "blue.png"), "blue"),
        (str(tmp_path / "red.png"), "red"),
    ]
    assert list(records[0]) == ["path", "question", "kind", "answers", "margin", "note"]
    assert list(records[0]["answers"][0]) == ["answer", "probability", "cosine", "statements"]
    assert records[0]["note"] is None and "broken.png" in printed.err
    assert main(["ask", str(images[0]), "What colour is it?", "--answers-file", "colours", "--engine", "fake"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{images[0]}  red ") and "  margin " in line and len(line.split("  ")) == 5


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["IMAGE", "Which is bigger?"], "no template"),
        (["What colour is it?", "IMAGE"], "write the question last"),
        (["IMAGE", "What colour is it?", "--top", "0"], "--top 0"),
        (["IMAGE", "a" * 10_000 + "?"], "a question of 10,001 letters; ask in 1,000 at most"),
        (["IMAGE", "a" * 900 + "?"], "no template"),
        (["IMAGE", "What colour is it?", "--answers", "a" * 10_000], "fewer than two answers"),
        (["IMAGE", "What colour is it?", "--answers-file", "a" * 10_000], "no list of answers"),
        (["IMAGE", "What colour is it?", "--answers", "IMAGE"], "--answers-file"),
    ],
)
def test_a_wrong_call_of_ask(arguments, problem, images, capsys):
    assert main(["ask", *(str(images[0]) if one == "IMAGE" else one for one in arguments), "--engine", "fake"]) == 2
    assert problem in capsys.readouterr().err


def test_a_text_longer_than_names_of_files_is_ranked(images, capsys):
    assert main(["rank", "red " * 3000, str(images[0]), "--engine", "fake", "--paths-only"]) == 0
    assert capsys.readouterr().out.strip() == str(images[0])


def test_rank_orders_by_cosine_and_says_the_lead(model, images):
    first, second = rank(model, "red", images[::-1])
    assert (first.number, first.image, second.image) == (1, images[0], images[1])
    assert first.margin == pytest.approx(first.cosine - second.cosine) and second.margin is None
    assert first.match is None  # nothing was learned for this model
    with pytest.raises(UsageError, match="empty text"):
        rank(model, " ", images)
    with pytest.raises(BrokenImage):
        rank(model, "red", [b"none"])


def test_a_match_rises_with_the_cosine_of_one_image():
    usual = Usual(Moments(np.array([0.1, 0.1, 0.1], np.float32), np.eye(3, dtype=np.float32) / 9))
    image = np.array([1, 0, 0], np.float32)
    matches = []
    for angle in (0.1, 0.7, 1.4):
        text = np.array([np.cos(angle), np.sin(angle) * 0.6, np.sin(angle) * 0.8], np.float32)
        matches.append(ranked(text, [("a", image)], usual)[0].match)
    assert matches == sorted(matches, reverse=True) and 0 < matches[-1] < matches[0] < 1


def test_the_coefficients_are_those_of_the_bundled_model():
    assert load("bundled").fingerprint == ranking.LEARNED_FOR, "run benchmarks/ranking.py --fit for the new model"


def test_rank_as_typed(images, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"none")
    assert main(["rank", "red", str(tmp_path), "--engine", "fake", "--json"]) == 1
    printed = capsys.readouterr()
    records = [json.loads(line) for line in printed.out.splitlines()]
    assert [(one["rank"], one["path"]) for one in records] == [(1, str(images[0])), (2, str(images[1]))]
    assert list(records[0]) == ["rank", "path", "cosine", "margin", "match"]
    assert records[0]["match"] is None and "broken.png" in printed.err
    assert main(["rank", "blue", *map(str, images), "--engine", "fake", "--paths-only", "--top", "1"]) == 0
    assert capsys.readouterr().out == f"{images[1]}\n"
    assert main(["rank", str(images[0]), str(images[1]), "--engine", "fake"]) == 2
    assert "write the text first" in capsys.readouterr().err
    assert main(["rank", "red", *map(str, images), "--engine", "fake"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("to the next")
