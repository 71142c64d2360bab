"""Record what other tokenizers make of a few thousand varied texts, for tests/text to compare with.

    python benchmarks/record_tokens.py --openai path/to/clip/simple_tokenizer.py

Needs open_clip_torch installed and OpenAI's `simple_tokenizer.py` (one file of github.com/openai/CLIP).  Writes
tests/text/data/tokens.jsonl.gz: one line a text, `ids` from open_clip, `openai` where OpenAI's differ.
"""

import argparse
import gzip
import importlib.metadata
import importlib.util
import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

TARGET = Path(__file__).parent.parent / "tests" / "text" / "data" / "tokens.jsonl.gz"


PLAIN = """a photo of a dog running on the beach; two men in red shirts; DON'T stop; it's John's; they'll we've I'd
I'm you're 12,345.67 dollars; A/B testing (2nd edition) #hashtag @someone e-mail me at x.y@z.org; http://a.b/c?d=1;
snake_case camelCase 0x1F 3.14159 50% off!!! wow... really?! 'quoted' "double" [box] {brace} <b>bold</b> ~tilde"""
SPECIAL = (
    "&amp; &lt;b&gt; &#39; &amp;amp;lt; &nbsp; &notit; &#x1F600; &quot;q&quot; & && AT&T café naïve Ünïcödé Ångström "
    "日本語 東京タワー 한국어 Привет мир שלום مرحبا नमस्ते สวัสดี ελληνικά ΑΣ ΣΑΣ İstanbul ıI ß ẞ straße một con chó đang "
    "chạy 😀 👍🏽 👩‍👩‍👧 🇻🇳 ❤️ ♥ ★ → ½ ² Ⅷ ٣ ①  \ufb01 \ufb02 ＦＵＬＬ ｗｉｄｅ “q” ’s ‘x’ … – — « » "
    "âœ” Ã© â€™ ï¬\x81 schÃ¶n donâ€™t x² e\u0301 \u0301 K\u212a '\u017f 'LL 'Ve 's't're "
    "\x00 \x07 \x1b[31m \x7f \x0b \x0c \x85 \u2028 \u2029 \u00a0 \u200b \u200d \ufeff \u00ad \ufffd \ud800 "
    "<start_of_text> <end_of_text> <END_OF_TEXT> <|startoftext|> <|endoftext|> </w> Ġ Ċ ___ ----- !!!"
)


def texts(count: int) -> Iterator[str]:
    """Yield the texts: some by hand, the rest drawn with a fixed seed."""
    rng = random.Random(20)
    assigned = [c for c in map(chr, range(0x20, 0x2FFFF)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
    yield from ("", " ", "\t\r\n", "a", "a" * 3000, "ab " * 900, "!" * 2000, "7" * 300, "日本" * 400, "aA" * 700)
    plain, special = PLAIN.split(), SPECIAL.split(" ")
    yield from special
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 9)):
            kind = rng.random()
            if kind < 0.45:
                parts.append(rng.choice(plain))
            elif kind < 0.8:
                parts.append(rng.choice(special))
            elif kind < 0.9:
                parts.append("".join(rng.choices(assigned[:2000], k=rng.randint(1, 8))))
            else:
                parts.append("".join(rng.choices(assigned, k=rng.randint(1, 5))))
        yield rng.choice([" ", " ", " ", "", "  ", "\n", "-"]).join(parts)


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Write the records and print how many differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openai", type=Path, required=True, help="simple_tokenizer.py of openai/CLIP")
    parser.add_argument("--count", type=int, default=4000)
    arguments = parser.parse_args()
    folder = Path(str(importlib.metadata.distribution("open_clip_torch").locate_file("open_clip")))
    one: Any = _module("open_clip_tokenizer", folder / "tokenizer.py").SimpleTokenizer()
    other: Any = _module("openai_tokenizer", arguments.openai).SimpleTokenizer(
        str(folder / "bpe_simple_vocab_16e6.txt.gz")
    )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    differ = written = 0
    with open(TARGET, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        for text in dict.fromkeys(texts(arguments.count)):
            record = {"text": text, "ids": one.encode(text)}
            if (ids := other.encode(text)) != record["ids"]:
                record["openai"] = ids
                differ += 1
            packed.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
            written += 1
    print(f"{written} texts, {differ} of which OpenAI's and open_clip's tokenizers read differently")


if __name__ == "__main__":
    main()
