"""`wordsight search` with examples, an order, facets and folding, as it is typed."""

import json

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS
from wordsight.search import asking


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = []
    for i, colour in enumerate(["red", "red", "blue", "blue", "green", "green"]):
        red, green, blue = COLOURS[colour]
        Image.new("RGB", (20, 10), (red, green, blue - i)).save(folder / f"{i}.png")
        rows.append({"file": f"{i}.png", "colour": colour, "price": 10 * i})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.fixture
def search(shop, capsys):
    """Run a search in the shop and return its status, output and notices."""

    def searching(*arguments):
        status = main(["search", *map(str, arguments), "--in", str(shop), "--engine", "fake"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return searching


def names(output):
    return [line.split()[1].rpartition("/")[2] for line in output.splitlines() if "/" in line]


@pytest.mark.parametrize("sort", [["--sort", "-price"], ["--sort=-price"], ["--sort", "price desc"]])
def test_sorted_matches_and_their_number(search, sort):
    status, output, notices = search("red", *sort, "--no-fold", "--min-cosine", "0.5")
    assert (status, names(output)) == (0, ["1.png", "0.png"])
    assert f"2 match, sorted by {sort[-1].removeprefix('--sort=')}" in notices
    assert "the 6 nearest, sorted by price" in search("red", "--sort", "price")[2]


def test_an_unknown_column_and_an_option_behind_sort(search):
    status, _, notices = search("red", "--sort", "-prize")
    assert status == 2
    assert "did you mean price" in notices
    assert "expected one argument" in search("red", "--sort", "--json")[2]


def test_near_duplicates_are_folded_for_people_alone(search):
    assert search("red", "-k", 3)[1].count("+1 alike") == 3
    assert len(search("red", "--no-fold")[1].splitlines()) == 6
    assert len(search("red", "--paths-only")[1].splitlines()) == 6
    assert all("alike" not in json.loads(line) for line in search("red", "--json")[1].splitlines())
    folded = [json.loads(line) for line in search("red", "--json", "--fold")[1].splitlines()]
    assert folded[0]["alike"] in (["0.png"], ["1.png"])


def test_facets_follow_the_hits_or_come_alone(search):
    output = search("red", "--facets", "colour, price", "--where", "colour = red", "--no-fold")[1]
    hits, facets = output.split("\n\n")
    assert len(hits.splitlines()) == 2
    assert facets == "colour: blue (2), green (2), red (2)\nprice: 0 (1), 10 (1)\n"
    assert search("red", "--facets", "all", "--facets-only")[1] == "colour: blue (2), green (2), red (2)\n"
    status, output, _ = search("red", "--facets-only", "--json", "--min-cosine", "0.5", "--facets", "colour")
    assert status == 0
    assert json.loads(output) == {"facets": {"colour": [{"value": "red", "count": 2, "where": "colour = 'red'"}]}}


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["--facets", "all", "--json"], "add --facets-only"),
        (["--facets", "all", "--paths-only"], "leave one of them out"),
        (["--facets-only", "-0"], "leave one of them out"),
        (["--facets", "color"], "did you mean colour or folder?"),
        (["--like", "0.png"], "use liked"),
        (["--like-set", "nowhere.txt"], "give a file"),
    ],
)
def test_options_that_do_not_go_together(search, arguments, cure):
    status, _, notices = search("red", *arguments)
    assert status in (1, 2)
    assert cure in notices


def test_examples(search, shop, tmp_path):
    status, output, _ = search("--like", "2.png", "-k", 1)
    assert (status, names(output)) == (0, ["3.png"])
    assert "near 2.png (" in output
    chosen = tmp_path / "chosen.txt"
    chosen.write_text(f"0.png\n\n{shop / '1.png'}\n", encoding="utf-8")
    record = json.loads(search("--like-set", chosen, "--json", "-k", 1)[1])
    assert record["key"] not in ("0.png", "1.png")
    assert record["why"].startswith("near ")
    liked = search("green", "--liked", "2.png", "--disliked", "4.png", "-k", 2, "--no-fold")[1]
    assert names(liked)[0] == "2.png"
    chosen.write_text("\n", encoding="utf-8")
    assert "is empty" in search("--like-set", chosen)[2]


def test_several_places_are_sorted_and_counted_together(search, shop, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (20, 10), COLOURS["red"]).save(other / "new.png")
    (other / "metadata.jsonl").write_text('{"file": "new.png", "colour": "red", "price": 5}', encoding="utf-8")
    main(["search", "red", "--in", str(other), "--engine", "fake"])
    capsys.readouterr()
    _, output, notices = search("red", "--in", other, "--sort", "price", "--no-fold", "--facets", "colour")
    assert names(output)[:3] == ["0.png", "new.png", "1.png"]
    assert "the 7 nearest" in notices
    assert output.endswith("colour: red (3), blue (2), green (2)\n")


def test_conditions_that_are_given_again_all_hold(search):
    _, printed, _ = search("red", "--where", "price < 30 or price > 45", "--where", "colour = blue", "--min-match", "0")
    assert sorted(names(printed)) == ["2.png"]
    assert search("red", "--where", "price < 30", "--where", "colour =")[0] == 2
    status, _, said = search("red", "--where", "price < 3) or (price > 5", "--where", "colour = red")
    assert status == 2 and "should stand at character 10" in said
    assert "an empty condition" in search("red", "--where", "price < 30", "--where", "")[2]


def test_it_is_said_when_no_picture_satisfies_the_condition(search):
    status, printed, said = search("red", "--where", "price > 1000")
    assert (status, printed) == (1, "") and "where: no picture satisfies the condition" in said
    assert "no picture satisfies" not in search("red", "--where", "price > 10", "--min-cosine", "1")[2]


def test_it_is_said_how_many_of_the_nearest_are_left_out(search, monkeypatch):
    monkeypatch.setattr(asking, "least_for_people", lambda usual: 0.5)
    monkeypatch.setattr(
        asking, "matches_of", lambda usual, parts, query, near: [float(one.score > 0.5) for one in near]
    )
    _, printed, said = search("red", "--keywords", "off", "--no-fold")
    assert len(names(printed)) == 2 and "2 of the 6 nearest: the others are unlikely (--min-match 0 shows them)" in said
    assert "nearest" not in search("red", "--keywords", "off", "--no-fold", "--min-match", "0")[2]
    assert "nearest" not in search("red", "--keywords", "off", "--no-fold", "--json")[2]


def test_a_text_beside_a_column_of_numbers_is_named_as_it_is(search):
    status, _, said = search("red", "--where", "price < 3KB")
    assert status == 2 and "column price holds numbers, '3KB' is text" in said
