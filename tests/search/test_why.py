"""Why a hit came: shares that add up to the score, and maps that lie where the colour asked for is."""

import numpy as np
import pytest
from PIL import Image

from wordsight.engines.fake import COLOURS
from wordsight.search.why import region_of, spot_of


@pytest.fixture
def corners(tmp_path):
    """Blue pictures with a red corner, and one that is all red."""
    folder = tmp_path / "corners"
    folder.mkdir()
    for name, corner in {"low": (44, 32), "high": (0, 0)}.items():
        image = Image.new("RGB", (64, 48), COLOURS["blue"])
        image.paste(COLOURS["red"], (*corner, corner[0] + 20, corner[1] + 16))
        image.save(folder / f"{name}.png")
    Image.new("RGB", (20, 20), COLOURS["red"]).save(folder / "all.png")
    return folder


@pytest.fixture
def library(corners, opened):
    made = opened(corners)
    made.sync()
    return made


@pytest.mark.parametrize(
    ("query", "without", "wishes"),
    [
        ("red", (), {}),
        (["2:red", "0.5:blue"], (), {}),
        (["red", "3:green"], ["blue"], {}),
        (["red"], ["2:blue", "red"], {}),
        ((), (), {"like": ["low.png"]}),
        ("red", (), {"liked": ["low.png"], "disliked": ["all.png"]}),
        ("red", (), {"disliked": ["high.png"]}),
        ((), (), {"like": ["low.png"], "liked": ["high.png"]}),
    ],
)
def test_shares_add_up_to_the_score(library, query, without, wishes):
    asked = library.read(query, without=without, **wishes)
    hits = library.answer(asked)
    assert hits
    for hit, reason in zip(hits, library.why(asked, hits), strict=True):
        assert reason.key == hit.key and not reason.problem
        assert reason.without == 0 or asked.without or wishes.get("disliked")
        assert sum(one.share for one in reason.shares) + reason.without == pytest.approx(hit.score, abs=1e-5)


def test_shares_have_the_names_and_cosines_of_their_parts(library, model):
    hits = library.search(["2:red", "0.5:blue"])
    for hit, reason in zip(hits, library.why(["2:red", "0.5:blue"], hits), strict=True):
        assert [one.name for one in reason.shares] == ["red", "blue"]
        own = model.score([hit.image()], ["red", "blue"])[0]
        assert [one.cosine for one in reason.shares] == pytest.approx(own, abs=1e-3)
        assert reason.summed.count(", ") == 1 and reason.text.startswith(reason.summed)


def test_several_examples_are_not_added_up(library):
    asked = library.read(like=["low.png", "high.png"])
    hits = library.answer(asked)
    (reason,) = library.why(asked, hits)
    assert reason.shares == () and reason.summed == ""


def test_the_map_lies_where_the_colour_is_and_one_colour_claims_nothing(library):
    hits = library.search("red")
    by_key = {reason.key: reason for reason in library.why("red", hits)}
    low, high, whole = (by_key[f"{name}.png"] for name in ("low", "high", "all"))
    assert (low.spot.region, high.spot.region) == ("at the lower right", "at the upper left")
    left, top, width, height = low.spot.box
    assert left > 0.5 and top > 0.5 and left + width <= 1 and top + height <= 1
    assert low.method == "occlusion" and low.hiding.passes and "strongest at the lower right (box 0." in low.text
    shown = low.map(48, 64)
    assert shown[40, 54] > 0.9 and np.isnan(shown[:, :6]).all()  # its sides are cut off
    assert low.overlay(np.zeros((48, 64, 3), np.uint8)).shape == (48, 64, 3)
    assert (whole.spot, whole.passes) == (None, None) and "the map is even" in whole.text


def test_an_image_that_went_is_named_and_the_rest_goes_on(library, corners):
    hits = library.search("red")
    (corners / "all.png").write_bytes(b"no image")
    (corners / "low.png").unlink()
    done = []
    reasons = library.why("red", hits, done=lambda: done.append(1))
    assert len(done) == 3
    by_key = {reason.key: reason for reason in reasons}
    for name in ("low.png", "all.png"):
        assert name in by_key[name].problem and by_key[name].text.startswith("no map: ")
        assert by_key[name].relevance is None and by_key[name].shares
    assert by_key["high.png"].spot is not None


def test_regions_in_words():
    words = [region_of(down, across) for down in (0.1, 0.5, 1.0) for across in (0.1, 0.5, 1.0)]
    assert words == [
        *("at the upper left", "at the top", "at the upper right"),
        *("on the left", "in the middle", "on the right"),
        *("at the lower left", "at the bottom", "at the lower right"),
    ]


def test_the_box_is_what_hangs_together_with_the_strongest_point():
    shown = np.full((10, 20), np.nan, np.float32)
    shown[:, 2:] = 0.1
    shown[2:4, 3:6] = 0.8
    shown[3, 4] = 1.0
    shown[8, 15] = 0.9  # elsewhere
    spot = spot_of(shown)
    assert spot.box == pytest.approx((3 / 20, 2 / 10, 3 / 20, 2 / 10))
    assert spot.region == "at the upper left" or spot.region == "on the left"
    assert spot_of(np.zeros((4, 4), np.float32)) is None
