"""Containers of tensors, each read without executing anything from it: suffix to reader."""

from collections.abc import Callable, Mapping
from pathlib import Path

from wordsight.weights.archive.safe import read_safetensors
from wordsight.weights.checkpoint import Array

READERS: dict[str, Callable[[Path], Mapping[str, Array]]] = {".safetensors": read_safetensors}
