"""Each rule against a statement of its own, and how rules go together."""

import io

import numpy as np
import pytest
from coloured_squares import COLOURS, square, write
from PIL import Image

from wordsight.base.errors import ConfigError, NotFound, UsageError
from wordsight.curate.clusters import assign, fitted
from wordsight.curate.judging import judge
from wordsight.curate.pool import NEEDS
from wordsight.curate.rule_text import read_rule_file, read_rules
from wordsight.curate.rules.table import RULES, open_rule
from wordsight.curate.rules.text_based import Mentions


def kept_of(pool, *rules, against=()):
    return judge(pool, read_rules(list(rules), [str(place) for place in against])).kept.tolist()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_what_the_table_asks_for(name, root=None):
    rule = open_rule(name)
    assert set(rule.NEEDS) <= set(NEEDS)
    assert rule.AMONG_KEPT in (True, False)
    assert rule.OPTIONS.__dataclass_params__.frozen
    assert rule.judge.__doc__ and rule.__doc__


def published_basic(text, width, height):
    """DataComp's basic filter, without its language: words, characters, shorter side, aspect."""
    if len(text.split()) <= 2 or len(text) <= 5:
        return False
    return min(width, height) >= 200 and max(width, height) / min(width, height) <= 3.0


def test_basic_is_the_published_filter(tmp_path, pool_of):
    sizes = [(200, 200), (199, 300), (600, 200), (601, 200), (64, 64)]
    texts = ["a b c", "a b cd", "one two", "abcdef g", "  spaced   out words ", "", "three words now"]
    place = tmp_path / "sizes"
    for number, size in enumerate(sizes):
        write(place, f"{number}.png", square("red", number, size=size), *filter(None, texts))
    pool = pool_of(place)
    expected = [
        published_basic(text, *size)
        for size, record in zip(sizes, pool.records.rows(), strict=True)
        for text in record.texts
    ]
    verdicts = judge(pool, read_rules(["basic"]))
    assert verdicts.kept.tolist() == expected
    assert verdicts.reason(0) == ("basic", "letters") and verdicts.figures[0] == 5
    assert "model" not in pool.__dict__  # none is opened for it


def test_basic_takes_the_sizes_that_a_table_states(tmp_path, pool_of):
    (tmp_path / "a.png").write_bytes(square("red"))
    (tmp_path / "b.png").write_bytes(square("blue"))
    table = tmp_path / "pairs.csv"
    table.write_text(
        "image,caption,original_width,original_height\na.png,a red square,640,480\nb.png,a blue square,100,480\n"
    )
    pool = pool_of(table)
    verdicts = judge(pool, read_rules(["basic"]))
    assert verdicts.kept.tolist() == [True, False]
    assert verdicts.reason(1) == ("basic", "side") and verdicts.figures[1] == 100
    assert "looks" not in pool.__dict__  # nothing is decoded for it


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("A photo of two Brown Bears!", 1),
        ("bear brown", 0),
        ("boxes and a fox", 2),
        ("a dogged fight", 0),
        ("Dog, dog; DOGS", 3),
        ("puppies", 1),
    ],
)
def test_classes_are_mentioned_in_any_case_and_number(text, mentions):
    assert Mentions(["brown bear", "box", "fox", "dog", "puppy"]).count(text) == mentions


def test_text_based_with_a_file_and_with_none(tmp_path, folder, pool_of):
    names = tmp_path / "names.txt"
    names.write_text("# of ours\nred square, blue square\n")
    kept = kept_of(pool_of(folder), f"text-based:classes={names}")
    assert kept == ["red square" in text or "blue square" in text for text in pool_of(folder).records.texts()]
    with pytest.raises(NotFound, match="did you mean imagenet"):
        kept_of(pool_of(folder), "text-based:classes=imagenett")


def test_clip_score_finds_the_wrong_captions(folder, pool_of):
    pool = pool_of(folder)
    wrong = [False] * 14 + [True] * 2
    assert kept_of(pool, "clip-score >= 0.5") == [not one for one in wrong]
    assert kept_of(pool, "clip-score:top=87.5%") == [not one for one in wrong]
    verdicts = judge(pool, read_rules(["clip-score >= 0.5"]))
    assert verdicts.figures == pytest.approx(pool.scores().cosines)
    assert verdicts.reason(15) == ("clip-score >= 0.5", "")
    cosines = pool.scores().cosines
    assert (
        kept_of(pool, "clip-score:chance=25%")
        == (cosines >= np.float32(np.quantile(pool.scores().mismatched, 0.75))).tolist()
    )


def test_copies_go_and_the_one_that_is_preferred_stays(folder, pool_of):
    write(folder, "8.png", square("red", 0), "a red square here")  # the same as 0
    large = Image.open(io.BytesIO(square("green", 1))).resize((128, 96), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "PNG")
    write(folder, "9.png", buffer.getvalue(), "an odd thing")  # looks like 1
    owners = pool_of(folder).records.owners
    gone = {
        rule: set(owners[~np.array(kept_of(pool_of(folder), rule))])
        for rule in ("duplicates", "duplicates:near=false", "duplicates:keep=largest", "duplicates:keep=score")
    }
    assert gone == {
        "duplicates": {8, 9},
        "duplicates:near=false": {8},
        "duplicates:keep=largest": {8, 1},
        "duplicates:keep=score": {8, 9},
    }
    verdicts = judge(pool_of(folder), read_rules(["duplicates"]))
    assert [verdicts.reason(pair)[1] for pair in (16, 17)] == ["equal", "looks the same"]
    assert verdicts.figures[16:18].tolist() == [0, 1]


def test_a_copy_stays_when_what_it_copies_goes_by_an_earlier_rule(folder, pool_of):
    """The first of two copies has a wrong caption: the other one stays, in whatever order the rules are."""
    write(folder, "8.png", square("yellow", 7), "a yellow square here")
    owners = pool_of(folder).records.owners
    verdicts = judge(pool_of(folder), read_rules(["clip-score >= 0.5", "duplicates"]))
    assert set(owners[~verdicts.kept]) == {7}
    assert [(step.alone, step.dropped) for step in verdicts.steps] == [(2, 2), (1, 0)]
    late = judge(pool_of(folder), read_rules(["duplicates", "clip-score >= 0.5"]))
    assert set(owners[~late.kept]) == {7, 8}


def test_near_duplicates_are_a_greedy_choice(folder, pool_of):
    pool = pool_of(folder)
    least = 0.97
    embeddings = np.asarray(pool.images.rows)
    stays: list[int] = []
    for row, embedding in enumerate(embeddings):
        if all(float(embedding @ embeddings[other]) < least for other in stays):
            stays.append(row)
    assert 4 <= len(stays) < 8
    kept = np.array(kept_of(pool, f"near-duplicates:cosine={least}"))
    assert set(pool.records.owners[kept]) == set(stays)


def test_blocks_of_near_duplicates_change_nothing(folder, pool_of, monkeypatch):
    whole = kept_of(pool_of(folder), "near-duplicates:cosine=0.97")
    monkeypatch.setattr("wordsight.curate.rules.near_duplicates._AT_ONCE", 3)
    assert kept_of(pool_of(folder), "near-duplicates:cosine=0.97") == whole


def test_images_of_an_evaluation_set_go(tmp_path, folder, pool_of):
    test_set = tmp_path / "test"
    write(test_set, "same.png", square("red", 0))
    with Image.open(io.BytesIO(square("green", 1))) as image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
    write(test_set, "again.jpg", buffer.getvalue())
    pool = pool_of(folder)
    verdicts = judge(pool, read_rules(["decontaminate:cosine=1.5"], [str(test_set)]))
    assert set(pool.records.owners[~verdicts.kept]) == {0, 1}
    assert [verdicts.reason(pair)[1] for pair in (0, 2)] == ["equal", "looks the same"]
    by_embedding = judge(pool_of(folder), read_rules(["decontaminate:cosine=0.9"], [str(test_set)]))
    assert set(pool.records.owners[~by_embedding.kept]) == {0, 1, 4, 5}  # red and green ones
    assert by_embedding.reason(8)[1] == "embedding"


def test_images_near_a_reference_set_stay(tmp_path, folder, pool_of):
    reference = tmp_path / "reference"
    for number in range(3):
        write(reference, f"{number}.png", square("blue", 20 + number))
    pool = pool_of(folder)
    kept = np.array(kept_of(pool, "image-based:clusters=4", against=[reference]))
    assert set(pool.records.owners[kept]) >= {2, 6}
    assert not kept.all()


def test_image_based_needs_a_cluster():
    with pytest.raises(UsageError, match="image-based: clusters=0; give 1 or more"):
        read_rules(["image-based:clusters=0"], ["photos"])


def test_clusters_are_those_of_the_data_at_every_run():
    generator = np.random.default_rng(1)
    centres = np.linalg.qr(generator.standard_normal((16, 16)))[0][:3]
    rows = np.repeat(centres, 40, axis=0) + 0.02 * generator.standard_normal((120, 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    sound = np.ones(120, bool)
    sound[:5] = False
    centroids = fitted(rows, sound, 12)
    numbers, cosines = assign(rows, centroids)
    assert np.array_equal(fitted(rows, sound, 12), centroids)
    assert all(
        set(numbers[start : start + 40]).isdisjoint(numbers[other : other + 40]) for start, other in ((0, 40), (40, 80))
    )
    assert cosines.min() > 0.9
    assert fitted(rows, np.zeros(120, bool), 5).shape == (1, 16)


def test_balance_draws_among_the_pairs_that_are_left(tmp_path, folder, pool_of):
    pool = pool_of(folder)
    texts = list(pool.records.texts())
    entries = tmp_path / "entries.txt"
    entries.write_text("square\nred\n")
    kept = kept_of(pool, f"balance:entries={entries},at-most=100000")
    assert kept == [" square " in f" {text} " or " red " in f" {text} " for text in texts]
    few = kept_of(pool, f"balance:entries={entries},at-most=1")
    assert 0 < sum(few) < sum(kept)
    assert few == kept_of(pool, f"balance:entries={entries},at-most=1")
    verdicts = judge(pool, read_rules(["clip-score >= 0.5", f"balance:entries={entries},at-most=1"]))
    dropped = [number for number in range(len(texts)) if verdicts.reason(number)[0].startswith("balance")]
    assert dropped and all(0 <= verdicts.figures[number] < 1 for number in dropped)


def test_languages_as_the_package_sees_them(tmp_path, pool_of):
    pytest.importorskip("py3langid")
    place = tmp_path / "languages"
    texts = ("two dogs are running on the green grass", "zwei Hunde laufen über die grüne Wiese im Garten")
    write(place, "a.png", square("green"), *texts)
    assert kept_of(pool_of(place), "language") == [True, False]
    assert kept_of(pool_of(place), "language:keep=en+de") == [True, True]
    with pytest.raises(UsageError, match="no language 'english'"):
        kept_of(pool_of(place), "language:keep=english")


def test_a_broken_image_goes_before_all_rules(folder, pool_of):
    write(folder, "3.png", b"no image", "a yellow square", "something yellow")
    verdicts = judge(pool_of(folder), read_rules(["clip-score >= -1"]))
    assert [step.rule for step in verdicts.steps] == ["broken", "clip-score >= -1"]
    assert verdicts.reason(6) == ("broken", "")
    assert verdicts.steps[1].alone == verdicts.steps[1].dropped == 0


def test_rules_are_written_alike_everywhere(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('[[rules]]\nrule = "basic"\nside = 100\n\n[[rules]]\nrule = "clip-score"\ntop = "30%"\n')
    typed = read_rules(["basic:side=100 and clip-score:top=30%"])
    assert [(rule.module, rule.options) for rule in read_rule_file(path)] == [
        (rule.module, rule.options) for rule in typed
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("basik", "no rule 'basik'; did you mean basic?"),
        ("basic:sides=3", "unknown key basic: sides; did you mean side?"),
        ("basic:side=wide", "side = 'wide' is text"),
        ("basic:side", "write name=value"),
        ("basic:side=1,side=2", "side twice"),
        ("clip-score", "without its one threshold"),
        ("clip-score:top=0.3,least=0.2", "without its one threshold"),
        ("clip-score:top=130%", "give a share"),
        ("clip-score >= nan", "least = 'nan'"),
        ("duplicates:keep=best", "use one of 'first', 'largest', 'score'"),
        ("near-duplicates:cosine=0", "above 0"),
        ("near-duplicates:clusters=0", "clusters=0; give 1 or more, or leave it out"),
        ("near-duplicates:clusters=-1", "give 1 or more"),
        ("decontaminate", "--against PLACE"),
        ("basic and ", "empty rule|no rule"),
    ],
)
def test_a_rule_that_is_none(text, words):
    with pytest.raises((UsageError, ConfigError), match=words.replace("?", r"\?")):
        read_rules([text])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no rules"),
        ('rule = "basic"', "unknown key rule"),
        ("[[rules]]\nside = 3", "rule 1 has no name"),
        ('[[rules]]\nrule = "basick"', "did you mean basic"),
        ("[[rules", "is not TOML"),
    ],
)
def test_a_file_that_holds_no_rules(tmp_path, content, words):
    path = tmp_path / "rules.toml"
    path.write_text(content)
    with pytest.raises((UsageError, ConfigError), match=words):
        read_rule_file(path)


def test_the_colours_are_told_apart(pool_of, folder):
    """What the other tests rest on."""
    rows = np.asarray(pool_of(folder).images.rows)
    assert len(COLOURS) == 4 and (rows[0] @ rows[1:4].T < 0.6).all() and rows[0] @ rows[4] > 0.9


def test_what_fails_in_another_set_is_named(tmp_path, folder, pool_of):
    test_set = tmp_path / "test"
    write(test_set, "same.png", square("red", 0))
    write(test_set, "broken.png", b"no image")
    pool = pool_of(folder)
    judge(pool, read_rules(["decontaminate:cosine=2"], [str(test_set)]))
    assert len(pool.failures()) == 1 and "broken.png" in pool.failures()[0]
    (tmp_path / "none").mkdir()
    with pytest.raises(Exception, match="none"):
        judge(pool_of(folder), read_rules(["decontaminate"], [str(tmp_path / "none")]))
