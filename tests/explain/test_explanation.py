"""One call: every method on every family, the words, the checks, what is refused; and the verb with its page."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.base.errors import BrokenImage, MissingExtra, UsageError
from wordsight.cli.main import main
from wordsight.embeddings import model as models
from wordsight.embeddings.model import Model
from wordsight.engines.torch_engine import TorchEngine
from wordsight.explain import relevance
from wordsight.explain.explanation import SHOWN, _joined, explain
from wordsight.explain.in_words import ONE_COLOUR, answer, figure, sanity_sentence, sentences, verdict, verdict_in_words
from wordsight.explain.inside import tensors
from wordsight.explain.methods import DEFAULTS, METHODS, fitting
from wordsight.explain.occlusion import occlusion
from wordsight.explain.recorded import append, recorded
from wordsight.explain.relevance import ready, relevance_of
from wordsight.explain.sanity import SanityCheck
from wordsight.search.direction import Direction
from wordsight.search.hits import Hit
from wordsight.search.why import reasons_of

sys.path.insert(0, str(Path(__file__).parent))

from random_towers import IMAGES, some_pixels, towers_of


class Tokens:
    """Each word is a token, by its length; 1 begins a text and 39 ends it."""

    def batch(self, texts, *, pad_to=None):
        rows = np.zeros((len(texts), 9), np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [1, *(2 + len(word) for word in text.split()), 39]
            row[: len(ids)] = ids
        return rows

    def decode(self, ids):
        return " ".join({0: "", 1: "", 39: ""}.get(one, "x" * (one - 2)) for one in ids)


@pytest.fixture
def model(monkeypatch):
    def of(name="class token"):
        towers = towers_of(IMAGES[name])
        made = Model(TorchEngine.of(towers, fingerprint="0" * 16))
        made.__dict__["tokenizer"] = Tokens()
        monkeypatch.setattr(relevance, "towers_of", lambda _: towers)
        return made

    return of


def photo(width=48, height=32):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("name", "family"), [(n, f) for f in IMAGES for n in METHODS])
def test_every_method_fits_what_its_row_says(model, name, family):
    made = model(family)
    pixels, texts = np.zeros((made.spec.image.size,) * 2 + (3,), np.uint8), made.embed_texts(["aa b", "ccc"])
    pixels[4:12, 4:12] = 200
    if name not in fitting(made.spec.image.kind):
        with pytest.raises(UsageError, match=f"{name.replace('+', '.')} does not fit t, whose image tower is of kind"):
            ready(name, made)
        return
    try:
        maps = relevance_of(name, made, pixels, texts)
    except UsageError as error:  # of a kind of pooling that the method's file names
        assert family == "mean, class token beside" and "Grad-CAM fits all native towers" in error.cure
        return
    assert maps.dtype == np.float32 and maps.ndim == 3 and len(maps) == 2
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("name", [n for n, method in METHODS.items() if method.inside and n not in ("rollout", "gem")])
def test_no_texts_are_one_clear_error(model, name):
    made = model("resnet" if name in ("grad-cam++", "layer-cam") else "class token")
    pixels = np.zeros((made.spec.image.size,) * 2 + (3,), np.uint8)
    with pytest.raises(UsageError, match="a map of no texts; give the embedding of at least one"):
        relevance_of(name, made, pixels, np.zeros((0, 20), np.float32))


def test_one_call_gives_maps_words_and_checks(model):
    why = explain(model(), photo(), ["aa b", "ccc dd"], method="legrad")
    assert (why.method, why.texts) == ("legrad", ("aa b", "ccc dd"))
    assert explain(model(), photo(), ["aa b"], trust=False).method == DEFAULTS["vit"] == "occlusion"
    assert why.maps.shape == (2, 32, 48)
    seen = ~np.isnan(why.maps[0])
    assert seen[:, 8:40].all() and not seen[:, :8].any() and not seen[:, 40:].any()  # the centre is cut out
    assert (np.nanmin(why.maps), np.nanmax(why.maps)) == (0, 1)
    assert why.overlay(0).shape == why.against(0, 1).shape == (32, 48, 3)
    assert [piece for piece, _ in why.words[0]] == ["xx", "x"]
    assert np.allclose(why.cosines, model().score([photo()], ["aa b", "ccc dd"])[0], atol=1e-5)
    assert len(why.trust) == len(why.swaps) == 2
    assert [one.name for one in why.randomised] == ["randomised"] * 2
    assert why.checks(1) == [why.trust[1], why.randomised[1], why.swaps[1]]
    assert why.passes(0) == (why.trust[0].passes and why.randomised[0].passes and why.swaps[0].passes)
    quick = explain(model(), photo(), ["aa b"], method="legrad", trust=False)
    assert (quick.trust, quick.randomised, quick.swaps, quick.passes(0)) == ((), (), (), None)
    assert np.allclose(quick.relevance[0], why.relevance[0], atol=1e-6)


def test_each_map_is_held_against_another_text(model, monkeypatch):
    made = np.stack([np.arange(16), np.arange(16), np.arange(16)[::-1]]).reshape(3, 4, 4).astype(np.float32)
    monkeypatch.setattr("wordsight.explain.explanation.relevance_of", lambda *_, **__: made.copy())
    why = explain(model(), photo(), ["aa b", "ccc dd", "e"], method="occlusion")
    assert [one.passes for one in why.swaps] == [False, False, True]  # the first two are alike, the third is not
    assert [one.correlation for one in why.swaps] == pytest.approx([1, 1, -1])


def test_a_map_in_which_nothing_speaks_for_its_text_has_no_checks_and_helps_no_other(model, monkeypatch):
    made, random = np.zeros((3, 4, 4), np.float32), np.ones((3, 4, 4), np.float32)
    made[1] = made[2] = np.arange(16).reshape(4, 4)
    monkeypatch.setattr("wordsight.explain.explanation.relevance_of", lambda *_, **__: made.copy())
    monkeypatch.setattr("wordsight.explain.explanation.randomised_of", lambda *_, **__: random)
    why = explain(model(), photo(), ["aa b", "ccc dd", "e"], method="legrad")
    assert (
        verdict(why, 0) == "even"
        and sentences(why, 0)[0].startswith("Nothing in the map speaks")
        and why.passes(0) is None
    )
    assert (figure(why, 0), why.checks(0)) == ("", [])
    assert [one and one.correlation for one in why.swaps] == [None, pytest.approx(1), pytest.approx(1)]
    assert len(why.checks(1)) == 3 and figure(why, 1) and verdict(why, 1) == "fails"
    made[2] = 7  # even, too: no other text is left for the swap
    why = explain(model(), photo(), ["aa b", "ccc dd", "e"], method="legrad")
    assert why.swaps == () and len(why.checks(1)) == 2 and why.passes(2) is None


def test_padding_is_no_word(model):
    class Padded(Tokens):
        """As CLIP's, whose padding is the token of a word."""

        def batch(self, texts, *, pad_to=None):
            rows = super().batch(texts)
            return rows[:, : int((rows != 0).sum(axis=1).max())]

        def decode(self, ids):
            return "!" if ids == [0] else super().decode(ids)

    made = model()
    made.__dict__["tokenizer"] = Padded()
    why = explain(made, photo(), ["aa b ccc", "d"], trust=False)
    assert [[token for token, _ in words] for words in why.words] == [["xx", "x", "xxx"], ["x"]]


def test_a_map_that_stays_without_what_was_learned_fails(model, monkeypatch):
    same = np.random.default_rng(0).random((2, 4, 4)).astype(np.float32)
    monkeypatch.setattr("wordsight.explain.inside.legrad.relevance", lambda *_, **__: torch.from_numpy(same.copy()))
    why = explain(model(), photo(), ["aa b", "ccc dd"], method="legrad")
    assert [one.correlation for one in why.randomised] == [1.0, 1.0]
    assert why.passes(0) is False and "randomised: rank correlation +1.00: fails" in map(str, why.checks(0))


def test_towers_are_built_once(model, monkeypatch):
    made, towers, built = model(), relevance.towers_of(None), []
    monkeypatch.setattr(relevance, "towers_of", lambda _: built.append(1) or towers)
    explain(made, photo(), ["a"], method="legrad", trust=False)
    assert len(built) == 1
    why = explain(made, photo(), ["aa b"], method="occlusion")
    assert why.randomised == () and [piece for piece, _ in why.words[0]] == ["xx", "x"]  # words need them, too
    assert len(built) == 2


def test_random_weights_are_others_and_leave_the_generator_alone():
    towers, before = towers_of(), torch.random.get_rng_state()
    first, again, other = (tensors.with_random_weights(towers, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state()) and not first.training
    weights = [one.visual.proj for one in (towers, first, again, other)]
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[1], weights[0]) and not torch.equal(weights[1], weights[3])


def test_one_text_where_a_method_compares_with_nothing(model):
    assert explain(model(), photo(), ["aa b"], method="surgery", trust=False).relevance.shape == (1, 4, 4)


def test_large_images_are_shown_smaller(model):
    why = explain(model(), photo(3000, 1500), ["a"], trust=False)
    assert why.image.shape == (SHOWN // 2, SHOWN, 3)


@pytest.mark.parametrize(
    ("image", "texts", "how", "error", "says"),
    [
        (photo(), [], {}, UsageError, "no texts to explain; give a list of at least one"),
        (photo(), "a dog", {}, UsageError, "no texts to explain"),
        (photo(), ["a"], {"method": "legrat"}, UsageError, "no method 'legrat'; did you mean legrad"),
        (photo(), ["a"], {"method": "layer-cam"}, UsageError, "layer-cam does not fit t"),
        (photo(), ["x"] + [str(n) for n in range(20)], {}, UsageError, "21 texts for one image; give at most 20"),
        (photo(), ["a", "b", "a"], {}, UsageError, "the text 'a' is given twice; give every text once"),
        (photo(), ["a", " "], {}, UsageError, "the text ' ' has no word that t knows; write it in other words"),
        (photo(9000, 10), ["a"], {}, UsageError, "an image of 9,000 x 10 pixels; cut out a part"),
        (b"no image", ["a"], {}, BrokenImage, "picture|image"),
    ],
)
def test_what_cannot_be_explained(model, image, texts, how, error, says):
    with pytest.raises(error, match=says):
        explain(model(), image, texts, **how)


def test_a_flat_image_and_one_pixel_have_maps(model):
    for one in (Image.new("RGB", (40, 40), "red"), Image.new("RGB", (1, 1))):
        why = explain(model(), one, ["a", "bb"])
        assert why.maps.shape == (2, one.height, one.width)
        assert why.is_even(0) and why.is_even(1) and not np.nan_to_num(why.maps).any()
        assert (why.trust, why.swaps, why.passes(0)) == ((), (), None)
        assert verdict(why, 0) == "even" and sentences(why, 1) == [ONE_COLOUR] and figure(why, 0) == ""


def test_without_pytorch_it_says_what_works(monkeypatch, tmp_path):
    made = Model(TorchEngine.of(towers_of(), fingerprint="0" * 16), folder=tmp_path)

    def missing(target, *, extra=""):
        if extra == "train":
            raise MissingExtra("this needs the package torch", cure="pip install 'wordsight[train]'")
        raise AssertionError(target)

    monkeypatch.setattr(relevance, "resolve", missing)
    monkeypatch.setattr(relevance, "DEFAULTS", {made.spec.image.kind: "legrad"})
    assert ready("auto", made).name == "occlusion"
    with pytest.raises(MissingExtra, match="or use occlusion, which works without"):
        relevance_of("legrad", made, some_pixels().numpy(), np.zeros((1, 20), np.float32))


def test_the_verb_writes_a_page_and_prints_numbers(model, monkeypatch, tmp_path, capsys):
    made = model()
    monkeypatch.setattr(models, "load", lambda name, **options: made)
    photo().save(tmp_path / "one.png")
    assert main(["explain", str(tmp_path / "one.png"), "aa <b>", "ccc", "--out", str(tmp_path / "why.html")]) == 0
    text = (tmp_path / "why.html").read_text()
    assert text.count("<figure") == 4  # the image, the map of each text, and one shift
    assert "The model prefers “" in text and ", among these 2 texts." in text
    assert "aa &lt;b&gt;" in text and "<b>aa" not in text
    assert "http" not in text.replace("http-equiv", "")
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "one.png"), "aa", "ccc", "--json", "--fast", "--method", "gem"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["text"], first["method"], first["passes"], second["text"]) == ("aa", "gem", None, "ccc")
    assert np.array(first["relevance"]).shape == (4, 4)
    assert (first["path"], first["checks"], first["verdict"]) == (str(tmp_path / "one.png"), {}, "not checked")
    assert first["probability"] + second["probability"] == pytest.approx(1, abs=1e-5)
    out = ["--out", str(tmp_path / "too.html")]
    assert main(["explain", str(tmp_path / "one.png"), "aa", "--json", "--fast", *out]) == 0
    (alone,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (alone["text"], alone["probability"]) == ("aa", None) and (tmp_path / "too.html").exists()
    assert "checked of" not in (page := (tmp_path / "too.html").read_text()) and "is not known" in page
    assert main(["explain", str(tmp_path / "one.png"), "aa", "--out", str(tmp_path / "why.txt")]) == 2
    assert "name a file (.html, .png, .jpg), or a folder" in capsys.readouterr().err
    assert torch.is_grad_enabled()


def test_the_verb_explains_many_into_one_folder(model, monkeypatch, tmp_path, capsys):
    made = model()
    monkeypatch.setattr(models, "load", lambda name, **options: made)
    photo().save(tmp_path / "one.png")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "flat.png")
    rows = ["one.png,aa,bbb", "gone.png,aa,bbb", "one.png,aa,aa", "flat.png,aa,"]
    (tmp_path / "pairs.csv").write_text("image,true,misleading\n" + "\n".join(rows))
    maps = tmp_path / "maps"
    assert main(["explain", "--pairs", str(tmp_path / "pairs.csv"), "--out", str(maps), "--fast"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [str(maps)]
    gone, twice = captured.err.splitlines()
    assert "pairs.csv line 3: gone.png cannot be opened" in gone and "line 4: the text 'aa' is given twice" in twice
    records = [json.loads(line) for line in (maps / "explanations.jsonl").read_text().splitlines()]
    assert [one["name"] for one in records] == ["one.png", "flat.png"]
    assert records[0]["path"] == str(tmp_path / "one.png")
    assert [one["verdict"] for one in records[0]["texts"] + records[1]["texts"]] == ["not checked"] * 2 + ["even"]
    assert main(["explain", str(tmp_path / "one.png"), "aa", "--out", str(maps), "--fast"]) == 0
    assert main(["report", str(maps)]) == 0
    page = (maps / "report.html").read_text()
    assert page.count('<div class="grid-row">') == 3 and "3 images" in page


def test_a_line_that_a_full_disk_cut_short_does_not_take_the_folder_with_it(model, tmp_path):
    kept = recorded("one.png", explain(model(), photo(), ["aa"], trust=False))
    append(tmp_path, kept)
    lines = tmp_path / "explanations.jsonl"
    whole = lines.read_text()
    lines.write_text(whole + whole[:40])
    append(tmp_path, kept)
    assert lines.read_text() == whole * 2


def test_the_verb_writes_maps_side_by_side(model, monkeypatch, tmp_path, capsys):
    made = model()
    monkeypatch.setattr(models, "load", lambda name, **options: made)
    photo().save(tmp_path / "one.png")
    for ending in ("png", "jpg"):
        out = tmp_path / f"strip.{ending}"
        assert main(["explain", str(tmp_path / "one.png"), "aa", "bbb", "--fast", "--out", str(out)]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert "aa: cosine " in printed[1] and "? not checked" in printed[2] and printed[3] == str(out)
        with Image.open(out) as image:
            assert image.width == 4 * 260 + 5 * 12  # the image, two maps, their shift, as wide as their texts need


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to explain; give IMAGE and TEXT, or --pairs FILE"),
        (["one.png"], "nothing to explain"),
        (["one.png", "a", "--pairs", "p.csv"], "one.png beside --pairs p.csv; leave one of them out"),
        (["--pairs", "p.csv", "--out", "a.html"], "--pairs with --out a.html; name a folder"),
        (["--pairs", "gone.csv"], "no file gone.csv"),
        (["one.png", "a", "--out", ""], "--out is empty; name a file or a folder"),
        (["one.png", "a", "--out", "a.gif"], "--out a.gif; name a file (.html, .png, .jpg), or a folder"),
    ],
)
def test_what_the_verb_refuses_before_any_work(arguments, says, capsys):
    assert main(["explain", *arguments]) in (1, 2)
    assert says in capsys.readouterr().err


def test_a_method_that_does_not_fit_is_one_line_for_many_images(model, monkeypatch, tmp_path, capsys):
    made = model()
    monkeypatch.setattr(models, "load", lambda name, **options: made)
    (tmp_path / "pairs.csv").write_text("image,true\na.png,aa\nb.png,bb\n")
    assert main(["explain", "--pairs", str(tmp_path / "pairs.csv"), "--method", "layer-cam"]) == 2
    assert capsys.readouterr().err.count("layer-cam does not fit t") == 1


def test_hits_are_explained_by_what_fits_every_model(model, tmp_path):
    made = model()
    photo().save(tmp_path / "one.png")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "flat.png")
    direction = Direction(made.embed_texts(["aa b"])[0])
    hits = [Hit(0.5, f"{name}.png", tmp_path / f"{name}.png", {}) for name in ("one", "flat")]
    one, flat = reasons_of(made, direction, hits, {})
    assert one.method == flat.method == "occlusion" and one.shares == ()
    texts = made.embed_texts(["aa b", "a"])
    expected = occlusion(made.engine, made.load_pixels(tmp_path / "one.png"), texts, grid=8)
    assert np.allclose(one.relevance, expected[0], atol=1e-6)
    assert one.passes is not None and flat.passes is None and flat.spot is None


def test_sanity_checks_in_sentences():
    swap = sanity_sentence(SanityCheck("text swap", 0.91, None, False))
    assert "a rank correlation of +0.91: the map hardly asks for the text, it fails." in swap
    random = sanity_sentence(SanityCheck("randomised", -0.1, 0.25, True))
    assert random.startswith("Random weights: ")
    assert random.endswith("a rank correlation of -0.10, SSIM 0.25: the map rests on what was learned.")


def test_figures_and_sentences_say_what_was_done(model):
    why = explain(model(), photo(), ["aa b", "ccc dd"])
    one = why.trust[0]
    side = "above" if one.better_than_random >= 0 else "below"
    assert figure(why, 0).startswith(f"{abs(one.better_than_random):.3f} {side} the mean of 19 random maps, p = ")
    first, second = sentences(why, 0)
    assert f"{one.areas.deletion:.3f} on average" in first and f"p = {one.p_value:.2f}" in first
    assert ("it stands" in first) == one.passes and ("it fails" in second) != why.swaps[0].passes
    assert verdict(why, 0) == ("stands" if why.passes(0) else "fails")


def test_a_verdict_says_how_many_checks_it_rests_on(model):
    assert verdict_in_words("stands", {"hiding and showing": True}) == "✓ stands 1 of 1 checks"
    two = {"hiding and showing": True, "another text": False}
    assert verdict_in_words("fails", two) == "✗ fails 1 of 2 checks (another text): do not read it"
    assert verdict_in_words("not checked", {}) == "? not checked"


def test_the_answer_says_among_what_a_probability_is(model):
    def of(cosines, loss="softmax"):
        why = explain(model(), photo(), ["aa b", "ccc dd", "e"][: len(cosines)], trust=False)
        shares = None if cosines == [1] else np.array(cosines)
        return answer(replace(why, probabilities=shares, loss=loss))

    assert of([0.2, 0.8]) == "The model prefers “ccc dd” (80.0 %) to “aa b” (20.0 %), among these 2 texts."
    assert of([0.6, 0.1, 0.3]) == "The model prefers “aa b” (60.0 %) to “e” (30.0 %), the next, among these 3 texts."
    assert "“aa b” (50.0 %) and “ccc dd” (50.0 %) equally probable" in of([0.5, 0.5])
    assert "one text alone has no probability" in of([1])
    assert of([0.7, 0.6], "sigmoid").endswith("each by itself: together they need not be 100 %.")
    assert explain(model(), photo(), ["aa b"], trust=False).probabilities is None


def test_pieces_of_a_word_are_joined_with_their_sum():
    vocabulary = ["[CLS]", "a", "gi", "##raf", "##fe", ".", "猫", "的"]

    def decode(ids):
        return " ".join(vocabulary[one] for one in ids if one).replace(" ##", "").replace("猫 的", "猫的")

    words = _joined(decode, [0, 1, 2, 3, 4, 5, 6, 7, 0], [9.0, 0.5, 1.0, 2.0, 4.0, 0.1, 0.2, 0.3, 9.0])
    assert words == [("a", 0.5), ("giraffe", 7.0), (".", 0.1), ("猫", 0.2), ("的", 0.3)]
