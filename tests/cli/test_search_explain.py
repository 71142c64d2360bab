"""`wordsight search --explain`: lines, JSON, the page with its maps, what is refused, pictures that went."""

import json

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name, colour in {"a": "blue", "b": "green", "below/c": "white"}.items():
        image = Image.new("RGB", (48, 48), COLOURS[colour])
        image.paste(COLOURS["red"], (0, 30, 18, 48))
        image.save(folder / f"{name}.png")
    return folder


@pytest.fixture
def search(photos, capsys):
    main(["index", str(photos), "--engine", "fake", "--quiet"])
    capsys.readouterr()

    def searching(*arguments, within=photos):
        status = main(["search", *arguments, "--in", str(within), "--engine", "fake", "--explain"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return searching


def test_lines_say_what_each_part_gave_and_where(search):
    status, out, err = search("2:red", "1:blue", "-k", "1", "--without", "green")
    line, reason = out.splitlines()
    assert (status, err) == (0, "") and "a.png" in line
    assert reason.startswith("      +0.") and " red, +0." in reason and " blue" in reason
    assert "strongest " in reason and "its check" in reason


def test_json_has_the_figures(search, photos):
    records = [json.loads(line) for line in search("red", "--json")[1].splitlines()]
    assert len(records) == 3
    for one in records:
        explained = one["explanation"]
        (part,) = explained["parts"]
        assert part["part"] == "red" and part["share"] == pytest.approx(one["score"], abs=1e-4)
        assert explained["strongest"] == "at the lower left" and len(explained["box"]) == 4
        assert len(explained["checks"]["hiding"]["random_maps"]) == 19
        assert explained["passes"] == all(check["passes"] for check in explained["checks"].values())
        assert "strongest at the lower left" in one["why"]


def test_what_led_to_a_hit_by_example_stays_beside_the_reason(search):
    (first, *_) = [json.loads(line) for line in search("--like", "a.png", "--json")[1].splitlines()]
    assert first["why"].startswith("near a.png (") and "; strongest " in first["why"]
    assert [part["part"] for part in first["explanation"]["parts"]] == ["a.png"]


def test_a_folder_inside_a_library_is_explained_by_that(search, photos):
    status, out, _ = search("red", within=photos / "below")
    assert status == 0 and out.count("strongest at the lower left") == 1 and "c.png" in out


def test_the_page_has_a_map_and_a_switch_for_each(search, tmp_path):
    assert search("red", "--html", str(tmp_path / "hits.html"), "--paths-only")[0] == 0
    text = (tmp_path / "hits.html").read_text()
    assert text.count('<img class="map') == text.count('class="one"') == text.count("the check</summary>") == 3
    assert text.count('id="maps"') == 1 and "<script" not in text and "Maps by occlusion." in text


def test_a_broken_image_is_one_line_and_the_rest_goes_on(search, photos, tmp_path):
    (photos / "a.png").write_bytes(b"no image")
    status, out, err = search("red", "--no-sync", "--html", str(tmp_path / "hits.html"))
    assert status == 1 and out.count("strongest at the lower left") == 2 and out.count("no map: ") == 1
    assert err.startswith("not explained: ") and err.count("\n") == 1
    text = (tmp_path / "hits.html").read_text()
    assert text.count('<img class="map') == 2 and "no map: " in text


def test_what_has_no_room_for_reasons_is_refused(search):
    for form in ("--csv", "--paths-only", "-0", "--facets-only"):
        status, out, err = search("red", form)
        assert (status, out) == (2, "") and "leave one of them out, or add --html FILE" in err
