"""Guidance on tiny towers: exact gradients, the model's own preprocessing, and a right sentence that rises."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import wordsight
from wordsight.base.errors import UsageError
from wordsight.guidance import Guidance, Views, guidance_loss, prepared, text_embeddings
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels, normalise
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

WHOLE = Views(0)
SENTENCES = [f"a {colour} {shape}" for colour in ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"] for shape in
             ["circle", "square", "star", "heart", "ring", "moon", "arrow", "cross"]]  # fmt: skip


def tiny(**options):
    torch.manual_seed(3)
    spec = ModelSpec(
        name="tiny",
        width=16,
        image=VitSpec(size=16, width=32, layers=2, heads=2, patch=4),
        text=ClipTextSpec(width=32, layers=1, heads=2),
        preprocess=PreprocessSpec(size=16, **options),
        tokenizer=TokenizerSpec(),
    )
    return build(spec).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def towers():
    return tiny()


@pytest.mark.parametrize("distance", ["spherical", "cosine"])
@pytest.mark.parametrize("views", [WHOLE, Views(2, smallest=0.6, noise=0.01, mirrored=True)])
def test_the_gradient_is_that_of_finite_differences(distance, views):
    towers = tiny().double()
    guidance = Guidance(towers, {"a dog": 2, "a beach": 1}, away=["a cat"], views=views, distance=distance)
    generator = torch.Generator().manual_seed(1)
    pixels = (0.2 + 0.6 * torch.rand(1, 3, 20, 24, dtype=torch.float64, generator=generator)).requires_grad_()

    def loss(at):
        return guidance(at, generator=torch.Generator().manual_seed(5))

    (gradient,) = torch.autograd.grad(loss(pixels), pixels)
    assert gradient.abs().max() > 0
    for _ in range(3):
        along = torch.randn(pixels.shape, dtype=torch.float64, generator=generator)
        with torch.no_grad():
            slope = (loss(pixels + 1e-3 * along) - loss(pixels - 1e-3 * along)) / 2e-3
        assert (gradient * along).sum().item() == pytest.approx(slope.item(), rel=2e-2, abs=1e-5)


def rank_of(guidance, pixels):
    cosines = guidance.cosines(pixels)[0]
    return int((cosines > cosines[0]).sum()) + 1


def test_a_few_steps_raise_the_right_sentence_among_sixty_four(towers):
    ranks = []
    for right in (5, 23, 40, 61):
        order = [SENTENCES[right], *(one for one in SENTENCES if one != SENTENCES[right])]
        judge = Guidance(towers, order)
        guidance = Guidance(towers, [SENTENCES[right]], views=WHOLE)
        pixels = (0.5 + 0.1 * torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(right))).clamp(0, 1)
        before = rank_of(judge, pixels)
        pixels.requires_grad_()
        optimiser = torch.optim.Adam([pixels], lr=0.05)
        for _ in range(30):
            optimiser.zero_grad()
            guidance(pixels.clamp(0, 1)).backward()
            optimiser.step()
        ranks.append((before, rank_of(judge, pixels.detach().clamp(0, 1))))
    assert all(after <= before for before, after in ranks)
    assert np.mean([after for _, after in ranks]) < np.mean([before for before, _ in ranks]) / 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resize": "squash"},
        {"resize": "longest", "fill": 128},
        {"interpolation": "bilinear", "scale_to": 20},
        {"interpolation": "bicubic", "scale_to": 14},
    ],
)
@pytest.mark.parametrize("shape", [(16, 16), (40, 28), (11, 30)])
def test_images_are_prepared_as_the_model_prepares_them(options, shape):
    spec = PreprocessSpec(size=16, **options)
    rng = np.random.default_rng(0)
    image = rng.integers(90, 166, (*shape, 3), dtype=np.uint8)  # no resize leaves 0..255, where Pillow cuts
    own = prepared(torch.from_numpy(image).permute(2, 0, 1)[None] / 255, spec)[0].permute(1, 2, 0).numpy()
    expected = normalise(load_pixels(image, spec, quality="exact")[None], spec)[0].transpose(1, 2, 0)
    assert own.shape == expected.shape
    assert np.abs(own - expected).max() * min(spec.std) * 255 < 1.5  # levels of 255


def test_the_same_generator_gives_the_same_views(towers):
    guidance = Guidance(towers, ["a dog"], views=Views(2, noise=0.1))
    pixels = torch.rand(2, 3, 30, 20, generator=torch.Generator().manual_seed(0))
    first, second, other = (guidance(pixels, generator=torch.Generator().manual_seed(s)).item() for s in (1, 1, 2))
    assert first == second != other


def test_distances_are_those_of_the_angle():
    image, texts = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    for distance, values in (("cosine", [0, 1, 2]), ("spherical", [0, np.pi**2 / 8, np.pi**2 / 2])):
        each = [guidance_loss(image, text[None], torch.ones(1), distance=distance).item() for text in texts]
        assert each == pytest.approx(values, abs=5e-3)
    near = image.clone().requires_grad_()
    guidance_loss(near, texts[:1], torch.ones(1)).backward()
    assert torch.isfinite(near.grad).all()


def test_texts_to_leave_have_negative_weights(towers):
    pixels = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    near, left = (Guidance(towers, [text], views=WHOLE)(pixels).item() for text in ("a dog", "a cat"))
    both = Guidance(towers, {"a dog": 2.0}, away={"a cat": 1.0}, views=WHOLE)
    assert both(pixels).item() == pytest.approx(near - left / 2, abs=1e-5)
    assert both.texts == ("a dog", "a cat")
    assert torch.allclose(both.cosines(pixels)[0, 0], both.cosines(pixels)[0] @ torch.tensor([1.0, 0.0]))


def test_it_is_reached_from_the_package(towers):
    assert wordsight.guidance.Guidance is Guidance
    assert text_embeddings(towers, ["a", "b"]).shape == (2, 16)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda t: Guidance(t, []), "without a text"),
        (lambda t: Guidance(t, "a dog"), "single text"),
        (lambda t: Guidance(t, {"a dog": -1.0}), "weight -1.0"),
        (lambda t: Guidance(t, ["a dog"], distance="far"), "'far'"),
        (lambda t: Guidance(t, ["a dog"], views=Views(smallest=0)), "smallest"),
        (lambda t: Guidance(t, ["a dog"])(torch.rand(3, 16, 16)), r"shape \(3, 16, 16\)"),
        (lambda t: Guidance(t, ["a dog"])(torch.zeros(1, 3, 16, 16, dtype=torch.uint8)), "uint8"),
    ],
)
def test_what_is_refused(towers, call, problem):
    with pytest.raises(UsageError, match=problem):
        call(towers)


PIXELS = torch.full((1, 3, 20, 24), 0.5)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (PIXELS[:0], "at least one image"),
        (PIXELS[:, :, :0, :0], "at least one image"),
        (PIXELS.half(), r"give float32: pixels\.float"),
        (PIXELS.bfloat16(), r"give float32: pixels\.float"),
        (PIXELS.numpy(), "pixels of the type ndarray; give a tensor"),
        (PIXELS * float("nan"), "NaN or infinite"),
        (PIXELS * float("inf"), "NaN or infinite"),
        (PIXELS * 255, "values up to 127.5; give values from 0 to 1: divide by 255"),
    ],
)
def test_pixels_that_are_none_are_refused_with_the_cure(towers, pixels, message):
    guidance = Guidance(towers, ["a dog"], views=WHOLE)
    for call in (guidance, guidance.cosines):
        with pytest.raises(UsageError, match=message):
            call(pixels)


def test_pixels_a_little_outside_are_taken(towers):
    assert Guidance(towers, ["a dog"], views=WHOLE)(PIXELS * 5 - 2).isfinite()


@pytest.mark.parametrize("options", [{"count": 2.5}, {"count": True}, {"noise": float("nan")}, {"noise": float("inf")}])
def test_views_that_are_none_are_refused(options):
    with pytest.raises(UsageError, match="whole count"):
        Views(**options)


def test_without_torch_the_extra_is_named():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wordsight.base.errors import MissingExtra\n"
        "try:\n    import wordsight.guidance\nexcept MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'wordsight[train]'" in done.stdout
