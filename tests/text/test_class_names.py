"""Published lists of class names."""

import hashlib

import pytest

from wordsight.base.errors import UsageError
from wordsight.text.class_names import class_names

PUBLISHED = "8800e39242cbed4c6889376e20a49cfdaf4f84a773a6686d15c3b39972ef94c4"  # of open_clip 3.3's list, one a line


def test_the_names_of_imagenet_are_the_published_ones_in_their_order() -> None:
    names = class_names("imagenet")
    assert (len(names), names[0], names[207], names[-1]) == (1000, "tench", "Golden Retriever", "toilet paper")
    assert hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest() == PUBLISHED


def test_another_list_is_named_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"no list of class names called imagenets; did you mean imagenet"):
        class_names("imagenets")
