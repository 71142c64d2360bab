"""Use the learned towers as one uses any model: classify images, index a folder, search by text and by image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.base.value import Value
from wordsight.cli.story.measure import names
from wordsight.cli.story.notebook import Notebook
from wordsight.data.scenes import Scene, all_pairs, describe, read_scenes
from wordsight.embeddings.model import Model
from wordsight.search.library import Hit, Library, open_library

CARDS = 9  # classified images that are shown
STRIDE = 53  # between them, so that they differ
GUESSES = 3
HITS = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A query to the gallery and what a right answer shows."""

    text: str
    wanted: Mapping[str, Value]
    where: str | None = None


QUESTIONS = (
    Question("red hearts", {"colour": "red", "shape": "heart"}),
    Question("striped blue stars", {"colour": "blue", "shape": "star", "texture": "striped"}),
    Question("three green moons", {"colour": "green", "shape": "moon", "count": 3}),
    Question("a purple arrow on the left", {"colour": "purple", "shape": "arrow", "place": "left"}),
    Question("yellow circles", {"colour": "yellow", "shape": "circle", "count": 4}, where="count = 4"),
    Question("dotted pink rings", {"colour": "pink", "shape": "ring", "texture": "dotted"}),
)


def classify(notebook: Notebook, model: Model) -> list[dict[str, Any]]:
    """Classify some scenes of unseen pairs among all 64 names; return the answers as records."""
    drawn = read_scenes(notebook.folder / "scenes" / "unseen")
    chosen = [drawn[i * STRIDE % len(drawn)] for i in range(CARDS)]
    classes = names(all_pairs())
    with notebook.stage("classifying"):
        shares = model.classify([path for path, _ in chosen], classes, notebook.folder / "scenes" / "templates.txt")
    answers = []
    for (path, scene), row in zip(chosen, shares, strict=True):
        best = row.argsort()[::-1][:GUESSES]
        guesses = [{"name": classes[i], "share": round(float(row[i]), 4)} for i in best]
        image = path.relative_to(notebook.folder).as_posix()
        answers.append({"kind": "classify", "image": image, "truth": scene.name, "guesses": guesses})
    return answers


def search(notebook: Notebook, model: Model) -> list[dict[str, Any]]:
    """Index the gallery and ask it; return the answers as records."""
    gallery = notebook.folder / "scenes" / "gallery"
    drawn = {path.name: scene for path, scene in read_scenes(gallery)}
    with notebook.stage("indexing and searching"), open_library(gallery, model=model) as library:
        library.sync()
        answers = [_ask(library, question, drawn, notebook.folder) for question in QUESTIONS]
        answers.append(_like(library, notebook.folder, drawn))
    return answers


def _ask(library: Library, question: Question, drawn: Mapping[str, Scene], folder: Path) -> dict[str, Any]:
    hits = library.search(question.text, k=HITS, where=question.where)
    shown = [_shown(hit, question.wanted, drawn, folder) for hit in hits]
    there = sum(_shows(scene, question.wanted) for scene in drawn.values())
    right = sum(hit["right"] for hit in shown)
    query = question.text + (f' --where "{question.where}"' if question.where else "")
    aside = f"{there} of {len(drawn):,} pictures show it; {right} among the first {len(shown)}"
    return {"kind": "scenes", "query": query, "aside": aside, "hits": shown}


def _like(library: Library, folder: Path, drawn: Mapping[str, Scene]) -> dict[str, Any]:
    """Ask with an image the gallery does not hold, and a word that moves it."""
    path, scene = read_scenes(folder / "scenes" / "unseen")[1]
    hits = library.search([str(path), f"1:{scene.shape}s"], k=HITS)
    shown = [_shown(hit, {"shape": scene.shape, "colour": scene.colour}, drawn, folder) for hit in hits]
    aside = f"a picture that the gallery does not hold: {describe(scene)}; and a word beside it"
    return {"kind": "scenes", "query": f"{path.name} 1:{scene.shape}s", "aside": aside, "hits": shown}


def _shown(hit: Hit, wanted: Mapping[str, Value], drawn: Mapping[str, Scene], folder: Path) -> dict[str, Any]:
    scene = drawn[hit.key]
    assert hit.path is not None
    image = hit.path.relative_to(folder).as_posix()
    caption = describe(scene, with_location=True)
    return {"image": image, "score": round(hit.score, 4), "said": caption, "right": _shows(scene, wanted)}


def _shows(scene: Scene, wanted: Mapping[str, Value]) -> bool:
    return all(getattr(scene, name) == value for name, value in wanted.items())
