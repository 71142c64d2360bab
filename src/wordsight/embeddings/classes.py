"""Classes as embeddings: one for each, made of its prompts.  Knows neither models nor templates."""

from collections.abc import Callable, Sequence

import numpy as np

from wordsight.base.arrays import Embeddings, unit


def class_embeddings(
    embed_texts: Callable[[Sequence[str]], Embeddings], prompts: Sequence[Sequence[str]]
) -> Embeddings:
    """Return one embedding for each class, (C, E): the mean of those of its prompts, at length 1 again.

    As published for CLIP (Radford et al. 2021, section 3.1.4).  `prompts` holds one text or more for each class.
    """
    embeddings = embed_texts([text for texts in prompts for text in texts])
    starts = np.cumsum([0, *(len(texts) for texts in prompts[:-1])])
    return unit(np.add.reduceat(embeddings, starts, axis=0))
