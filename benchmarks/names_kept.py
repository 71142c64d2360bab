"""How much of an ImageNet classifier a model that began from it has kept, on photos that it has not learned.

    python benchmarks/names_kept.py --data DATA --classifier efficientnet-lite0-57934424.pth [--model bundled]

Of the photos of DATA's flickr8k, coco_retrieval and clothing (`val`) those count of whose class the classifier is sure
by half.  The name nearest to a photo, of ImageNet's 1,000 as "a photo of a …", should be the classifier's answer.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.embeddings.model import load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.metrics import bootstrap_interval
from wordsight.evaluate.tasks import TaskSpec
from wordsight.images.transform import load_pixels
from wordsight.text.class_names import class_names
from wordsight.text.prompts import class_prompts, templates
from wordsight.towers.efficientnet.module import EfficientNetLite
from wordsight.train.config import InitConfig
from wordsight.train.init import open_starts
from wordsight.train.objective import normalise, statistics

SETS = {"flickr8k": "retrieval", "coco_retrieval": "retrieval", "clothing": "zero-shot"}
SURE = 0.5
AT_ONCE = 64


class Network:
    """The network that an EfficientNet-Lite's file holds, asked at 192 pixels as the bundled model is."""

    def __init__(self, file: Path) -> None:
        start = open_starts(InitConfig(image=str(file))).of("image")
        if start is None or start.image is None or start.image.classifier is None:
            raise SystemExit(f"{file} holds no classifier")
        self._tower = EfficientNetLite(start.image.spec, 8).eval()
        weights = {name.removeprefix("visual."): torch.tensor(array) for name, array in start.image.weights.items()}
        self._tower.load_state_dict(weights, strict=False)  # its projection is not asked
        self._weight, self._bias = (
            torch.tensor(array) for array in (start.image.classifier.weight, start.image.classifier.bias)
        )
        self._preprocess = replace(start.image.preprocess, size=192, scale_to=192)
        self._statistics = statistics(self._preprocess, torch.device("cpu"))

    @torch.inference_mode()
    def __call__(self, images: list[bytes]) -> NDArray[np.float32]:
        """Return the probabilities of the classes for encoded images, (N, K)."""
        pixels = np.stack([load_pixels(image, self._preprocess) for image in images])
        parts = []
        for start in range(0, len(pixels), AT_ONCE):
            given = normalise(torch.from_numpy(pixels[start : start + AT_ONCE]), *self._statistics)
            pooled = self._tower.pool(self._tower.last(given))
            parts.append((pooled @ self._weight.T + self._bias).softmax(dim=1).numpy())
        return np.concatenate(parts)


def main() -> None:
    """Print the share of each set and of all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    given = parser.parse_args()
    classifier, model = Network(given.classifier), load(given.model)
    prompts = templates("photo")
    names = model.embed_texts([class_prompts(name, prompts)[0] for name in class_names("imagenet")])
    every: list[NDArray[np.bool_]] = []
    for name, kind in SETS.items():
        images = list(build_task(TaskSpec(kind, name, split="val"), root=given.data).images)
        answers = classifier(images)
        sure = answers.max(axis=1) >= SURE
        nearest = (model.embed_images(images) @ names.T).argmax(axis=1)
        every.append((nearest == answers.argmax(axis=1))[sure])
        _tell(name, every[-1])
    _tell("all", np.concatenate(every))


def _tell(name: str, right: NDArray[np.bool_]) -> None:
    low, high = bootstrap_interval(right)
    print(f"{name}: {100 * right.mean():.1f} % ({100 * low:.0f} to {100 * high:.0f}) of {len(right)} photos")


if __name__ == "__main__":
    main()
