"""Tagging a library: what is noted, what goes, what other people's columns are safe from, and the way back."""

import json

import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.engines.fake import COLOURS
from wordsight.search.tagging import planning
from wordsight.search.tagging.examples import learned, read_examples
from wordsight.search.tagging.record import TagStore
from wordsight.search.tagging.sidecars import sidecar_of
from wordsight.search.tagging.thresholds import read_thresholds
from wordsight.text.label_sets import Label, LabelSet

NAMES = sorted(COLOURS)


@pytest.fixture
def labels():
    return LabelSet("own", tuple(Label(name, (name,)) for name in NAMES))


@pytest.fixture
def many(tmp_path, paint, opened):
    """A library of forty pictures in all colours: large enough for probabilities."""
    folder = tmp_path / "many"
    for number in range(40):
        paint(folder / f"{number:02}-{NAMES[number % len(NAMES)]}.png", NAMES[number % len(NAMES)], number % 7)
    library = opened(folder)
    library.sync()
    return library


def column(library, name="tags"):
    """Return key -> the value of a column."""
    with library.reading() as index:
        return {one.key: one.meta[name] for one in index.entries(list(index.files.states())) if name in one.meta}


def test_each_image_gets_its_colour(many, labels):
    report = many.tag(labels, min_cosine=0.9)
    tags = column(many)
    assert {key: key[3:-4] for key in tags} == tags
    assert len(tags) == report.tagged == report.considered == report.changed == 40
    assert {name: count.images for name, count in report.counts.items()} == {
        name: sum(name == NAMES[number % len(NAMES)] for number in range(40)) for name in NAMES
    }
    assert many.tag(labels, min_cosine=0.9).changed == 0
    assert len(many.search("red", k=99, where="tags contains 'red'", min_cosine=-1)) == sum(
        "red" in t for t in tags.values()
    )


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a`b", "[a]", "a'", "<b>", "\ud800", " a", "-", "x" * 101])
def test_a_column_that_no_condition_can_name_is_refused(many, labels, name):
    with pytest.raises(UsageError, match="column"):
        many.tag(labels, min_cosine=0.9, column=name)
    assert column(many, name) == {}


@pytest.mark.parametrize("name", ["farbe", "größe-2", "my tags", "xmp:tags", "a", "x" * 100])
def test_a_column_that_a_condition_can_name_is_taken(many, labels, name):
    many.tag(labels, min_cosine=0.9, column=name)
    assert len(many.search("red", k=99, where=f"`{name}` contains 'red'", min_cosine=-1)) > 0


def test_probabilities_are_those_of_a_search(many, labels):
    many.tag(labels, min_match=0, scores=True)
    hits = many.search("red", k=3)
    for hit in hits:
        assert hit.meta["tag_red"] == pytest.approx(hit.match, abs=2e-3)


def test_stale_tags_and_score_columns_go(many, labels):
    many.tag(labels, min_cosine=0.9, scores=True)
    assert "tag_red" in column(many, "tag_red") or len(column(many, "tag_red")) == 40
    few = LabelSet("few", labels.labels[:1])
    many.tag(few, min_cosine=0.9)
    assert set(column(many).values()) == {NAMES[0]}
    assert column(many, "tag_red") == {}


def test_new_images_only(many, labels, paint):
    many.tag(labels, min_cosine=0.9)
    paint(many.location / "new.png", "red", 9)
    many.sync()
    report = many.tag(labels, min_cosine=0.9, new=True)
    assert (report.considered, column(many)["new.png"], len(column(many))) == (1, "red", 41)
    assert many.tag(labels, min_cosine=0.9, new=True).considered == 0
    with pytest.raises(UsageError, match="other labels"):
        many.tag(labels, min_cosine=0.8, new=True)


def test_columns_of_others_are_left_alone(many, labels):
    many.note([("00-" + NAMES[0] + ".png", {"tags": "mine"})])
    with pytest.raises(UsageError, match="tagging did not make it"):
        many.tag(labels, min_cosine=0.9)
    with pytest.raises(UsageError, match="width is there already"):
        many.tag(labels, min_cosine=0.9, column="width")
    many.tag(labels, min_cosine=0.9, column="model tags")
    assert list(column(many).values()) == ["mine"]
    assert len(column(many, "model tags")) == 40


def test_clear_and_undo(many, labels):
    with pytest.raises(NotFound, match="taken back"):
        many.undo_tags()
    many.tag(labels, min_cosine=0.9, scores=True)
    before = column(many)
    many.clear_tags()
    assert column(many) == column(many, "tag_red") == {}
    assert many.undo_tags().changed == 40
    assert column(many) == before
    many.note([("00-" + NAMES[0] + ".png", {"tags": "by hand"})])
    undone = many.undo_tags()
    assert (undone.changed, len(undone.left)) == (39, 1)
    assert column(many) == {"00-" + NAMES[0] + ".png": "by hand"}
    with pytest.raises(NotFound, match="no column tags"):
        many.clear_tags()


def test_dry_run_notes_nothing(many, labels):
    report = many.tag(labels, min_cosine=0.9, dry_run=True)
    assert report.tagged == 40
    assert [image.key for image in report.images()] == sorted(image.key for image in report.images())
    assert column(many) == {}
    with pytest.raises(NotFound):
        many.undo_tags()


def test_killed_between_deciding_and_noting(many, labels, monkeypatch):
    monkeypatch.setattr(many, "note", lambda noted: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        many.tag(labels, min_cosine=0.9)
    monkeypatch.undo()
    assert column(many) == {}
    assert many.undo_tags().changed == 0
    assert many.tag(labels, min_cosine=0.9).changed == 40


def test_killed_between_noting_and_the_end(many, labels, monkeypatch):
    note = many.note

    def noted_and_killed(noted):
        note(noted)
        raise KeyboardInterrupt

    monkeypatch.setattr(many, "note", noted_and_killed)
    with pytest.raises(KeyboardInterrupt):
        many.tag(labels, min_cosine=0.9)
    monkeypatch.undo()
    assert len(column(many)) == 40
    assert many.tag(labels, min_cosine=0.9, new=True).considered == 40
    many.undo_tags()
    assert many.undo_tags().changed == 40
    assert column(many) == {}


def test_killed_among_sidecars_new_goes_on(many, labels, monkeypatch):
    from wordsight.search.tagging import sidecars

    write, written = sidecars._write, []

    def killed(*arguments):
        if len(written) == 7:
            raise KeyboardInterrupt
        written.append(arguments)
        return write(*arguments)

    monkeypatch.setattr(sidecars, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        many.tag(labels, min_cosine=0.9, write="xmp")
    monkeypatch.undo()
    assert many.tag(labels, min_cosine=0.9, write="xmp", new=True).written == 33
    assert len(many.undo_tags().restored) == 33
    assert len(many.undo_tags().restored) == 7
    assert not list(many.location.glob("*.xmp"))
    assert column(many) == {}


def test_dry_runs_push_no_run_out(many, labels):
    many.tag(labels, min_cosine=0.9)
    for _ in range(7):
        many.tag(labels, min_cosine=0.9, dry_run=True)
    assert len(TagStore(many.folder).journals()) == 3
    assert many.undo_tags().changed == 40


def test_small_libraries_have_no_probabilities(opened, photos, labels):
    library = opened(photos)
    with pytest.raises(UsageError, match=r"5 images.*30"):
        library.tag(labels)
    assert library.tag(labels, min_cosine=0.9).tagged == 5


def test_an_empty_library(opened, tmp_path, labels):
    (tmp_path / "none").mkdir()
    with pytest.raises(NotFound, match="no images"):
        opened(tmp_path / "none").tag(labels, min_cosine=0.9)


def test_top_and_thresholds(many, labels, tmp_path):
    assert max(len(value.split("\n")) for value in [*column_after(many, labels, top=2).values()]) == 2
    own = tmp_path / "own.txt"
    own.write_text("red: 100%\nblue: 0\n")
    limits = read_thresholds(own, NAMES, otherwise=0.5)
    assert limits[NAMES.index("red")] == 1 and limits[NAMES.index("blue")] == 0 and limits[NAMES.index("green")] == 0.5
    many.tag(labels, thresholds=own)
    assert all("blue" in value for value in column(many).values())


def column_after(library, labels, **options):
    library.tag(labels, min_match=0, **options)
    return column(library)


@pytest.mark.parametrize(
    ("text", "error", "word"),
    [
        ("rad: 0.5", UsageError, "no label 'rad'"),
        ("red: 0.5\nred: 0.6", FormatError, "line 2.*first in line 1"),
        ("red: 1.5", FormatError, "no threshold"),
        ("red: nan", FormatError, "no threshold"),
        ("0.5", FormatError, "no label"),
    ],
)
def test_wrong_thresholds(tmp_path, text, error, word):
    path = tmp_path / "own.txt"
    path.write_text(text)
    with pytest.raises(error, match=word):
        read_thresholds(path, NAMES, otherwise=0.5)


def test_examples_move_probabilities(many, labels, tmp_path):
    with many.reading() as index:
        keys = sorted(index.files.states())
    table = tmp_path / "mine.csv"
    table.write_text("image,tags\n" + "".join(f"{key},{'red' if 'red' in key else ''}\n" for key in keys))
    many.tag(LabelSet("red", (Label("red", ("red",)),)), min_match=0, scores=True)
    before = column(many, "tag_red")
    many.tag(LabelSet("red", (Label("red", ("red",)),)), min_match=0, scores=True, examples=table)
    after = column(many, "tag_red")
    share = np.mean(["red" in key for key in keys])
    assert abs(np.mean(list(after.values())) - share) < abs(np.mean(list(before.values())) - share) + 1e-9
    assert [*sorted(after, key=after.get)][-1] == [*sorted(before, key=before.get)][-1]


@pytest.mark.parametrize(
    ("text", "error", "word"),
    [
        ("a,b\n1,2\n", FormatError, "columns a, b"),
        ("image,tags\nx.png,purple cow\n", UsageError, "no label 'purple cow'"),
        ("image,tags\n", FormatError, "no rows"),
    ],
)
def test_wrong_examples(tmp_path, text, error, word):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(error, match=word):
        read_examples(path, NAMES)


def test_options_that_exclude_each_other(many, labels):
    for options, word in (
        ({"min_match": 1.5}, "probability of 1.5"),
        ({"min_cosine": 0.2, "min_match": 0.5}, "together"),
        ({"top": 0}, "at most 0"),
        ({"write": "iptc"}, "iptc"),
    ):
        with pytest.raises(UsageError, match=word):
            many.tag(labels, **options)
    with pytest.raises(UsageError, match="line break"):
        many.tag(LabelSet("odd", (Label("a\nb", ("a",)),)))
    with pytest.raises(UsageError, match="10,000 labels"):
        many.tag(LabelSet("odd", tuple(Label(str(n), ("red",)) for n in range(10_000))), scores=True)


def test_ten_thousand_labels_and_odd_names(many):
    odd = [Label("a, b [c]", ("red",)), *(Label(f"label {n}", ("red",)) for n in range(10_000))]
    report = many.tag(LabelSet("odd", tuple(odd)), min_cosine=0.99, top=3)
    assert report.counts["a, b [c]"].images == sum("red" in key for key in column(many))


def test_moderation_fills_its_own_column(many):
    labels = LabelSet("watch", (Label("danger", ("red",), "watched"), Label("usual", ("blue", "green"), "everyday")))
    report = many.tag(labels)
    assert report.column == "moderation"
    assert set(report.counts) <= {"danger"}
    assert all(value == "danger" for value in column(many, "moderation").values())
    assert any("red" in key for key in column(many, "moderation"))
    assert not any("blue" in key for key in column(many, "moderation"))
    with pytest.raises(UsageError, match="compete"):
        many.tag(labels, min_cosine=0.3)


def test_sidecars_and_back(many, labels):
    mine = many.location / f"00-{NAMES[0]}.png.xmp"
    mine.write_bytes(b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>')
    stored = mine.read_bytes()
    images = {path: path.read_bytes() for path in many.location.glob("*.png")}
    report = many.tag(labels, min_cosine=0.9, write="xmp")
    assert (report.written, report.failures) == (40, [])
    assert f"<rdf:li>{NAMES[0]}</rdf:li>".encode() in mine.read_bytes()
    assert many.tag(labels, min_cosine=0.9, write="xmp").written == 0
    many.undo_tags()
    undone = many.undo_tags()
    assert len(undone.restored) == 40
    assert list(many.location.glob("*.xmp")) == [mine]
    assert mine.read_bytes() == stored
    assert {path: path.read_bytes() for path in many.location.glob("*.png")} == images


def test_tags_in_sidecars_do_not_become_keywords_of_people(many, labels):
    mine = many.location / f"00-{NAMES[0]}.png.xmp"
    mine.write_bytes(
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        b"<r:Description><dc:subject><r:Bag><r:li>holiday</r:li></r:Bag></dc:subject></r:Description></r:RDF>"
    )
    many.sync()
    many.tag(labels, min_cosine=0.9, write="xmp")
    assert NAMES[0].encode() in mine.read_bytes()
    many.sync()
    assert column(many, "keywords") == {f"00-{NAMES[0]}.png": "holiday"}


def test_a_sidecar_that_was_deleted_since_is_not_counted_as_taken_back(many, labels):
    many.tag(labels, min_cosine=0.9, write="xmp")
    for path in sorted(many.location.glob("*.xmp"))[:3]:
        path.unlink()
    undone = many.undo_tags()
    assert (len(undone.restored), undone.left) == (37, [])


def test_sidecars_that_fail_are_named_and_the_rest_goes_on(many, labels):
    folder = many.location / f"00-{NAMES[0]}.png.xmp"
    folder.mkdir()
    broken = many.location / f"01-{NAMES[1]}.png.xmp"
    broken.write_bytes(b"no xml")
    report = many.tag(labels, min_cosine=0.9, write="xmp")
    assert report.written == 38
    assert [failure.split(":")[0] for failure in report.failures] == [folder.stem, broken.stem]
    assert broken.read_bytes() == b"no xml"


def test_tags_of_two_columns_lie_in_one_sidecar(many, labels):
    first, second = LabelSet("a", labels.labels[:1]), LabelSet("b", (Label("thing", ("red", "blue", NAMES[0])),))
    many.tag(first, min_cosine=0.9, write="xmp")
    many.tag(second, min_cosine=0.9, write="xmp", column="others")
    content = (many.location / f"00-{NAMES[0]}.png.xmp").read_text()
    assert NAMES[0] in content and "thing" in content
    many.clear_tags(write="xmp")
    content = (many.location / f"00-{NAMES[0]}.png.xmp").read_text()
    assert f">{NAMES[0]}<" not in content and "thing" in content


def test_which_sidecar(tmp_path):
    from wordsight.search.tagging.sidecars import _names

    def which(convention="darktable"):
        _names.cache_clear()
        return sidecar_of(tmp_path / "a.jpg", convention).name

    (tmp_path / "a.jpg").touch()
    assert (which(), which("lightroom")) == ("a.jpg.xmp", "a.xmp")
    (tmp_path / "a.XMP").touch()
    assert which() == "a.XMP"
    (tmp_path / "a.jpg.xmp").touch()
    assert (which(), which("lightroom")) == ("a.jpg.xmp", "a.XMP")
    (tmp_path / "a.jpg.xmp").unlink()
    (tmp_path / "a.nef").touch()
    assert which() == "a.jpg.xmp"


def test_a_damaged_record_is_named(many, labels):
    many.tag(labels, min_cosine=0.9)
    record = next(TagStore(many.folder).folder.glob("*.json"))
    record.write_text(json.dumps({"column": "tags"}))
    with pytest.raises(FormatError, match="no record of tagging"):
        many.tag(labels, min_cosine=0.9)


def test_shifts_are_bounded_by_the_prior():
    class Flat:
        def logits(self, embeddings):
            return np.zeros((len(embeddings), 2), np.float32)

    shifts, known = learned(Flat(), np.zeros((20, 3), np.float32), np.array([[True, False]] * 20))
    assert 1 < shifts[0] < 5 and shifts[1] == pytest.approx(-shifts[0], abs=1e-4)
    assert not known.any()


def test_plan_block_is_small_with_many_phrases():
    labels = [Label(str(n), ("x", "y")) for n in range(100_000)]
    assert planning.block_of(labels) == 20
