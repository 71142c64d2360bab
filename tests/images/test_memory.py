"""All threads that decode share one budget of memory: they wait for it, never for each other, and never exceed it."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import BrokenImage, ConfigError, TooManyPixels
from wordsight.images import decode as decode_module
from wordsight.images import memory
from wordsight.images.decode import Wanted, decode, opened
from wordsight.images.memory import MemoryBudget, decoding_memory, limit_decoding
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the budget of other tests."""
    monkeypatch.setattr(memory, "_budget", None)
    monkeypatch.delenv("WORDSIGHT_DECODE_MEMORY", raising=False)
    yield
    memory._budget = None


def test_shares_never_exceed_the_total_and_all_are_served() -> None:
    budget = MemoryBudget(10)
    held, most, lock = [0], [0], threading.Lock()

    def work(need: int) -> int:
        with budget.share(need):
            with lock:
                held[0] += need
                most[0] = max(most[0], held[0])
            with budget.share(10):  # within a share, another one costs nothing
                pass
            with lock:
                held[0] -= need
        return need

    needs = [1, 10, 3, 7, 9, 2] * 50
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, needs)) == needs
    assert 7 < most[0] <= 10
    with budget.share(10):
        pass


def test_a_large_share_is_not_overtaken() -> None:
    budget = MemoryBudget(10)
    order: list[str] = []
    waiting = threading.Event()

    def wait(need: int, name: str) -> None:
        waiting.set()
        with budget.share(need):
            order.append(name)

    with budget.share(5):
        large = threading.Thread(target=wait, args=(10, "large"))
        large.start()
        waiting.wait()
        while not budget._waiting:
            pass
        small = threading.Thread(target=wait, args=(1, "small"))
        small.start()
        while len(budget._waiting) < 2:
            pass
    large.join()
    small.join()
    assert order == ["large", "small"]


def test_a_share_is_given_back_after_a_failure() -> None:
    budget = MemoryBudget(5)
    with pytest.raises(KeyError), budget.share(5):
        raise KeyError
    with budget.share(5):
        assert budget.held()
    assert not budget.held()


@pytest.mark.parametrize(
    ("text", "total"), [("", 460e6), ("800MB", 800e6), (" 2 gb ", 2e9), ("1.5GB", 1.5e9), ("300", 300e6)]
)
def test_the_environment_states_the_total(monkeypatch: pytest.MonkeyPatch, text: str, total: float) -> None:
    monkeypatch.setenv("WORDSIGHT_DECODE_MEMORY", text)
    assert decoding_memory().total == total


@pytest.mark.parametrize("text", ["plenty", "0", "-5MB", "2TB"])
def test_what_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WORDSIGHT_DECODE_MEMORY", text)
    with pytest.raises(ConfigError, match=f"WORDSIGHT_DECODE_MEMORY={text} is no size; write for example 800MB or 2GB"):
        decoding_memory()
    with pytest.raises(ConfigError, match="0 bytes to decode images in"):
        limit_decoding(0)


def test_a_forked_child_begins_with_the_whole_budget() -> None:
    limit_decoding(1000)
    with decoding_memory().share(1000):
        child = os.fork()
        if child == 0:
            with decoding_memory().share(1000):
                os._exit(0 if decoding_memory().total == 1000 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_image_larger_than_the_budget_names_the_cure_and_the_cure_works(encoded: Make, photo: Make) -> None:
    limit_decoding(5_000_000)
    data = encoded(photo(600, 800), "JPEG")
    with pytest.raises(TooManyPixels) as caught:
        decode(data, name="a.jpg")
    message = r"a.jpg takes 7.4\d MB of memory to decode \(800 x 600 pixels\), and all decoding has 5 MB"
    assert caught.match(f"{message}; make it smaller, or set WORDSIGHT_DECODE_MEMORY=8MB")
    limit_decoding(8_000_000)
    assert decode(data).shape == (600, 800, 3)


NEEDS = {  # bytes a pixel, at least what was measured with a decoder of its kind
    "baseline": ("JPEG", {}, 4),
    "progressive": ("JPEG", {"progressive": True}, 7),
    "progressive in full": ("JPEG", {"progressive": True, "subsampling": 0}, 10),
    "turned": ("JPEG", {"exif": 6}, 8),
    "cmyk": ("JPEG", {"mode": "CMYK"}, 8),
    "png": ("PNG", {}, 4),
    "alpha": ("PNG", {"mode": "RGBA"}, 8),
    "palette": ("PNG", {"mode": "P"}, 5),
    "grey": ("PNG", {"mode": "L"}, 1),
    "webp": ("WEBP", {}, 16),
    "avif": ("AVIF", {}, 16),
    "lzw": ("TIFF", {"compression": "tiff_lzw"}, 4),
    "plain tiff": ("TIFF", {}, 4),
    "gif": ("GIF", {"mode": "P"}, 6),
    "bmp": ("BMP", {}, 4),
}


@pytest.mark.parametrize("kind", NEEDS)
def test_the_need_is_known_from_the_header(
    kind: str, encoded: Make, photo: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, options, a_pixel = NEEDS[kind]
    options = dict(options)
    image = Image.fromarray(photo(400, 500)).convert(str(options.pop("mode", "RGB")))
    if "exif" in options:
        exif = Image.Exif()
        exif[0x0112] = options["exif"]
        options["exif"] = exif
    data = encoded(image, form, **options)
    needs: list[int] = []
    share = MemoryBudget.share
    monkeypatch.setattr(MemoryBudget, "share", lambda self, need: (needs.append(need), share(self, need))[1])
    with opened(data, wanted=Wanted(colours="kept")):
        pass
    expected = 4_000_000 + a_pixel * 400 * 500
    assert expected <= needs[-1] <= expected + 2 * len(data) + 200_000


def test_a_jpeg_in_several_scans_is_counted_though_it_is_not_progressive(encoded: Make, photo: Make) -> None:
    from wordsight.images.estimate import decoding_need

    data = encoded(photo(64, 64), "JPEG", subsampling=0)
    at = data.index(b"\xff\xda")
    alone = (
        data[:at] + b"\xff\xda\x00\x08\x01" + data[at + 5 : at + 7] + data[at + 11 :]
    )  # a first scan of one component
    plain, several = (Image.open(io.BytesIO(one)) for one in (data, alone))
    assert decoding_need(several, 0) - decoding_need(plain, 0) == 2 * 3 * 64 * 64


def test_a_small_file_that_asks_for_hours_is_refused(encoded: Make) -> None:
    data = encoded(Image.new("RGB", (4000, 3000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:-2] + data[last:-2] * 600 + b"\xff\xd9"
    with pytest.raises(
        BrokenImage, match=r"many cannot be decoded: its 6\d\d scans of 4000 x 3000 pixels would take too"
    ):
        decode(many, name="many")
    assert decode(data[:-2] + data[last:-2] * 9 + b"\xff\xd9").shape == (3000, 4000, 3)


def test_a_fraction_of_an_image_needs_less_but_all_its_coefficients(
    encoded: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs: list[int] = []
    share = MemoryBudget.share
    monkeypatch.setattr(MemoryBudget, "share", lambda self, need: (needs.append(need), share(self, need))[1])
    for progressive, coefficients in ((False, 0), (True, 2 * 3 * 800 * 1600)):
        data = encoded(Image.new("RGB", (1600, 800)), "JPEG", progressive=progressive, subsampling=0)
        with opened(data, wanted=Wanted(at_least=100)) as image:
            assert image.size == (200, 100)
        assert 0 <= needs[-1] - 4_000_000 - 4 * 200 * 100 - len(data) - coefficients < 5_000


def test_scans_without_end_are_counted_at_their_full_size(encoded: Make) -> None:
    data = encoded(Image.new("RGB", (4000, 3000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(BrokenImage, match="scans of 4000 x 3000 pixels would take too long"):
        load_pixels(data[:-2] + data[last:-2] * 600 + b"\xff\xd9", PreprocessSpec(size=32))


def test_memory_that_is_used_up_is_one_failed_image(
    encoded: Make, photo: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(photo(64, 64))

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    for target in ("wordsight.images.transform.resize_crop", "PIL.ImageFile.ImageFile.load", "PIL.Image.open"):
        with monkeypatch.context() as patched:
            patched.setattr(target, exhausted)
            with pytest.raises(BrokenImage, match="a.png cannot be decoded: the memory is used up"):
                load_pixels(data, PreprocessSpec(size=32), name="a.png")


def test_threads_decode_at_the_same_time_and_within_the_budget(encoded: Make, photo: Make) -> None:
    limit_decoding(12_000_000)
    data = [encoded(photo(500, 600, seed=seed), "JPEG") for seed in range(4)]
    want = [decode(one) for one in data]
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(one, want[at % 4]) for at, one in enumerate(pool.map(decode, data * 6)))
    assert decode_module.decoding_memory()._free == 12_000_000


SHAPES = [(1, 400_000), (400_000, 1), (2, 300_000), (300_000, 7)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("resize", ["shortest", "squash", "longest", "patches"])
@pytest.mark.parametrize("rgb", ["before", "after"])
def test_very_thin_images_take_little(shape: tuple[int, int], resize: Any, rgb: Any, encoded: Make) -> None:
    import tracemalloc

    spec = PreprocessSpec(size=32, resize=resize, rgb=rgb, patch=16, max_patches=64)
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)))
    tracemalloc.start()
    pixels = load_pixels(data, spec)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
    assert pixels.shape[2] == 3


@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_tall_images_are_summed_in_parts_to_the_same(resize: Any, photo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photo(3000, 90)
    spec = PreprocessSpec(size=32, resize=resize)
    monkeypatch.setattr("wordsight.images.transform.columns_first", lambda *_: True)
    whole = load_pixels(pixels, spec)
    monkeypatch.setattr("wordsight.images.resize.BETWEEN_MOST", 3 * 4 * 32 * 70)
    assert np.abs(load_pixels(pixels, spec).astype(int) - whole).max() <= 1


def test_very_long_sides_are_reduced_first_to_nearly_the_same(photo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.ascontiguousarray(photo(40, 3000))
    spec = PreprocessSpec(size=16, resize="squash")
    want = load_pixels(pixels, spec)
    monkeypatch.setattr("wordsight.images.transform._LONGEST", 1500)
    assert np.abs(load_pixels(pixels, spec).astype(int) - want).max() <= 6
