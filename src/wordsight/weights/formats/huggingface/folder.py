"""What all folders of transformers have in common: halves of a configuration, and writing one.

Free of PyTorch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wordsight.base.files import atomic_write
from wordsight.weights.archive.safe import write_safetensors
from wordsight.weights.checkpoint import Array
from wordsight.weights.formats.tokenizers.clip_bpe import as_bytes

Values = dict[str, Any]


def half(config: Values, name: str) -> Values:
    """Return "text_config" or "vision_config"; an older place of the same (`…_dict`) goes first, null is nothing."""
    given = config.get(f"{name}_dict") or config.get(name) or {}
    return {key: value for key, value in given.items() if value is not None}


def write_folder(
    target: Path, config: Values, *, processor: Values, tokenizer: Mapping[str, bytes], tensors: Mapping[str, Array]
) -> None:
    """Write config.json, preprocessor_config.json, the tokenizer's files and model.safetensors."""
    halves = all(array.dtype == "float16" for array in tensors.values() if array.ndim > 1)
    config = config | {"dtype": "float16" if halves else "float32"}
    files = {
        **tokenizer,
        "preprocessor_config.json": as_bytes(processor),
        "config.json": as_bytes(config),
    }
    target.mkdir(parents=True, exist_ok=True)
    write_safetensors(target / "model.safetensors", tensors)
    for name, content in files.items():
        with atomic_write(target / name) as handle:
            handle.write(content)
