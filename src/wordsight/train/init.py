"""What the towers of a run begin from: a model, one tower of a model, or a trunk alone.

    starts = open_starts(config.init)                # both towers, each from its own or from one model
    starts.of("image").image.weights                 # under the names of `TwoTowers`

A model gives a tower with its projection, tokenizer and preprocessing, both towers with scale and bias; a trunk lacks
the projection; plain tensors have names only, and the recipe has to state their tower's shape.  Which weights fit the
towers of a run is found when they are put in (`wordsight.train.fitting`).  Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wordsight.base.errors import FormatError, UsageError
from wordsight.towers.spec import ModelSpec
from wordsight.train.config import InitConfig
from wordsight.weights.checkpoint import Array, Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.find import ModelLocation, find_model, locate
from wordsight.weights.folder import CARD, read_checkpoint
from wordsight.weights.formats.table import UnknownFormat
from wordsight.weights.formats.trunk_table import UnknownTrunk, read_image_trunk, read_text_trunk
from wordsight.weights.licences import TOWER_LICENCES, of_card, of_name, terms_of
from wordsight.weights.manifest import WEIGHTS, read_model_manifest
from wordsight.weights.trunk import ImageTrunk, TextTrunk
from wordsight.weights.unchanged import digest_of

StartOf = Literal["model", "image", "text"]


@dataclass(frozen=True, slots=True)
class Start:
    """A model: `spec`, both towers and `scalars` (log scale and bias); or one trunk; or `tensors` of unknown shape.

    `facts` are what a run's record says of it: "name", "fingerprint" or "sha256", and where they are known "licence"
    ("image licence", "text licence"), "began from" and "terms", what its card says of the licences of its data.
    """

    facts: dict[str, str]
    image: ImageTrunk | None = None
    text: TextTrunk | None = None
    spec: ModelSpec | None = None
    scalars: Mapping[str, Array] = field(default_factory=dict)
    tensors: Mapping[str, Array] | None = None


@dataclass(frozen=True, slots=True)
class Starts:
    """What is begun from: `model` both towers, `image` and `text` one each, which goes before."""

    model: Start | None = None
    image: Start | None = None
    text: Start | None = None

    def of(self, part: Literal["image", "text"]) -> Start | None:
        """Return what a tower begins from, None for random weights."""
        own: Start | None = getattr(self, part)
        return own or self.model

    def facts(self) -> dict[str, dict[str, str]]:
        """Return what a run's record says: the facts of each start by "model", "image" and "text"."""
        starts = {part: getattr(self, part) for part in ("model", "image", "text")}
        return {part: start.facts for part, start in starts.items() if start is not None}


def open_starts(init: InitConfig, *, weights: bool = True) -> Starts:
    """Read what a recipe names; without `weights` the specs alone, of models.

    A name that leads nowhere, files of no known format, and a file with another SHA-256 than stated are errors.
    """
    opened = {}
    for part in ("model", "image", "text"):
        name, expected = getattr(init, part), getattr(init, f"{part}_sha256")
        if name:
            opened[part] = _open(name, part, weights=weights)
            _check_digest(opened[part], part, expected)
        elif expected:
            key = "model" if part == "model" else f"model.{part}"
            raise UsageError(f"{key}.sha256 without {key}.init", cure=f"set {key}.init, or leave {key}.sha256 out")
    return Starts(**opened)


def _open(name: str, part: StartOf, *, weights: bool) -> Start:
    location = locate(name)
    if part != "model" and not location.ours:
        trunk = _trunk(location.path, part)
        if trunk is not None:
            return Start(_facts(name, location, trunk.origin), **{part: trunk})
    try:
        folder = find_model(name)
    except UnknownFormat:
        if part == "model":
            raise
        return Start(_facts(name, location, {}), tensors=CheckpointFiles(location.path).tensors)
    manifest = read_model_manifest(folder)
    facts = _facts(name, location, manifest.origin, manifest.spec.name) | {"fingerprint": manifest.fingerprint}
    if weights:
        return _split(read_checkpoint(folder), facts)
    return _split(Checkpoint(manifest.spec, {}), facts)


def _split(checkpoint: Checkpoint, facts: dict[str, str]) -> Start:
    """Return a model as two towers, with their projections, and scale and bias."""
    spec, origin = checkpoint.spec, checkpoint.origin
    parts: dict[str, dict[str, Array]] = {"visual.": {}, "logit_": {}, "": {}}
    for name, value in checkpoint.state.items():
        parts[next(begin for begin in parts if name.startswith(begin))][name] = value
    image = ImageTrunk(spec.image, spec.preprocess, parts["visual."], origin=origin)
    text = TextTrunk(spec.text, spec.tokenizer, parts[""], checkpoint.tokenizer_files, origin=origin)
    return Start(facts, image, text, spec, parts["logit_"])


def _trunk(path: Path, part: Literal["image", "text"]) -> Any:
    """Return the trunk that a file or folder holds, None where it is of no known format of trunks."""
    try:
        return (read_image_trunk if part == "image" else read_text_trunk)(path)
    except UnknownTrunk:
        return None


def _facts(name: str, location: ModelLocation, origin: Mapping[str, str], called: str = "") -> dict[str, str]:
    path = location.path
    file = path if path.is_file() else path / (WEIGHTS if location.ours else origin.get("file", WEIGHTS))
    facts = {"name": name} | ({"file": file.name, "sha256": digest_of(file)} if file.is_file() else {})
    card = (path if path.is_dir() else path.parent) / CARD
    stated = {key: origin.get(key, "") for key in ("format", "licence", *TOWER_LICENCES, "began from")}
    if not any(stated[key] for key in ("licence", *TOWER_LICENCES)):
        stated["licence"] = of_name(name) or of_name(called) or of_card(card)
    stated["terms"] = terms_of(card)
    return facts | {key: value for key, value in stated.items() if value}


def _check_digest(start: Start, part: StartOf, expected: str) -> None:
    """Refuse a file that is not the one a recipe states."""
    actual = start.facts.get("sha256", "")
    if expected and expected.lower() != actual:
        key = "model.sha256" if part == "model" else f"model.{part}.sha256"
        named = (
            f"{start.facts['name']} has SHA-256 {actual}" if actual else f"{start.facts['name']} has no weights file"
        )
        raise FormatError(f"{key} = {expected} but {named}", cure="fetch the file again, or state its own")
