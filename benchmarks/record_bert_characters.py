"""Record which characters BERT's tokenizer drops, takes for spaces, for accents and for punctuation.

    python benchmarks/record_bert_characters.py      # writes src/wordsight/text/tables/bert-characters.txt

The package `tokenizers` is asked about every character, so that ours does the same whatever Unicode Python knows.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from tokenizers import normalizers, pre_tokenizers

TABLE = Path(__file__).parents[1] / "src/wordsight/text/tables/bert-characters.txt"
CHARACTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def ranges(wanted: Callable[[str], bool]) -> Iterator[str]:
    """Yield first and last of each run of wanted characters, in hexadecimal."""
    first = last = -2
    for code in [*(ord(one) for one in CHARACTERS if wanted(one)), 0x120000]:
        if code != last + 1:
            if last >= 0:
                yield f"{first:x}" if first == last else f"{first:x}-{last:x}"
            first = code
        last = code


def main() -> None:
    """Ask about every character and write the table."""
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    clean = normalizers.BertNormalizer(**{**off, "clean_text": True})
    accents = normalizers.BertNormalizer(**{**off, "strip_accents": True})
    chinese = normalizers.BertNormalizer(**{**off, "handle_chinese_chars": True})
    cut = pre_tokenizers.BertPreTokenizer()
    kinds: dict[str, Callable[[str], bool]] = {
        "dropped": lambda one: clean.normalize_str(f"a{one}b") == "ab",
        "spaces": lambda one: clean.normalize_str(f"a{one}b") == "a b",
        "accents": lambda one: accents.normalize_str(f"a{one}b") == "ab",
        "chinese": lambda one: chinese.normalize_str(f"a{one}b") == f"a {one} b",
        "punctuation": lambda one: len(cut.pre_tokenize_str(f"a{one}b")) == 3,
    }
    TABLE.write_text("".join(f"{kind} {' '.join(ranges(wanted))}\n" for kind, wanted in kinds.items()))


if __name__ == "__main__":
    main()
