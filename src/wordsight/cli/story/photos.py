"""Real photos: those that installed packages bring along, searched with the bundled model.

The images are copied, made smaller, into the demo's folder; the package's own folder is only read.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import UnknownModel
from wordsight.base.progress import notice
from wordsight.cli.story.notebook import Notebook

if TYPE_CHECKING:
    from wordsight.search.library import Library

SOURCES = {"skimage": "data", "sklearn": "datasets/images"}  # package: where its images lie
SUFFIXES = (".jpg", ".jpeg", ".png")  # what photos come as; other files there are for tests of readers
CHARTS = {"chessboard_GRAY", "chessboard_RGB", "color", "logo", "phantom", "horse", "microaneurysms"}  # no photos
SECOND_VIEWS = {"motorcycle_right"}  # the same scene for the other eye
SIDE = 480  # pixels of the longer side of a copy
LEAST = 128  # pixels; what is smaller is a sign, not an image
HITS = 4
QUESTIONS = {  # query: the one photo (file name without suffix) that shows it
    "a cat": "skimage-chelsea",
    "a woman in an orange space suit": "skimage-astronaut",
    "a cup of coffee": "skimage-coffee",
    "a rocket": "skimage-rocket",
    "a motorcycle": "skimage-motorcycle_left",
    "a flower": "sklearn-flower",
    "an old temple": "sklearn-china",
    "a wall of bricks": "skimage-brick",
    "grass": "skimage-grass",
    "coins": "skimage-coins",
    "a page of a book": "skimage-page",
    "the moon": "skimage-moon",
}


def search_photos(notebook: Notebook, name: str | None) -> list[dict[str, Any]]:
    """Search the photos with the named model (None: the default one); return the answers as records.

    Without photos or without a model there are none, and the notebook says why.
    """
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    folder = notebook.folder / "photos"
    with notebook.stage("searching photos"):
        names = copy_photos(folder)
        if not names:
            packages = " nor ".join(SOURCES)
            return _nothing(
                notebook, f"no photos to search: neither {packages} is installed (pip install 'wordsight[demo]')"
            )
        try:
            model = load(name)
        except UnknownModel as error:
            return _nothing(notebook, f"{len(names)} photos lie in {folder.name}/, but nothing to search them: {error}")
        with open_library(folder, model=model) as library:
            library.sync()
            asked = {query: right for query, right in QUESTIONS.items() if right in names}
            answers = [_ask(library, query, right) for query, right in asked.items()]
    notebook.note(photos=_judge(answers, len(names), model.name))
    return answers


def _judge(answers: Sequence[dict[str, Any]], count: int, model: str) -> str:
    """Say how often a right photo comes first and among the hits shown, and how often chance would bring it."""
    first = sum(bool(answer["hits"][0]["right"]) for answer in answers)
    among = sum(any(hit["right"] for hit in answer["hits"]) for answer in answers)
    shown = min(HITS, count)
    chance = f"{len(answers) / count:.1f} and {shown * len(answers) / count:.1f}"
    return (
        f"{count} photos, model {model}: of {len(answers)} queries the right one comes first for {first} and is "
        f"among the first {shown} for {among} (by chance: {chance})"
    )


def _ask(library: "Library", query: str, right: str) -> dict[str, Any]:
    hits: list[dict[str, Any]] = [
        {"image": f"photos/{hit.key}", "score": round(hit.score, 4), "said": "", "right": Path(hit.key).stem == right}
        for hit in library.search(query, k=HITS)
    ]
    return {"kind": "photos", "query": query, "hits": hits}


def copy_photos(folder: Path) -> list[str]:
    """Copy the photos of installed packages into `folder`; return the names of the copies without suffix."""
    names = []
    for package, inside in SOURCES.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            names += _copy(Path(spec.origin).parent / inside, folder, package)
    return names


def _copy(source: Path, folder: Path, package: str) -> list[str]:
    from PIL import Image

    from wordsight.base.errors import InputError
    from wordsight.base.files import atomic_write
    from wordsight.images.decode import decode
    from wordsight.images.files import find_images

    names = []
    paths = find_images(source) if source.is_dir() else ()
    for path in (path for path in paths if path.suffix.lower() in SUFFIXES and path.stem not in CHARTS | SECOND_VIEWS):
        try:
            image = Image.fromarray(decode(path))
        except InputError as error:
            notice(f"left out: {error}")
            continue
        if min(image.size) < LEAST:
            continue
        image.thumbnail((SIDE, SIDE))
        name = f"{package}-{path.stem}"
        with atomic_write(folder / f"{name}.jpg") as handle:
            image.save(handle, "JPEG", quality=88)
        names.append(name)
    return names


def _nothing(notebook: Notebook, why: str) -> list[dict[str, Any]]:
    notebook.note(photos=why)
    notice(why)
    return []
