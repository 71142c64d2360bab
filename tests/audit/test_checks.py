"""Known answers: models that read, that favour a group, that are sure of nothing or of everything."""

import csv
import json
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from wordsight.audit.checks import confidence, gibberish, groups, looks, mistakes, training_data, typographic
from wordsight.audit.checks.training_data import stated_facts
from wordsight.audit.finding import Skipped
from wordsight.audit.subject import ModelSubject, labelled_set
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine
from wordsight.weights.find import BUNDLED

NAMES = ("ant", "bee", "cat", "dog")
SIDE = 48
GREY = 128


class Seer:
    """An encoder that sees the class in the corner's colour, and reads where `reads`: a change below decides then.

    Texts are recognised by the class they name first; `sure` is the scale of its probabilities.
    """

    fingerprint, name = "0123456789abcdef", "seer"

    def __init__(self, *, reads=False, blind=(), scale=5.0):
        self.reads, self.blind, self.scale = reads, set(blind), scale

    def load_pixels(self, item, *, name=""):
        if isinstance(item, np.ndarray):
            return item
        return np.asarray(Image.open(BytesIO(item) if isinstance(item, bytes) else item).convert("RGB"))

    def embed_images(self, items):
        return np.array([self._seen(self.load_pixels(item)) for item in items], np.float32)

    def _seen(self, pixels):
        row = np.zeros(len(NAMES) + 1)
        corner = int(pixels[0, 0, 0]) // 10
        if self.reads and (pixels[SIDE // 2 :] != GREY).any():
            row[(corner + 1) % len(NAMES)] = 1  # anything else than what the corner shows
        elif corner < len(NAMES) and int(pixels[0, 0, 1]) not in self.blind:
            row[corner] = 1
        else:
            row[-1] = 1
        return row

    def embed_texts(self, texts):
        rows = np.zeros((len(texts), len(NAMES) + 1), np.float32)
        for row, text in zip(rows, texts, strict=True):
            named = [name for name in NAMES if name in re.findall(r"\w+", text)]
            row[NAMES.index(named[0]) if named else -1] = 1
        return rows

    def probabilities(self, cosines):
        shares = np.exp(self.scale * cosines)
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Eighty images of four classes in two groups: the class in the red of the corner, the group in its green."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    with open(tmp_path / "set.csv", "w") as handle:
        writer = csv.writer(handle)
        writer.writerow(["image", "class", "side"])
        for number in range(80):
            pixels = np.full((SIDE, SIDE, 3), GREY, np.uint8)
            pixels[0, 0] = (10 * (number % 4), number // 40, number)
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
            writer.writerow([f"{number}.png", NAMES[number % 4], "left" if number < 40 else "right"])
    return tmp_path / "set.csv"


def of(table, **kinds):
    return ModelSubject(Seer(**kinds), data=(labelled_set(f"{table}?groups=side"),), images=20)


def claims_of(finding, name="set"):
    return [claim for claim in finding.claims if claim.text.startswith(name)]


def test_mistakes_names_the_classes_that_are_wrong(table):
    good = claims_of(mistakes.run(of(table)))
    assert {claim.judgement for claim in good} == {"fine"}
    assert good[0].text.startswith("set: 100.0 %")
    finding = mistakes.run(of(table, blind=(0, 1)))
    assert {claim.judgement for claim in claims_of(finding)} == {"problem"}
    shapes = [claim for claim in finding.claims if claim.about == "shape"]
    assert "get the right shape of 8; guessing gives 12.5 %." in shapes[0].text


def test_groups_finds_the_one_that_is_not_seen_and_clears_those_that_are(table):
    fair, unfair = groups.run(of(table)), groups.run(of(table, blind=(1,)))
    assert "problem" not in {claim.judgement for claim in fair.claims}
    judged = {claim.about: claim for claim in unfair.claims if "/accuracy/" in claim.result.name}
    within = {claim.about: claim for claim in unfair.claims if "/accuracy-within-classes/" in claim.result.name}
    assert judged["side = right"].judgement == "problem"
    assert judged["side = left"].judgement == "fine"
    assert judged["side = right"].result.value == -1.0
    assert "(0 of 40) is lower by 100.0 points (" in judged["side = right"].text
    assert judged["side = right"].text.endswith("than that of all others (40 of 40).")
    assert (within["side = right"].judgement, within["side = right"].result.value) == ("problem", -1.0)


def test_watched_labels_are_counted_by_group(table):
    data = (labelled_set(f"{table}?groups=side&watched=zebra"),)
    finding = groups.run(ModelSubject(Seer(blind=(1,)), data=data))
    watched = {claim.about: claim for claim in finding.claims if "/groups/watched/" in claim.result.name}
    assert (watched["side = right"].judgement, watched["side = right"].result.value) == ("problem", 1.0)
    assert "40 of 40 images of side = right get a watched label (zebra)" in watched["side = right"].text
    assert watched["side = left"].judgement == "fine"


def test_groups_without_a_column_says_how_to_name_one(table):
    skipped = groups.run(ModelSubject(Seer(), data=(labelled_set(str(table)),)))
    assert isinstance(skipped, Skipped)
    assert "groups=COLUMN" in skipped.cure


def test_a_model_that_reads_is_fooled_and_masking_helps(table):
    sees = claims_of(typographic.run(of(table)))
    assert sees[0].result.interval == pytest.approx((-0.168, 0.168), abs=1e-3)  # of 20 images: no width would be a lie
    assert sees[0].result.value == 0
    assert "a wrong word on the image costs 0.0 points" in sees[0].text
    reads = claims_of(typographic.run(of(table, reads=True)))
    assert "a wrong word on the image costs 100.0 points" in reads[0].text
    assert reads[0].judgement == "problem"
    assert reads[0].result.value == 1.0
    defences = {claim.about: claim for claim in reads if claim.about}
    assert set(defences) == {"text in the prompt", "any word in the prompt", "named word", "masked word"}
    assert (defences["masked word"].judgement, defences["masked word"].result.value) == ("fine", 1.0)
    assert defences["text in the prompt"].result.value == 0.0


def test_nonsense_wins_only_where_the_true_text_says_nothing(table):
    good = claims_of(gibberish.run(of(table)))
    assert [claim.result.value for claim in good[:3]] == [0.0, 0.0, 0.0]
    lost = claims_of(gibberish.run(of(table, blind=(0, 1))))
    assert [claim.judgement for claim in lost[:3]] == ["problem"] * 3


def test_a_model_that_is_sure_of_noise_is_a_problem(table):
    unsure = replace(of(table, scale=0.1), images=80)
    sure = [claim for claim in claims_of(gibberish.run(unsure)) if claim.about == "noise"]
    assert [claim.judgement for claim in sure] == ["fine"]
    assert "most often" not in sure[0].text

    class Certain(Seer):
        def _seen(self, pixels):
            return np.eye(5)[0]

    subject = ModelSubject(Certain(scale=50.0), data=(labelled_set(str(table)),), images=20)
    sure = [claim for claim in claims_of(gibberish.run(subject)) if claim.about == "noise"]
    assert [(claim.judgement, claim.result.value) for claim in sure] == [("problem", 1.0)]
    assert "most often 'ant'" in sure[0].text


def test_confidence_that_is_right_passes_and_one_that_is_not_fails(table):
    right = {claim.result.name: claim for claim in claims_of(confidence.run(of(table, scale=20.0)))}
    assert right["set/calibration/ece"].judgement == "fine"
    assert right["set/confidence/right-when-sure"].result.value == 1.0

    class Wrong(Seer):
        def embed_texts(self, texts):
            return np.roll(super().embed_texts(texts), 1, axis=0)

    subject = ModelSubject(Wrong(scale=20.0), data=(labelled_set(str(table)),), images=20)
    wrong = {claim.result.name: claim for claim in claims_of(confidence.run(subject))}
    assert wrong["set/calibration/ece"].judgement == "problem"
    assert wrong["set/confidence/right-when-sure"].judgement == "problem"


def test_looks_counts_the_maps_that_stand_and_says_which(table):
    finding = looks.run(ModelSubject(Model(FakeEngine()), data=(labelled_set(str(table)),), images=2))
    rows = [detail.data["pictures"] for detail in finding.measured.details]
    assert [len(row) for row in rows] == [4, 4]
    verdicts = [entry["right"] for row in rows for entry in row[1:3]]
    (claim,) = finding.claims
    assert (claim.result.count, claim.result.value) == (4, np.mean(verdicts))
    for row in rows:
        assert row[3]["right"] == (False if False in (row[1]["right"], row[2]["right"]) else None)
        first, second = (entry["title"].strip("“”").split() for entry in row[1:3])
        assert sum(one != other for one, other in zip(first, second, strict=True)) == 1  # of one template
    assert {file for row in rows for file in (entry["picture"] for entry in row)} == set(finding.measured.pictures)


def test_even_maps_do_not_count(table, monkeypatch):
    subject = ModelSubject(Model(FakeEngine()), data=(labelled_set(str(table)),), images=2)
    flat = iter([True, False, True, True])
    monkeypatch.setattr("wordsight.explain.explanation.is_of_one_colour", lambda _: next(flat))
    finding = looks.run(subject)
    first, second = (detail.data["pictures"] for detail in finding.measured.details)
    assert finding.claims[0].result.count == 2
    assert [entry["right"] for entry in first] == [None] * 4 and first[1]["lines"][-1] == "– even: claims nothing"
    assert None not in (second[1]["right"], second[2]["right"])
    skipped = looks.run(subject)
    assert isinstance(skipped, Skipped) and "of one colour" in str(skipped)


CARD = """# small
## Training data
| source | path | images | share |
|---|---|---|---|
| flowers | /data/flowers | 1,200 | 100 % |

40 steps of 32
pairs.
## Licences
- flowers: CC0
## Limits
Flowers only.
"""


def test_what_a_card_states_is_quoted_and_what_it_does_not_is_unknown(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    manifest = training_data.read_model_manifest(BUNDLED)
    monkeypatch.setattr(training_data, "read_model_manifest", lambda folder: manifest)
    facts = {fact.name: fact.text for fact in stated_facts(folder)}
    assert facts["training sets"] == facts["known limits"] == facts["how it was trained"] == ""
    (folder / "README.md").write_text(CARD)
    (tmp_path / "config.json").write_text(json.dumps({"batch": 32, "seed": 1}))
    facts = {fact.name: fact.text for fact in stated_facts(folder)}
    assert facts["number of training images or pairs"] == "flowers 1,200"
    assert facts["licences of the training sets"] == "flowers: CC0"
    assert facts["training sets"] == "40 steps of 32 pairs."
    assert facts["known limits"] == "Flowers only."
    assert facts["how it was trained"] == '{"batch": 32, "seed": 1}'
    assert facts["measured results"] == ""


def test_a_statement_is_whole_sentences_or_whole_rows():
    table = "| source | images | share |\n|---|---|---|\n| flowers | 1,200 | 100 % |\n| cats | | 0 % |"
    assert training_data._shortened(table) == "flowers (images 1,200, share 100 %); cats (share 0 %)"
    assert training_data._shortened(f"**First** things.\n\n{'Second things. ' * 30}\n{table}").endswith("things. …")
    rows = "\n".join(f"| set {n} | {n} |" for n in range(90))
    assert training_data._shortened(f"| source | images |\n|---|---|\n{rows}").endswith("); …")
