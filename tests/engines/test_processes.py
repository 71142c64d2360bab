"""A model that has been used answers in a forked child, in a process it is pickled for, and in many threads."""

import copy
import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, UsageError
from wordsight.embeddings.model import Model, load
from wordsight.engines.open import open_engine
from wordsight.engines.torch_engine import TorchEngine
from wordsight.weights.find import BUNDLED

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
ENGINES = [("onnx", "int8"), ("onnx", "fp32"), ("openvino", "fp32"), ("torch", "fp32")]
IMAGES = [np.full((20, 20, 3), 9 * number, np.uint8) for number in range(20)]
TEXTS = ["a", "some words", "tea"]


@pytest.fixture(params=ENGINES, ids=["-".join(one) for one in ENGINES])
def model(request, exported):
    engine, precision = request.param
    return Model(open_engine(exported, engine=engine, precision=precision), folder=exported)


def embed(model):
    return model.embed_images(IMAGES), model.embed_texts(TEXTS)


def same(one, other):
    return all(np.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True))


def answer_of(process, receiving):
    process.start()
    try:
        assert receiving.poll(60), "the other process does not answer"
        answer = receiving.recv()
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()
    return answer


def send(sending, model):
    sending.send(embed(model))


@pytest.mark.parametrize("used", [True, False])
def test_in_a_forked_child(model, used):
    if used:
        embed(model)
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    answer = answer_of(context.Process(target=send, args=(sending, model)), receiving)
    assert same(answer, embed(model))


def test_in_a_spawned_process(model):
    rows = embed(model)
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    assert same(answer_of(context.Process(target=send, args=(sending, model)), receiving), rows)


def test_a_copy_is_the_same_model(model):
    embed(model)
    data = pickle.dumps(model)
    assert len(data) < 2000
    for copied in (pickle.loads(data), copy.deepcopy(model)):
        assert (copied.folder, copied.pixels, copied.fingerprint) == (model.folder, model.pixels, model.fingerprint)
        assert type(copied.engine) is type(model.engine)
        assert same(embed(copied), embed(model))


def test_in_sixteen_threads(model):
    rows = embed(model)
    with ThreadPoolExecutor(16) as pool:
        assert all(same(found, rows) for found in pool.map(embed, [model] * 48))


def test_the_bundled_model_is_sent_as_such():
    model = load(pixels="exact")
    assert str(BUNDLED).encode() not in pickle.dumps(model)
    copied = pickle.loads(pickle.dumps(model))
    assert (copied.folder, copied.pixels) == (BUNDLED, "exact")
    np.testing.assert_array_equal(copied.embed_texts(["red"]), model.embed_texts(["red"]))


def test_another_model_in_the_folder_is_refused(exported):
    data = pickle.dumps(open_engine(exported, engine="onnx"))
    shutil.rmtree(exported)
    shutil.copytree(BUNDLED, exported)
    with pytest.raises(FingerprintMismatch, match=r"the one sent was .*give both processes the same files"):
        pickle.loads(data)


def test_towers_in_memory_say_how_they_can_be_sent(towers):
    with pytest.raises(UsageError, match="towers in memory cannot be sent to another process; save them"):
        pickle.dumps(TorchEngine.of(towers, fingerprint="0123456789abcdef"))
