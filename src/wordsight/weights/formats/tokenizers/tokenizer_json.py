"""What stands in `tokenizer.json` and `tokenizer_config.json`, for every format that carries them.  Free of PyTorch.

ids = token_ids(files.json("tokenizer.json"))["</s>"]
pad = token_text(settings.get("pad_token"))       # a string, or an object with its content
side = padding_side(settings, whole)
"""

from collections.abc import Mapping
from typing import Any, Literal

PADS_LEFT = ("Siglip2Tokenizer", "GemmaTokenizer", "GemmaTokenizerFast")  # transformers 5.23, where no file says


def token_ids(whole: Mapping[str, Any]) -> dict[str, int]:
    """Return token to id of a `tokenizer.json`, added tokens included; those of Unigram stand in a list."""
    tokens = whole.get("model", {}).get("vocab", {})
    if isinstance(tokens, list):
        tokens = {entry[0]: number for number, entry in enumerate(tokens)}
    return {**tokens, **{added["content"]: added["id"] for added in whole.get("added_tokens", [])}}


def token_text(value: Any) -> str:
    """Return the text of a special token, which stands as a string or as an object with its content; "": none."""
    return value if isinstance(value, str) else value.get("content", "") if isinstance(value, dict) else ""


def padding_side(settings: Mapping[str, Any], whole: Mapping[str, Any]) -> Literal["right", "left"]:
    """Return where short texts are filled up: as the settings say, the file, or the class that they name."""
    side = settings.get("padding_side") or (whole.get("padding") or {}).get("direction")
    if side is None:
        return "left" if settings.get("tokenizer_class") in PADS_LEFT else "right"
    return "left" if str(side).lower() == "left" else "right"
