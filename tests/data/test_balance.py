"""The balance: equal to the published rule stated anew, the same however it is cut up, and honest about its draws."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import StorageError, UsageError
from wordsight.data import balance as module
from wordsight.data.balance import Draw, Spool, balance, count_entries, draw, match_pairs
from wordsight.data.entry_matcher import EntryMatcher
from wordsight.data.repeated_keys import RepeatedKeys
from wordsight.data.terms import KeyTable, TermTable, hashes, mixed, packed, split_terms

WORDS = ["york", "new", "new york", "a", "ab", "dog", "Straße", "naïve", "東京", "a,b", "st.", ".", ",", "`", "x" * 30]
WORDS += [
    "x" * 31,
    "abcdefg",
    "abcdefgh",
    "abcdefghi",
    "\ud83d",
    "😀",
    "",
    " ",
    "\t",
    "\n",
    "\r",
    "\x0b",
    "\u00a0",
    "\0",
]


def stated(caption, entries):
    """The published rule, as plainly as it can be said."""
    text = " " + caption + " "
    for mark in [",", ".", ";", ":", "?", "!", "`"]:
        text = text.replace(mark, " " + mark + " ")
    for blank in ["\t", "\n", "\r"]:
        text = text.replace(blank, " ")
    return [number for number, entry in enumerate(entries) if " " + entry + " " in text]


def matched(captions, entries):
    matches = EntryMatcher(entries).match(captions)
    own = [[] for _ in captions]
    for caption, entry in zip(matches.captions.tolist(), matches.entries.tolist(), strict=True):
        own[caption].append(entry)
    return own


def made(seed, count, longest):
    random.seed(seed)
    joins = [" ", " ", " ", "  ", "", ", ", "\n", "\t"]
    lengths = [random.randint(0, longest) for _ in range(count)]
    return ["".join(random.choice(WORDS) + random.choice(joins) for _ in range(length)) for length in lengths]


@pytest.mark.parametrize("seed", range(6))
def test_matches_are_those_of_the_published_rule(seed):
    entries = list(
        dict.fromkeys(entry for entry in [*WORDS, *made(seed, 400, 4), " york", "york ", "new  york"] if entry)
    )
    captions = made(seed + 100, 300, 14)
    expected = [stated(caption, entries) for caption in captions]
    assert matched(captions, entries) == expected
    assert sum(map(len, expected)) > 300
    assert [matched([caption], entries)[0] for caption in captions[:40]] == expected[:40]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("ab .,`\n\tß\x00", min_size=1, max_size=5), min_size=1, max_size=25, unique=True),
    st.lists(st.text("ab .,`\n\tß\x00", max_size=12), max_size=8),
)
def test_matches_are_those_of_the_published_rule_whatever_the_text(entries, captions):
    assert matched(captions, entries) == [stated(caption, entries) for caption in captions]


def test_long_captions_and_long_entries():
    entries = ["the end", "z" * 5000, " ".join("abcdefghij" * 8), "b"]
    captions = ["a b " * 100_000 + "the end", "z" * 5000, "z" * 5001, "z" * 200_000, " ".join("abcdefghij" * 9), "   "]
    assert matched(captions, entries) == [[0, 3], [1], [], [], [2, 3], []]


def test_what_can_match_nothing_is_named():
    entries = ["st. john", "st . john", "a\tb", ",", "a,", ", ,", "dog"]
    assert EntryMatcher(entries).unmatchable == [0, 2, 4]
    caption = "st. john, a\tb, dog , , a,"
    assert matched([caption], entries) == [stated(caption, entries)] == [[3, 6]]


def test_terms_are_looked_up_by_what_they_are_not_by_their_hash(monkeypatch):
    monkeypatch.setattr(
        "wordsight.data.terms.hashes", lambda terms, seed=0: np.zeros(len(terms.starts), np.uint64) + np.uint64(256)
    )
    table = TermTable([b"abcdefgh", b"dog"])
    captions = ["abcdefgh abcdefgi dog abcdefghij"]
    assert table.numbers(split_terms(captions)).tolist() == [0, -1, 1, -1]


def test_two_long_terms_with_one_hash_get_another_seed(monkeypatch):
    def poor(terms, seed=0):
        return np.zeros(len(terms.starts), np.uint64) if not seed else hashes(terms, seed=seed)

    monkeypatch.setattr("wordsight.data.terms.hashes", poor)
    table = TermTable([b"abcdefgh", b"abcdefgi"])
    assert table.numbers(split_terms(["abcdefgi abcdefgh"])).tolist() == [1, 0]


def test_a_key_table_gives_what_was_put_in():
    keys = np.unique(np.random.default_rng(0).integers(1, 2**63, 5000, dtype=np.uint64))
    table = KeyTable(keys)
    assert (table.numbers(keys) == np.arange(len(keys))).all()
    assert (
        table.numbers(keys + np.uint64(1)) == np.where(np.isin(keys + np.uint64(1), keys), np.arange(len(keys)) + 1, -1)
    ).all()


def sample_pairs(count=3000):
    pick = random.Random(3)
    common = ["a", "dog", "new york", "york", "red", "on", "grass"]
    captions = (
        tuple(" ".join(pick.choices(common, k=5)) + f" n{pick.randint(0, 300)}" for _ in range(pick.randint(0, 3)))
        for _ in range(count)
    )
    return [(f"k{number}", own) for number, own in enumerate(captions)]


ENTRIES = ["york", "new york", "dog", "red", "grass", *[f"n{number}" for number in range(200)]]


def test_counts_and_probabilities_are_those_of_the_published_rule():
    pairs, at_most = sample_pairs(), 40
    own = [sorted({entry for caption in captions for entry in stated(caption, ENTRIES)}) for _, captions in pairs]
    counts = np.bincount([entry for one in own for entry in one], minlength=len(ENTRIES))
    assert count_entries(match_pairs(pairs, EntryMatcher(ENTRIES)), len(ENTRIES)).tolist() == counts.tolist()
    probability = at_most / np.maximum(counts, at_most)
    verdicts = list(balance(pairs, ENTRIES, at_most))
    assert [verdict.key for verdict in verdicts] == [key for key, _ in pairs]
    assert [verdict.matches for verdict in verdicts] == list(map(len, own))
    for verdict, entries in zip(verdicts, own, strict=True):
        assert verdict.probability == pytest.approx(1 - np.prod([1 - probability[entry] for entry in entries]))
        if entries:
            assert ENTRIES.index(verdict.entry) in entries
            assert verdict.entry_probability == probability[ENTRIES.index(verdict.entry)]
            assert verdict.kept or verdict.entry_probability == max(probability[entries])
        else:
            assert verdict[1:] == (False, "", 0.0, 0.0, 0)
    assert all(v.kept for v in verdicts if v.probability == 1.0)
    assert sum(v.kept for v in verdicts) < len(pairs)


def test_a_pair_is_kept_as_often_as_its_probability_says():
    pairs = sample_pairs(200)
    kept = np.zeros(len(pairs))
    seeds = 150
    for seed in range(seeds):
        verdicts = list(balance(pairs, ENTRIES, 5, seed, threads=1))
        kept += [verdict.kept for verdict in verdicts]
    expected = np.array([verdict.probability for verdict in verdicts])
    spread = np.sqrt(np.maximum(expected * (1 - expected) / seeds, 1e-12))
    assert np.abs((kept / seeds - expected) / spread)[(expected > 0) & (expected < 1)].max() < 5
    assert (kept[expected == 1] == seeds).all() and not kept[expected == 0].any()


@pytest.mark.parametrize(("block", "threads"), [(1, 1), (7, 2), (5000, 1), (64, 3)])
def test_blocks_threads_and_order_change_nothing(block, threads):
    pairs = sample_pairs(700)
    matcher = EntryMatcher(ENTRIES)
    counts = count_entries(match_pairs(pairs, matcher), matcher.count)
    plain = {verdict.key: verdict for verdict in balance(pairs, ENTRIES, 5, 9)}
    for order in (pairs, pairs[::-1]):
        blocks = match_pairs(order, matcher, threads=threads, block=block)
        drawn = draw(blocks, Draw(ENTRIES, counts, 5, 9))
        assert {v.key: v for one in drawn for v in one.verdicts(ENTRIES)} == plain
    other = {v.key: v.kept for v in balance(pairs, ENTRIES, 5, 10)}
    assert other != {key: verdict.kept for key, verdict in plain.items()}


def test_the_order_of_the_entries_changes_no_draw():
    pairs = sample_pairs(500)
    forwards = [verdict.kept for verdict in balance(pairs, ENTRIES, 5)]
    assert forwards == [verdict.kept for verdict in balance(pairs, ENTRIES[::-1], 5)]


def test_shards_drawn_by_their_added_counts_are_the_whole():
    pairs, matcher = sample_pairs(), EntryMatcher(ENTRIES)
    parts = [pairs[:1000], pairs[1000:1500], pairs[1500:]]
    counts = sum(count_entries(match_pairs(part, matcher), matcher.count) for part in parts)
    drawn = [
        v
        for part in parts
        for one in draw(match_pairs(part, matcher), Draw(ENTRIES, counts, 40))
        for v in one.verdicts(ENTRIES)
    ]
    assert drawn == list(balance(pairs, ENTRIES, 40))


def test_an_entry_that_was_never_counted_is_no_rare_one():
    counts = np.zeros(len(ENTRIES), np.int64)
    with pytest.raises(UsageError, match="the counts say that no pair has 'york'"):
        list(draw(match_pairs([("k", ("york",))], EntryMatcher(ENTRIES)), Draw(ENTRIES, counts, 3)))


def test_a_key_twice_has_one_draw_and_is_counted():
    verdicts = list(balance([(str(n // 2), ("dog",)) for n in range(200)], ["dog"], 20))
    assert [v.kept for v in verdicts[::2]] == [v.kept for v in verdicts[1::2]]
    values = mixed(np.arange(100, dtype=np.uint64))
    with RepeatedKeys(most=10) as repeated:
        for some in (values, values[20:25], values[20:22]):
            repeated.note(some)
        assert sorted(repeated.hashes().tolist()) == sorted(values[20:25].tolist())


def test_hashes_are_the_same_on_every_machine():
    some = packed([b"", b"a", b"abcdefgh", b"abcdefghi", "東京".encode()])
    assert hashes(some)[:2].tolist() == hashes(packed([b"", b"a"])).tolist()
    assert [format(value, "x") for value in hashes(some, seed=1).tolist()] == PINNED


PINNED = ["5e41ab087439611e", "e8f0760f6cdea238", "f0b9b230e1d954b9", "bbeff4ddae8d96e8", "d75c34362301ed10"]


@pytest.mark.parametrize(
    ("at_most", "entries", "why"),
    [(0, ["dog"], "at most 0"), (3, [], "no entry is left of 0"), (3, [".", " "], "of 2")],
)
def test_wrong_arguments_are_refused(at_most, entries, why):
    with pytest.raises(UsageError, match=why):
        list(balance([("k", ("dog",))], entries, at_most))


def test_nothing_at_all_is_balanced_to_nothing():
    assert list(balance([], ["dog"], 3)) == []
    assert [v.matches for v in balance([("k", ())], ["dog"], 3)] == [0]


def test_a_spool_gives_back_what_went_through(tmp_path):
    pairs, matcher = [*sample_pairs(50), ("schlüssel\udce9", ("dog",)), ("", ("red",))], EntryMatcher(ENTRIES)
    with Spool() as spool:
        through = list(spool.through(match_pairs(pairs, matcher, block=16)))
        for _ in range(2):
            back = list(spool)
            assert [one.keys for one in back] == [one.keys for one in through]
            assert all(
                (a.counts == b.counts).all() and (a.entries == b.entries).all()
                for a, b in zip(back, through, strict=True)
            )


def test_a_full_disk_is_one_line(monkeypatch):
    monkeypatch.setattr(module.tempfile, "TemporaryFile", lambda dir: open("/dev/full", "w+b", buffering=0))  # noqa: SIM115
    with pytest.raises(StorageError, match="the disk is full"):
        list(balance([("k", ("dog",))], ["dog"], 3))


def test_memory_does_not_grow_with_the_pairs():
    import tracemalloc

    matcher = EntryMatcher(ENTRIES)
    peaks = []
    for count in (6_000, 24_000):
        pairs = ((f"k{n}", ("a dog in new york",)) for n in itertools.islice(itertools.count(), count))
        tracemalloc.start()
        with Spool() as spool:
            counts = count_entries(spool.through(match_pairs(pairs, matcher, threads=1, block=256)), matcher.count)
            for _ in draw(spool, Draw(ENTRIES, counts, 9)):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
