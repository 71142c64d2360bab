"""Learning a vocabulary: the incremental counts find what counting anew finds."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.text.bytepairs import END_OF_WORD, ID_OF_BYTE, SIGN_OF_ID, join_pairs
from wordsight.text.clean import pre_tokens
from wordsight.text.learn import learn_merges
from wordsight.text.tokenizer import ClipTokenizer
from wordsight.text.vocabulary import from_merges, read_merges, size_of, write_merges


def plain_learn(captions: list[str], count: int) -> list[tuple[str, str]]:
    """Count all pairs anew for every merge."""
    spelled = Counter(word for caption in captions for word in pre_tokens(caption))
    table = []
    for word, times in spelled.items():
        letters = [SIGN_OF_ID[ID_OF_BYTE[byte]] for byte in word.encode()]
        table.append(([*letters[:-1], letters[-1] + END_OF_WORD], times))
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        totals: Counter[tuple[str, str]] = Counter()
        for letters, times in table:
            for pair in zip(letters, letters[1:], strict=False):
                totals[pair] += times
        if not totals or max(totals.values()) < 2:
            break
        best = min(totals, key=lambda pair: (-totals[pair], pair))
        merges.append(best)
        for letters, _ in table:
            i = 0
            while i < len(letters) - 1:
                if (letters[i], letters[i + 1]) == best:
                    letters[i : i + 2] = ["".join(best)]
                i += 1
    return merges


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="aaabcé ", max_size=20), max_size=12))
def test_learns_what_counting_anew_learns(captions: list[str]) -> None:
    assert learn_merges(captions, 514 + 25) == plain_learn(captions, 25)


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="aab ", max_size=40), max_size=8))
def test_no_token_is_made_twice(captions: list[str]) -> None:
    """Where two pairs would spell the same, the first has joined every place where the second could stand."""
    made = ["".join(pair) for pair in learn_merges(captions, 514 + 60)]
    assert len(set(made)) == len(made)


def test_a_pair_that_lost_some_of_its_places_keeps_its_turn() -> None:
    captions = ["abc"] * 4 + ["bc"] * 3 + ["xbd"] * 2 + ["bd"] * 2
    assert learn_merges(captions, 540) == plain_learn(captions, 26)
    # ("b", "c</w>") occurs seven times, and ("a", "b") four, of which none is left once bc is one token
    assert learn_merges(captions, 540)[:3] == [("b", "c</w>"), ("a", "bc</w>"), ("b", "d</w>")]


def test_order_of_captions_and_ties_do_not_matter() -> None:
    captions = ["ab cd", "cd ef", "ef ab", "a red fox", "a red box"] * 2
    shuffled = random.Random(1).sample(captions, len(captions))
    assert learn_merges(captions, 540) == learn_merges(shuffled, 540)
    assert learn_merges(["ab cd ef"] * 2, 515) == [("a", "b</w>")]  # equally frequent: the first in order


def test_stops_where_no_pair_occurs_twice() -> None:
    merges = learn_merges(["dog dog"], 8192)
    assert [left + right for left, right in merges] == ["do", "dog</w>"]
    assert size_of(merges) == 516
    assert learn_merges([], 8192) == []


def test_a_frequent_word_becomes_one_token() -> None:
    captions = [f"a dog runs over field {n}" for n in range(50)]
    merges = learn_merges(captions, 600)
    tokenizer = ClipTokenizer(from_merges(merges))
    assert [len(tokenizer.encode(word)) for word in ("dog", "runs", "field", "a")] == [1, 1, 1, 1]
    assert tokenizer.size <= 600


def test_start_and_end_words_are_not_learned() -> None:
    assert learn_merges(["<start_of_text> <end_of_text>"] * 9, 600) == []


def test_merges_survive_the_file(tmp_path: Path) -> None:
    merges = learn_merges(["một con chó đang chạy", "日本 日本", "#tag # #", "a\u00a0b"] * 4, 700)
    write_merges(tmp_path / "merges.txt", merges)
    assert read_merges(tmp_path / "merges.txt") == merges
    assert len((tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()) == len(merges)
    captions = ["một con chó", "日本", "nothing like it"]
    tokenizer = ClipTokenizer(from_merges(merges))
    for caption in captions:
        assert tokenizer.encode(tokenizer.decode(tokenizer.encode(caption))) == tokenizer.encode(caption)


def test_damaged_files_are_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "merges.txt"
    path.write_text("a b\nc\n", encoding="utf-8")
    with pytest.raises(FormatError, match="line 2"):
        read_merges(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="not text"):
        read_merges(path)
    with pytest.raises(NotFound):
        read_merges(tmp_path / "absent.txt")
    with pytest.raises(FormatError, match="line 2: x yz joins a part that no line above it makes"):
        from_merges([("a", "b"), ("x", "yz")])


def test_too_small_a_vocabulary_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="514"):
        learn_merges(["a dog"], 514)


def test_pairs_are_joined_from_the_left():
    assert join_pairs(list("aaaba"), ("a", "a"), "aa") == ["aa", "a", "b", "a"]
    assert join_pairs([1, 2, 1, 2, 2], (1, 2), 9) == [9, 9, 2]
    assert join_pairs([], (1, 2), 9) == []
