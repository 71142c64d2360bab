"""The part of a tower that does not learn, as a function: pixels or texts to features.

    trunk = Trunk(towers, "image", config.train, device=device)
    trunk.images(pixels)             # float32 (B, D): what its projection reads
    trunk.embed(towers, features)    # unit embeddings (B, E), by the towers as they are now

Of a tower that learns nothing at all the features are its embeddings; of one whose projection learns, the pooled rows
before it; of one whose last blocks learn, the state that enters the first of them, laid flat (of a text, a row for
each token; `wordsight.train.text_states`).  They are computed in
float32 by the towers in evaluation mode, or ("int8") by a graph written from them.
"""

import contextlib
import hashlib
import itertools
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.base.arrays import Pixels, RowIds, Tokens
from wordsight.base.files import storage_errors
from wordsight.engines.onnx_engine import IMAGES, open_session
from wordsight.text.open import Tokenizer
from wordsight.towers.families import image_family, text_family
from wordsight.towers.graph.precision import Precision
from wordsight.towers.graph.write import GraphSource, write_graph, write_state_graph, writes
from wordsight.towers.parts.blocks import wide
from wordsight.towers.tower import CutTextTower, CutTower
from wordsight.towers.two import TwoTowers
from wordsight.train.config import STILL, LearnConfig, TowerName
from wordsight.train.features import Vectors
from wordsight.train.learned import first_block, names_of
from wordsight.train.objective import normalise, statistics
from wordsight.train.parts import AT_ONCE, in_parts
from wordsight.train.text_states import lengths_of, unpadded, with_ids
from wordsight.weights.tensors import stored_state

DIGITS = 16
TEXTS_AT_ONCE = 128  # of a step that go through the last blocks of a tower together


class Trunk:
    """The trunk of one tower."""

    def __init__(self, towers: TwoTowers, part: TowerName, config: LearnConfig, *, device: torch.device) -> None:
        self._towers, self._part, self._device = towers, part, device
        self._learns: str = getattr(config, part)
        self._dropout = config.dropout if part == "image" else 0.0
        self._statistics = statistics(towers.spec.preprocess, device)
        written = self._learns == "none" and writes(towers.spec, part)
        self._precision: Precision = config.features if written else "fp32"
        self._session: Any = None
        self._first = 0
        # The graph is faster than the module: 90 images/s for 26, EfficientNet-Lite0 at 192 pixels on one core.
        by_graph = part == "image" and device.type == "cpu" and image_family(towers.spec.image).states
        self._states_written = self._learns not in STILL and by_graph
        if self._learns not in STILL:
            self._first = first_block(towers, part, self._learns)
        if self._learns not in STILL and part == "image":
            assert isinstance(towers.visual, CutTower)  # as the recipe was checked for
            size = towers.spec.image.size
            with still(towers):
                self._shape = self._state(torch.zeros(1, 3, size, size, device=device)).shape[1:]

    def fingerprint(self) -> str:
        """Return what names the trunk: its spec, its weights, and which features it gives."""
        towers, spec = self._towers, self._towers.spec
        tensors = still_tensors(towers, self._part)
        described = (spec.image, spec.preprocess) if self._part == "image" else (spec.text, spec.tokenizer)
        return digest(repr((self._learns, self._precision, spec.width, described)), tensors)

    def images(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the features (B, D) of uint8 (B, S, S, 3)."""
        if self._precision == "int8" or self._states_written:
            parts = [self._run({"pixels": pixels[start : start + IMAGES]}) for start in range(0, len(pixels), IMAGES)]
            return np.concatenate(parts).reshape(len(pixels), -1)
        towers = self._towers
        with still(towers):
            rows = [
                self._of_pixels(
                    normalise(torch.from_numpy(pixels[start : start + AT_ONCE]).to(self._device), *self._statistics)
                )
                for start in range(0, len(pixels), AT_ONCE)
            ]
        return _numpy(rows)

    def _of_pixels(self, pixels: Tensor) -> Tensor:
        if self._learns == "none":
            return self._towers.encode_image(pixels)
        if self._learns == "projection":
            return self._towers.image_features(pixels)
        return self._state(pixels).flatten(1)

    def _state(self, pixels: Tensor) -> Tensor:
        """Return what enters the first block that learns, (B, T, D) or (B, C, G, G)."""
        self._towers.check_pixels(pixels)
        return next(itertools.islice(self._towers.image_tower.states(pixels), self._first, None))

    def embed(self, towers: TwoTowers, features: Tensor) -> Tensor:
        """Return unit embeddings (B, E) for features (B, …), by the towers as they are now."""
        return self.projected(towers, self.pooled(towers, features))

    def projected(self, towers: TwoTowers, pooled: Tensor) -> Tensor:
        """Return unit embeddings (B, E) for what the projection reads, (B, D'); images lose a share while it learns."""
        if self._learns == "none":
            return pooled
        project = towers.project_text if self._part == "text" else towers.project_image
        kept = F.dropout(pooled, self._dropout, training=towers.training)
        return F.normalize(wide(project(kept)), dim=-1)

    def pooled(self, towers: TwoTowers, features: Tensor) -> Tensor:
        """Return what the projection reads, (B, D'), for features."""
        if self._learns in STILL:
            return features
        if self._part == "text":
            return self._pooled_texts(towers, features)
        tower = towers.image_tower
        assert isinstance(tower, CutTower)
        form = torch.channels_last if len(self._shape) == 3 else torch.contiguous_format

        def rest(states: Tensor) -> Tensor:
            return tower.pool(tower.rest(states.contiguous(memory_format=form), self._first))

        return in_parts(rest, features.view(len(features), *self._shape), towers.visual)

    def _pooled_texts(self, towers: TwoTowers, features: Tensor) -> Tensor:
        """Return what the projection of the text tower reads, (B, D'), for padded states; like lengths together."""
        tower, pad_id = _cut_text(towers), towers.spec.text.pad_id
        lengths, order = lengths_of(features).sort(stable=True)
        parts = []
        for some, long in zip(torch.split(order, TEXTS_AT_ONCE), torch.split(lengths, TEXTS_AT_ONCE), strict=True):
            state, tokens = unpadded(features[some, : int(long[-1])], pad_id)
            parts.append(tower.rest(state, tokens, self._first))
        return torch.cat(parts)[order.argsort()]

    def texts(self, texts: Sequence[str], tokenizer: Tokenizer) -> list[Vectors]:
        """Return the features of each text, (D,), or (L, D + 1) where blocks learn; like lengths go together."""
        towers = self._towers
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        features: list[Vectors] = [np.empty(0, np.float32)] * len(texts)
        with still(towers):
            for start in range(0, len(order), AT_ONCE):
                some = order[start : start + AT_ONCE]
                tokens = tokenizer.batch([texts[i] for i in some], pad_to="longest")
                for number, one in zip(some, self._of_tokens(tokens), strict=True):
                    features[number] = one
        return features

    def _of_tokens(self, tokens: Tokens) -> Vectors | list[Vectors]:
        if self._precision == "int8":
            return self._run({"tokens": tokens})
        towers, given = self._towers, torch.from_numpy(tokens).to(self._device)
        if self._learns == "none":
            return _numpy([towers.encode_text(given)])
        if self._learns == "projection":
            return _numpy([towers.text_features(given)])
        states = _numpy([next(itertools.islice(_cut_text(towers).states(given), self._first, None))])
        return with_ids(states, tokens, self.lengths(tokens))

    def lengths(self, tokens: Tokens) -> RowIds:
        """Return how many tokens of each row (B, L) matter, (B,)."""
        text = self._towers.spec.text
        return text_family(text).needed(tokens, text)

    def image_width(self) -> int:
        """Return D, how many numbers the features of an image have."""
        if self._learns == "none":
            return self._towers.spec.width
        if self._learns not in STILL:
            return math.prod(self._shape)
        size = self._towers.spec.preprocess.size
        width: int = self.images(np.zeros((1, size, size, 3), np.uint8)).shape[1]
        return width

    def text_width(self, tokenizer: Tokenizer) -> int:
        """Return D, how many numbers the features of a text have, or of each token."""
        return self._towers.spec.width if self._learns == "none" else self.texts(["a"], tokenizer)[0].shape[-1]

    def release(self) -> None:
        """Give up the graph; it is written again when it is needed."""
        self._session = None

    def _run(self, inputs: dict[str, Any]) -> NDArray[np.float32]:
        if self._session is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "trunk.onnx"
                source = GraphSource(self._towers.spec, stored_state(self._towers))
                if self._states_written:
                    write_state_graph(path, source, self._first)
                else:
                    write_graph(path, source, self._part, self._precision)
                self._session = open_session(path, threads=torch.get_num_threads())
        features: NDArray[np.float32] = self._session.run(None, inputs)[0]
        return features


def _cut_text(towers: TwoTowers) -> CutTextTower:
    assert isinstance(towers.text, nn.Module)
    assert isinstance(towers.text, CutTextTower)
    return towers.text


def still_tensors(towers: TwoTowers, part: TowerName) -> dict[str, Tensor]:
    """Return the parameters and buffers of a tower that do not learn."""
    learned = {name for name, parameter in towers.named_parameters() if parameter.requires_grad}
    return {name: tensor for name, tensor in of_tower(towers, part).items() if name not in learned}


def of_tower(towers: TwoTowers, part: TowerName) -> dict[str, Tensor]:
    """Return the parameters and buffers of a tower."""
    state = towers.state_dict(keep_vars=True)
    return {name: state[name] for name in names_of(towers, part)}


def digest(described: str, tensors: Mapping[str, Tensor]) -> str:
    """Return what names tensors and a text that belongs to them."""
    whole = hashlib.sha256(described.encode())
    for name, tensor in tensors.items():
        whole.update(name.encode())
        whole.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()[:DIGITS]


def onto_disk(towers: TwoTowers, parts: Sequence[TowerName], folder: Path) -> None:
    """Move the parameters of towers that do not learn out of memory: into a file that is mapped, and read when used.

    The file has no name any more when this returns, so nothing is left behind.
    """
    every = [tensor for part in parts for tensor in still_tensors(towers, part).values()]
    tensors = [tensor for tensor in every if isinstance(tensor, nn.Parameter)]
    path = folder / ".still"
    with storage_errors(path):
        with _removed_on_failure(path), open(path, "wb") as handle:
            handle.writelines(_lying(tensor.detach()).view(torch.uint8).numpy().data for tensor in tensors)
        mapped: Any = np.memmap(path, np.uint8, mode="c") if tensors else np.empty(0, np.uint8)
        with contextlib.suppress(PermissionError):  # Windows keeps the names of open files
            path.unlink()
    begin = 0
    for tensor in tensors:
        flat = torch.frombuffer(mapped, dtype=tensor.dtype, count=tensor.numel(), offset=begin)
        begin += tensor.numel() * tensor.element_size()
        tensor.data = flat.as_strided(tensor.shape, tensor.stride())


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _lying(tensor: Tensor) -> Tensor:
    """Return the numbers of a dense tensor in the order in which they lie in memory."""
    return tensor.as_strided((tensor.numel(),), (1,))


@contextlib.contextmanager
def still(towers: TwoTowers) -> Iterator[None]:
    """Set evaluation mode without gradients, and restore each module's mode behind it."""
    before = {module: module.training for module in towers.modules()}
    towers.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in before.items():
            module.training = training


def _numpy(parts: list[Tensor]) -> NDArray[np.float32]:
    features: NDArray[np.float32] = torch.cat(parts).float().cpu().numpy()
    return features
