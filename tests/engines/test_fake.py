import numpy as np

from wordsight.engines.fake import COLOURS, SIZE, FakeEngine
from wordsight.text.tokenizer import ClipTokenizer


def plain_images(*colours):
    return np.stack([np.full((SIZE, SIZE, 3), colour, np.uint8) for colour in colours])


def test_a_colour_finds_its_pictures():
    engine = FakeEngine()
    tokenizer = ClipTokenizer.from_spec(engine.spec.tokenizer)
    texts = engine.embed_texts(tokenizer.batch([f"a {name} thing" for name in COLOURS]))
    pictures = engine.embed_images(plain_images(*COLOURS.values()))
    np.testing.assert_array_equal((texts @ pictures.T).argmax(axis=1), np.arange(len(COLOURS)))


def test_a_picture_of_two_colours_lies_between():
    engine = FakeEngine()
    both = plain_images(COLOURS["red"])
    both[0, : SIZE // 4] = COLOURS["blue"]
    pure = engine.embed_images(plain_images(COLOURS["red"], COLOURS["blue"], COLOURS["green"]))
    red, blue, green = pure @ engine.embed_images(both)[0]
    assert red > blue > green


def test_every_colour_is_one_token():
    tokenizer = ClipTokenizer.from_spec(FakeEngine().spec.tokenizer)
    assert [len(tokenizer.encode(name)) for name in COLOURS] == [1] * len(COLOURS)


def test_colour_outweighs_everything_else():
    engine = FakeEngine()
    for place, row in enumerate(engine.embed_images(plain_images(*COLOURS.values()))):
        np.testing.assert_allclose(row, np.eye(engine.spec.width)[place], atol=1e-6)  # no brightness beside its mean
    texts = engine.embed_texts(ClipTokenizer.from_spec(engine.spec.tokenizer).batch(["a red thing", "something blue"]))
    assert texts[0, list(COLOURS).index("red")] > 0.9 and texts[1, list(COLOURS).index("blue")] > 0.9
