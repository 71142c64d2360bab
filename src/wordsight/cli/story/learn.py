"""Draw the scenes, and learn from them through the train room, recording similarities and embeddings on the way."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.files import atomic_write, write_json
from wordsight.base.optional import resolve
from wordsight.base.progress import track
from wordsight.base.records import append_line, read_lines
from wordsight.cli.story.notebook import Notebook
from wordsight.data.scenes import (
    TABLE,
    all_pairs,
    describe,
    held_out_pairs,
    read_scenes,
    scenes,
    seen_pairs,
    write_scenes,
)
from wordsight.evaluate.space import SpacePair, SpaceRecord

if TYPE_CHECKING:
    from wordsight.evaluate.encode import Encoder

RECIPE = "scenes"
IMAGES = 16  # rows of the matrix: one scene of each held-out pair
FIRST = 8  # steps at which the matrix is recorded first; then at twice as many, and so on
MEASURED = {"unseen": 480, "seen": 240, "gallery": 1280}  # scenes drawn beside those for training
TEMPLATES = "{}\n{}s\ntwo {}s\nthree {}s\n"


def draw_scenes(notebook: Notebook) -> None:
    """Draw what is not drawn yet: training scenes of seen pairs, scenes to measure with, a gallery of all pairs."""
    settings, folder = notebook["settings"], notebook.folder / "scenes"
    counts = {"train": settings["scenes"], **{n: min(count, settings["scenes"]) for n, count in MEASURED.items()}}
    pairs = {"train": seen_pairs(), "unseen": held_out_pairs(), "seen": seen_pairs(), "gallery": all_pairs()}
    with notebook.stage("drawing scenes"):
        for number, (name, count) in enumerate(counts.items()):
            if not (folder / name / TABLE).exists():
                seed = settings["seed"] * len(counts) + number  # no two sets of one demo share a seed
                drawn = scenes(count, pairs=pairs[name], seed=seed)
                write_scenes(folder / name, track(drawn, count, unit="scene", desc=f"drawing {name}"))
        with atomic_write(folder / "templates.txt", "w") as handle:
            handle.write(TEMPLATES)
    colours, shapes = (list(dict.fromkeys(pair[i] for pair in all_pairs())) for i in (0, 1))
    notebook.note(scenes=counts, colours=colours, shapes=shapes)


def learn(notebook: Notebook, changes: Sequence[str], *, device: str) -> Path:
    """Learn two towers from scratch, or go on where an earlier try stopped; return the model's folder."""
    folder = notebook.folder
    model = folder / "run" / "model"
    if (model / "onnx" / "parity.json").exists():
        return model
    with notebook.stage("learning"):
        train = resolve("wordsight.train.loop:train", extra="train")
        overrides = [
            f"root={folder / 'scenes'}",
            f"out={folder / 'run'}",
            "name=demo",
            "validation.pairs=0",  # the watcher records them, at other steps
            f"seed={notebook['settings']['seed']}",
        ]
        overrides += [
            f"validation.tasks.{name}.templates={folder / 'scenes' / 'templates.txt'}" for name in ("unseen", "seen")
        ]
        config = resolve("wordsight.train.recipe:read_recipe")(RECIPE, [*overrides, *changes])
        os.environ["WORDSIGHT_CACHE"] = str(folder / "cache")  # everything of the demo lies in its folder
        done = train(config, device=device, resume=True, watch=Watcher(folder))
    notebook.note(
        steps=done.steps,
        pairs_seen=done.steps * config.batch,
        parameters=_parameters(model),
        settings={**notebook["settings"], "batch": config.batch, "architecture": config.model.name},
    )
    return model


class Watcher:
    """Records a few new scenes and their captions while the towers learn: their cosines, and their embeddings.

    `matrices/pairs.json` names images and captions; `matrices/steps.jsonl` a .npy file for each step recorded.
    `space/` holds the embeddings of the same pairs at the same steps (`wordsight.evaluate.space`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "matrices"
        drawn = read_scenes(folder / "scenes" / "unseen")[:IMAGES]
        self._images = [path for path, _ in drawn]
        self._captions = [describe(scene, with_location=True) for _, scene in drawn]
        pairs = [
            {"image": path.relative_to(folder).as_posix(), "caption": caption}
            for path, caption in zip(self._images, self._captions, strict=True)
        ]
        write_json(self._folder / "pairs.json", pairs)
        self._list = self._folder / "steps.jsonl"
        self._done = {line["step"] for line in read_lines(self._list)} if self._list.exists() else set()
        self._space = SpaceRecord(folder, [SpacePair(pair["image"], pair["caption"]) for pair in pairs])

    def __call__(self, step: int, encoder: "Encoder") -> None:
        """Record at step 0, 8, 16, 32 and so on."""
        if step == 0 or (step >= FIRST and step & (step - 1) == 0):
            self.record(step, encoder)

    def record(self, step: int, encoder: "Encoder") -> None:
        """Record this step, unless it is recorded."""
        if step in self._done and step in self._space.steps:
            return
        images, texts = encoder.embed_images(self._images), encoder.embed_texts(self._captions)  # (N, D)
        self._space.add(step, images, texts)
        if step not in self._done:
            self._record_matrix(step, images @ texts.T)

    def _record_matrix(self, step: int, cosines: NDArray[np.float32]) -> None:
        name = f"step-{step:06d}.npy"
        with atomic_write(self._folder / name) as handle:
            np.save(handle, cosines.astype(np.float32))
        append_line(self._list, {"step": step, "matrix": name})
        self._done.add(step)


def _parameters(model: Path) -> int:
    from safetensors import safe_open

    opened: Any = safe_open(model / "weights.safetensors", framework="numpy")
    with opened as weights:
        return int(sum(np.prod(weights.get_slice(name).get_shape()) for name in weights.keys()))  # noqa: SIM118
