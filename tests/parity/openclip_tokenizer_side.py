"""Tiny tokenizer files of the kinds that lie in open_clip's hub folders."""

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ["photo", "dog", "cat", "cats", "red", "two", "shoe", "of", "on", "grass", "green", "un", "code"]


def siglip(place, *, kind="T5Tokenizer", pad="</s>"):
    """Unigram pieces with a mark for spaces, one end token (SigLIP's T5 list, Gemma's)."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("▁" + word, -3.0 - number / 7) for number, word in enumerate([*WORDS, "a"])]
    pieces += [(letter, -8.0 - number / 9) for number, letter in enumerate(LETTERS + "▁!,.'")]
    made = Tokenizer(models.Unigram(pieces, unk_id=2))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.add_special_tokens(["<pad>", "</s>", "<unk>"])
    settings = {"tokenizer_class": kind, "pad_token": pad, "eos_token": "</s>", "unk_token": "<unk>"}
    return _save(place, made, settings | {"model_max_length": 64, "extra_ids": 0})


def bert(place):
    """WordPiece with [CLS] and [SEP] (CLIPA)."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "a",
        *WORDS,
        *LETTERS[1:],
        *("##" + sign for sign in LETTERS),
        "!",
        ",",
    ]
    made = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    made.add_special_tokens(words[:5])
    named = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return _save(place, made, {"tokenizer_class": "BertTokenizer", "do_lower_case": True, **named})


def xlm(place):
    """Unigram with <s> and </s> and padding 1 (XLM-V, of MetaCLIP 2)."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("▁" + word, -3.0 - number / 7) for number, word in enumerate([*WORDS, "a"])]
    pieces += [(letter, -8.0 - number / 9) for number, letter in enumerate(LETTERS + "▁!,.'")]
    made = Tokenizer(models.Unigram(pieces, unk_id=3))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [("<s>", 0), ("</s>", 2)]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    made.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    named = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    return _save(
        place, made, {"tokenizer_class": "XLMRobertaTokenizer", "pad_token": "<pad>", "unk_token": "<unk>", **named}
    )


def _save(place, made, settings):
    place.mkdir(parents=True, exist_ok=True)
    made.save(str(place / "tokenizer.json"))
    (place / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return made.get_vocab_size()
