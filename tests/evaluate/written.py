"""An encoder whose embeddings are written down, and sets of images for it: what every kind of task is tested with."""

import numpy as np
from PIL import Image

from wordsight.base.nouns import Sample
from wordsight.evaluate.building import SetReader, TaskSets, build_from
from wordsight.evaluate.running import run_task
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec, with_options


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Written:
    """The width of an image says which row of `images` (N, D) it has; texts are looked up."""

    fingerprint = "0123456789abcdef"
    name = "written"
    scale = 10.0

    def __init__(self, images, texts):
        self.images, self.texts = unit(images), {text: unit(row) for text, row in texts.items()}

    def embed_images(self, items):
        return self.images[[int(item.size[0]) - 1 for item in items]]

    def embed_texts(self, texts):
        return np.stack([self.texts[text] for text in texts])

    def probabilities(self, cosines):
        logits = self.scale * np.asarray(cosines, dtype=np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def a_set(name, samples, numbers):
    """A set whose image n is a picture of n + 1 pixels' width."""
    return SampleSet(name, samples, [Image.new("RGB", (n + 1, 2)) for n in numbers])


def labelled(name, labels, numbers, **meta):
    """A set of images with these classes, image i being row numbers[i]; meta: column -> values."""
    samples = [
        Sample(f"{name}-{n}", label=label, meta={key: values[i] for key, values in meta.items()})
        for i, (n, label) in enumerate(zip(numbers, labels, strict=True))
    ]
    return a_set(name, samples, numbers)


def measured(kind, encoder, test, *, train=None, val=None, **keys):
    """Measure one task whose prompts are the bare class names; return the results by the end of their names."""
    own = {key: keys.pop(key) for key in ("classes", "seed", "per_class") if key in keys}
    spec = with_options(TaskSpec(kind, "x", name="n", templates="none", options=keys, **own))
    done = run_task(encoder, build_from(spec, TaskSets(test, train, val, SetReader().shifted(spec))))
    return {result.name.removeprefix("n/"): result for result in done.results}, done


def blobs(classes, each, *, width=16, noise=0.6, seed=0):
    """Return embeddings (C * each, D) around the class names' own, which they are, and the labels."""
    generator = np.random.default_rng(seed)
    centres = unit(generator.normal(size=(classes, width)))
    labels = np.repeat(np.arange(classes), each)
    return centres[labels] + noise * unit(generator.normal(size=(len(labels), width))), labels, centres
