"""The file of rules: what it may say, what is wrong with it and where, and how it is changed."""

import pytest

from wordsight.base.errors import ConfigError, NotFound, UsageError
from wordsight.search.rules.rule import SearchRule, checked
from wordsight.search.rules.rules_file import add_rule, read_rules, remove_rule, rule_named

TEXT = """\
# mine
[[rule]]
name = "beach"  # at the sea
query = ["a beach", "2:the sea"]
without = "people"
where = "width > 100"
min_match = 0.6
tag = "beach"
move = "Sorted/{year}"
run = ["echo", "{path}"]

[[rule]]
name = "saved"
query = "a dog"
min_cosine = 1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(TEXT)
    return path


def test_rules_are_read_in_their_order(file, tmp_path):
    beach, saved = read_rules(file)
    assert (beach.parts, beach.unwanted, beach.tags) == (("a beach", "2:the sea"), ("people",), ("beach",))
    assert (beach.least, beach.acts, saved.acts, saved.least, saved.min_cosine) == (0.6, True, False, None, 1.0)
    assert SearchRule("x", "y").least == 0.5
    assert read_rules(tmp_path / "none.toml") == []
    assert rule_named([beach, saved], "saved") is saved
    with pytest.raises(NotFound, match="no rule 'beech'; did you mean beach?"):
        rule_named([beach, saved], "beech")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"a dog"', '"a dog', "rules.toml is not TOML: .*at line 14, column"),
        ("min_cosine", "min_cosin", r"rules.toml, line 12 \(rule saved\): unknown key min_cosin; did you mean min_cosine"),
        ('"saved"', '"beach"', "line 12: a second rule 'beach'; give every rule a name of its own"),
        ('"a dog"', '" "', r"line 12 \(rule saved\): an empty query; give a text"),
        ('"a dog"', "[]", r"line 12 \(rule saved\): an empty query; give a text"),
        ('name = "saved"\n', "", "line 12: name is missing; set name"),
        ('name = "saved"', "name = 3", "line 12: name = 3 is a whole number"),
        ("[[rule]]\nname = \"saved\"", '[[rules]]\nname = "saved"', "line 12: unknown key rules; begin each rule with"),
        ("width >", "width", r"line 2 \(rule beach\): where: .* at character 7"),
        ("0.6", "6", r"line 2 \(rule beach\): min_match = 6.0; give a probability"),
        ("min_cosine = 1", "min_cosine = 7", "min_cosine = 7.0; give a cosine"),
        ("Sorted/{year}", "/srv/x", "move = '/srv/x' may lie outside; write it from the library's folder, or add outside"),
        ("Sorted/{year}", "../x", "move = '../x' leads upwards"),
        ("Sorted/{year}", ".x/y", "move = '.x/y' is hidden: libraries do not look there"),
        ("Sorted/{year}", "x/{", "move = 'x/{'; write a folder"),
        ("Sorted/{year}", "", "move = ''; write a folder"),
        ("Sorted/{year}", "a/{}", "move = 'a/{}' has an empty field"),
        ('"{path}"', '"x"', "run = .*; name the image: an argument with {path}"),
        ('"{path}"', '"{path}", "{paths}"', "not both"),
        ('tag = "beach"', 'tag = ["a", ""]', r"tag = \['a', ''\]; give a word"),
        ("[[rule]]\nname = \"beach\"  # at the sea", 'rule = 3\n[x]\nname = "beach"', "unknown key x|begin each rule"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(file, old, new, message):
    text = TEXT.replace(old, new)
    if "rule = 3" in new:
        text = "rule = 3\n"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_rules(file)


def test_a_rule_is_added_behind_the_others_and_taken_out_again(file, tmp_path):
    rule = SearchRule(
        "new", 'a "red" \\ dress', where="price < 5", without=("blue",), min_match=0.25, tag=("a", "b"), stop=True
    )
    add_rule(file, rule)
    assert file.read_text().startswith(TEXT)
    assert read_rules(file)[2] == rule
    with pytest.raises(UsageError, match="there is a rule 'new' already"):
        add_rule(file, rule)
    remove_rule(file, "saved")
    assert [one.name for one in read_rules(file)] == ["beach", "new"]
    assert "# at the sea" in file.read_text()
    remove_rule(file, "new")
    remove_rule(file, "beach")
    assert file.read_text() == "# mine\n"
    add_rule(tmp_path / "other" / "rules.toml", SearchRule("x", ("1:a", "2:b")))
    assert read_rules(tmp_path / "other" / "rules.toml") == [SearchRule("x", ("1:a", "2:b"))]


def test_a_file_that_only_looks_like_rules_line_by_line_is_left(file):
    text = '[[rule]]\nname = "x"\nquery = """\n[[rule]]\n"""\n\n[[rule]]\nname = "y"\nquery = "z"\n'
    file.write_text(text)
    with pytest.raises(UsageError, match="by hand"):
        remove_rule(file, "y")
    assert file.read_text() == text


def test_a_rule_that_says_the_same_is_the_same():
    assert SearchRule("a", "x").fingerprint() == SearchRule("b", ("x",)).fingerprint()
    assert SearchRule("a", "x").fingerprint() != SearchRule("a", "x", where="width > 3").fingerprint()
    with pytest.raises(ConfigError, match="timeout = 0"):
        checked(SearchRule("a", "x", timeout=0))
    with pytest.raises(ConfigError, match="name = ' a'"):
        checked(SearchRule(" a", "x"))
