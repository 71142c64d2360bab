"""What a step minimises, as configuration: the table `loss` of a recipe.  Free of PyTorch."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClassesConfig:
    """Keep what the start of the image tower knew of classes (`wordsight.train.classes`).

    `weight` of the loss, 0 leaves it out.  `moved`: the weight of the same loss for images whose features were moved
    towards a class at random, so that the classes that no image shows are kept too.  `held`: the weight
    of what the classifier itself says of the features of a trunk that learns, which keeps them readable for it, and so
    for classes of other images.  `names`: a named list, or a text
    file with the names of a class on each line, synonyms apart by commas; `templates` make texts of them.  `scale`:
    what cosines are multiplied by.
    """

    weight: float = 0.0
    moved: float = 0.0
    held: float = 0.0
    names: str = "imagenet"
    templates: str = "photo"
    scale: float = 30.0

    @property
    def used(self) -> bool:
        """Is there such a loss?"""
        return self.weight > 0 or self.moved > 0 or self.held > 0


@dataclass(frozen=True, slots=True)
class LossConfig:
    """The contrastive loss is the one named in the model's spec.

    `words` is the weight of the bag-of-words loss: name the caption's tokens from the mean of the image tower's
    tokens (`wordsight.train.bag_of_words`).  0 leaves it out.

    `widths`: the loss is the mean of itself and of those of the first so many numbers of the embeddings, made unit
    again, which then can be used for the whole (Kusupati et al. 2022, "Matryoshka").
    """

    words: float = 0.0
    widths: tuple[int, ...] = ()
    classes: ClassesConfig = field(default_factory=ClassesConfig)
