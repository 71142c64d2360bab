"""What the text room refuses, in full: the value that was wrong and the cure."""

from pathlib import Path

import pytest
import sentencepiece
import tokenizers

from wordsight.base.errors import ConfigError, FormatError, NotFound, UsageError, WordsightError
from wordsight.text.learn import learn_merges
from wordsight.text.open import open_tokenizer
from wordsight.text.padding import check_tokenizer
from wordsight.text.prompts import clean_class_name, templates
from wordsight.text.spec import TokenizerSpec
from wordsight.text.tokenizer import ClipTokenizer
from wordsight.text.vocabulary import from_merges, open_vocabulary, published_vocabulary, read_merges, write_merges


def refused(kind: type[WordsightError], call) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pad_id": -1}, "tokenizer.pad_id = -1; give 0 to 49407"),
        ({"end_id": 49408}, "tokenizer.end_id = 49408; give 0 to 49407"),
        ({"start_id": 9, "vocabulary_size": 9}, "tokenizer.start_id = 9; give 0 to 8"),
        ({"last_id": 50000}, "tokenizer.last_id = 50000; give 0 to 49407"),
        ({"blank_id": -2}, "tokenizer.blank_id = -2; give 0 to 49407"),
        ({"context_length": 2}, "tokenizer.context_length = 2; give room for a word: 3 or more"),
        (
            {"kind": "sentencepiece", "vocabulary": "own"},
            'tokenizer.kind = "sentencepiece" with vocabulary "own"; only "clip-bpe" has one: leave vocabulary out',
        ),
    ],
)
def test_specs(wrong: dict, message: str) -> None:
    assert refused(ConfigError, lambda: check_tokenizer(TokenizerSpec(**wrong))) == message


@pytest.mark.parametrize(
    "right",
    [
        {"context_length": 3},
        {"pad_id": 49407, "start_id": 0, "end_id": 49407, "last_id": 0, "blank_id": 0},
        {"kind": "tokenizers"},
        {"vocabulary": "own"},
    ],
)
def test_specs_at_the_border_pass(right: dict) -> None:
    check_tokenizer(TokenizerSpec(**right))


def test_calls_of_the_tokenizer() -> None:
    tokenizer = ClipTokenizer(published_vocabulary())
    assert refused(UsageError, lambda: tokenizer.batch("a cat")) == (
        "a single text was given where a list is needed; write [text]"
    )
    assert refused(UsageError, lambda: tokenizer.batch([], pad_to=1)) == (
        "pad_to = 1 leaves no room for the start and end tokens; give 2 or more"
    )
    assert refused(UsageError, lambda: tokenizer.decode([320, 49408])) == (
        "token 49408 is not in the vocabulary; give 0 to 49407"
    )
    assert refused(UsageError, lambda: tokenizer.decode([-1])) == "token -1 is not in the vocabulary; give 0 to 49407"
    assert refused(UsageError, lambda: ClipTokenizer.from_spec(TokenizerSpec(kind="tokenizers"))) == (
        "a tokenizer of kind tokenizers; only clip-bpe will do here"
    )


def test_vocabularies_that_do_not_fit(tmp_path: Path) -> None:
    own = TokenizerSpec(vocabulary="own", vocabulary_size=600)
    assert refused(UsageError, lambda: ClipTokenizer.from_spec(own)) == (
        "this model has a vocabulary of its own; give the folder that holds merges.txt"
    )
    write_merges(tmp_path / "merges.txt", [("d", "o")])
    assert refused(FormatError, lambda: ClipTokenizer.from_spec(own, tmp_path)) == (
        f"the vocabulary of {tmp_path} has 515 entries, the model's card says 600; "
        "restore the merges.txt that the model was trained with"
    )
    assert refused(FormatError, lambda: ClipTokenizer.from_spec(TokenizerSpec(vocabulary_size=600))) == (
        "the vocabulary has 49408 entries, the model's card says 600; "
        "restore the merges.txt that the model was trained with"
    )
    assert ClipTokenizer.from_spec(TokenizerSpec(vocabulary="own", vocabulary_size=515), tmp_path).size == 515


def test_merge_lists(tmp_path: Path) -> None:
    path = tmp_path / "merges.txt"
    assert refused(NotFound, lambda: read_merges(path)) == (
        f"no file {path}; copy it from where the model came from, or give a whole model folder"
    )
    path.write_bytes(b"a b\n\xff\n")
    assert refused(FormatError, lambda: read_merges(path)) == (
        f"{path} is not text: 'utf-8' codec can't decode byte 0xff in position 4: invalid start byte; restore the file"
    )
    for wrong in ("c", "a b c", "a  b", " b", "a\tb"):
        path.write_text(f"a b\n\n{wrong}\n", encoding="utf-8")
        assert refused(FormatError, lambda: read_merges(path)) == (
            f"{path} line 3: {wrong!r} is not two parts; restore the file"
        )
    assert refused(FormatError, lambda: from_merges([("a", "b"), ("ab", "yz")], where="here")) == (
        "here line 2: ab yz joins a part that no line above it makes; restore the file; the order of its lines matters"
    )
    assert refused(FormatError, lambda: from_merges([("a</w>", "b")])).startswith(
        "the merge list line 1: a</w> b joins"
    )
    path.write_text("yz b\n", encoding="utf-8")
    assert refused(FormatError, lambda: open_vocabulary(path)).startswith(f"{path} line 1: yz b joins a part")


def test_an_empty_line_between_merges_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("a b\n\nab c\n", encoding="utf-8")
    assert read_merges(tmp_path / "merges.txt") == [("a", "b"), ("ab", "c")]


@pytest.mark.parametrize("size", [514, 0, -1])
def test_vocabularies_too_small_to_learn(size: int) -> None:
    assert refused(UsageError, lambda: learn_merges(["a"], size)) == (
        f"a vocabulary of {size} entries has no merges; give more than 514"
    )


def test_templates(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("a {}\na photo\n", encoding="utf-8")
    assert refused(FormatError, lambda: templates(path)) == (
        f"{path}, line 2: no slot in 'a photo'; write {{}} where the class name goes"
    )
    path.write_text("# nothing\n", encoding="utf-8")
    assert refused(FormatError, lambda: templates(path)) == (
        f"{path} holds no template; write one template a line, {{}} where the class name goes"
    )
    path.write_bytes(b"\xff")
    assert refused(FormatError, lambda: templates(path)) == (
        f"{path} is not UTF-8: byte 0xff in line 1; save it as UTF-8"
    )
    assert refused(UsageError, lambda: templates("prodct")) == (
        "no templates named prodct and no such file; did you mean product?"
    )
    assert refused(UsageError, lambda: templates("zzz")) == (
        "no templates named zzz and no such file; use none, photo, clip, clip-7, product, food101, …, or a text file; "
        "docs/text.md lists all"
    )
    assert refused(UsageError, lambda: clean_class_name(" _, ")) == (
        "the class name ' _, ' is empty; give every class a name"
    )


def word_level(folder: Path, words: list[str]) -> Path:
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: n for n, w in enumerate(words)}, unk_token=words[0]))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize(("kind", "file"), [("tokenizers", "tokenizer.json"), ("sentencepiece", "spiece.model")])
def test_files_of_tokenizers(kind: str, file: str, tmp_path: Path) -> None:
    spec = TokenizerSpec(kind=kind)
    assert refused(UsageError, lambda: open_tokenizer(spec)) == (
        f"this model's tokenizer is a file; give the folder that holds {file}"
    )
    assert refused(NotFound, lambda: open_tokenizer(spec, tmp_path)) == (
        f"no file {tmp_path / file}; copy it from where the model came from, or give a whole model folder"
    )
    (tmp_path / file).write_bytes(b"{}")
    message = refused(FormatError, lambda: open_tokenizer(spec, tmp_path))
    assert message.startswith(f"{tmp_path / file} is not a ")
    assert message.endswith("; restore the file")


def test_a_tokenizer_file_larger_than_the_card_says(tmp_path: Path) -> None:
    word_level(tmp_path, ["a", "dog", "cat"])
    assert refused(
        FormatError, lambda: open_tokenizer(TokenizerSpec(kind="tokenizers", vocabulary_size=2), tmp_path)
    ) == (
        f"{tmp_path / 'tokenizer.json'} has token ids up to 2, the model's card says 2 tokens; "
        "restore the file that belongs to the model"
    )
    assert open_tokenizer(TokenizerSpec(kind="tokenizers", vocabulary_size=3), tmp_path).size == 3


def test_a_sentencepiece_model_larger_than_the_card_says(tmp_path: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red dog and two cats"] * 20),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=24,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    size = open_tokenizer(TokenizerSpec(kind="sentencepiece"), tmp_path).size
    exact = TokenizerSpec(kind="sentencepiece", vocabulary_size=size, end_id=1)
    assert open_tokenizer(exact, tmp_path).size == size
    small = TokenizerSpec(kind="sentencepiece", vocabulary_size=size - 1)
    assert refused(FormatError, lambda: open_tokenizer(small, tmp_path)) == (
        f"{tmp_path / 'spiece.model'} has {size} entries, the model's card says {size - 1}; "
        "restore the file that belongs to the model"
    )
    assert refused(UsageError, lambda: open_tokenizer(exact, tmp_path).batch("a dog")).startswith("a single text")


def test_a_tokenizer_file_without_tokens(tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({}, unk_token="?"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    message = refused(FormatError, lambda: open_tokenizer(TokenizerSpec(kind="tokenizers"), tmp_path))
    assert "tokenizer.json" in message and message.endswith("; restore the file")


def test_a_vocabulary_that_was_written_anew_is_read_anew(tmp_path):
    path = tmp_path / "merges.txt"
    write_merges(path, [("a", "b")])
    first = open_vocabulary(path)
    assert open_vocabulary(path) is first
    write_merges(path, [("b", "a")])
    assert open_vocabulary(path).pairs == [(first.pairs[0][1], first.pairs[0][0])]
