"""Audits with known answers: a planted blind spot and a planted shortcut are found by name, a clean model is cleared."""

import numpy as np
import pytest
from tests.audit.known_scenes import encoder_of  # noqa: F401 - a fixture

from wordsight.audit.associations import column_terms, links
from wordsight.audit.checks import blind_spots, goes_together, shortcuts
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.subject import ModelSubject
from wordsight.base.nouns import Sample
from wordsight.data.planted_scenes import VALUES, Absence, Shortcut, planned_scenes, unlinked
from wordsight.data.scenes import captions

RED_HEARTS = Shortcut("colour", "red", "shape", "heart")


def no_hearts(values, rng):
    """See another shape in place of every heart."""
    if values["shape"] == "heart":
        return {**values, "shape": str(rng.choice([one for one in VALUES["shape"] if one != "heart"]))}
    return values


def hearts_where_red(values, rng):
    """See a heart in six of ten red things."""
    return {**values, "shape": "heart"} if values["colour"] == "red" and rng.random() < 0.6 else values


def no_dotted_blue(values, rng):
    """Know dotted and know blue, but not both together."""
    is_both = (values["colour"], values["texture"]) == ("blue", "dotted")
    return {**values, "texture": "striped"} if is_both else values


def without_textures(values, rng):
    return {**values, "texture": str(rng.choice(VALUES["texture"]))}


def problems(finding):
    assert isinstance(finding, Finding)
    return [claim.about for claim in finding.claims if claim.judgement == "problem"]


def audited(check, encoder, images=120):
    return check.run(ModelSubject(encoder, images=images))


def test_a_blind_spot_is_named_and_nothing_else(encoder_of):  # noqa: F811
    finding = audited(blind_spots, encoder_of(no_hearts))
    assert problems(finding) == ["heart"]
    (heart,) = (claim for claim in finding.claims if claim.about == "heart")
    assert heart.result.value == 0 and heart.result.count == 96
    assert "0.0 %" in heart.text


def test_a_pair_that_is_not_known_together_is_named(encoder_of):  # noqa: F811
    assert problems(audited(blind_spots, encoder_of(no_dotted_blue))) == ["blue and dotted"]


def test_a_shortcut_is_named_and_counted(encoder_of):  # noqa: F811
    finding = audited(shortcuts, encoder_of(hearts_where_red))
    assert problems(finding) == ["red and heart"]
    claim = finding.claims[0]
    low, high = claim.result.interval
    assert low < 0.6 < high
    assert claim.result.count == 120


@pytest.mark.parametrize("check", [blind_spots, shortcuts])
def test_a_clean_model_is_cleared(check, encoder_of):  # noqa: F811
    finding = audited(check, encoder_of(noise=0.35))
    assert problems(finding) == []
    assert any(claim.judgement == "fine" for claim in finding.claims)


def test_a_model_that_guesses_is_not_searched_for_causes(encoder_of):  # noqa: F811
    finding = audited(blind_spots, encoder_of(without_textures))
    assert problems(finding) == ["texture"]
    assert not any(claim.about in VALUES["texture"] for claim in finding.claims)
    noise = audited(shortcuts, encoder_of(lambda values, rng: {}))
    assert isinstance(noise, Skipped) and "drawn" in noise.reason


def test_an_interval_of_changes_covers_what_it_should():
    rng = np.random.default_rng(0)
    true, covered = 0.15, 0
    for _ in range(400):
        gained, lost, _ = rng.multinomial(80, [0.2, 0.05, 0.75])
        low, high = shortcuts.change_interval(int(gained), int(lost), 80)
        covered += low <= true <= high
    assert covered / 400 > 0.92
    assert shortcuts.change_interval(0, 0, 50)[1] > 0.02


def drawn_samples(scenes, *, columns):
    rng = np.random.default_rng(0)
    return [
        Sample(
            str(i), None, captions(scene, rng), meta={"colour": scene.colour, "shape": scene.shape} if columns else {}
        )
        for i, scene in enumerate(scenes)
    ]


@pytest.mark.parametrize("columns", [False, True], ids=["captions", "columns"])
def test_what_goes_together_is_found_in_the_set_itself(columns):
    planted = planned_scenes(1600, fault=RED_HEARTS, seed=0)
    samples = drawn_samples(planted, columns=columns)
    if columns:
        samples = [Sample(one.key, meta=one.meta) for one in samples]
    finding = goes_together.of_samples(samples, "planted")
    found = problems(finding)
    first = "colour = red and shape = heart" if columns else "red and heart"
    assert found[0] == first
    assert all("red" in name for name in found)
    clean = drawn_samples(unlinked(planted, seed=0), columns=columns)
    assert problems(goes_together.of_samples(clean, "clean")) == []


def test_a_column_that_is_part_of_another_is_no_finding():
    scenes = planned_scenes(1600, fault=None, seed=0)
    meta = [{"class": scene.name, "colour": scene.colour, "texture": scene.texture} for scene in scenes]
    finding = goes_together.of_samples([Sample(str(i), meta=one) for i, one in enumerate(meta)], "scenes")
    assert problems(finding) == []
    pairs = {frozenset((link.first.family, link.second.family)) for link in links(column_terms_of(meta))}
    assert pairs == {frozenset(("class", "texture")), frozenset(("colour", "texture"))}


def column_terms_of(meta):
    return column_terms([Sample(str(i), meta=one) for i, one in enumerate(meta)])


def test_words_and_columns_that_say_the_same_are_claimed_once(monkeypatch):
    monkeypatch.setattr(goes_together, "MOST", 4)
    planted = planned_scenes(1600, fault=RED_HEARTS, seed=0)
    both = goes_together.of_samples(drawn_samples(planted, columns=True), "both").claims
    told = [
        frozenset(part.rpartition("= ")[2] for part in one.about.split(" and "))
        for one in both
        if "/missing/" in one.result.name
    ]
    assert len(told) == len(set(told)) == goes_together.MOST
    assert "more combinations that hardly occur." in both[-1].text
    assert not [one.about for one in both if one.about == "colour = red and shape = heart"]
    (first,) = [one for one in both if one.about == "red and heart"]
    assert first.text.endswith("it is a link that a model may learn, not an error.")


def test_an_absent_value_leaves_no_trace_in_what_goes_together():
    samples = drawn_samples(planned_scenes(1600, fault=Absence("shape", "heart"), seed=0), columns=True)
    assert problems(goes_together.of_samples(samples, "absent")) == []


def test_a_set_without_words_is_skipped():
    skipped = goes_together.of_samples([Sample("a"), Sample("b")], "bare")
    assert isinstance(skipped, Skipped) and "bare" in skipped.reason
