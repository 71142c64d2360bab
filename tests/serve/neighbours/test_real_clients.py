"""The clients that the neighbours publish, each against a real server: what they send is understood, and what comes is read.

That of OpenAI has a file of its own.
"""

import base64
import gc
import sys
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from tests.fetched import fetched

from wordsight.embeddings.model import load

CLIENTS = ("clip-retrieval==2.45.0", "cohere==7.3.1", "voyageai==0.5.0", "infinity-client==0.0.78")
NEEDED = ("fastavro>=1.9.4", "tenacity", "python-dateutil")
UNUSED = ("aiohttp", "aiolimiter", "langchain_text_splitters")  # Voyage's, for what is not called here
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def client_of(tmp_path_factory):
    """Give what imports a module of the clients."""
    folder = tmp_path_factory.mktemp("clients")
    bare = ModuleType("clip_retrieval")  # the package's own beginning imports its back end, too
    bare.__path__ = [str(folder / "clip_retrieval")]
    with pytest.MonkeyPatch.context() as monkeypatch, fetched(folder, *CLIENTS, *NEEDED, unused=UNUSED) as get:
        monkeypatch.setitem(sys.modules, "clip_retrieval", bare)
        yield get
    gc.collect()  # clients that do not close their connections leave warnings, which belong here


@pytest.fixture
def address(listening, settings):
    with listening(settings) as given:
        yield given


@pytest.fixture
def red(photos):
    return photos / "a" / "red.png"


@pytest.fixture(scope="module")
def model():
    return load(engine="fake")


@pytest.fixture
def text(model):
    return model.embed_texts(["red"])[0]


@pytest.fixture
def image(model, red):
    return model.embed_images([red])[0]


def same(given, expected):
    np.testing.assert_array_equal(np.float32(given), expected)


def test_clip_retrieval_finds_by_text_image_and_embedding(client_of, address, red, image):
    client = client_of("clip_retrieval.clip_client").ClipClient(f"{address}/knn-service", "photos", num_images=2)
    for asked in ({"text": "red"}, {"image": str(red)}, {"embedding_input": image.tolist()}):
        hits = client.query(**asked)
        assert len(hits) == 2
        assert hits[0]["image_path"] == "a/red.png"
        assert hits[0]["similarity"] > 0.9 > hits[1]["similarity"]
        assert base64.b64decode(hits[0]["image"]).startswith(b"\xff\xd8")


@pytest.mark.parametrize("version", ["Client", "ClientV2"])
def test_cohere_embeds_and_ranks(client_of, address, text, image, red, base64_image, version):
    client = getattr(client_of("cohere"), version)(base_url=address, api_key="none")
    shape = {"model": "default", "embedding_types": ["float", "int8", "uint8", "binary", "ubinary"]}
    answer = client.embed(texts=["red"], input_type="search_query", **shape).embeddings
    same(answer.float_[0], text)
    assert len(answer.int8[0]) == len(answer.uint8[0]) == len(text)
    assert answer.ubinary[0] == np.packbits(text > 0).tolist()
    assert [one + 128 for one in answer.binary[0]] == answer.ubinary[0]
    data = f"data:image/png;base64,{base64_image(red)}"
    same(client.embed(images=[data], input_type="image", **shape).embeddings.float_[0], image)
    ranked = client.rerank(model="default", query="red", documents=["a blue sky", "red", "green"], top_n=2).results
    assert len(ranked) == 2
    assert ranked[0].index == 1
    with pytest.raises(client_of("cohere").NotFoundError, match="nope"):
        client.embed(model="nope", texts=["red"], input_type="search_query", embedding_types=["float"])


def test_cohere_embeds_mixed_inputs(client_of, address, image, red, base64_image):
    client = client_of("cohere").ClientV2(base_url=address, api_key="none")
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64_image(red)}"}}
    answer = client.embed(model="default", inputs=[{"content": [part]}], input_type="image", embedding_types=["float"])
    same(answer.embeddings.float_[0], image)


def test_voyage_embeds_and_ranks(client_of, address, text, image, red):
    voyageai = client_of("voyageai")
    client = voyageai.Client(base_url=f"{address}/v1", api_key="none")
    same(client.embed(["red"], model="default", input_type="query").embeddings[0], text)
    assert (
        client.embed(["red"], model="default", output_dtype="ubinary").embeddings[0] == np.packbits(text > 0).tolist()
    )
    answer = client.multimodal_embed([[Image.open(red)], ["red"]], model="default").embeddings
    same(answer, np.stack([image, text]))
    ranked = client.rerank("red", ["a blue sky", "red", "green"], model="default", top_k=2).results
    assert len(ranked) == 2
    assert (ranked[0].index, ranked[0].document) == (1, "red")
    with pytest.raises(voyageai.error.VoyageError, match="nope"):
        client.embed(["red"], model="nope")


def test_infinity_embeds_ranks_and_looks(client_of, address, text, image, red, base64_image):
    client = client_of("infinity_client").Client(base_url=address)
    shapes = client_of("infinity_client.models")

    def ask(verb, shape="", **body):
        asked = {"body": getattr(shapes, shape).from_dict(body)} if shape else {}
        return client_of(f"infinity_client.api.default.{verb}").sync(client=client, **asked)

    data = f"data:image/png;base64,{base64_image(red)}"
    same(ask("embeddings", "OpenAIEmbeddingInputText", input=["red"], model="default").data[0].embedding, text)
    same(ask("embeddings", "OpenAIEmbeddingInputImage", input=[data], model="default").data[0].embedding, image)
    same(ask("embeddings_image", "ImageEmbeddingInput", input=[data], model="default").data[0].embedding, image)
    ranked = ask("rerank", "RerankInput", query="red", documents=["blue", "red"], return_documents=True).results
    assert [(one.index, one.document) for one in ranked] == [(1, "red"), (0, "blue")]
    assert [one.id for one in ask("models").data] == ["fake"]
    assert ask("health").additional_properties["status"] == "ok"


def test_infinitys_client_of_images_reads_numbers_as_base64(client_of, address, text, image, red):
    client = client_of("infinity_client.vision_client").InfinityVisionAPI(address, model="default")
    embeddings, _ = client.image_embed("default", [Image.open(red)]).result()
    same(embeddings[0][0], image)
    embeddings, tokens = client.embed("default", ["red"]).result()
    same(embeddings[0][0], text)
    assert tokens == 3
    client.tp.shutdown()
    client.session.close()
