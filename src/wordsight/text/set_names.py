"""The 27 data sets whose class names and templates CLIP's authors published, and what others call them.

    published_set("wds/vtab/pets")      # "oxford-pets": templates("oxford-pets"), class_names("oxford-pets")
    published_set("flickr8k")           # None

The other names are those of CLIP_benchmark, torchvision and TensorFlow Datasets, and the headings of CLIP's
`data/prompts.md`.  Only sets of the same classes are listed: ImageNet-A, -R and -O and ObjectNet have some of
ImageNet's, so they are None.  Does not know in which order another copy of a set numbers its classes.
"""

import re

# our name, which is that of the files in classes/ and templates/: other names, but for case and punctuation
PUBLISHED_SETS: dict[str, tuple[str, ...]] = {
    "birdsnap": (),
    "caltech101": (),
    "cifar10": (),
    "cifar100": (),
    "clevr-counts": ("clevr_count_all", "clevr_count"),
    "country211": (),
    "dtd": ("describable_textures",),
    "eurosat": (),
    "fer2013": ("facial_emotion_recognition_2013",),
    "fgvc-aircraft": (),
    "flowers102": ("flowers", "oxford_flowers102"),
    "food101": (),
    "gtsrb": (),
    "hateful-memes": (),
    "imagenet": ("imagenet1k", "imagenet2012", "imagenetv2", "imagenet_sketch", "imagenet-w"),
    "kinetics700": (),
    "kitti": ("kitti_closest_vehicle_distance",),
    "mnist": (),
    "oxford-pets": ("pets", "oxford_iiit_pet"),
    "pcam": ("patch_camelyon",),
    "resisc45": (),
    "sst2": ("renderedsst2",),
    "stanford-cars": ("cars", "cars196"),
    "stl10": (),
    "sun397": (),
    "ucf101": (),
    "voc2007": ("voc2007_multilabel", "pascal_voc_2007"),
}
_PREFIXES = re.compile(r"^(?:clip-benchmark/)?(?:(?:wds|vtab|tfds|torchvision)[/_-])*")


def published_set(name: str) -> str | None:
    """Return our name of a published set that others call `name`; None where it is another set."""
    return _BY_KEY.get(_key(_PREFIXES.sub("", name.lower())))


def _key(name: str) -> str:
    """Return the letters and digits of a name: "FGVC_Aircraft" and "fgvc-aircraft" are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_KEY = {_key(name): ours for ours, others in PUBLISHED_SETS.items() for name in (ours, *others)}
