"""Files of pairs: CSV and JSON lines, what is missing, where images are looked for."""

import json
from pathlib import Path

import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.explain.pairs import read_pairs


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_json_lines_say_the_same(tmp_path):
    (tmp_path / "a.jpg").touch()
    table = write(tmp_path / "p.csv", 'image,true,misleading\na.jpg,"a dog, big",a cat\nb.jpg,ein Hündchen,\n')
    lines = [
        {"image": "a.jpg", "true": "a dog, big", "misleading": ["a cat"]},
        {"image": "b.jpg", "true": "ein Hündchen"},
    ]
    jsonl = write(tmp_path / "p.jsonl", "\n".join(map(json.dumps, lines)) + "\n\n")
    for path in (table, jsonl):
        first, second = read_pairs(path)
        assert first.image == tmp_path / "a.jpg" and first.texts == ("a dog, big", "a cat")
        assert second.image == Path("b.jpg") and second.texts == ("ein Hündchen",)
    assert read_pairs(table)[1].where == f"{table} line 3"


def test_several_misleading_texts_keep_their_order(tmp_path):
    path = write(tmp_path / "p.jsonl", '{"image": "a.jpg", "true": "a", "misleading": ["b", "c"]}\n')
    assert read_pairs(path)[0].texts == ("a", "b", "c")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("p.csv", "image,true\n", "has no pairs"),
        ("p.csv", "picture,text\na.jpg,a dog\n", r"line 2 has \['picture', 'text'\]; it needs image and true"),
        ("p.csv", "image,true\na.jpg,\n", "line 2 has"),
        ("p.csv", "image,true\na.jpg,a dog, big\n", "line 2 has more fields than the first line; quote texts with"),
        ("p.jsonl", '{"image": "a.jpg", "true": 3}\n', "line 1 has"),
        ("p.jsonl", '{"image"\n', "line 1 is not JSON"),
        ("p.jsonl", "\n[1]\n", "line 2 is no object"),
    ],
)
def test_what_is_no_pair_is_named_with_its_line(tmp_path, name, text, says):
    with pytest.raises(FormatError, match=says):
        read_pairs(write(tmp_path / name, text))


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(NotFound, match="no file"):
        read_pairs(tmp_path / "gone.csv")
    with pytest.raises(FormatError, match="is a folder; give a CSV or JSON lines in UTF-8"):
        read_pairs(tmp_path)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(FormatError, match="is no text in UTF-8; give"):
        read_pairs(tmp_path / "a.png")


def test_line_breaks_within_a_text_stay(tmp_path):
    table = write(tmp_path / "p.csv", 'image,true\na.jpg,"a\nb"\nb.jpg,a\u2028b\n')
    assert [pair.texts for pair in read_pairs(table)] == [("a\nb",), ("a\u2028b",)]
    lines = write(tmp_path / "p.jsonl", '{"image": "a.jpg", "true": "a\u2028b"}\n')
    assert read_pairs(lines)[0].texts == ("a\u2028b",)
