"""Token for token: our tokenizers beside open_clip's, OpenAI's and transformers', on small vocabularies made here."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import open_clip
import packaging.version
import pytest
import sentencepiece
import tokenizers
import transformers

from wordsight.text.open import open_tokenizer
from wordsight.text.spec import TokenizerSpec

LENGTH = 20
TEXTS = [
    "a dog",
    "A Photo of TWO dogs, one cat & a bird's nest!",
    "",
    " ",
    "   spaces\tand\n\nlines\x0b ",
    "word " * 60,
    "caffè Ünïçødé Straße ﬁne ½ ①",
    "e\u0301 composed and é not, Å Å",
    "ΟΔΟΣ ΣΑΣ İstanbul ſ's",
    "日本語のテキスト 猫と犬、東京。中文字符",
    "한국어 텍스트",
    "emoji 😀🐈\u200d⬛ 👩\u200d👧",
    "&lt;b&gt; AT&amp;T &amp;amp; &eacute;",
    "mojibake: cafÃ© â€œquotesâ€\x9d",
    "control \x00\x01\x1f\x7f \ufeff \u00ad end",
    "under_score, hy-phen; (paren) {brace} $5.00 50% #tag @you",
    "don't I'll we've she'd IT'S",
    "1234567890 3.14",
    "▁ underline ▁▁",
    "x" * 150,
    "a\u00a0b\u2003c\u3000d\u2028e",
]


def corpus() -> list[str]:
    rng = np.random.default_rng(0)
    plain = ["".join(rng.choice(list("bdklmnrst")) + rng.choice(list("aeiou")) for _ in range(3)) for _ in range(99)]
    made = [" ".join(rng.choice(plain, 12)) for _ in range(300)]
    return [*made, *(text for text in TEXTS if len(text) < 120 and "\x00" not in text)] * 2


def ours(folder: Path | None, texts=TEXTS, **spec) -> np.ndarray:
    spec = {"context_length": LENGTH, "padding": "full", **spec}
    return open_tokenizer(TokenizerSpec(**spec), folder).batch(texts)


def same(found: np.ndarray, wanted) -> None:
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    for text, one, other in zip(TEXTS, found.tolist(), wanted.tolist(), strict=True):
        assert one == other, text
    assert len(np.unique(wanted)) > 20


def padded(tokenizer, texts=TEXTS, length: int = LENGTH) -> list[list[int]]:
    return tokenizer(texts, padding="max_length", truncation=True, max_length=length)["input_ids"]


# --- CLIP's byte pairs


@pytest.mark.parametrize(
    ("cleaning", "clean"), [("clip", "lower"), ("whitespace", "whitespace"), ("canonical", "canonicalize")]
)
@pytest.mark.parametrize("length", [5, LENGTH, 77])
def test_clip_is_open_clips(cleaning: str, clean: str, length: int) -> None:
    theirs = open_clip.SimpleTokenizer(clean=clean, context_length=length)(TEXTS)
    same(ours(None, cleaning=cleaning, context_length=length), theirs)


@pytest.fixture(scope="module")
def openai():
    with pytest.MonkeyPatch.context() as patch:  # it asks setuptools for a package that stands by itself today
        patch.setitem(sys.modules, "pkg_resources", types.SimpleNamespace(packaging=packaging))
        import clip
    return clip


def test_clip_is_openais(openai) -> None:
    same(ours(None, context_length=77), openai.tokenize(TEXTS, truncate=True))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory) -> Path:
    """The published vocabulary as a folder of transformers."""
    folder = tmp_path_factory.mktemp("clip")
    published = open_clip.SimpleTokenizer()
    vocabulary = dict(published.encoder)
    for ours_, theirs in (("<start_of_text>", "<|startoftext|>"), ("<end_of_text>", "<|endoftext|>")):
        vocabulary[theirs] = vocabulary.pop(ours_)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    merges = ["#version: 0.2", *(" ".join(pair) for pair in published.bpe_ranks)]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", "utf-8")
    transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("pad", "pad_id"), [("<|endoftext|>", 49407), ("!", 0)])
def test_clip_is_transformers(clip_folder: Path, tmp_path: Path, pad: str, pad_id: int) -> None:
    tokenizer = transformers.CLIPTokenizer.from_pretrained(clip_folder, pad_token=pad)
    theirs = padded(tokenizer)
    same(ours(save(tokenizer, tmp_path), kind="tokenizers", cleaning="none", pad_id=pad_id), theirs)
    if pad != "!":  # padding with "!" makes the sign itself a special token, which only the file can say
        same(ours(None, cleaning="nfc", pad_id=pad_id), theirs)


def test_special_tokens_written_out(clip_folder: Path) -> None:
    texts = ["<|endoftext|> a dog;<|startoftext|>x <|ENDofTEXT|>", "<start_of_text>a;<end_of_text> <END_OF_TEXT>"]
    tokenizer = transformers.CLIPTokenizer.from_pretrained(clip_folder)
    assert ours(None, texts, cleaning="nfc", pad_id=49407).tolist() == padded(tokenizer, texts)
    assert ours(None, texts).tolist() == open_clip.SimpleTokenizer(context_length=LENGTH)(texts).tolist()


# --- SentencePiece


@pytest.fixture(scope="module")
def sentencepiece_folder(tmp_path_factory) -> Path:
    """A model with the ids of C4's: pad 0, end 1, unknown 2."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_prefix=str(folder / "spiece"),
        vocab_size=230,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    return folder


SENTENCEPIECE = {"kind": "sentencepiece", "end_id": 1, "pad_id": 1}


@pytest.mark.parametrize("length", [3, LENGTH, 64])
def test_siglip_is_transformers(sentencepiece_folder: Path, length: int) -> None:
    tokenizer = transformers.SiglipTokenizer(str(sentencepiece_folder / "spiece.model"))
    same(
        ours(sentencepiece_folder, cleaning="siglip", context_length=length, **SENTENCEPIECE),
        padded(tokenizer, length=length),
    )


def test_big_visions_sticky_end(sentencepiece_folder: Path) -> None:
    """Lower case of ASCII letters only; the end is kept; padding is the end's id (big_vision, pp/ops_text.py)."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_folder / "spiece.model"))
    wanted = []
    for text in TEXTS:
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
        row = [*processor.EncodeAsIds(lower), 1]
        wanted.append([*row[: LENGTH - 1], row[-1]] if len(row) >= LENGTH else row + [1] * (LENGTH - len(row)))
    same(ours(sentencepiece_folder, cleaning="lower-ascii", **SENTENCEPIECE), wanted)


# --- tokenizer.json


def save(tokenizer, folder: Path) -> Path:
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    trained = tokenizers.BertWordPieceTokenizer()
    trained.train_from_iterator(corpus(), vocab_size=500, show_progress=False)
    return save(transformers.BertTokenizerFast(vocab=trained.get_vocab()), folder)


def special(folder: Path, name: str) -> int:
    return transformers.AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(name)


@pytest.mark.parametrize("length", [4, LENGTH])
def test_bert_is_transformers(bert: Path, length: int) -> None:
    """ALIGN and Chinese CLIP."""
    tokenizer = transformers.BertTokenizer.from_pretrained(bert)
    found = ours(bert, kind="tokenizers", cleaning="none", context_length=length, pad_id=tokenizer.pad_token_id)
    same(found, padded(tokenizer, length=length))


@pytest.mark.parametrize(
    ("cleaning", "clean"), [("whitespace", "whitespace"), ("clip", "lower"), ("canonical", "canonicalize")]
)
def test_bert_is_open_clips(bert: Path, cleaning: str, clean: str) -> None:
    theirs = open_clip.tokenizer.HFTokenizer(str(bert), context_length=LENGTH, clean=clean)
    same(ours(bert, kind="tokenizers", cleaning=cleaning, pad_id=special(bert, "[PAD]")), theirs(TEXTS))


def test_clipa_blanks_the_separator(bert: Path) -> None:
    theirs = open_clip.tokenizer.HFTokenizer(str(bert), context_length=LENGTH, strip_sep_token=True)([*TEXTS])
    ids = {name: special(bert, f"[{name.upper()}]") for name in ("sep", "pad")}
    found = ours(bert, kind="tokenizers", cleaning="whitespace", pad_id=ids["pad"], blank_id=ids["sep"])
    same(found, theirs)
    assert ids["sep"] not in found


def test_clips_ends_every_row_with_its_class_token(bert: Path, tmp_path: Path) -> None:
    tokenizer = transformers.BertTokenizer.from_pretrained(bert, bos_token="[unused1]", eos_token="[unused2]")
    folder = save(tokenizer, tmp_path)
    theirs = open_clip.tokenizer.HFTokenizer(str(folder), context_length=LENGTH, tokenizer_mode="clips")
    ids = {name: theirs.tokenizer.convert_tokens_to_ids(name) for name in ("[unused1]", "[unused2]", "[CLS]", "[PAD]")}
    found = ours(
        folder,
        kind="tokenizers",
        cleaning="whitespace",
        start_id=ids["[unused1]"],
        end_id=ids["[unused2]"],
        pad_id=ids["[PAD]"],
        last_id=ids["[CLS]"],
    )
    same(found, theirs(TEXTS))


@pytest.fixture(scope="module")
def unigrams(sentencepiece_folder: Path) -> list[tuple[str, float]]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_folder / "spiece.model"))
    return [(processor.id_to_piece(n), processor.get_score(n)) for n in range(processor.get_piece_size())]


def test_t5_is_open_clips(sentencepiece_folder: Path, tmp_path: Path) -> None:
    """open_clip's SigLIP: the SentencePiece model as a tokenizer.json, padded with the end."""
    tokenizer = transformers.T5TokenizerFast.from_pretrained(sentencepiece_folder, extra_ids=0, pad_token="</s>")
    theirs = open_clip.tokenizer.HFTokenizer(
        str(save(tokenizer, tmp_path)), context_length=LENGTH, clean="canonicalize"
    )
    same(ours(tmp_path, kind="tokenizers", cleaning="canonical", pad_id=1), theirs(TEXTS))


def test_xlm_roberta_is_open_clips(unigrams, tmp_path: Path) -> None:
    """XLM-R, XLM-V (MetaCLIP 2)."""
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *unigrams[3:], ("<mask>", 0.0)]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=vocabulary)
    theirs = open_clip.tokenizer.HFTokenizer(str(save(tokenizer, tmp_path)), context_length=LENGTH)
    found = ours(tmp_path, kind="tokenizers", cleaning="whitespace", pad_id=1)
    same(found, theirs(TEXTS))
    assert set(found[:, 0]) == {0}


def test_nllb_is_open_clips_and_speaks_other_languages(unigrams, tmp_path: Path) -> None:
    """The file has English; open_clip's set_language is undone by transformers before every text."""
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *unigrams[3:]]
    pairs = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    tokenizer = transformers.NllbTokenizerFast(vocab=pairs, merges=[], src_lang="eng_Latn")
    theirs = open_clip.tokenizer.HFTokenizer(str(save(tokenizer, tmp_path)), context_length=LENGTH)
    theirs.set_language("fra_Latn")
    spec = {"kind": "tokenizers", "cleaning": "whitespace", "pad_id": 1}
    same(ours(tmp_path, **spec), theirs(TEXTS))
    theirs.tokenizer.src_lang = "fra_Latn"
    french = theirs.tokenizer.convert_tokens_to_ids("fra_Latn")
    same(ours(tmp_path, **spec, start_id=french, end_id=2), theirs(TEXTS))


@pytest.fixture(scope="module")
def gemma() -> dict:
    trained = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", byte_fallback=True))
    trained.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    trained.train_from_iterator(corpus(), trainer)
    model = json.loads(trained.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def test_gemma_is_open_clips(gemma: dict, tmp_path: Path) -> None:
    """open_clip's SigLIP 2: no start, an end, padding 0 on the right."""
    tokenizer = transformers.GemmaTokenizerFast(**gemma, padding_side="right", add_bos_token=False, add_eos_token=True)
    theirs = open_clip.tokenizer.HFTokenizer(
        str(save(tokenizer, tmp_path)), context_length=LENGTH, clean="canonicalize"
    )
    same(ours(tmp_path, kind="tokenizers", cleaning="canonical"), theirs(TEXTS))


@pytest.mark.parametrize("side", ["right", "left"])
def test_siglip2_is_transformers(gemma: dict, tmp_path: Path, side: str) -> None:
    tokenizer = transformers.Siglip2Tokenizer(**gemma, padding_side=side, add_bos_token=False, add_eos_token=True)
    theirs = padded(tokenizer)
    same(ours(save(tokenizer, tmp_path), kind="tokenizers", cleaning="none", padding_side=side), theirs)


def test_a_files_own_padding_and_truncation_are_set_aside(bert: Path, tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(bert / "tokenizer.json"))
    tokenizer.enable_truncation(7)
    tokenizer.enable_padding(length=9, pad_id=3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    spec = {"kind": "tokenizers", "cleaning": "none", "pad_id": special(bert, "[PAD]")}
    same(ours(tmp_path, **spec), ours(bert, **spec))
