"""Pages of explanations: marks of maps that fail, what is counted, hostile and damaged records."""

import json
from io import BytesIO

import pytest
from PIL import Image

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.cli.main import main
from wordsight.cli.report import KINDS, RUNS, kind_of
from wordsight.report.explanation_grid import write_explanation_grid
from wordsight.report.explanation_page import explained_of, words_of, write_explanation_page
from wordsight.report.explanation_strip import BAD, FRAME, write_explanation_strip

HOSTILE = "<script>alert(1)</script>\u202e\0"


def jpeg(colour):
    buffer = BytesIO()
    Image.new("RGB", (8, 6), colour).save(buffer, "JPEG")
    return buffer.getvalue()


FILES = {"pictures/a.jpg": jpeg("red"), "pictures/b.jpg": jpeg("blue")}


def text(name, verdict="stands", *, first=False):
    return {
        "text": name,
        "cosine": 0.25,
        "probability": 0.5,
        "verdict": verdict,
        "checks": {"hiding and showing": verdict == "stands"} if verdict in ("stands", "fails") else {},
        "figure": "0.100 above the mean of 19 random maps, p = 0.05",
        "trust": [f"what was done for {name}"],
        "words": [["a", -0.1], ["dog", 0.4]],
        "overlay": "pictures/a.jpg",
        "difference": "" if first else "pictures/b.jpg",
    }


def record(*verdicts, name="dog.jpg", model="m", method="occlusion"):
    texts = [text(f"text {number}", verdict, first=not number) for number, verdict in enumerate(verdicts)]
    return {"name": name, "model": model, "method": method, "image": "pictures/a.jpg", "texts": texts, "time": "now"}


@pytest.fixture
def folder(tmp_path):
    def of(*records, name="maps"):
        made = tmp_path / name
        (made / "pictures").mkdir(parents=True)
        for path, data in FILES.items():
            (made / path).write_bytes(data)
        (made / "explanations.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
        return made

    return of


def grid(*folders):
    return write_explanation_grid(folders, folders[0] / "report.html").read_text()


def test_the_page_has_three_columns_and_each_map_its_verdict(tmp_path):
    explained = explained_of(record("stands", "fails", "stands"), FILES.__getitem__)
    page = write_explanation_page(tmp_path / "why.html", explained).read_text()
    first_row = page[page.index('<div class="maps">') : page.index("</section>")]
    assert first_row.index("the image") < first_row.index("text 0") < first_row.index("how it shifts")
    assert page.count("<figure") == 6  # the image, three maps, two shifts
    assert page.count('<figure class="failed">') == 2  # the map that fails, and the shift to it
    assert page.count("✗ fails 1 of 1 checks (hiding") == 1 and page.count("✓ stands 1 of 1 checks") == 2
    assert page.count("✗ one map fails") == 1 and page.count("what was done for text 1") == 1
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_one_text_has_no_shift(tmp_path):
    explained = explained_of(record("not checked"), FILES.__getitem__)
    page = write_explanation_page(tmp_path / "why.html", explained).read_text()
    assert page.count("<figure") == 2 and "? not checked" in page and "misleading" not in page


def test_words_are_as_strong_as_their_relevance():
    shown = words_of([("a", -0.1), ("dog", 0.4)])
    assert '--share:0.00">a<small>-0.100' in shown and '--share:1.00">dog<small>0.400' in shown
    assert words_of([]) == words_of([("a", -1.0)]) == ""


def test_the_grid_groups_and_counts(folder):
    first = folder(record("stands", "fails"), record("fails", "fails", "stands"), record("even", "even", model="n"))
    page = grid(first, folder(record("stands", method="rise"), name="more"))
    assert "1 of 2 maps of true texts stand (95 % interval 9% to 91%)" in page
    assert "1 of 3 maps of misleading texts stand" in page and "0 of 0" not in page
    assert page.count('<div class="grid-row">') == 4  # an image each
    assert page.count('<div class="maps four">') == 5  # a misleading text each, and the image with none
    assert page.count('alt="the image"') == 4  # once, however many texts
    assert page.count("✗ both maps fail") == 1 and page.count("✗ one map fails") == 2
    assert page.count("– even: claims nothing") == 3  # two maps and their shift
    assert "4 images" in page and page.index("m, occlusion") < page.index("n, occlusion") < page.index("m, rise")


def test_a_page_shows_the_last_images_and_says_how_many_it_leaves_out(folder, monkeypatch):
    monkeypatch.setattr("wordsight.report.explanation_grid.MOST", 2)
    page = grid(folder(*(record("stands", name=f"{name}.jpg") for name in "abcd")))
    assert "2 images: " in page and "The first 2 recorded are left out." in page
    assert [line.split("</h3>")[0] for line in page.split("<h3>")[1:]] == ["c.jpg", "d.jpg"]
    assert "left out" not in grid(folder(record("stands"), record("stands"), name="two"))


def test_nothing_that_comes_from_outside_acts(folder):
    odd = record("stands", "fails", name=HOSTILE, model=HOSTILE, method=HOSTILE)
    odd["texts"] = [one | {"text": HOSTILE, "trust": [HOSTILE], "figure": HOSTILE} for one in odd["texts"]]
    page = grid(folder(odd))
    assert "<script" not in page and "\u202e" not in page.replace("\u2068", "") and "\0" not in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"texts": []}, "line 1 cannot be read: it has no texts"),
        ({"texts": [text("a") | {"verdict": "good"}]}, "or a verdict that is none"),
        ({"texts": [text("a") | {"cosine": "high"}]}, "line 1 cannot be read: its cosine is 'high'"),
        ({"texts": [text("a") | {"cosine": 10**400}]}, "line 1 cannot be read: its cosine is an integer of hundreds"),
        ({"texts": [text("a") | {"cosine": float("nan")}]}, "its cosine is nan, not a number from -1.01 to 1.01"),
        ({"texts": [text("a") | {"probability": 1.5}]}, "its probability is 1.5, not a number from 0 to 1"),
        ({"texts": [text("a") | {"words": [["a", 10**400]]}]}, "line 1 cannot be read: int too large"),
        ({"texts": [text("a") | {"text": 3}]}, "its text is 3, which is no text"),
        ({"image": "explanations.jsonl"}, "'explanations.jsonl' is no JPEG and no PNG"),
        ({"image": "../../secret.jpg"}, "lies outside its folder"),
        ({"texts": None}, "line 1 cannot be read"),
    ],
)
def test_a_damaged_record_is_named_with_its_line(folder, change, says):
    with pytest.raises(FormatError, match=says):
        grid(folder(record("stands") | change))


def test_a_missing_field_an_image_that_went_and_an_empty_folder(folder):
    short = record("stands")
    del short["model"]
    with pytest.raises(FormatError, match="no field 'model'"):
        grid(folder(short))
    gone = folder(record("stands"), name="gone")
    (gone / "pictures" / "a.jpg").unlink()
    with pytest.raises(NotFound, match=r"names .*a\.jpg, which cannot be read; explain the image again"):
        grid(gone)
    with pytest.raises(NotFound, match="holds no explanation yet"):
        grid(folder(name="empty"))


def test_report_finds_the_kind_of_a_folder_by_its_file(folder, tmp_path, capsys):
    maps = folder(record("stands", "fails"))
    assert main(["report", str(maps)]) == 0
    assert capsys.readouterr().out.strip() == str(maps / "report.html")
    (tmp_path / "run").mkdir()
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "demo.json").touch()
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit.jsonl").touch()
    demo, audit = tmp_path / "demo", tmp_path / "audit"
    assert kind_of([tmp_path / "run"]) == kind_of([demo, demo]) == kind_of([audit, audit]) == RUNS
    assert (kind_of([demo]), kind_of([audit]), kind_of([maps, maps])) == KINDS
    with pytest.raises(UsageError, match=r"run holds no explanations\.jsonl, as .*maps does; report them apart"):
        kind_of([maps, tmp_path / "run"])


def test_the_foot_says_what_was_checked(tmp_path):
    def foot(*checks):
        made = record(*["stands"] * len(checks))
        for one, names in zip(made["texts"], checks, strict=True):
            one |= {"checks": dict.fromkeys(names, True), "verdict": "stands" if names else "not checked"}
        page = write_explanation_page(tmp_path / "why.html", explained_of(made, FILES.__getitem__)).read_text()
        return page[page.index("Maps by") :]

    hiding, weights, other = "hiding and showing", "random weights", "another text"
    assert "No other text was compared." in (one := foot([hiding])) and "weights" not in one and "Shift" not in one
    every = foot([hiding, weights, other], [hiding, weights, other])
    assert "random maps, and it differs from the map of the same towers with random weights, and" in every
    assert "No other text" not in every
    assert "another text&#x27;s map (checked of 1 of 2 maps)" in foot([hiding], [hiding, other])
    assert every.count("Words: how much of the match") == 1
    assert "A map stands" not in (none := foot([])) and "How far to trust a map that is not checked" in none


def test_records_without_the_newer_fields_are_read(folder):
    old = record("stands", "fails")
    for one in old["texts"]:
        del one["checks"]
    assert "✓ stands<" in (page := grid(folder(old))) and "✗ fails: do not read it" in page


def test_images_of_one_name_are_told_apart(folder):
    page = grid(
        folder(*(record("stands") | {"path": f"{way}/dog.jpg"} for way in "ab"), record("stands", name="c.jpg"))
    )
    headings = [line.split("</h3>")[0] for line in page.split("<h3>")[1:]]
    assert headings == ["a/dog.jpg", "b/dog.jpg", "c.jpg"]


def test_the_strip_marks_the_maps_that_fail(tmp_path):
    explained = explained_of(record("stands", "fails"), FILES.__getitem__)
    with Image.open(write_explanation_strip(tmp_path / "why.png", explained)) as sheet:
        marks = [sheet.getpixel((12 + number * 272 + FRAME // 2, 100)) == BAD for number in range(4)]
    assert marks == [False, False, True, True]  # the image, the first map, that of the other text, the shift to it
