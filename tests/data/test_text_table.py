"""Tables as text: separators, encodings, headers, quotes, and what a bad line costs."""

import pytest

from wordsight.base.errors import FormatError, InputError
from wordsight.data import text_table
from wordsight.data.text_lines import LONGEST, encoding_of, is_text, numbered_lines
from wordsight.data.text_table import TextTable


def rows(path, known=()):
    """Return (line, row or message) of every row."""
    return [(n, str(row) if isinstance(row, InputError) else row) for n, row in TextTable(path, known).rows()]


def never_closed(path, line):
    problem = f"{path}: line {line}: a quote opens that is never closed"
    return (line, f"{problem}; close it, or double the quotes that belong to a text")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_that_of_the_header_whatever_the_ending(tmp_path, separator, name):
    lines = [("filepath", "title"), ("a.jpg", "red"), ("b.jpg", "blue")]
    (tmp_path / name).write_text("".join(f"{a}{separator}{b}\n" for a, b in lines))
    assert rows(tmp_path / name) == [
        (2, {"filepath": "a.jpg", "title": "red"}),
        (3, {"filepath": "b.jpg", "title": "blue"}),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("image,caption\na.jpg,one; two; three\nb.jpg,a; b\n", ("image", "caption")),
        ('image;caption\na.jpg;"one, two"\nb.jpg;a, b\n', ("image", "caption")),
        ("image\tcaption, the long one\na.jpg\tx\n", ("image", "caption, the long one")),
        ("picture;words;n\na.jpg;x,y;1\nb.jpg;y;2\n", ("picture", "words", "n")),
        ("image\na,b.jpg\n", ("image",)),
        ("sep=;\nwho;what\na,b;c\n", ("who", "what")),
    ],
)
def test_separators_inside_texts_do_not_mislead(tmp_path, text, names):
    (tmp_path / "t.csv").write_text(text)
    assert TextTable(tmp_path / "t.csv").names == names
    assert all(isinstance(row, dict) for _, row in rows(tmp_path / "t.csv"))


def test_columns_that_are_asked_for_tell_the_separator(tmp_path):
    (tmp_path / "t.csv").write_text("shot;a,b,c\nx.jpg;1,2,3\n")
    assert TextTable(tmp_path / "t.csv").names == ("shot;a", "b", "c")
    assert TextTable(tmp_path / "t.csv", ["shot"]).names == ("shot", "a,b,c")


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("utf-32-le", b"\xff\xfe\0\0"),
        ("utf-32-be", b"\0\0\xfe\xff"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_unicode_form_is_read_and_the_mark_is_no_part_of_a_name(tmp_path, encoding, mark, end):
    text = f"image,caption{end}a.jpg,日本 café 😀{end}"
    (tmp_path / "t.csv").write_bytes(mark + text.encode(encoding))
    assert rows(tmp_path / "t.csv") == [(2, {"image": "a.jpg", "caption": "日本 café 😀"})]


def test_an_empty_file_and_a_letter_are_utf8():
    assert encoding_of(b"") == encoding_of(b"i") == encoding_of(b"\0\0") == "utf-8-sig"


def test_a_line_of_another_encoding_costs_that_line_only(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"image,caption\na.jpg,caf\xe9\nb.jpg,tea\n")
    assert rows(tmp_path / "t.csv") == [
        (2, f"{tmp_path / 't.csv'}: line 2 is not UTF-8; save the table as UTF-8"),
        (3, {"image": "b.jpg", "caption": "tea"}),
    ]
    (tmp_path / "u.csv").write_bytes("image,caption\na.jpg,x\n".encode("utf-16") + b"b\0,\0\x00\xd8,\0")
    assert [number for number, row in rows(tmp_path / "u.csv") if isinstance(row, str)] == [3]
    (tmp_path / "w.csv").write_bytes(b'image,caption\na.jpg,"tea\ncaf\xe9"\nb.jpg,tea\n')
    assert [(number, str(row)[-41:]) for number, row in rows(tmp_path / "w.csv")] == [
        (2, "line 2 is not UTF-8; save the table as UTF-8"[-41:]),
        (4, "{'image': 'b.jpg', 'caption': 'tea'}"),
    ]
    (tmp_path / "v.csv").write_bytes(b"caf\xe9,image\nx,a.jpg\n")
    with pytest.raises(FormatError) as caught:
        TextTable(tmp_path / "v.csv")
    assert str(caught.value) == f"{tmp_path / 'v.csv'}: line 1 is not UTF-8; save the table as UTF-8"


def test_blanks_around_names_are_no_part_of_them_and_columns_without_a_name_are_left_out(tmp_path):
    (tmp_path / "t.csv").write_text("\n ,image , caption,,\n0, a.jpg,b ,,\n1,b.jpg,c\n")
    assert rows(tmp_path / "t.csv")[0] == (3, {"image": " a.jpg", "caption": "b "})
    assert "line 4 has 3 fields, the header 5" in rows(tmp_path / "t.csv")[1][1]


def test_a_name_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("image,price,price \na.jpg,1,2\n")
    with pytest.raises(FormatError) as caught:
        TextTable(tmp_path / "t.csv")
    assert str(caught.value) == f"{tmp_path / 't.csv'} has two columns price; rename one of them"


@pytest.mark.parametrize("text", ["", "\n\n", "image,caption\n", "image,caption\n\n \n,\n"])
def test_lines_without_anything_are_no_rows(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    assert rows(tmp_path / "t.csv") == []
    assert TextTable(tmp_path / "t.csv").names == (("image", "caption") if text.strip() else ())


def test_separators_at_the_end_of_a_line_are_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("image,caption\na.jpg,x,,\nb.jpg,y,,z\n")
    (_, good), (_, bad) = rows(tmp_path / "t.csv")
    assert good == {"image": "a.jpg", "caption": "x"} and "line 3 has 4 fields" in bad


def test_quotes_hold_separators_quotes_and_lines(tmp_path):
    text = 'image,caption\na.jpg,"red, ""big"""\nb.jpg,"two\nlines, of text"\n"c.jpg",""\nd.jpg,5" wide\n'
    (tmp_path / "t.csv").write_text(text)
    assert [(n, row["caption"]) for n, row in rows(tmp_path / "t.csv")] == [
        (2, 'red, "big"'),
        (3, "two\nlines, of text"),
        (5, ""),
        (6, '5" wide'),
    ]


@pytest.mark.parametrize(
    "spoiled",
    [
        'b.jpg,"blue',  # to the end of the file
        'b.jpg,"blue" and "green',  # closed and opened again
        'b.jpg,"',
    ],
)
@pytest.mark.parametrize("behind", ["c.jpg,green", 'c.jpg,"green, light"', 'c.jpg,12"', 'c.jpg,"",'])
def test_a_quote_that_is_never_closed_costs_its_line_only(tmp_path, spoiled, behind):
    path = tmp_path / "t.csv"
    path.write_text(f"image,caption\na.jpg,red\n{spoiled}\n{behind}\nd.jpg,black\n")
    met = rows(path)
    assert [number for number, _ in met] == [2, 3, 4, 5]
    if spoiled.count('"') < 3:
        assert met[1] == never_closed(path, 3)
    assert isinstance(met[2][1], dict) and met[3][1] == {"image": "d.jpg", "caption": "black"}


@pytest.mark.parametrize("separator", ["\t", "|"])
def test_a_quote_in_a_table_without_quoting_is_text(tmp_path, separator):
    lines = ["image^caption", 'a.jpg^"red disc of 12 inches', 'b.jpg^5" wide', 'c.jpg^"blue" one', 'd.jpg^"all of it"']
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines).replace("^", separator))
    assert [row["caption"] for _, row in rows(path)] == [
        '"red disc of 12 inches',
        '5" wide',
        '"blue" one',
        "all of it",
    ]


def test_lines_of_a_cell_are_counted_so_that_a_lost_quote_ends(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text('image,caption\na.jpg,"' + "x\n" * 5 + '"\nb.jpg,y\n')
    assert rows(path)[0][1]["caption"] == "x\n" * 5
    monkeypatch.setattr(text_table, "_MOST_LINES", 5)
    assert rows(path)[0] == never_closed(path, 2)
    assert rows(path)[-1] == (8, {"image": "b.jpg", "caption": "y"})


def test_a_long_line_is_cut_and_the_next_ones_keep_their_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,caption\na.jpg," + "x" * (2 * LONGEST) + "\nb.jpg,y\n")
    assert [(number, len(line)) for number, line in numbered_lines(path)] == [(1, 13), (2, LONGEST + 1), (3, 7)]
    assert rows(path) == [
        (2, f"{path}: line 2 is longer than {LONGEST} letters; mend the row"),
        (3, {"image": "b.jpg", "caption": "y"}),
    ]


def test_rows_begin_where_they_are_asked_to(tmp_path):
    (tmp_path / "t.csv").write_text('image,caption\na.jpg,"x\n\n\nb.jpg,y\nc.jpg,"u\nv"\nd.jpg,z\n')
    everything = list(TextTable(tmp_path / "t.csv").rows())
    assert len(everything) == 4
    for first in range(5):
        assert list(map(str, TextTable(tmp_path / "t.csv").rows(first))) == list(map(str, everything[first:]))


def test_half_a_character_is_no_text():
    assert is_text("日本 😀 \ufffd") and not is_text("\ud83d")
