"""The class names and templates published with CLIP for 27 data sets, and other names of these sets."""

import hashlib
from importlib.resources import files

import pytest

from wordsight.text.class_names import LISTS, class_names
from wordsight.text.prompts import class_prompts, clean_class_name, template_names, templates
from wordsight.text.set_names import PUBLISHED_SETS, published_set

COUNTS = {  # classes and templates, as counted in CLIP's data/prompts.md and its ImageNet notebook
    "birdsnap": (500, 1),
    "caltech101": (102, 34),
    "cifar10": (10, 18),
    "cifar100": (100, 18),
    "clevr-counts": (8, 1),
    "country211": (211, 5),
    "dtd": (47, 8),
    "eurosat": (10, 3),
    "fer2013": (7, 6),
    "fgvc-aircraft": (100, 2),
    "flowers102": (102, 1),
    "food101": (101, 1),
    "gtsrb": (43, 3),
    "hateful-memes": (2, 1),
    "imagenet": (1000, 80),
    "kinetics700": (700, 28),
    "kitti": (4, 1),
    "mnist": (10, 1),
    "oxford-pets": (37, 1),
    "pcam": (2, 1),
    "resisc45": (45, 18),
    "sst2": (2, 1),
    "stanford-cars": (196, 8),
    "stl10": (10, 2),
    "sun397": (397, 2),
    "ucf101": (101, 48),
    "voc2007": (20, 1),
}
# of "set<tab>line" for the names, then the templates, of all sets in sorted order, computed from CLIP's data/prompts.md
PUBLISHED = "41b026bebea801644d98a98a5648ebb4bf984f6581b28ec7bcf694ed0f3bdb3f"


def test_every_set_has_its_published_names_and_templates() -> None:
    assert {name: (len(class_names(name)), len(templates(name))) for name in LISTS} == COUNTS
    lines = [f"{name}\t{line}\n" for name in sorted(LISTS) for line in (*class_names(name), *templates(name))]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == PUBLISHED


def test_the_lists_travel_with_the_package_under_their_licence() -> None:
    for kind in ("classes", "templates"):
        folder = files("wordsight.text") / kind
        assert set(LISTS) <= {entry.name.removesuffix(".txt") for entry in folder.iterdir()}
        for name in LISTS:
            remarks = [line for line in (folder / f"{name}.txt").read_text("utf-8").splitlines() if line[:1] == "#"]
            assert "MIT License, Copyright (c) 2021 OpenAI" in remarks[-1], (kind, name)
    assert "Permission is hereby granted" in (files("wordsight.text") / "tables" / "LICENCE").read_text("utf-8")


def test_the_templates_of_imagenet_and_the_seven_chosen_of_them() -> None:
    assert templates("imagenet") == templates("clip")
    assert templates("clip-7")[:2] == ["itap of a {}.", "a bad photo of the {}."]
    assert len(set(templates("clip-7")) & set(templates("clip"))) == 7
    assert set(template_names()) == {*LISTS, "clip", "clip-7", "none", "photo", "product"}


def test_odd_templates_are_as_published() -> None:
    assert class_prompts("0", templates("mnist")) == ['a photo of the number: "0".']
    assert class_prompts(class_names("kitti")[3], templates("kitti")) == ["a photo i took with no car."]


def test_a_comma_parts_synonyms_in_fer2013_alone() -> None:
    with_comma = {name: [one for one in class_names(name) if "," in one] for name in LISTS}
    assert {name: several for name, several in with_comma.items() if several} == {
        "country211": ["Bonaire, Saint Eustatius and Saba"],
        "fer2013": ["happy, smiling", "sad, depressed", "surprised, shocked, spooked", "neutral, bored"],
    }
    assert clean_class_name("Bonaire,_Saint Eustatius  and Saba") == ["Bonaire, Saint Eustatius and Saba"]
    assert clean_class_name("surprised, shocked, spooked") == ["surprised", "shocked", "spooked"]
    for name in LISTS:
        names = {one: clean_class_name(one) for one in class_names(name)}
        split = {one for one, parts in names.items() if parts != [" ".join(one.split())]}
        assert split == (set(with_comma[name]) if name == "fer2013" else set())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("wds/vtab/pets", "oxford-pets"),
        ("vtab/flowers", "flowers102"),
        ("wds/vtab/dtd", "dtd"),
        ("imagenet1k", "imagenet"),
        ("wds/imagenet_sketch", "imagenet"),
        ("cars", "stanford-cars"),
        ("Food101", "food101"),
        ("food-101", "food101"),
        ("wds/fgvc_aircraft", "fgvc-aircraft"),
        ("wds/vtab/clevr_count_all", "clevr-counts"),
        ("wds/vtab/kitti_closest_vehicle_distance", "kitti"),
        ("clip-benchmark/wds_vtab-pcam", "pcam"),
        ("tfds/patch_camelyon", "pcam"),
        ("wds/renderedsst2", "sst2"),
        ("voc2007_multilabel", "voc2007"),
        ("PascalVOC2007", "voc2007"),
        ("FacialEmotionRecognition2013", "fer2013"),
        ("flickr8k", None),
        ("imagenet-a", None),
        ("wds/vtab/svhn", None),
        ("pets/train", None),
        ("", None),
    ],
)
def test_other_names_of_a_set(theirs: str, ours: str | None) -> None:
    assert published_set(theirs) == ours


def test_every_set_is_known_by_its_own_name_and_no_name_means_two() -> None:
    assert [published_set(name) for name in PUBLISHED_SETS] == list(PUBLISHED_SETS)
    for ours, others in PUBLISHED_SETS.items():
        assert {published_set(other) for other in others} <= {ours}
