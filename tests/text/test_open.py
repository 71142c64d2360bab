"""Every kind of tokenizer opens through one door; what surrounds and fills rows is the spec's."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tokenizers

from wordsight.base.errors import ConfigError, FormatError, MissingExtra, NotFound, UsageError
from wordsight.text.clean import clean
from wordsight.text.open import TOKENIZERS, open_tokenizer
from wordsight.text.padding import check_tokenizer
from wordsight.text.spec import TokenizerSpec
from wordsight.text.tokenizer import ClipTokenizer

WORDS = ["a", "dog", "cat", "red", "two", "[CLS]", "[SEP]", "[UNK]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Both files: words by themselves with BERT's surroundings, and a SentencePiece model."""
    place = tmp_path_factory.mktemp("model")
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 6), ("[CLS]", 5))
    backend.save(str(place / "tokenizer.json"))
    (place / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDS))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red dog and two cats", "two dogs and a cat"] * 20),
        model_prefix=str(place / "spiece"),
        vocab_size=32,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return place


def file_rows(folder: Path, texts: list[str], pad_to=None, **spec) -> list[list[int]]:
    wanted = TokenizerSpec(kind="tokenizers", cleaning="none", vocabulary_size=8, context_length=6, pad_id=7, **spec)
    return open_tokenizer(wanted, folder).batch(texts, pad_to=pad_to).tolist()


LONG = "two red dog cat a a a a"


def test_the_file_surrounds_unless_the_spec_does(folder: Path) -> None:
    assert file_rows(folder, ["a dog", "", LONG]) == [[5, 0, 1, 6, 7, 7], [5, 6, 7, 7, 7, 7], [5, 4, 3, 1, 2, 6]]
    assert file_rows(folder, ["a dog", LONG], end_id=6) == [[0, 1, 6, 7, 7, 7], [4, 3, 1, 2, 0, 6]]
    assert file_rows(folder, ["a dog"], start_id=5) == [[5, 0, 1, 7, 7, 7]]


def test_how_far_rows_are_filled(folder: Path) -> None:
    assert file_rows(folder, ["a dog", "a"], "longest") == [[5, 0, 1, 6], [5, 0, 6, 7]]
    assert file_rows(folder, ["a dog"], "longest", padding="full") == [[5, 0, 1, 6, 7, 7]]
    assert file_rows(folder, ["a dog", LONG], 4) == [[5, 0, 1, 6], [5, 4, 3, 6]]
    assert file_rows(folder, ["a dog"], padding_side="left") == [[7, 7, 5, 0, 1, 6]]
    with pytest.raises(UsageError, match="give 2 or more"):
        file_rows(folder, ["a dog"], 1)
    with pytest.raises(UsageError, match="list"):
        file_rows(folder, "a dog")  # type: ignore[arg-type]


def test_the_odd_ends_of_rows(folder: Path) -> None:
    assert file_rows(folder, [LONG, "a"], keep_end=False) == [[5, 4, 3, 1, 2, 0], [5, 0, 6, 7, 7, 7]]
    assert file_rows(folder, ["a", LONG], last_id=3) == [[5, 0, 6, 7, 7, 3], [5, 4, 3, 1, 6, 3]]
    assert file_rows(folder, ["a"], "longest", last_id=3) == [[5, 0, 6, 3]]
    assert file_rows(folder, ["a dog [SEP]"], blank_id=6) == [[5, 0, 1, 7, 7, 0]]


def test_cut_texts_are_said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file_rows(folder, [LONG], 5)
    file_rows(folder, [LONG], 5)
    assert capsys.readouterr().err == "texts of more than 3 tokens are cut\n"


def test_pieces_have_only_what_the_spec_says(folder: Path) -> None:
    spec = TokenizerSpec(kind="sentencepiece", cleaning="siglip", context_length=12, end_id=2, pad_id=1)
    tokenizer = open_tokenizer(spec, folder)
    row = tokenizer.batch(["A red, DOG!"])[0]
    assert row.dtype == np.int32
    assert row.tolist() == [*tokenizer.encode("a red dog"), 2, *[1] * (11 - len(tokenizer.encode("a red dog")))]
    assert tokenizer.decode(tokenizer.encode("a Red dog")) == "a red dog"


@pytest.mark.parametrize("kind", list(TOKENIZERS))
def test_every_kind_has_the_same_face(folder: Path, kind: str) -> None:
    tokenizer = open_tokenizer(TokenizerSpec(kind=kind, cleaning="none", start_id=1, end_id=2), folder)
    batch = tokenizer.batch(["a dog", "a"], pad_to="longest")
    assert batch.shape == (2, 2 + len(tokenizer.encode("a dog")))
    assert batch[0].tolist() == [1, *tokenizer.encode("a dog"), 2]
    assert tokenizer.decode(tokenizer.encode("a dog")) == "a dog"
    assert tokenizer.context_length == 77
    assert tokenizer.batch([]).shape == (0, 77)
    assert tokenizer.spec.kind == kind
    assert max(tokenizer.encode("a dog")) < tokenizer.size


@pytest.mark.parametrize(("kind", "file"), [("tokenizers", "tokenizer.json"), ("sentencepiece", "spiece.model")])
def test_a_file_that_is_not_there_or_something_else_is_named(
    kind: str, file: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TokenizerSpec(kind=kind)
    with pytest.raises(UsageError, match=file):
        open_tokenizer(spec)
    with pytest.raises(NotFound, match=file):
        open_tokenizer(spec, tmp_path)
    (tmp_path / file).write_bytes(b'{"a": 1}')
    with pytest.raises(FormatError, match=f"{file} is not a"):
        open_tokenizer(spec, tmp_path)
    with pytest.raises(FormatError, match=r"card says 3"):
        open_tokenizer(TokenizerSpec(kind=kind, vocabulary_size=3), folder)
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(MissingExtra, match=r"wordsight\[models\]"):
        open_tokenizer(spec, folder)


@pytest.mark.parametrize(
    ("cleaning", "cleaned"),
    [
        ("clip", "the café_bar & its σ's dog"),
        ("whitespace", "The CAFÉ_bar & its Σ's DOG"),
        ("canonical", "the café bar its σs dog"),
        ("siglip", "the cafe\u0301bar amp its σs dog"),
        ("nfc", "the café_bar &amp; its σ's dog"),
        ("lower", "the cafe\u0301_bar &amp;  its σ's dog"),
        ("lower-ascii", "the cafe\u0301_bar &amp;  its Σ's dog"),
        ("none", "The CAFE\u0301_bar &amp;  its Σ's DOG"),
    ],
)
def test_cleaning(cleaning, cleaned: str) -> None:
    assert clean("The CAFE\u0301_bar &amp;  its Σ's DOG", cleaning) == cleaned


def test_a_sigma_at_a_words_end() -> None:
    assert [clean("ΟΔΟΣ", cleaning) for cleaning in ("clip", "siglip")] == ["οδος", "οδος"]
    assert [clean("ΟΔΟΣ", cleaning) for cleaning in ("nfc", "lower")] == ["οδοσ", "οδοσ"]


@pytest.mark.parametrize("kind", list(TOKENIZERS))
@pytest.mark.parametrize("cleaning", ["clip", "none", "siglip", "nfc"])
def test_names_of_files_that_are_no_text_are_read(folder: Path, kind: str, cleaning) -> None:
    tokenizer = open_tokenizer(TokenizerSpec(kind=kind, cleaning=cleaning), folder)
    assert tokenizer.encode("a \udcff dog") == tokenizer.encode("a \ufffd dog")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("model", {"type": "WordLevel", "vocab": {}, "unk_token": "[UNK]"}),
        ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}),
        ("post_processor", {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}),
        ("normalizer", {"type": "Replace", "pattern": {"Regex": "((("}, "content": ""}),
    ],
)
def test_a_wrong_part_of_a_file_is_no_crash(folder: Path, tmp_path: Path, part: str, value) -> None:
    whole = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps({**whole, part: value}), "utf-8")
    with pytest.raises(FormatError, match=r"tokenizer\.json"):
        open_tokenizer(TokenizerSpec(kind="tokenizers", cleaning="none"), tmp_path).batch(["a dog"])


@pytest.mark.parametrize(
    "wrong",
    [{"pad_id": -1}, {"end_id": 49408}, {"context_length": 2}, {"kind": "tokenizers", "vocabulary": "own"}],
)
def test_rows_that_cannot_be_made_are_refused_before_any_text(wrong: dict) -> None:
    check_tokenizer(TokenizerSpec())
    with pytest.raises(ConfigError, match="tokenizer"):
        check_tokenizer(TokenizerSpec(**wrong))


def test_clips_pairs_do_not_stand_in_for_another_kind() -> None:
    with pytest.raises(UsageError, match="sentencepiece"):
        ClipTokenizer.from_spec(TokenizerSpec(kind="sentencepiece"))


def test_left_padding_and_a_last_token_do_not_meet(folder: Path) -> None:
    assert file_rows(folder, ["a dog", LONG], padding_side="left", last_id=3) == [
        [7, 5, 0, 1, 6, 3],
        [5, 4, 3, 1, 6, 3],
    ]


def test_a_text_that_just_fits_is_not_cut(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert file_rows(folder, ["two red dog cat"]) == [[5, 4, 3, 1, 2, 6]]
    assert file_rows(folder, [""], 2) == [[5, 6]]
    assert capsys.readouterr().err == ""


def test_the_cleaning_of_the_spec_is_done_by_every_kind(folder: Path) -> None:
    for kind in TOKENIZERS:
        clip, plain = (open_tokenizer(TokenizerSpec(kind=kind, cleaning=how), folder) for how in ("siglip", "none"))
        assert clip.encode("A, DOG!") == plain.encode("a dog") != plain.encode("A, DOG!")
        assert clip.batch(["A, DOG!"]).tolist() == plain.batch(["a dog"]).tolist()
        lower = open_tokenizer(TokenizerSpec(kind=kind, cleaning="lower"), folder)
        assert lower.encode("A <b>DOG") == plain.encode("a <b>dog")
        assert lower.batch(["A &amp; DOG"]).tolist() == plain.batch(["a &amp; dog"]).tolist()


def test_special_tokens_of_a_file_are_counted_but_not_spelled_out(folder: Path, tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.add_special_tokens(["<extra>"])
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = open_tokenizer(TokenizerSpec(kind="tokenizers", cleaning="none", vocabulary_size=8), tmp_path)
    assert tokenizer.size == 9  # those that were added too; the card counts the others
    assert tokenizer.encode("a <extra> dog") == [0, 8, 1]
    assert tokenizer.decode([0, 8, 1]) == "a dog"
    whole = open_tokenizer(TokenizerSpec(kind="tokenizers", cleaning="none", vocabulary_size=9), tmp_path)
    assert whole.batch(["a <extra> dog"], pad_to="longest").tolist() == [[5, 0, 8, 1, 6]]


def test_what_surrounds_is_seen_in_a_file_that_does_not_know_the_letter_a(tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer(tokenizers.models.BPE({"d": 0, "[B]": 1, "[E]": 2}, []))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="[B] $A [E] [E]", special_tokens=[("[B]", 1), ("[E]", 2)]
    )
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = open_tokenizer(TokenizerSpec(kind="tokenizers", cleaning="none", vocabulary_size=3), tmp_path)
    assert tokenizer.batch(["dad"], pad_to="longest").tolist() == [[1, 0, 0, 2, 2]]
