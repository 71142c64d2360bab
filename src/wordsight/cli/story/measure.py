"""What the learned towers can do on scenes whose colour and shape were never seen together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wordsight.base.nouns import Result
from wordsight.base.records import write_results
from wordsight.cli.story.learn import Watcher
from wordsight.cli.story.notebook import Notebook
from wordsight.data.drawing import TEXTURES
from wordsight.data.scenes import COUNTS, LOCATIONS, Pair, Scene, all_pairs, describe, held_out_pairs, read_scenes
from wordsight.embeddings.model import Model
from wordsight.evaluate.building import build_task
from wordsight.evaluate.metrics import share_interval
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec

DrawnScenes = Sequence[tuple[Path, Scene]]


def names(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return pairs as text: "red circle"."""
    return tuple(f"{colour} {shape}" for colour, shape in pairs)


def measure(notebook: Notebook, model: Model) -> list[Result]:
    """Measure, write results.jsonl and the last matrix; return the results."""
    folder = notebook.folder
    with notebook.stage("measuring"):
        Watcher(folder).record(notebook["steps"], model)
        drawn = read_scenes(folder / "scenes" / "unseen")
        templates = folder / "scenes" / "templates.txt"
        measured = [
            result
            for name, split, pairs in (
                ("unseen", "unseen", all_pairs()),
                ("unseen-only", "unseen", held_out_pairs()),
                ("seen", "seen", all_pairs()),
            )
            for result in _name_scenes(
                model, name, folder / "scenes" / split, classes=names(pairs), templates=templates
            )
        ]
        measured += _pair_by_pair(model, drawn, templates)
        measured += [_choice(model, drawn, attribute) for attribute in CHOICES]
        return write_results(folder / "results.jsonl", measured, fingerprint=model.fingerprint)


def _name_scenes(model: Model, name: str, folder: Path, *, classes: tuple[str, ...], templates: Path) -> list[Result]:
    """Zero-shot classification by colour and shape among `classes`."""
    spec = TaskSpec("zero-shot", str(folder), name=name, classes=classes, templates=str(templates))
    return list(run_task(model, build_task(spec)).results)


def _pair_by_pair(model: Model, drawn: DrawnScenes, templates: Path) -> list[Result]:
    classes = names(all_pairs())
    images = model.embed_images([path for path, _ in drawn])  # (N, D)
    guessed = (images @ model.embed_classes(classes, templates).T).argmax(axis=1)  # (N,)
    results = []
    for pair in dict.fromkeys(scene.pair for _, scene in drawn):
        name = names([pair])[0]
        hits = np.array(
            [classes[g] == name for g, (_, scene) in zip(guessed, drawn, strict=True) if scene.pair == pair]
        )
        results.append(Result(f"unseen/pair/{name}", float(hits.mean()), count=len(hits)))
    return results


# attribute -> the captions of a scene that differ from the true one in nothing else; a scene without them is left out
CHOICES: dict[str, Callable[[Scene], list[Scene]]] = {
    "texture": lambda scene: [replace(scene, texture=texture) for texture in TEXTURES],
    "count": lambda scene: [replace(scene, count=count, place="") for count in COUNTS],
    "place": lambda scene: [replace(scene, place=location) for location in LOCATIONS] if scene.count == 1 else [],
}


def _choice(model: Model, drawn: DrawnScenes, attribute: str) -> Result:
    """Each image chooses among captions that differ in one attribute only."""
    asked = [(path, scene, CHOICES[attribute](scene)) for path, scene in drawn if CHOICES[attribute](scene)]
    captions = [[describe(one, with_location=attribute == "place") for one in choices] for _, _, choices in asked]
    texts = list(dict.fromkeys(text for group in captions for text in group))
    number = {text: i for i, text in enumerate(texts)}
    cosines = model.embed_images([path for path, _, _ in asked]) @ model.embed_texts(texts).T  # (N, texts)
    best = [
        group[int(np.argmax([row[number[text]] for text in group]))]
        for row, group in zip(cosines, captions, strict=True)
    ]
    right = [describe(scene, with_location=attribute == "place") for _, scene, _ in asked]
    hits = np.array([a == b for a, b in zip(best, right, strict=True)])
    return Result(
        f"unseen/choice/{attribute}",
        float(hits.mean()),
        interval=share_interval(hits),
        count=len(hits),
        setting={"choices": len(captions[0]), "chance": 1 / len(captions[0])},
    )
