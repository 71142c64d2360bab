"""The routes whose shapes are those of other programs."""

from functools import partial
from typing import Any

from wordsight.serve.neighbours.clip_as_service import PostAnswer, PostRequest, clip_as_service_shape
from wordsight.serve.neighbours.clip_retrieval import KnnRequest, MetadataRequest, clip_retrieval_shape
from wordsight.serve.neighbours.cohere import CohereEmbedAnswer, CohereEmbedRequest, cohere_shape
from wordsight.serve.neighbours.immich import PredictForm, immich_shape
from wordsight.serve.neighbours.openai import (
    OpenAIEmbedAnswer,
    OpenAIEmbedRequest,
    OpenAIModel,
    OpenAIModels,
    openai_shape,
)
from wordsight.serve.neighbours.rerank import RerankAnswer, RerankRequest, rerank_shape
from wordsight.serve.neighbours.voyage import VoyageAnswer, VoyageRequest, voyage_shape
from wordsight.serve.neighbours.weaviate import ClipMeta, VectorizeAnswer, VectorizeRequest, weaviate_shape
from wordsight.serve.route import Route

HERE = "wordsight.serve.neighbours"
_OPENAI: Any = partial(Route, group="OpenAI, infinity, vLLM, Jina", shape=openai_shape)
_COHERE: Any = partial(Route, group="Cohere", shape=cohere_shape, asks=CohereEmbedRequest, answers=CohereEmbedAnswer)
_RERANK: Any = partial(Route, "POST", group="rerank", shape=rerank_shape, asks=RerankRequest, answers=RerankAnswer)
_CLIP_RETRIEVAL: Any = partial(Route, group="clip-retrieval", shape=clip_retrieval_shape)
_IMMICH: Any = partial(Route, group="immich", shape=immich_shape)
_WEAVIATE: Any = partial(Route, group="weaviate", shape=weaviate_shape)

ROUTES: tuple[Route, ...] = (
    *(
        _OPENAI(
            "POST",
            path,
            f"{HERE}.openai:embeddings",
            "Embeddings of texts and images.",
            asks=OpenAIEmbedRequest,
            answers=OpenAIEmbedAnswer,
        )
        for path in ("/v1/embeddings", "/embeddings")
    ),
    _OPENAI(
        "POST",
        "/embeddings_image",
        f"{HERE}.openai:image_embeddings",
        "Embeddings of images, as infinity had them first.",
        asks=OpenAIEmbedRequest,
        answers=OpenAIEmbedAnswer,
    ),
    _OPENAI("GET", "/v1/models", f"{HERE}.openai:models", "The served models.", answers=OpenAIModels),
    _OPENAI("GET", "/models", f"{HERE}.openai:infinity_models", "The same as infinity's.", answers=OpenAIModels),
    *(
        _OPENAI("GET", path, f"{HERE}.openai:model", "One served model.", answers=OpenAIModel)
        for path in ("/v1/models/{id:path}", "/models/{id:path}")
    ),
    *(
        _RERANK(path, f"{HERE}.rerank:rerank", "Texts and images in the order of their nearness to a query.")
        for path in ("/v1/rerank", "/v2/rerank")
    ),
    _RERANK("/rerank", f"{HERE}.rerank:rerank_as_sent", "The same, with documents as they were sent."),
    _COHERE("POST", "/v1/embed", f"{HERE}.cohere:embed_v1", "Embeddings, version 1."),
    _COHERE("POST", "/v2/embed", f"{HERE}.cohere:embed_v2", "Embeddings by type, version 2."),
    Route(
        "POST",
        "/v1/multimodalembeddings",
        f"{HERE}.voyage:embeddings",
        "Embeddings of inputs of texts and images.",
        asks=VoyageRequest,
        answers=VoyageAnswer,
        group="Voyage",
        shape=voyage_shape,
    ),
    _CLIP_RETRIEVAL("GET", "/indices-list", f"{HERE}.clip_retrieval:indices", "Served libraries.", answers=list[str]),
    _CLIP_RETRIEVAL(
        "POST",
        "/knn-service",
        f"{HERE}.clip_retrieval:knn",
        "Images of a library that are nearest to a query.",
        asks=KnnRequest,
        answers=list[dict[str, Any]],
    ),
    _CLIP_RETRIEVAL(
        "POST",
        "/metadata",
        f"{HERE}.clip_retrieval:metadata",
        "What is known of images.",
        asks=MetadataRequest,
        answers=list[dict[str, Any]],
    ),
    _IMMICH("GET", "/ping", f"{HERE}.immich:ping", "The service lives.", scope="open", produces="text/plain"),
    _IMMICH(
        "POST",
        "/predict",
        f"{HERE}.immich:predict",
        "The embedding of an image or a text.",
        asks=PredictForm,
        body="raw",
        consumes="multipart/form-data",
    ),
    _WEAVIATE("GET", "/.well-known/live", f"{HERE}.weaviate:live", "The process lives (204).", scope="open"),
    _WEAVIATE("GET", "/.well-known/ready", f"{HERE}.weaviate:ready", "Models are open (204).", scope="open"),
    _WEAVIATE("GET", "/meta", f"{HERE}.weaviate:meta", "What the model is.", answers=ClipMeta),
    _WEAVIATE(
        "POST",
        "/vectorize",
        f"{HERE}.weaviate:vectorize",
        "Embeddings of texts and images.",
        asks=VectorizeRequest,
        answers=VectorizeAnswer,
    ),
    Route(
        "POST",
        "/post",
        f"{HERE}.clip_as_service:post",
        "Embeddings of documents, or their matches ranked.",
        asks=PostRequest,
        answers=PostAnswer,
        group="clip-as-service",
        shape=clip_as_service_shape,
    ),
)
